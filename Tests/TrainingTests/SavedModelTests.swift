import Communication
import Datasets
import Foundation
import NumericKernels
import RecurrentNN
import RunLog
import TestSupport
import Testing

@testable import Tasks
@testable import Inference

@Suite("A loaded model equals the saved one")
struct SavedModelTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func train(_ configuration: RunConfiguration) throws -> RunPaths {
    let path = directory.file(UUID().uuidString)
    try Job(configuration, directory: path).run()
    return try RunPaths(existing: path)
  }

  private func sequences(_ run: RunPaths, _ configuration: RunConfiguration) throws -> SavedModel {
    try SavedModel(run: run, configuration: configuration, choice: .last)
  }

  /// Loads settings that describe a smaller model than the one that was saved.
  private func expectUnfitting(_ name: String, _ load: () throws -> Void) {
    let error = #expect(throws: TrainingFailure.self) { try load() }
    guard case .unfittingCheckpoint(let path, let problem) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(path.contains("model.safetensors") && problem.contains(name))
    #expect(error?.exitCode == ExitCode.badData)
  }

  @Test("Weights of layers that the settings do not have are refused")
  func moreLayers() throws {
    let text = try directory.write(sampleText(characters: 400), to: "text.txt")
    let two = RunConfiguration.small(text) { $0.model.network.layers = 2 }
    let run = try train(two)
    _ = try SavedModel(run: run, configuration: two)
    var one = two
    one.model.network.layers = 1
    expectUnfitting("rnn.weight_ih_l1") { _ = try SavedModel(run: run, configuration: one) }
    for test in [LearnerCase.classifier, .seq2seq] {
      var configuration = try test.configuration(in: directory)
      let run = try train(configuration)
      _ = try sequences(run, configuration)
      configuration.model.network.layers = 1
      expectUnfitting("_l1") { _ = try sequences(run, configuration) }
    }
  }

  @Test("A tied weight has two names, and both are accepted")
  func tied() throws {
    let text = try directory.write(sampleText(characters: 400), to: "text.txt")
    let configuration = RunConfiguration.small(text) {
      $0.model.embeddingSize = 8
      $0.model.tieEmbeddings = true
    }
    _ = try SavedModel(run: train(configuration), configuration: configuration)
  }

  // MARK: Ensembles

  private func seq2seq(_ change: (inout RunConfiguration) -> Void = { _ in }) throws -> RunConfiguration {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.training.learningRate = 0.05
    change(&configuration)
    return configuration
  }

  private func refusal(_ first: RunConfiguration, _ second: RunConfiguration) throws -> String {
    let saved = try sequences(train(first), first)
    let other = try sequences(train(second), second)
    let error = #expect(throws: TrainingFailure.self) { try saved.join(other, path: "other") }
    #expect(error?.exitCode == ExitCode.badData)
    return error.map { "\($0)" } ?? ""
  }

  @Test("An ensemble member that reads other sources, or in the other direction, is refused")
  func unlikeMembers() throws {
    // The second source consists of words of the first, so the vocabularies are equal.
    let one = try seq2seq()
    let file = try #require(one.data.train?.file)
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    let twice = lines.map { "\($0)\t\($0.prefix { $0 != "\t" })\n" }.joined()
    let two = try seq2seq {
      $0.data.train = DataPath(file: (try? directory.write(twice, to: "twice.tsv")) ?? "")
      $0.data.valid = nil
      $0.data.validFraction = 0
      $0.evaluation.metric = .loss
    }
    let alone = try seq2seq {
      $0.data.valid = nil
      $0.data.validFraction = 0
      $0.evaluation.metric = .loss
    }
    #expect(try refusal(alone, two).contains("sources"))
    #expect(try refusal(two, alone).contains("sources"))
    #expect(try refusal(alone, seq2seq { $0.data.reverseSource = true }).contains("data.reverse_source"))
    #expect(
      try refusal(alone, LearnerCase.classifier.configuration(in: directory)).contains(
        "encoder-decoders"))
  }

  @Test("Two models use the mean of their probabilities, in any order")
  func differentModels() throws {
    let settings = [try seq2seq(), try seq2seq { $0.seed = 99 }]
    let runs = try settings.map(train)
    func outputs(_ members: [Int]) throws -> [Prediction] {
      let models = try members.map { try sequences(runs[$0], settings[$0]) }
      for (number, other) in models.dropFirst().enumerated() { try models[0].join(other, path: "\(number)") }
      let predictor = try models[0].predictor(PredictionOptions(count: 3))
      for (number, line) in ["ax aby abcz", "abz", "ax ax aby"].enumerated() {
        try predictor.add(Array(line.utf8), number: number + 1)
      }
      return try predictor.run()
    }
    func scores(_ outputs: [Prediction]) -> [Double] { outputs.flatMap(\.scores) }
    let (first, second) = (try outputs([0]), try outputs([1]))
    let (both, turned) = (try outputs([0, 1]), try outputs([1, 0]))
    #expect(both.map(\.lines) == turned.map(\.lines))
    #expect(relativeDifference(scores(both), scores(turned)) < 1e-5)
    #expect(relativeDifference(scores(both), scores(first)) > 1e-3)
    #expect(relativeDifference(scores(both), scores(second)) > 1e-3)
    #expect(relativeDifference(scores(try outputs([0, 0])), scores(first)) < 1e-5)
  }

  // MARK: Precision

  @Test("The copy of a bf16 model multiplies in bf16, too")
  func precisionOfMembers() throws {
    let configuration = try seq2seq { $0.training.precision = .bf16 }
    let run = try train(configuration)
    func scores(_ count: Int) throws -> [Double] {
      let saved = try sequences(run, configuration)
      for _ in 1..<count { try saved.join(try sequences(run, configuration), path: "twin") }
      let predictor = try saved.predictor(PredictionOptions(count: 3))
      try predictor.add(Array("ax aby abcz".utf8), number: 1)
      return try predictor.run().flatMap(\.scores)
    }
    #expect(relativeDifference(try scores(2), try scores(1)) < 1e-6)
  }

  @Test(
    "A generator writes in its training precision",
    arguments: [
      ProductPrecision.fp32, .bf16,
    ])
  func precisionOfWriters(_ precision: ProductPrecision) throws {
    var configuration = try LearnerCase.generator.configuration(in: directory)
    configuration.training.precision = precision
    configuration.model.network.hiddenSize = 32
    let saved = try sequences(train(configuration), configuration)
    var request = SavedModel.WritingRequest(TextSampling(SamplingOptions(), seed: 3))
    (request.condition, request.count, request.maximumLength) = ("1", 500, 20)
    let written = try saved.texts(request)
    #expect(try written == byHand(saved, precision))
    #expect(try written != byHand(saved, precision == .fp32 ? .bf16 : .fp32))
  }

  /// The same samples with a workspace of this precision.
  private func byHand(_ saved: SavedModel, _ precision: ProductPrecision) throws -> [[UInt8]] {
    let learner = try #require(saved.learner as? GeneratorLearner)
    let target = try #require(saved.encoding.target)
    let id = try #require(saved.encoding.labels?.names.firstIndex(of: "1"))
    let begin = Int32(learner.model.shape.decoder.beginToken)
    return [Int32(id)].withUnsafeBufferPointer { ids in
      guard let base = ids.baseAddress else { return [] }
      let workspace = Workspace<Float>(precision: precision)
      let decoder = learner.model.decoder(
        for: .classes(base), count: 1,
        LayerContext(parameters: saved.parameters, workspace: workspace))
      return sampleSequences(
        decoder, startTokens: [begin], textsPerSequence: 500, options: SamplingOptions(),
        constraints: TokenConstraints(
          endToken: target.endOfSentence, length: LengthBounds(maximum: 20),
          excludedTokens: [begin] + (target.unknown.map { [$0] } ?? [])),
        seed: 3)[0].map { target.decode($0.tokens) }
    }
  }
}
