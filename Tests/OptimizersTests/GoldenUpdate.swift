import Foundation
import Optimizers
import Testing

/// An entry of optimizers.json, which Tests/Golden/make_optimizers.py has written: parameters and moments after twelve
/// updates by torch.optim. The inputs are the functions below.
struct GoldenUpdate: Decodable, Sendable, CustomStringConvertible {
  private let kind: String
  private let weightDecay: Double
  /// The parameters in double and in single precision.
  let double: [Double]
  let single: [Double]
  let moments: [[Double]]

  var description: String { "\(kind) with weight decay \(weightDecay)" }

  func settings() throws -> OptimizerSettings {
    OptimizerSettings(kind: try #require(OptimizerSettings.Kind(rawValue: kind)), weightDecay: weightDecay)
  }

  static func all() throws -> [GoldenUpdate] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.appendingPathComponent("Golden/optimizers.json")
    return try JSONDecoder().decode([GoldenUpdate].self, from: Data(contentsOf: file))
  }

  static let (count, steps, gradientScale) = (5, 12, 0.5)

  static func parameter(_ i: Int) -> Double { Double((i * 37) % 101 - 50) / 64 }
  static func gradient(_ i: Int, step: Int) -> Double { Double((i * 29 + step * 53) % 97 - 48) / 32 }
  static func learningRate(step: Int) -> Double { 0.02 / Double(1 + step) }
}
