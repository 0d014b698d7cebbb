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
@testable import Training

/// A task that trains in milliseconds, with all options that could depend on ranks.
struct LearnerCase: Sendable, CustomTestStringConvertible {
  var name: String
  /// Text of the training and of the validation file.
  var data: @Sendable (_ part: Int) -> String
  var change: @Sendable (inout RunConfiguration) -> Void

  var testDescription: String { name }

  /// Writes the data and describes the run.
  func configuration(in directory: TemporaryDirectory) throws -> RunConfiguration {
    var configuration = RunConfiguration.small("") {
      $0.model.network.layers = 2
      $0.model.network.dropout = 0.2
      $0.training.batchSize = 7
      $0.training.steps = 14
      $0.evaluation.everySteps = 5
      $0.evaluation.batchSize = 6
      $0.checkpoint.everySteps = 4
      $0.decoding.maxLength = 8
    }
    change(&configuration)
    configuration.data.train = DataPath(file: try directory.write(data(0), to: "\(name).train"))
    configuration.data.valid = DataPath(file: try directory.write(data(1), to: "\(name).valid"))
    return configuration
  }

  /// Words of one to three characters.
  private static func words(_ line: Int, part: Int) -> [String] {
    (0..<1 + (line * 7 + part) % 6).map { position in
      let number = (line * 5 + position * 3 + part * 11) % 26
      return String("abcde".prefix(1 + number % 3)) + ["x", "y", "z"][number % 3]
    }
  }

  private static func lines(_ count: Int, part: Int, _ line: ([String], Int) -> String) -> String {
    (0..<count).map { line(words($0, part: part), $0) }.joined(separator: "\n") + "\n"
  }

  static let tagger = LearnerCase(name: "tagger") { part in
    lines(part == 0 ? 59 : 9, part: part) { words, _ in
      words.map { "\($0)\t\($0.hasSuffix("x") ? "B-a" : $0.count > 2 ? "I-a" : "O")\n" }.joined()
    }
  } change: {
    $0.task = .tagger
    $0.data.format = .columns
    $0.data.tokens = .word
    $0.model.network.bidirectional = true
    $0.model.characterEmbeddingSize = 3
    $0.model.characterHiddenSize = 4
    $0.model.output = .crf
    $0.model.wordDropout = 0.2
    $0.evaluation.metric = .f1
  }

  static let classifier = LearnerCase(name: "classifier") { part in
    lines(part == 0 ? 61 : 8, part: part) { words, line in
      "\(words.count > 3 ? "long" : "short")\t\(words.joined(separator: " "))"
    }
  } change: {
    $0.task = .classifier
    $0.data.format = .tsv
    $0.data.tokens = .word
    $0.model.network.cell.kind = .gru
    $0.model.pooling = .attention
    $0.model.characterEmbeddingSize = 3
    $0.model.characterHiddenSize = 4
    $0.training.averageDecay = 0.9
    $0.training.labelSmoothing = 0.1
    $0.evaluation.metric = .accuracy
  }

  static let matcher = LearnerCase(name: "matcher") { part in
    lines(part == 0 ? 57 : 9, part: part) { words, line in
      let other = line % 2 == 0 ? words.reversed() : Array(words.dropLast()) + ["abx"]
      return "\(line % 2 == 0 ? "same" : "other")\t\(words.joined(separator: " "))"
        + "\t\(other.joined(separator: " "))"
    }
  } change: {
    $0.task = .matcher
    $0.data.format = .tsv
    $0.data.tokens = .word
    $0.model.network.bidirectional = true
    $0.model.pooling = .max
    $0.model.characterEmbeddingSize = 3
    $0.model.characterHiddenSize = 4
    $0.model.wordDropout = 0.1
    $0.training.labelSmoothing = 0.1
    $0.evaluation.metric = .accuracy
  }

  static let generator = LearnerCase(name: "generator") { part in
    lines(part == 0 ? 63 : 9, part: part) { words, line in "\(line % 3)\t\(words.joined())" }
  } change: {
    $0.task = .generator
    $0.data.format = .tsv
    $0.training.batchTokens = 40
    $0.training.teacherForcing = 0.8
    $0.model.condition = .initialInput
  }

  static let seq2seq = LearnerCase(name: "seq2seq") { part in
    lines(part == 0 ? 58 : 10, part: part) { words, _ in
      "\(words.joined(separator: " "))\t\(words.reversed().joined(separator: " "))"
    }
  } change: {
    $0.task = .seq2seq
    $0.data.format = .tsv
    $0.data.tokens = .space
    $0.model.network.cell.kind = .gru
    $0.model.network.bidirectional = true
    $0.model.readoutSize = 5
    $0.model.attention.coverage = true
    $0.model.characterEmbeddingSize = 3
    $0.model.characterHiddenSize = 4
    $0.training.teacherForcing = 1
    $0.training.teacherForcingEnd = 0.5
    $0.training.teacherForcingSteps = 10
    $0.evaluation.metric = .tokenErrorRate
    $0.decoding.beam = 3
  }

  static let languageModel = LearnerCase(name: "language-model") { part in
    sampleText(characters: part == 0 ? 700 : 150, seed: UInt32(part + 1))
  } change: {
    $0.training.batchSize = 9
    $0.training.labelSmoothing = 0.1
  }

  static let sequences = [tagger, classifier, matcher, generator, seq2seq]
  static let all = [languageModel] + sequences
}

extension TemporaryDirectory {
  func train(
    _ configuration: RunConfiguration, ranks: Int, resuming run: String? = nil,
    stopAt step: Int? = nil
  ) throws -> (recorder: Recorder, run: String) {
    let signals = StopSignals()
    let recorder = Recorder {
      if case .step(let report) = $0, let step, report.step == step { signals.requestStop() }
    }
    let path = run ?? file(UUID().uuidString)
    var job = Job(configuration, ranks: ranks, directory: path)
    job.existing = run == nil ? .refuse : .resume
    job.signals = { $0 == 0 ? signals : StopSignals() }
    try job.run(recorder)
    return (recorder, path)
  }
}

/// The requirements of every learner, regardless of its task. A new one is tested if it is listed in ``LearnerCase``.
@Suite("checkLearner")
struct LearnerConformanceTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func train(
    _ configuration: RunConfiguration, ranks: Int, resuming run: String? = nil, stopAt step: Int? = nil
  ) throws -> (recorder: Recorder, run: String) {
    try directory.train(configuration, ranks: ranks, resuming: run, stopAt: step)
  }

  // MARK: Loss and gradient

  /// The loss and the gradient of a batch, summed over all shards of a plan.
  private func gradient(_ configuration: RunConfiguration, _ plan: ShardPlan) throws -> (LossSum, [Double]) {
    let task = try TaskKind.make(configuration, plan: plan)
    task.beginEpoch(0, isResumed: false)
    let gradient = ParameterBuffer<Float>(task.parameters.layout)
    var loss = LossSum()
    for shard in plan.own {
      loss += try task.addGradient(
        of: Microbatch(index: 1, serial: 3, update: 2), shard: shard, into: gradient)
    }
    return withExtendedLifetime(gradient) { (loss, gradient.elements.map(Double.init)) }
  }

  @Test("Losses and gradients of shards add up to those of the whole batch", arguments: LearnerCase.all)
  func shards(_ test: LearnerCase) throws {
    let configuration = try test.configuration(in: directory)
    let (loss, whole) = try gradient(configuration, .alone)
    let (parts, sum) = try gradient(
      configuration, ShardPlan(rank: 0, worldSize: 1, reproducible: true))
    #expect(loss.tokens > 0 && loss.tokens == parts.tokens)
    #expect(abs(loss.total - parts.total) < 1e-5 * abs(loss.total))
    let norm = whole.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let difference = zip(whole, sum).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    #expect(norm > 0 && difference < 1e-5 * norm)
  }

  @Test("p ranks compute what one rank computes", arguments: LearnerCase.all)
  func ranks(_ test: LearnerCase) throws {
    let configuration = try test.configuration(in: directory)
    let (alone, _) = try train(configuration, ranks: 1)
    #expect(alone.losses.count == 14)
    let metric = configuration.evaluation.metric
    for ranks in [2, 3, 4] {
      let (together, _) = try train(configuration, ranks: ranks)
      #expect(relativeDifference(together.losses, alone.losses) < 1e-4, "\(ranks) ranks")
      let (scores, expected) = (together.evaluations.map(\.result), alone.evaluations.map(\.result))
      #expect(scores.count == 3 && scores.map(\.loss.tokens) == expected.map(\.loss.tokens))
      #expect(scores.map(\.examples) == expected.map(\.examples))
      #expect(relativeDifference(scores.map(\.loss.mean), expected.map(\.loss.mean)) < 1e-4)
      let values = (scores.compactMap { $0[metric] }, expected.compactMap { $0[metric] })
      #expect(values.0.count == 3 && values.1.count == 3)
      // Counts are equal; losses are added in a different order.
      #expect(metric == .loss ? relativeDifference(values.0, values.1) < 1e-4 : values.0 == values.1)
    }
  }

  @Test("Reproducible runs have the same bits at 1, 2 and 4 ranks", arguments: LearnerCase.all)
  func sameBits(_ test: LearnerCase) throws {
    var configuration = try test.configuration(in: directory)
    configuration.training.batchSize = 11
    configuration.training.reproducible = true
    let (alone, run) = try train(configuration, ranks: 1)
    let expected = try CheckpointFiles(last: run)
    for ranks in [2, 4] {
      let (together, other) = try train(configuration, ranks: ranks)
      #expect(try CheckpointFiles(last: other) == expected, "\(ranks) ranks")
      #expect(together.evaluations.map(\.result) == alone.evaluations.map(\.result))
    }
  }

  @Test("A resumed run equals one that was never stopped", arguments: LearnerCase.all, [2, 4, 6])
  func resumes(_ test: LearnerCase, step: Int) throws {
    let configuration = try test.configuration(in: directory)
    let expected = try train(configuration, ranks: 1).run
    let stopped = try train(configuration, ranks: 1, stopAt: step).run
    #expect(try CheckpointFiles(last: stopped) != CheckpointFiles(last: expected))
    _ = try train(configuration, ranks: 1, resuming: stopped)
    #expect(try CheckpointFiles(last: stopped) == CheckpointFiles(last: expected))
  }

  // MARK: Use

  @Test("A score does not depend on the number of examples per batch", arguments: LearnerCase.all)
  func evaluationBatches(_ test: LearnerCase) throws {
    var configuration = try test.configuration(in: directory)
    let run = try RunPaths(existing: train(configuration, ranks: 1).run)
    func score(_ size: Int) throws -> EvaluationResult {
      configuration.evaluation.batchSize = size
      let saved = try SavedModel(run: run, configuration: configuration)
      return try saved.score(try #require(try saved.data(.valid)), communicator: SoloCommunicator())
    }
    let (alone, together) = (try score(1), try score(6))
    #expect(alone.examples == together.examples && alone.loss.tokens == together.loss.tokens)
    #expect(abs(alone.loss.total - together.loss.total) < 1e-5 * abs(alone.loss.total))
    #expect(alone.otherMetrics == together.otherMetrics)
  }

  @Test(
    "A line is answered like the same example of the data",
    arguments: [LearnerCase.tagger, .classifier, .matcher, .seq2seq])
  func linesAndExamples(_ test: LearnerCase) throws {
    let configuration = try test.configuration(in: directory)
    let run = try RunPaths(existing: train(configuration, ranks: 1).run)
    let saved = try SavedModel(run: run, configuration: configuration)
    let examples = try #require(try saved.examples(.valid))
    let texts = try #require(examples.sourceTexts)
    let expected = try saved.predict((0..<Int32(examples.count)).map { $0 }, of: examples)
    let predictor = try saved.predictor()
    for example in 0..<examples.count {
      let second: [UInt8] =
        examples.secondSourceTexts.map { [UInt8](repeating: 9, count: 1) + $0[example] } ?? []
      try predictor.add(Array(texts[example]) + second, number: example + 1)
    }
    #expect(try predictor.run().map(\.lines) == expected.map(\.lines))
  }

  @Test(
    "Lines in one batch are answered like single lines",
    arguments: [LearnerCase.tagger, .classifier, .matcher, .seq2seq])
  func predictions(_ test: LearnerCase) throws {
    let configuration = try test.configuration(in: directory)
    let run = try train(configuration, ranks: 1).run
    let saved = try SavedModel(run: RunPaths(existing: run), configuration: configuration)
    let texts = ["ax aby abcz", "abz", "ax ax ax ax ax aby", "aby never-seen"]
    let lines = test.name == "matcher" ? texts.map { "\($0)\tabz ax" } : texts
    let predictor = try saved.predictor(PredictionOptions(keepsAttention: true))
    for (number, line) in lines.enumerated() { try predictor.add(Array(line.utf8), number: number + 1) }
    let together = try predictor.run()
    #expect(together.count == lines.count && predictor.count == 0)
    for (number, line) in lines.enumerated() {
      try predictor.add(Array(line.utf8), number: 1)
      let alone = try #require(try predictor.run().first)
      #expect(alone.lines == together[number].lines)
      if test.name == "seq2seq" {
        let matrix = try #require(alone.attention.first)
        #expect(matrix.sourceLabels == line.split(separator: " ").map(String.init))
        #expect(matrix.weights.count == matrix.outputLabels.count)
        #expect(matrix.weights.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-5 })
      }
    }
  }
}
