/// The header of a safetensors file: the JSON between the length at the start of the file and the data.
///
/// The rules are those of the reference reader, and in addition no key may occur twice.
struct SafetensorsHeader: Sendable {
  /// The size in bytes of the largest header that readers accept.
  static let maximumLength = 100_000_000

  /// The tensors in the order of their data.
  let tensors: [TensorInfo]
  /// The metadata of the file.
  let metadata: [String: String]

  /// A broken rule of the format.
  private struct Violation: Error {
    let problem: String

    init(_ problem: String) { self.problem = problem }

    init(tensor: String, _ problem: String) { self.problem = "tensor \"\(tensor)\" \(problem)" }

    init(tensor: String, field: String, _ problem: String) {
      self.init(tensor: tensor, "has an invalid field \"\(field)\": \(problem)")
    }
  }

  /// Reads and checks a header.
  ///
  /// - Parameters:
  ///   - json: the bytes of the header, with padding but without the length before them.
  ///   - dataBytes: the size of the data after the header.
  ///   - path: the file, for errors.
  /// - Throws: `SafetensorsFailure`.
  init(parsing json: UnsafeRawBufferPointer, dataBytes: Int, path: String) throws {
    do {
      (tensors, metadata) = try Self.parse(json)
      try Self.check(tensors, dataBytes: dataBytes)
    } catch let violation as Violation {
      throw SafetensorsFailure(path: path, problem: violation.problem)
    } catch let problem as JSONProblem {
      throw SafetensorsFailure(
        path: path, problem: "byte \(problem.offset) of the header: \(problem.explanation)")
    }
  }

  // MARK: - Reading

  private static func parse(
    _ bytes: UnsafeRawBufferPointer
  ) throws -> (tensors: [TensorInfo], metadata: [String: String]) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw JSONProblem(offset: 0, explanation: "expected '{' as the first character")
    }
    var json = StrictJSON(bytes)
    var tensors: [TensorInfo] = []
    var metadata: [String: String] = [:]
    try json.object { json, key in
      if key == "__metadata__" {
        metadata = try parseMetadata(&json)
      } else {
        tensors.append(try parseTensor(&json, name: key))
      }
    }
    try json.end()
    // An empty tensor starts at the same position as the next one and must come before it.
    tensors.sort {
      ($0.dataOffsets.lowerBound, $0.dataOffsets.upperBound)
        < ($1.dataOffsets.lowerBound, $1.dataOffsets.upperBound)
    }
    return (tensors, metadata)
  }

  private static func parseMetadata(_ json: inout StrictJSON) throws -> [String: String] {
    var metadata: [String: String] = [:]
    let rule = "__metadata__ must be an object of strings"
    guard json.isNext("{") else { throw JSONProblem(offset: json.offset, explanation: rule) }
    try json.object { json, key in
      guard json.isNext("\"") else { throw JSONProblem(offset: json.offset, explanation: rule) }
      metadata[key] = try json.string()
    }
    return metadata
  }

  private static func parseTensor(_ json: inout StrictJSON, name: String) throws -> TensorInfo {
    var dtype: TensorType?
    var shape: [Int]?
    var offsets: [Int]?
    guard json.isNext("{") else { throw Violation(tensor: name, "isn't described by an object") }
    try json.object { json, field in
      switch field {
      case "dtype":
        let type = try json.string()
        dtype = TensorType(rawValue: type)
        if dtype == nil { throw Violation(tensor: name, "has the unsupported dtype \"\(type)\"") }
      case "shape":
        shape = try counts(&json, of: name, "shape")
      case "data_offsets":
        offsets = try counts(&json, of: name, "data_offsets")
      default: throw Violation(tensor: name, "has an unknown field \"\(field)\"")
      }
    }
    guard let dtype else { throw Violation(tensor: name, "has no field \"dtype\"") }
    guard let shape else { throw Violation(tensor: name, "has no field \"shape\"") }
    guard let offsets else { throw Violation(tensor: name, "has no field \"data_offsets\"") }
    guard offsets.count == 2 else {
      throw Violation(tensor: name, field: "data_offsets", "expected 2 numbers, found \(offsets.count)")
    }
    guard offsets[0] <= offsets[1] else {
      throw Violation(
        tensor: name, field: "data_offsets", "it begins at \(offsets[0]) and ends at \(offsets[1])")
    }
    return TensorInfo(name: name, dtype: dtype, shape: shape, dataOffsets: offsets[0]..<offsets[1])
  }

  private static func counts(_ json: inout StrictJSON, of tensor: String, _ field: String) throws -> [Int] {
    var counts: [Int] = []
    do {
      try json.array { counts.append(try $0.count()) }
    } catch let problem as JSONProblem {
      throw Violation(tensor: tensor, field: field, problem.explanation)
    }
    return counts
  }

  /// Checks that the tensors fill the data without gaps and overlaps, each with the bytes that its shape requires.
  private static func check(_ tensors: [TensorInfo], dataBytes: Int) throws {
    var end = 0
    for tensor in tensors {
      let range = tensor.dataOffsets
      guard range.lowerBound == end else {
        throw Violation(tensor: tensor.name, "begins at \(range.lowerBound) instead of \(end)")
      }
      var shapeBytes = tensor.dtype.byteCount
      for size in tensor.shape {
        let (product, overflow) = shapeBytes.multipliedReportingOverflow(by: size)
        if overflow { throw Violation(tensor: tensor.name, "of shape \(tensor.shape) is too large") }
        shapeBytes = product
      }
      guard shapeBytes == range.count else {
        throw Violation(
          tensor: tensor.name, "has \(range.count) bytes, but its shape and dtype require \(shapeBytes)")
      }
      end = range.upperBound
    }
    guard dataBytes == end else {
      let verdict = dataBytes < end ? "truncated" : "too long"
      throw Violation("\(verdict): the header describes \(end) bytes of data, the file has \(dataBytes)")
    }
  }

  // MARK: - Writing

  /// Returns the beginning of a file: the length of the header and the header, padded with spaces to a multiple of 8.
  static func encode(_ tensors: [TensorToWrite], metadata: [String: String]) -> [UInt8] {
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quotedJSON($0.key)):\(quotedJSON($0.value))" }
    var json = "{\"__metadata__\":{\(pairs.joined(separator: ","))}"
    var offset = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = offset + tensor.bytes.count
      json += ",\(quotedJSON(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
      json += "\"data_offsets\":[\(offset),\(end)]}"
      offset = end
    }
    json += "}"
    json += String(repeating: " ", count: (8 - json.utf8.count % 8) % 8)
    let length = UInt64(json.utf8.count)
    precondition(
      length <= maximumLength, "the header has \(length) bytes, at most \(maximumLength) are allowed")
    return withUnsafeBytes(of: length.littleEndian, Array.init) + json.utf8
  }
}

/// A safetensors file breaks a rule of the format, or doesn't hold a requested tensor.
public struct SafetensorsFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// The broken rule, with the tensor or the position.
  public let problem: String

  /// The exit code for bad data.
  public var exitCode: Int32 { 65 }

  public var description: String { "\(path): \(problem); use another copy of this file" }
}
