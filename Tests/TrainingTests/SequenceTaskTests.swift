import Communication
import Configuration
import Datasets
import Foundation
import RunLog
import Testing

@testable import Training
@testable import Tasks
@testable import Inference

/// A task on sequences that trains in milliseconds, with everything on that could depend on ranks.
struct SequenceTaskCase: Sendable, CustomTestStringConvertible {
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

  /// Words of one to three letters.
  private static func words(_ line: Int, part: Int) -> [String] {
    (0..<1 + (line * 7 + part) % 6).map { position in
      let letters = (line * 5 + position * 3 + part * 11) % 26
      return String("abcde".prefix(1 + letters % 3)) + ["x", "y", "z"][letters % 3]
    }
  }

  private static func lines(_ count: Int, part: Int, _ line: ([String], Int) -> String) -> String {
    (0..<count).map { line(words($0, part: part), $0) }.joined(separator: "\n") + "\n"
  }

  static let tagger = SequenceTaskCase(name: "tagger") { part in
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

  static let classifier = SequenceTaskCase(name: "classifier") { part in
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

  static let generator = SequenceTaskCase(name: "generator") { part in
    lines(part == 0 ? 63 : 9, part: part) { words, line in "\(line % 3)\t\(words.joined())" }
  } change: {
    $0.task = .generator
    $0.data.format = .tsv
    $0.training.batchTokens = 40
    $0.training.teacherForcing = 0.8
    $0.model.condition = .initialInput
  }

  static let seq2seq = SequenceTaskCase(name: "seq2seq") { part in
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

  static let all = [tagger, classifier, generator, seq2seq]
}

@Suite("Tasks on sequences")
struct SequenceTaskTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func train(
    _ configuration: RunConfiguration, ranks: Int, resuming run: String? = nil,
    stopAt step: Int? = nil
  ) throws -> (recorder: Recorder, run: String) {
    let signals = StopSignals()
    let recorder = Recorder {
      if case .step(let report) = $0, let step, report.step == step { signals.requestStop() }
    }
    let path = run ?? directory.file(UUID().uuidString)
    var job = Job(configuration, ranks: ranks, directory: path)
    job.existing = run == nil ? .refuse : .resume
    job.signals = { $0 == 0 ? signals : StopSignals() }
    try job.run(recorder)
    return (recorder, path)
  }

  /// Of fewer batches than a window holds there would be nothing to sort.
  @Test("Sequences of like length are together", arguments: SequenceTaskCase.all)
  func bucketing(_ test: SequenceTaskCase) throws {
    var configuration = try test.configuration(in: directory)
    #expect(configuration.training.bucketing)
    let sorted = try train(configuration, ranks: 1).recorder.losses
    configuration.training.bucketing = false
    #expect(try train(configuration, ranks: 1).recorder.losses != sorted)
  }

  /// Ids and letters both: the same as if the file were written that way.
  @Test("Sources that are read backwards, with the letters of their words")
  func backwards() throws {
    var configuration = try SequenceTaskCase.seq2seq.configuration(in: directory)
    configuration.data.reverseSource = true
    let turned = try train(configuration, ranks: 1).recorder.losses
    configuration.data.reverseSource = false
    let lines = SequenceTaskCase.seq2seq.data(0).split(separator: "\n").map { line in
      let sides = line.split(separator: "\t")
      return "\(sides[0].split(separator: " ").reversed().joined(separator: " "))\t\(sides[1])\n"
    }
    configuration.data.train = DataPath(file: try directory.write(lines.joined(), to: "turned"))
    #expect(try train(configuration, ranks: 1).recorder.losses == turned)
  }

  @Test("p ranks compute what one rank computes", arguments: SequenceTaskCase.all)
  func ranks(_ test: SequenceTaskCase) throws {
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
      let figures = (scores.compactMap { $0[metric] }, expected.compactMap { $0[metric] })
      #expect(figures.0.count == 3 && figures.1.count == 3)
      // Counts are equal; losses are sums in another order.
      #expect(metric == .loss ? relativeDifference(figures.0, figures.1) < 1e-4 : figures.0 == figures.1)
    }
  }

  @Test("Reproducible runs have the same bits at 1, 2 and 4 ranks", arguments: SequenceTaskCase.all)
  func sameBits(_ test: SequenceTaskCase) throws {
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

  @Test("A resumed run equals one that was never stopped", arguments: SequenceTaskCase.all, [2, 4, 6])
  func resumes(_ test: SequenceTaskCase, step: Int) throws {
    let configuration = try test.configuration(in: directory)
    let expected = try train(configuration, ranks: 1).run
    let stopped = try train(configuration, ranks: 1, stopAt: step).run
    #expect(try CheckpointFiles(last: stopped) != CheckpointFiles(last: expected))
    _ = try train(configuration, ranks: 1, resuming: stopped)
    #expect(try CheckpointFiles(last: stopped) == CheckpointFiles(last: expected))
  }

  @Test(
    "Lines together are answered as one by one", arguments: [SequenceTaskCase.tagger, .classifier, .seq2seq])
  func predictions(_ test: SequenceTaskCase) throws {
    let configuration = try test.configuration(in: directory)
    let run = try train(configuration, ranks: 1).run
    let saved = try SavedSequenceModel(run: RunPaths(existing: run), configuration: configuration)
    let lines = ["ax aby abcz", "abz", "ax ax ax ax ax aby", "aby never-seen"]
    let predictor = try saved.predictor(keepsAttention: true)
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

  @Test("A state of a pyramid stands for several steps in a picture of attention")
  func pyramid() throws {
    var configuration = try SequenceTaskCase.seq2seq.configuration(in: directory)
    configuration.model.network.layers = 1
    configuration.model.decoderLayers = 2
    configuration.model.pyramid = 1
    configuration.decoding.minLength = 1
    let run = try train(configuration, ranks: 2).run
    let saved = try SavedSequenceModel(run: RunPaths(existing: run), configuration: configuration)
    let predictor = try saved.predictor(keepsAttention: true)
    try predictor.add(Array("ax aby abcz".utf8), number: 1)
    let matrix = try #require(try predictor.run().first?.attention.first)
    #expect(matrix.sourceLabels == ["ax aby", "abcz"])
    #expect(matrix.weights.allSatisfy { $0.count == 2 })
  }

  @Test(
    "Models that decide together score as one model, on any number of ranks; a generator can't be among them")
  func ensembles() throws {
    var configuration = try SequenceTaskCase.seq2seq.configuration(in: directory)
    // Long enough for each to write something of its own.
    configuration.training.learningRate = 0.05
    configuration.training.steps = 60
    var other = configuration
    other.seed = 99
    let settings = [configuration, other]
    let runs = try settings.map { try RunPaths(existing: train($0, ranks: 1).run) }
    func score(_ members: [Int], ranks: Int = 1) throws -> EvaluationResult {
      try InProcessCommunicator.run(ranks: ranks) { communicator in
        let models = try members.map { try SavedSequenceModel(run: runs[$0], configuration: settings[$0]) }
        for partner in models.dropFirst() { try models[0].join(partner, path: "partner") }
        let split = try #require(try models[0].split(.valid))
        return try models[0].score(split, communicator: communicator)
      }[0]
    }
    let (first, second, both) = (try score([0]), try score([1]), try score([0, 1]))
    #expect(both.otherMetrics != first.otherMetrics && both.otherMetrics != second.otherMetrics)
    #expect(try score([1, 0]).otherMetrics == both.otherMetrics)
    #expect(try score([0, 1], ranks: 3).otherMetrics == both.otherMetrics)
    #expect(try score([0, 0]).otherMetrics == first.otherMetrics)

    let writer = try SequenceTaskCase.generator.configuration(in: directory)
    let generator = try SavedSequenceModel(
      run: RunPaths(existing: train(writer, ranks: 1).run), configuration: writer)
    let model = try SavedSequenceModel(run: runs[0], configuration: configuration)
    #expect(throws: TrainingFailure.self) { try model.join(generator, path: "generator") }
  }

  @Test("The mean of one checkpoint is that checkpoint, of several it is another model")
  func averagedCheckpoints() throws {
    let configuration = try SequenceTaskCase.classifier.configuration(in: directory)
    let run = try RunPaths(existing: train(configuration, ranks: 1).run)
    func weights(_ choice: CheckpointChoice) throws -> [Float] {
      let saved = try SavedSequenceModel(run: run, configuration: configuration, choice: choice)
      return withExtendedLifetime(saved) { Array(saved.parameters.elements) }
    }
    #expect(try weights(.average(1)) == weights(.last))
    let (mean, last, before) = (try weights(.average(2)), try weights(.last), try weights(.step(12)))
    #expect(zip(mean, zip(last, before)).allSatisfy { abs($0 - ($1.0 + $1.1) / 2) < 1e-6 })
    #expect(mean != last)
  }
}
