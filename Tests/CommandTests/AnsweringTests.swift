import Foundation
import Testing

/// The outputs of `predict`, and its message for a line that has no output.
@Suite(.timeLimit(.minutes(15))) struct AnsweringTests {
  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  private func lines(_ arguments: String..., input: String) async throws -> [String] {
    let outcome = try await Program.run(
      ["predict"] + arguments, in: runs.folder.path, input: Array(input.utf8))
    try #require(outcome.exitCode == 0, "\(outcome)")
    return outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  // MARK: Number of output lines

  @Test func everyLineGivesTheAskedNumberOfClasses() async throws {
    try await runs.trained("classifier")
    for options in [[], ["--scores"]] {
      let outcome = try await Program.run(
        ["predict", "run", "--n-best", "3"] + options, in: runs.folder.path, input: Array("cat\n\ndog\n".utf8)
      )
      let answers = outcome.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      #expect(
        answers.map(\.isEmpty) == [false, false, true, true, true, true, false, false, true], "\(outcome)")
    }
  }

  @Test func everyLineGivesTheAskedNumberOfSequences() async throws {
    try await runs.trained("seq2seq")
    let answers = try await lines(
      "run", "--n-best", "4", "--scores", "--beam", "4", input: "cat\n\n \nhen dog\n")
    #expect(answers.count == 16 && answers[4..<12].allSatisfy(\.isEmpty), "\(answers)")
  }

  // MARK: Standard input is read like files

  @Test func markAndLineEndsAreNotPartOfAWord() async throws {
    try await runs.trained("seq2seq")
    let expected = try await lines("run", input: "cat dog\nhen\n")
    #expect(try await lines("run", input: "\u{FEFF}cat dog\r\nhen\r\n") == expected)
    #expect(try await lines("run", input: "cat dog\nhen") == expected)
  }

  /// Tabs and no-break spaces in parallel files are white space between words.
  @Test func whiteSpaceIsThatOfTheTrainingData() async throws {
    try runs.folder.write(
      Array((0..<60).map { "cat\tdog\u{A0}hen w\($0 % 9)\n" }.joined().utf8), to: "tabs.txt")
    try runs.folder.write(Array((0..<60).map { _ in "B-pet O O O\n" }.joined().utf8), to: "three.txt")
    try await runs.trained("tagger", ["data.train.input=tabs.txt", "data.train.labels=three.txt"])
    let answers = try await lines("run", input: "cat\tdog\u{A0}hen w1\ncat dog hen w1\n")
    #expect(answers.count == 2 && answers[0] == answers[1] && answers[0].split(separator: " ").count == 4)
  }

  @Test(arguments: ["seq2seq", "classifier", "tagger", "generator"])
  func everySplitIsEvaluated(task: String) async throws {
    try await runs.trained(task)
    for split in ["train", "valid"] {
      #expect(try await runs.score("--split", split)["loss"] is Double)
    }
  }

  // MARK: Scores

  /// The score of a path of tags is the log-probability of the CRF, in which the probabilities of all paths add up to 1.
  @Test(arguments: ["crf", "softmax"]) func scoresOfTags(output: String) async throws {
    try await runs.trained("tagger", ["model.output=\(output)"])
    let answers = try await lines("run", "--scores", input: "cat\ncat dog hen\n\ncat\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
    try #require(answers.map(\.count) == [2, 2, 1, 2], "\(answers)")
    let scores = try [0, 1, 3].map { try #require(Double(answers[$0][0])) }
    // The best of two tags, and the best of eight paths.
    #expect(scores[0] < 0 && scores[0] >= log(0.5) - 1e-3)
    #expect(scores[1] < scores[0] && scores[1] >= log(0.125) - 1e-3)
    #expect(scores[2] == scores[0])
    #expect(answers[0][1] == (try await lines("run", input: "cat\n"))[0])
  }

  @Test func numbersHaveNoScore() async throws {
    try await runs.trained("tagger", ["model.output=linear", "data.train.labels=numbers.txt"])
    try await runs.run("predict", "run", "--scores", lines: "cat\n").expect(64, "--scores")
  }

  @Test func tokensThatTrainingNeverSawAreCounted() async throws {
    try await runs.trained("classifier")
    let outcome = try await runs.run("predict", "run", lines: "cat xyz\nzzz\n")
    #expect(outcome.exitCode == 0 && outcome.standardError.contains("2 of 3 tokens"), "\(outcome)")
    #expect(try await !runs.run("predict", "run", lines: "cat\n").standardError.contains("tokens"))
  }

  // MARK: Lines without an output

  @Test func aSeriesOfAnotherLengthIsNamed() async throws {
    try runs.folder.write(
      Array((0..<40).map { "\($0 % 2),\($0 % 3),\($0 % 5),\($0 % 7)\n" }.joined().utf8), to: "series.csv")
    let settings = ["data.format=csv", "data.train=series.csv", "model.pooling=all"]
    try await runs.trained("classifier", settings)
    let outcome = try await runs.run("predict", "run", lines: "1,2,3\n\n1,2,3\n1,2,3,4\n")
    #expect(outcome.exitCode == 65, "\(outcome)")
    for word in ["standard input:4", "4 steps", "exactly 3"] {
      #expect(outcome.standardError.contains(word), "\(outcome)")
    }
    #expect(outcome.output.split(separator: "\n", omittingEmptySubsequences: false).count == 4, "\(outcome)")
    try runs.folder.write(Array("1,2,3,4,5\n0,1,2,3,4\n".utf8), to: "long.csv")
    try await runs.run("evaluate", "run", "--data", "long.csv").expect(65, "long.csv:1", "exactly 3")
  }

  @Test func aLineHasAsManySourcesAsTheModelReads() async throws {
    try await runs.trained("seq2seq", ["data.train=triples.tsv"])
    try await runs.run("predict", "run", lines: "cat\n")
      .expect(65, "standard input:1", "source<TAB>second source")
    let outcome = try await runs.run("predict", "run", lines: "cat\tdog\ncat\tdog\then\n")
    #expect(outcome.exitCode == 65 && outcome.standardError.contains("standard input:2"), "\(outcome)")
    #expect(
      outcome.standardError.contains("3 fields") && outcome.standardError.contains("<TAB>"), "\(outcome)")
    #expect(outcome.output.split(separator: "\n", omittingEmptySubsequences: false).count == 2, "\(outcome)")
  }

  // MARK: Pictures

  @Test func aPictureHasItsLabels() async throws {
    try await runs.trained(
      "seq2seq",
      [
        "data.format=npy", "data.train=captions.tsv", "data.valid=captions.tsv", "model.pyramid=1",
        "model.layers=1", "decoding.min_length=2",
      ])
    _ = try await lines("run", "--attention", "pictures", input: "picture-1.npy\n")
    let picture = try String(contentsOfFile: runs.folder.file("pictures/line-1.svg"), encoding: .utf8)
    for label in ["0–1", "4–5", ">6<", "picture-1.npy"] {
      #expect(picture.contains(label), "no \(label) in \(picture)")
    }
    #expect(!picture.contains("0␣1"))
  }

  // MARK: The class of a generator

  @Test func aClassThatWasNeverLearned() async throws {
    try await runs.trained("generator")
    let outcome = try await runs.run("generate", "run", "--class", "Klingon")
    outcome.expect(64, "\"Klingon\"", "the nearest is \"", "all 2", "run/vocab.labels.txt")
    #expect(!outcome.standardError.contains("unknown_labels"), "\(outcome)")
    try await runs.run("generate", "run", "--features", "picture-1.npy").expect(64, "--class")
    #expect(FileManager.default.fileExists(atPath: runs.folder.file("run/vocab.labels.txt")))
  }
}
