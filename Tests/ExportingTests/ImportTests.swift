import Checkpoints
import Configuration
import Foundation
import RunLog
import TestSupport
import Testing

@testable import Datasets
@testable import Exporting
@testable import Inference
@testable import Tasks
@testable import rnn_dist

/// Weights become a run, and weights of a different model are rejected.
@Suite struct ImportTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Exports a case and returns the path of its weights.
  private func export(_ testCase: ExportCase) throws -> String {
    try testCase.model().exported.writePyTorch(to: directory.file("out"))
    return directory.file("out/model.safetensors")
  }

  private func importRun(
    _ path: String, _ configuration: RunConfiguration, renaming: [String] = [],
    vocabularies: String = "out"
  ) throws -> ImportedRun {
    let weights = try ImportedWeights(
      path: path, renaming: renaming.compactMap { ImportedWeights.Renaming($0) })
    return try ImportedRun(weights, configuration, vocabularies: directory.file(vocabularies))
  }

  /// A configuration that is complete except for its data, which is not read.
  private func configuration(_ testCase: ExportCase) throws -> RunConfiguration {
    var configuration = try testCase.configuration
    configuration.data.train = configuration.data.train ?? DataPath(file: "none.txt")
    return configuration
  }

  private static let importable =
    [
      ExportCase(preset: "text"), ExportCase(preset: "tagger"), ExportCase(preset: "speech"),
      ExportCase("gru-before", "text", "model.cell=gru", "model.gru_reset=before"),
      ExportCase("lm-tied", "text", "model.tie_embeddings=true", "model.embedding_size=6"),
    ] + ExportCase.scaled

  @Test(arguments: importable) func whatIsExportedCanBeImported(testCase: ExportCase) throws {
    let path = try export(testCase)
    let run = try importRun(path, configuration(testCase))
    try run.write(to: directory.file("run"), versions: [:], commandLine: ["import"])
    let paths = try RunPaths(existing: directory.file("run"))
    let saved = try SavedModel(
      run: paths,
      configuration: RunConfiguration.resolve(
        layers: [YAMLReader.node(named: paths.configuration)], overrides: [], requiringText: false
      ).configuration)
    let (_, parameters) = try testCase.model()
    #expect(Array(saved.parameters.elements) == Array(parameters.elements))
    #expect(saved.step == 0)
  }

  /// The weights only fit numbers that are scaled as in training.
  @Test func otherScalesAreRefused() throws {
    let testCase = ExportCase(
      "", "japanese-vowels", "model.output=linear", "data.scaling=standard", "evaluation.metric=mse")
    let path = try export(testCase)
    let configuration = try configuration(testCase)
    func refusal(_ path: String, _ change: (inout DataEncoding) -> Void) throws -> String {
      var encoding = ExportCase.encoding(of: configuration)
      change(&encoding)
      try encoding.save(to: directory.path)
      let failure = #expect(throws: ImportFailure.self) {
        _ = try importRun(path, configuration, vocabularies: ".")
      }
      return failure?.description ?? ""
    }
    let absent = try refusal(path) { ($0.sourceScale, $0.targetScale) = (nil, nil) }
    #expect(absent.contains("has source_mean") && absent.contains("set data.scaling=standard"), "\(absent)")
    let other = try refusal(path) {
      $0.targetScale = Standardization(of: [1, 2, 3, 5] as [Float], width: 2, masked: false, .standard)
    }
    #expect(other.contains("target_mean differs") && other.contains("--vocabularies"), "\(other)")

    let (model, _) = try testCase.model()
    var weights = model.weights
    weights["target_mean"] = nil
    try weights.write(to: directory.file("some.safetensors"), metadata: [:])
    let incomplete = try refusal(directory.file("some.safetensors")) { _ in }
    #expect(incomplete.contains("no target_mean"), "\(incomplete)")
    // Weights of another program have no scales.
    for name in ExportedModel.possibleScaleNames { weights[name] = nil }
    try weights.write(to: directory.file("bare.safetensors"), metadata: [:])
    _ = try importRun(directory.file("bare.safetensors"), configuration)
  }

  @Test func aForgetBiasThatIsFoldedInIsNotAddedAgain() throws {
    let testCase = ExportCase("", "text", "model.forget_bias=1")
    let path = try export(testCase)
    let failure = #expect(throws: ImportFailure.self) { _ = try importRun(path, configuration(testCase)) }
    #expect(failure?.description.contains("set model.forget_bias=0") == true, "\(failure as Any)")
    _ = try importRun(path, configuration(ExportCase("", "text")))
  }

  /// With another task all keys may differ. Changing them one by one would not help.
  @Test func theTaskIsComparedFirst() throws {
    let path = try export(ExportCase(preset: "tagger"))
    let failure = #expect(throws: ImportFailure.self) {
      _ = try importRun(path, configuration(ExportCase(preset: "speech")))
    }
    #expect(failure?.description.contains("records task tagger") == true, "\(failure as Any)")
  }

  /// The same weights without metadata, like those of torch.save_file.
  private func bare(_ testCase: ExportCase, _ rename: (String) -> String = { $0 }) throws -> String {
    let (model, _) = try testCase.model()
    try model.writePyTorch(to: directory.file("out"))
    var weights = ExportedWeights()
    for name in model.weights.names { weights[rename(name)] = model.weights[name] }
    try weights.write(to: directory.file("bare.safetensors"), metadata: ["format": "pt"])
    return directory.file("bare.safetensors")
  }

  @Test(arguments: ["model.forget_bias=1", "model.cell_clip=3", "model.zoneout=0.1"])
  func constantsThatNoModuleOfPyTorchHasAreRefused(setting: String) throws {
    let path = try bare(ExportCase("", "text"))
    let changed = try configuration(ExportCase("", "text", setting))
    let failure = #expect(throws: ImportFailure.self) { _ = try importRun(path, changed) }
    let key = String(setting.prefix { $0 != "=" })
    #expect(
      failure?.description.contains("does not say that its model has \(key)") == true, "\(failure as Any)")
  }

  @Test func aResetGateBeforeTheProductIsRefused() throws {
    let path = try bare(ExportCase("", "text", "model.cell=gru"))
    let before = try configuration(ExportCase("", "text", "model.cell=gru", "model.gru_reset=before"))
    #expect(throws: ImportFailure.self) { _ = try importRun(path, before) }
    let run = try importRun(path, configuration(ExportCase("", "text", "model.cell=gru")))
    #expect(run.notes.contains { $0.contains("model.activation=tanh") }, "\(run.notes)")
  }

  @Test func otherNamesAreSuggested() throws {
    let path = try bare(ExportCase("", "text")) {
      $0.replacing("rnn.", with: "lstm.").replacing("output.", with: "fc.")
    }
    let configuration = try configuration(ExportCase("", "text"))
    let failure = #expect(throws: ImportFailure.self) { _ = try importRun(path, configuration) }
    let text = failure?.description ?? ""
    #expect(text.contains("--rename fc=output --rename lstm=rnn"), "\(text)")
    #expect(text.contains("there is no rnn.weight_ih_l0"), "\(text)")
    _ = try importRun(path, configuration, renaming: ["lstm=rnn", "fc=output"])
  }

  @Test func absentBiasesAreZero() throws {
    let (model, _) = try ExportCase("", "text").model()
    try model.writePyTorch(to: directory.file("out"))
    var weights = model.weights
    weights["rnn.bias_hh_l0"] = nil
    try weights.write(to: directory.file("bare.safetensors"), metadata: [:])
    let run = try importRun(directory.file("bare.safetensors"), configuration(ExportCase("", "text")))
    #expect(run.notes.contains { $0.contains("set to zero: rnn.bias_hh_l0") }, "\(run.notes)")
  }

  @Test func aChangedConfigurationOfARunIsNoticed() throws {
    let testCase = ExportCase("", "text")
    let path = try export(testCase)
    try importRun(path, configuration(testCase)).write(
      to: directory.file("run"), versions: [:], commandLine: [])
    var changed = try configuration(testCase)
    changed.model.network.cell.forgetBias = 1
    let paths = try RunPaths(existing: directory.file("run"))
    let failure = #expect(throws: TrainingFailure.self) {
      _ = try SavedModel(run: paths, configuration: changed)
    }
    #expect(failure.map { "\($0)".contains("trained with model.forget_bias 0") } == true, "\(failure as Any)")
  }
}
