import Communication
import Datasets
import Foundation
import RecurrentNN
import RunLog
import TestSupport
import Testing

@testable import Tasks
@testable import Inference

/// Trained models of sequences follow their options.
@Suite struct SequenceUseTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @discardableResult
  private func train(_ configuration: RunConfiguration, _ run: String = "run") throws -> Recorder {
    let recorder = Recorder()
    try Job(configuration, ranks: 1, directory: directory.file(run)).run(recorder)
    return recorder
  }

  private func saved(_ configuration: RunConfiguration) throws -> SavedModel {
    try train(configuration)
    return try SavedModel(
      run: RunPaths(existing: directory.file("run")), configuration: configuration)
  }

  private func outputs(
    _ saved: SavedModel, _ lines: [String], count: Int = 1, keepsAttention: Bool = false
  ) throws -> [Prediction] {
    let predictor = try saved.predictor(
      PredictionOptions(count: count, keepsAttention: keepsAttention))
    for (number, line) in lines.enumerated() { try predictor.add(Array(line.utf8), number: number + 1) }
    return try predictor.run()
  }

  // MARK: Several outputs

  @Test(arguments: [LearnerCase.classifier, .generator, .seq2seq])
  func severalOutputsAreDifferentAndInOrder(test: LearnerCase) throws {
    let saved = try saved(try test.configuration(in: directory))
    let line = test.name == "generator" ? "1" : "ax aby abcz"
    let output = try #require(try outputs(saved, [line], count: 2).first)
    #expect(output.lines.count == 2 && Set(output.lines).count == 2 && output.scores.count == 2)
    #expect(output.scores == output.scores.sorted(by: >))
    if test.name == "classifier" { #expect(abs(output.scores.reduce(0, +) - 1) < 1e-6) }
    let best = try #require(try outputs(saved, [line]).first)
    #expect(best.lines.count == 1)
    if test.name == "classifier" { #expect(best.lines[0] == output.lines[0]) }
  }

  /// Several hypotheses are compared with the length penalty, even if the run's own beam has width one.
  @Test func severalOutputsUseTheLengthPenalty() {
    var decoding = DecodingOptions()
    decoding.lengthPenalty = 0.7
    #expect(decoding.search(beginToken: 1, endToken: 2, count: 3).lengthPenalty == 0.7)
    #expect(decoding.search(beginToken: 1, endToken: 2, count: 1).lengthPenalty == 0)
  }

  // MARK: Evaluation

  /// The limit applies to decoded examples; tags and classes cost nothing beyond the loss.
  @Test(arguments: [LearnerCase.tagger, .classifier])
  func theDecodeLimitCutsNoTagsOrClasses(test: LearnerCase) throws {
    var configuration = try test.configuration(in: directory)
    let all = try train(configuration, "all").evaluations.map(\.result)
    configuration.evaluation.decodeLimit = 1
    #expect(try train(configuration, "limited").evaluations.map(\.result) == all)
  }

  @Test func theDecodeLimitCutsDecoding() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    let all = try train(configuration, "all").evaluations.map(\.result)
    configuration.evaluation.decodeLimit = 1
    let limited = try train(configuration, "limited").evaluations.map(\.result)
    #expect(limited.map(\.loss) == all.map(\.loss))
    #expect(limited.map(\.otherMetrics) != all.map(\.otherMetrics))
  }

  // MARK: Two sources

  @Test func everySourceGetsItsPicture() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    let text = (0..<20).map { "ax aby\taby ax\tabz a\($0 % 3 == 0 ? "x" : "y") ax" }.joined(separator: "\n")
    configuration.data.train = DataPath(file: try directory.write(text, to: "two"))
    configuration.data.valid = configuration.data.train
    configuration.model.attention.coverage = false
    let saved = try saved(configuration)
    let output = try #require(
      try outputs(saved, ["ax aby\tabz ax ax", "ax\tay"], keepsAttention: true).first)
    #expect(output.attention.map(\.sourceLabels) == [["ax", "aby"], ["abz", "ax", "ax"]])
    for matrix in output.attention {
      #expect(matrix.outputLabels == output.attention[0].outputLabels)
      #expect(matrix.weights.count == matrix.outputLabels.count)
      #expect(matrix.weights.allSatisfy { $0.count == matrix.sourceLabels.count })
      #expect(matrix.weights.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-5 })
    }
    let text2 = output.lines[0]
    try saved.join(
      SavedModel(run: RunPaths(existing: directory.file("run")), configuration: configuration),
      path: "twin")
    let twice = try #require(
      try outputs(saved, ["ax aby\tabz ax ax"], keepsAttention: true).first)
    #expect(twice.lines[0] == text2)
    for (one, two) in zip(output.attention, twice.attention) {
      for (a, b) in zip(one.weights.joined(), two.weights.joined()) { #expect(abs(a - b) < 1e-5) }
    }
    #expect(twice.attention.count == 2)
  }

  // MARK: Words that are dropped

  @Test func sourceWordsAreDropped() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.model.network.dropout = 0
    configuration.training.teacherForcingEnd = nil
    configuration.training.steps = 1
    let whole = try train(configuration, "whole").losses
    configuration.model.wordDropout = 0.9
    let dropped = try train(configuration, "dropped").losses
    #expect(whole != dropped)
  }

  // MARK: The bridge

  /// The final states of both directions become the decoder's initial states, layer by layer, including cell states.
  @Test func statesAreCopied() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.model.network.cell.kind = .lstm
    configuration.model.bridge = .copy
    configuration.model.decoderHiddenSize = 16
    configuration.training.steps = 2
    let saved = try saved(configuration)
    #expect(!saved.parameters.layout.parameters.contains { $0.name.hasPrefix("bridge.") })
    #expect(try outputs(saved, ["ax aby"]).count == 1)
    configuration.model.bridge = .transform
    let encoding = try ExampleSet.load(configuration).encoding
    let transform = try EncoderDecoder<Float>(EncoderDecoderShape(configuration, encoding, sourceCount: 1))
    #expect(transform.layout.parameters.contains { $0.name.hasPrefix("bridge.") })
  }

  @Test(arguments: [(8, nil as Int?, 1), (16, 4, 1), (16, nil, 2)])
  func statesOfAnotherSizeAreRefused(size: Int, projection: Int?, sources: Int) throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.model.network.cell.kind = .lstm
    configuration.model.bridge = .copy
    configuration.model.decoderHiddenSize = size
    configuration.model.network.cell.projectionSize = projection
    let encoding = try ExampleSet.load(configuration).encoding
    let error = #expect(throws: TrainingFailure.self) {
      try EncoderDecoderShape(configuration, encoding, sourceCount: sources)
    }
    #expect(error?.description.contains("model.bridge") == true)
  }

  // MARK: Lines that are left out

  @Test func emptySequencesAreErrorsOrLeftOut() throws {
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    configuration.data.train = DataPath(
      file: try directory.write("ax\tby\n\tby\nax\t\n\nby ax\tax by\n", to: "gaps"))
    let error = #expect(throws: DataError.self) { try ExampleSet.load(configuration) }
    guard case .line(_, _, .empty) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    configuration.data.emptySequences = .skip
    let corpus = try ExampleSet.load(configuration)
    #expect(corpus.train.count == 2 && corpus.train.report.emptySkipped == 3)
  }

  // MARK: Bits

  private func music() throws -> RunConfiguration {
    let lines = (0..<12).map { "\($0 % 4)|\(($0 + 1) % 4) 2||3" }.joined(separator: "\n")
    return RunConfiguration.small(try directory.write(lines, to: "music")) {
      $0.task = .tagger
      $0.data.format = .multihot
      $0.data.width = 4
      $0.data.validFraction = 0.2
      $0.model.output = .bernoulli
      $0.training.steps = 60
      $0.training.learningRate = 0.05
    }
  }

  /// Input and output are lines of the same format: after each step, the keys of the next one.
  @Test func bitsArePredictedInTheirOwnFormat() throws {
    let saved = try saved(try music())
    let written = try outputs(saved, ["0|1 2||3", "2"]).map { String(decoding: $0.lines[0], as: UTF8.self) }
    let steps = written.map { $0.split(separator: "|", omittingEmptySubsequences: false) }
    #expect(steps.map(\.count) == [4, 1])
    for key in steps.joined().flatMap({ $0.split(separator: " ") }) {
      #expect((0..<4).contains(try #require(Int(key))))
    }
    // The third step of every line is silent, and the fourth is a 3.
    #expect(steps[0][1] == "" && steps[0][2] == "3")
    #expect(throws: DataError.self) { try outputs(saved, ["0|9"]) }
  }

  private func write(_ values: [Float], shape: String, to name: String) throws {
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
    header += String(repeating: " ", count: 63 - (header.utf8.count + 10) % 64) + "\n"
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    bytes += [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)] + Array(header.utf8)
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
    try Data(bytes).write(to: URL(fileURLWithPath: directory.file(name)))
  }

  /// Bits for every step of a sequence of vectors: targets [T, K] beside sources [T, D].
  @Test func bitsFromArrays() throws {
    try write([1, 0, 0, 1, 1, 1], shape: "(3, 2)", to: "bits.npy")
    try write([1, 0, 0.5, 0.5, 1, 0, 1, 1, 0], shape: "(3, 3)", to: "steps.npy")
    try write([2, 0], shape: "(1, 2)", to: "wrong.npy")
    try write([1, 0, 0.5], shape: "(1, 3)", to: "one.npy")
    var configuration = RunConfiguration.small(try directory.write("bits.npy\tsteps.npy\n", to: "list")) {
      $0.task = .tagger
      $0.data.format = .npy
      $0.data.validFraction = 0
      $0.model.output = .bernoulli
    }
    let saved = try saved(configuration)
    let line = try #require(try outputs(saved, [directory.file("steps.npy")]).first?.lines.first)
    #expect(line.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false).count == 3)
    configuration.data.train = DataPath(file: try directory.write("wrong.npy\tone.npy\n", to: "list2"))
    let ends = try Job(configuration, directory: directory.file("wrong")).ends()
    #expect(ends.map(\.exitCode) == [65] && ends[0].message.contains(":1: step "))
  }
}
