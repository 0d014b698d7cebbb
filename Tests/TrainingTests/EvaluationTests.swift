import Communication
import Datasets
import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import RunLog
import TestSupport
import Testing
@testable import Inference
@testable import Tasks

@Suite("Every token of held-out text is scored once")
struct EvaluationTests {
  let directory: TemporaryDirectory
  let run: String
  let configuration: RunConfiguration

  init() throws {
    directory = try TemporaryDirectory()
    let text = try directory.write(sampleText(characters: 400), to: "text.txt")
    configuration = .small(text) {
      $0.model.network.layers = 2
      $0.model.network.dropout = 0.5  // must play no part
      $0.training.steps = 15
      $0.training.learningRate = 0.05
    }
    run = directory.file("run")
    try Job(configuration, directory: run).run()
  }

  private func saved(streams: Int = 3) throws -> SavedModel {
    var configuration = configuration
    configuration.evaluation.batchSize = streams
    return try SavedModel(run: RunPaths(existing: run), configuration: configuration, choice: .last)
  }

  /// The score of a text that each of several ranks gets.
  private func score(_ text: String, streams: Int, ranks: Int) throws -> [LossSum] {
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let model = try saved(streams: streams)
      let path = try directory.write(text, to: "text-\(communicator.rank)")
      return try model.score(model.data(file: path), communicator: communicator).loss
    }
  }

  /// Runs the model token by token, with a softmax in double precision.
  private func lossByHand(_ text: String, streams: Int) throws -> Double {
    let saved = try saved()
    let (model, vocabulary) = try withLearner(saved)
    let tokens = try TokenStream(reading: .memory(Array(text.utf8), name: "a test"), vocabulary: vocabulary)
    let context = LayerContext(parameters: saved.parameters, workspace: Workspace<Float>())
    let logits = AlignedBuffer<Float>(count: vocabulary.count)
    let output = MatrixView(logits.base, rows: 1, columns: logits.count)
    var total = 0.0
    let batches = StreamBatches(evaluating: tokens, mostStreams: streams, steps: tokens.count)
    for stream in 0..<batches.streams {
      let batch = try #require(batches.batch(0, shard: stream, of: batches.streams))
      var inputs = [Int32](repeating: 0, count: batch.tokenCount)
      var targets = inputs
      inputs.withUnsafeMutableBufferPointer { inputs in
        targets.withUnsafeMutableBufferPointer { batch.fill(inputs: inputs, targets: $0) }
      }
      let state = model.stateParts.map { AlignedBuffer<Float>(count: $0) }
      let views = state.map { MatrixView($0.base, rows: 1, columns: $0.count) }
      for (input, target) in zip(inputs, targets) {
        [input].withUnsafeBufferPointer {
          model.step($0, state: views, logits: output, context)
        }
        let sum = logits.elements.reduce(0) { $0 + exp(Double($1)) }
        total += log(sum) - Double(logits.elements[Int(target)])
      }
    }
    return total
  }

  private func withLearner(_ saved: SavedModel) throws -> (LanguageModel<Float>, Vocabulary) {
    let learner = try #require(saved.learner as? LanguageModelLearner)
    return (learner.model, learner.vocabulary)
  }

  @Test(
    "The loss covers all tokens except the first, on any number of ranks",
    arguments: [1, 3, 500], [1, 2, 3, 4])
  func everyTokenOnce(streams: Int, ranks: Int) throws {
    let text = sampleText(characters: 2600, seed: 5)
    let expected = try lossByHand(text, streams: streams)
    for loss in try score(text, streams: streams, ranks: ranks) {
      #expect(loss.tokens == 2599)
      #expect(abs(loss.total - expected) < 1e-4 * expected)
    }
  }

  @Test("Fewer streams lose less context")
  func context() throws {
    let text = sampleText(characters: 4000, seed: 5)
    let losses = try [1, 2, 3].map { try score(text, streams: $0, ranks: 1)[0].total }
    #expect(Set(losses).count == 3, "the state must be carried for these to differ")
    // A text of one stream has one loss; the loss of a long text depends little on the streams.
    #expect(
      try score(String(text.prefix(1900)), streams: 32, ranks: 1)[0].total
        == score(String(text.prefix(1900)), streams: 1, ranks: 1)[0].total)
    #expect(abs(losses[2] - losses[0]) / 3999 < 0.005)
  }

  @Test("Texts of few tokens", arguments: [(2, 1), (2, 4), (3, 3)])
  func shortTexts(characters: Int, ranks: Int) throws {
    for loss in try score(sampleText(characters: characters), streams: 8, ranks: ranks) {
      #expect(loss.tokens == characters - 1)
      #expect(loss.total.isFinite)
    }
  }

  @Test("Scoring the validation text agrees with the run's report", arguments: [1, 3])
  func sameAsInTraining(ranks: Int) throws {
    let reported = try metrics(of: run).last { $0["event"] as? String == "valid" }
    let losses = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let model = try saved()
      let valid = try #require(try model.data(.valid))
      return try model.score(valid, communicator: communicator).loss
    }
    let expected = try #require(reported?["loss"] as? Double)
    for loss in losses {
      #expect(loss.tokens == reported?["tokens"] as? Int)
      #expect(abs(loss.mean - expected) < 1e-6)
    }
  }
}
