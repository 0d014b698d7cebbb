import Communication
import Datasets
import Foundation
import RunLog
import TestSupport
import Testing

@testable import Inference
@testable import Tasks

@Suite("Tasks on sequences")
struct SequenceTaskTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func train(_ configuration: RunConfiguration, ranks: Int) throws -> (
    recorder: Recorder, run: String
  ) {
    try directory.train(configuration, ranks: ranks)
  }

  /// There are more batches than a window holds; otherwise sorting would have no effect.
  @Test("Sequences of similar length are batched together", arguments: LearnerCase.sequences)
  func bucketing(_ test: LearnerCase) throws {
    var configuration = try test.configuration(in: directory)
    #expect(configuration.training.bucketing)
    let sorted = try train(configuration, ranks: 1).recorder.losses
    configuration.training.bucketing = false
    #expect(try train(configuration, ranks: 1).recorder.losses != sorted)
  }

  /// Both ids and characters are the same as for a file with reversed sources.
  @Test("Sources that are read backwards, with the characters of their words")
  func backwards() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.data.reverseSource = true
    let turned = try train(configuration, ranks: 1).recorder.losses
    configuration.data.reverseSource = false
    let lines = LearnerCase.seq2seq.data(0).split(separator: "\n").map { line in
      let sides = line.split(separator: "\t")
      return "\(sides[0].split(separator: " ").reversed().joined(separator: " "))\t\(sides[1])\n"
    }
    configuration.data.train = DataPath(file: try directory.write(lines.joined(), to: "turned"))
    #expect(try train(configuration, ranks: 1).recorder.losses == turned)
  }

  @Test("A state of a pyramid covers several steps in a picture of attention")
  func pyramid() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.model.network.layers = 1
    configuration.model.decoderLayers = 2
    configuration.model.pyramid = 1
    configuration.decoding.minLength = 1
    let run = try train(configuration, ranks: 2).run
    let saved = try SavedModel(run: RunPaths(existing: run), configuration: configuration)
    let predictor = try saved.predictor(PredictionOptions(keepsAttention: true))
    try predictor.add(Array("ax aby abcz".utf8), number: 1)
    let matrix = try #require(try predictor.run().first?.attention.first)
    #expect(matrix.sourceLabels == ["ax aby", "abcz"])
    #expect(matrix.weights.allSatisfy { $0.count == 2 })
  }

  @Test(
    "An ensemble scores like one model, on any number of ranks; a generator can't be a member")
  func ensembles() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    // Trains long enough for the outputs to differ.
    configuration.training.learningRate = 0.05
    configuration.training.steps = 60
    var other = configuration
    other.seed = 99
    let settings = [configuration, other]
    let runs = try settings.map { try RunPaths(existing: train($0, ranks: 1).run) }
    func score(_ members: [Int], ranks: Int = 1) throws -> EvaluationResult {
      try InProcessCommunicator.run(ranks: ranks) { communicator in
        let models = try members.map { try SavedModel(run: runs[$0], configuration: settings[$0]) }
        for member in models.dropFirst() { try models[0].join(member, path: "member") }
        let data = try #require(try models[0].data(.valid))
        return try models[0].score(data, communicator: communicator)
      }[0]
    }
    let (first, second, both) = (try score([0]), try score([1]), try score([0, 1]))
    #expect(both.otherMetrics != first.otherMetrics && both.otherMetrics != second.otherMetrics)
    #expect(try score([1, 0]).otherMetrics == both.otherMetrics)
    #expect(try score([0, 1], ranks: 3).otherMetrics == both.otherMetrics)
    #expect(try score([0, 0]).otherMetrics == first.otherMetrics)

    let writer = try LearnerCase.generator.configuration(in: directory)
    let generator = try SavedModel(
      run: RunPaths(existing: train(writer, ranks: 1).run), configuration: writer)
    let model = try SavedModel(run: runs[0], configuration: configuration)
    #expect(throws: TrainingFailure.self) { try model.join(generator, path: "generator") }
  }

  @Test("The mean of one checkpoint is that checkpoint; of several, another model")
  func averagedCheckpoints() throws {
    let configuration = try LearnerCase.classifier.configuration(in: directory)
    let run = try RunPaths(existing: train(configuration, ranks: 1).run)
    func weights(_ choice: CheckpointChoice) throws -> [Float] {
      let saved = try SavedModel(run: run, configuration: configuration, choice: choice)
      return withExtendedLifetime(saved) { Array(saved.parameters.elements) }
    }
    #expect(try weights(.average(1)) == weights(.last))
    let (mean, last, before) = (try weights(.average(2)), try weights(.last), try weights(.step(12)))
    #expect(zip(mean, zip(last, before)).allSatisfy { abs($0 - ($1.0 + $1.1) / 2) < 1e-6 })
    #expect(mean != last)
  }
}
