// Separate file: launch/test --interop runs this suite by its name.

import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import Exporting

/// Writes every model in every format that Python reads, together with the program's outputs.
///
/// `launch/test --interop` names a folder in RNN_DIST_EXPORTS and lets Tests/Interop/check_exports.py compare these files
/// with PyTorch, ONNX Runtime and NumPy.
@Suite struct InteropTests {
  @Test func everyModelIsWrittenWithTheOutputsOfTheProgram() throws {
    let temporary = try TemporaryDirectory()
    let folder = ProcessInfo.processInfo.environment["RNN_DIST_EXPORTS"] ?? temporary.path
    for testCase in ExportCase.all {
      let path = "\(folder)/\(testCase.name)"
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      let (model, parameters) = try testCase.model()
      try model.writePyTorch(to: "\(path)/pytorch")
      try model.writeONNX(to: "\(path)/onnx")
      try model.writeNumPy(to: "\(path)/weights.npz", kerasOrder: false)
      // Some cells Keras does not have.
      if (try? model.kerasWeights()) != nil {
        try model.writeNumPy(to: "\(path)/keras.npz", kerasOrder: true)
      }
      try ReferenceOutputs(model, parameters).write(to: "\(path)/expected.safetensors")
      let expected = try SafetensorsFile(path: "\(path)/expected.safetensors")
      #expect(try expected.verifyDigest())
      for name in expected.names where expected.tensors[name]?.dtype == .float32 {
        let mayMiss = model.readsMissing && ["x", "features", "source"].contains(name)
        #expect(
          try expected.readDoubles(name).allSatisfy { $0.isFinite || mayMiss && $0.isNaN },
          "\(testCase.name): \(name)")
      }
    }
  }
}
