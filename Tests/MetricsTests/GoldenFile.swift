// Separate file: several suites share it.

import Foundation
import Testing

/// Reads a file that Tests/Golden/make_metrics.py has written.
func golden<Content: Decodable>(_ name: String, as type: Content.Type = Content.self) throws -> Content {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  return try decoder.decode(
    type, from: Data(contentsOf: folder.appendingPathComponent("Golden/\(name).json")))
}

/// Whether two numbers are equal up to the rounding of a floating-point function.
func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * max(1, abs(b)) }

/// Numbers that are the same in every run (SplitMix64: Steele, Lea, Flood 2014).
struct FixedRandom: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
