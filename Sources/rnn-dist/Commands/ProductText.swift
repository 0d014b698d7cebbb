import Foundation
import NumericKernels
import RunLog
import Training

/// A measured product, for people and for programs.
enum ProductText {
  /// The heading of ``line(_:)``.
  static let heading = "form                rows columns   depth   kernels, µs  OpenBLAS, µs  chosen"

  static func line(_ measurement: ProductMeasurement) -> String {
    let shape = measurement.shape
    let form = shape.form.rawValue.padding(toLength: 18, withPad: " ", startingAt: 0)
    return form
      + String(
        format: "%6d %7d %7d %13.1f %13.1f  %@", shape.rows, shape.columns, shape.depth, measurement.kernels,
        measurement.blas, measurement.backend.rawValue)
  }

  static func json(_ measurement: ProductMeasurement) -> JSONValue {
    let times = [
      JSONMember("kernels_us", .double(measurement.kernels)),
      JSONMember("blas_us", .double(measurement.blas)),
    ]
    return .object(members(measurement.shape, measurement.backend) + times)
  }

  static func json(_ choice: ProductChoice) -> JSONValue { .object(members(choice.shape, choice.backend)) }

  private static func members(_ shape: ProductShape, _ backend: ProductBackend) -> [JSONMember] {
    [
      JSONMember("form", .string(shape.form.rawValue)), JSONMember("rows", .integer(shape.rows)),
      JSONMember("columns", .integer(shape.columns)), JSONMember("depth", .integer(shape.depth)),
      JSONMember("chosen", .string(backend.rawValue)),
    ]
  }
}
