import Checkpoints
import Configuration
import Foundation
import TestSupport
import Testing

@testable import Exporting

@Suite struct PyTorchTests {
  /// Readable means: a screen or two. A pyramid and a second source take a few lines more.
  @Test(arguments: Presets.names) func presetsHaveShortModules(preset: String) throws {
    let (model, _) = try ExportCase(preset: preset).model()
    let source = PyTorchModel(model: model).source
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false).count - 1
    #expect(
      (30...(["speech", "reading"].contains(preset) ? 92 : 82)).contains(lines), "\(lines) lines:\n\(source)")
    #expect(source.split(separator: "\n").allSatisfy { $0.count <= 120 }, "\(source)")
  }

  @Test(arguments: ExportCase.all) func modulesAndWeightsHaveTheSameNames(testCase: ExportCase) throws {
    let (model, _) = try testCase.model()
    let torch = PyTorchModel(model: model)
    let source = torch.source
    for name in torch.weights.names {
      // The module of a weight is assigned, or a generated stack takes all weights with its prefix.
      let parts = name.split(separator: ".")
      let modules = (1...parts.count).map { "self." + parts.prefix($0).joined(separator: ".") + " = " }
      #expect(modules.contains(where: source.contains), "\(name) in\n\(source)")
    }
  }

  @Test func aForgetBiasIsPartOfTheWeights() throws {
    let (folded, parameters) = try ExportCase("", "text", "model.forget_bias=1").model()
    let bias = try #require(folded.weights["rnn.bias_ih_l0"])
    let own = try #require(parameters.layout["rnn.bias_ih_l0"])
    let difference = zip(bias.values, parameters.elements(own)).map { $0 - $1 }
    let units = bias.values.count / 4
    for (index, value) in difference.enumerated() {
      #expect(abs(value - ((units..<2 * units).contains(index) ? 1 : 0)) < 1e-6)
    }
    #expect(folded.metadata["model.forget_bias"] == "0.0")
  }

  @Test func aDirectoryIsNeverOverwritten() throws {
    let directory = try TemporaryDirectory()
    let (model, _) = try ExportCase(preset: "text").model()
    try model.writePyTorch(to: directory.file("new"))
    let file = try SafetensorsFile(path: directory.file("new/model.safetensors"))
    #expect(try file.verifyDigest())
    #expect(file.metadata["model.cell"] == "lstm" && file.metadata["task"] == "language-model")
    #expect(throws: ExportFailure.self) { try model.writePyTorch(to: directory.file("new")) }
  }
}

@Suite struct KerasOrderTests {
  @Test func gatesOfAGRUAreInTheirOrder() throws {
    let (model, _) = try ExportCase("", "text", "model.cell=gru").model()
    let keras = try model.kerasWeights()
    let torch = try #require(model.weights["rnn.weight_hh_l0"])
    let kernel = try #require(keras["rnn.l0.recurrent_kernel"])
    let units = torch.shape[1]
    #expect(kernel.shape == [units, 3 * units])
    // Column 0 of z, which comes first, is row 0 of the second gate of torch.
    for row in 0..<units {
      #expect(kernel.values[row * 3 * units] == torch.values[units * units + row])
      #expect(kernel.values[row * 3 * units + units] == torch.values[row])
    }
    #expect(try #require(keras["rnn.l0.bias"]).shape == [2, 3 * units])
    #expect(keras["output.kernel"]?.shape == model.weights["output.weight"]?.shape.reversed())
  }

  @Test func cellsThatKerasDoesNotHaveAreRefused() throws {
    let (model, _) = try ExportCase("", "text", "model.peepholes=true").model()
    #expect(throws: ExportFailure.self) { _ = try model.kerasWeights() }
  }
}
