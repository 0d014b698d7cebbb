import Checkpoints
import Foundation
import TestSupport
import Testing

extension TemporaryDirectory {
  /// Every entry, including hidden ones.
  func names(in name: String = ".") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: file(name)).sorted()
  }
}

func contents(_ path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// Returns the bytes of a safetensors file with any header, valid or not.
func safetensorsBytes(header: String, data: Int = 0, length: UInt64? = nil) -> [UInt8] {
  let header = Array(header.utf8)
  let length = length ?? UInt64(header.count)
  return withUnsafeBytes(of: length.littleEndian, Array.init) + header
    + (0..<data).map { UInt8(truncatingIfNeeded: $0) }
}

extension SafetensorsFile {
  func readFloats(_ name: String) throws -> [Float] { try readDoubles(name).map(Float.init) }
}

/// Tensors with their elements.
struct Tensors: Sendable {
  var list: [(name: String, shape: [Int], values: [Float])]

  /// Creates two tensors whose values depend on `seed`.
  init(seed: Float) {
    list = [
      ("rnn.weight_ih_l0", [2, 3], (0..<6).map { seed + Float($0) / 8 }),
      ("rnn.bias_ih_l0", [3], [seed, -seed, .infinity]),
    ]
  }

  @discardableResult func withTensors<Result>(_ body: ([TensorToWrite]) throws -> Result) rethrows -> Result {
    let buffers = list.map { tensor in
      let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: tensor.values.count)
      _ = buffer.initialize(from: tensor.values)
      return buffer
    }
    defer { for buffer in buffers { buffer.deallocate() } }
    return try body(
      zip(list, buffers).map {
        TensorToWrite(name: $0.name, shape: $0.shape, floats: UnsafeBufferPointer($1))
      })
  }
}

/// Ends a save like the death of the process: an unknown error, after which no call succeeds.
struct Death: Error, Equatable {}

/// Records system calls, and makes a chosen one fail or be the last.
final class FaultySystem: @unchecked Sendable {
  enum Fault {
    case none
    case failure(Int32)
    case death
  }

  private(set) var calls: [FileOperation] = []
  private let failingCall: Int
  private let fault: Fault

  init(at failingCall: Int = .max, _ fault: Fault = .none) {
    self.failingCall = failingCall
    self.fault = fault
  }

  var operations: FileSystemOperations {
    FileSystemOperations { [self] operation, _ in
      let call = calls.count
      calls.append(operation)
      switch fault {
      case .none: break
      case .failure(let number): if call == failingCall { throw SystemCallError(number: number) }
      case .death: if call >= failingCall { throw Death() }
      }
    }
  }
}
