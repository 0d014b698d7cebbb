import Foundation
import Testing

/// Predictions, scores of given outputs and reports per class as data for other programs.
@Suite(.timeLimit(.minutes(15))) struct PredictionDataTests {
  private struct Line: Decodable {
    struct Output: Decodable {
      var text: String
      var score: Double
      var logProbability: Double
      var tokens: [String]?
      var tokenLogProbabilities: [Double]?
    }
    struct Attention: Decodable {
      var source: [String]
      var output: [String]
      var weights: [[Double]]
    }
    var line: Int
    var input: String
    var outputs: [Output]
    var probabilities: [String: Double]?
    var attention: [Attention]?
    var seconds: Double?
  }

  private struct Score: Decodable {
    var example: Int
    var logProbability: Double
    var tokens: [String]?
    var tokenLogProbabilities: [Double]?
  }

  private struct Report: Decodable {
    struct Class: Decodable, Equatable {
      var name: String
      var precision: Double
      var recall: Double
      var f1: Double
      var examples: Int
      var predicted: Int
      var correct: Int
    }
    struct Confusion: Decodable, Equatable {
      var reference: String
      var predicted: String
      var count: Int
    }
    /// `classes.json` of a run.
    struct Kept: Decodable {
      var classes: [Class]
      var spans: [Class]?
    }
    var spans: [Class]?
    var loss: Double
    var tokens: Int
    var accuracy: Double?
    var classes: [Class]?
    var confusion: [Confusion]?
  }

  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  private func run(_ arguments: [String], _ input: String = "", ranks: Int? = nil) async throws -> Outcome {
    let outcome = try await Program.run(
      arguments, ranks: ranks, in: runs.folder.path, input: Array(input.utf8))
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(arguments) \(outcome)")
    return outcome
  }

  private func objects<Object: Decodable>(_ type: Object.Type, _ arguments: [String], _ input: String)
    async throws -> [Object]
  {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try await run(arguments, input).output.split(separator: "\n").map {
      try decoder.decode(Object.self, from: Data($0.utf8))
    }
  }

  private func evaluate(_ arguments: [String] = [], ranks: Int? = nil) async throws -> Report {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      Report.self,
      from: try await run(["evaluate", "run", "--json"] + arguments, ranks: ranks).standardOutput)
  }

  private func text(of file: String) throws -> String {
    try String(contentsOfFile: runs.folder.file(file), encoding: .utf8)
  }

  // MARK: predict --json

  @Test func classesWithAllProbabilities() async throws {
    try await runs.trained("classifier")
    let input = "cat\n\ncat cow dog hen\n"
    let plain = try await run(["predict", "run"], input).output
      .split(separator: "\n", omittingEmptySubsequences: false)
    let lines = try await objects(Line.self, ["predict", "run", "--json"], input)
    #expect(lines.map(\.line) == [1, 2, 3] && lines.map(\.input) == ["cat", "", "cat cow dog hen"])
    #expect(lines.map { $0.outputs.first?.text ?? "" } == plain.dropLast().map(String.init))
    #expect(lines[1].outputs.isEmpty && lines[1].seconds == nil && lines[1].probabilities == nil)
    for line in [lines[0], lines[2]] {
      let probabilities = try #require(line.probabilities)
      #expect(Set(probabilities.keys) == ["few", "many"])
      #expect(abs(probabilities.values.reduce(0, +) - 1) < 1e-6)
      let output = try #require(line.outputs.first)
      #expect(probabilities[output.text] == output.score && output.score == probabilities.values.max())
      #expect(abs(output.logProbability - log(output.score)) < 1e-12)
      #expect(try #require(line.seconds) > 0)
    }
    let refused = try await Program.run(["predict", "run", "--json", "--scores"], in: runs.folder.path)
    #expect(refused.exitCode == 64 && refused.standardError.contains("--scores"), "\(refused)")
  }

  @Test func textsWithTokensAndAttention() async throws {
    try await runs.trained("seq2seq")
    let lines = try await objects(
      Line.self, ["predict", "run", "--json", "--n-best", "2", "--beam", "3"], "cat dog\nhen\n")
    #expect(lines.count == 2)
    for line in lines {
      #expect(line.outputs.count == 2 && line.outputs[0].score >= line.outputs[1].score)
      for output in line.outputs {
        let tokens = try #require(output.tokens)
        let logProbabilities = try #require(output.tokenLogProbabilities)
        #expect(tokens.count == logProbabilities.count && logProbabilities.allSatisfy { $0 <= 0 })
        #expect(abs(logProbabilities.reduce(0, +) - output.logProbability) < 1e-9)
      }
      let attention = try #require(line.attention?.first)
      #expect(attention.source == line.input.split(separator: " ").map(String.init))
      #expect(attention.weights.count == attention.output.count)
      #expect(attention.weights.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-5 })
    }
  }

  @Test func tagsWithTheirLogProbability() async throws {
    try await runs.trained("tagger")
    let input = "cat dog hen\n"
    let line = try #require(try await objects(Line.self, ["predict", "run", "--json"], input).first)
    let scored = try await run(["predict", "run", "--scores"], input).output
    let output = try #require(line.outputs.first)
    #expect(scored == String(format: "%.4f", output.logProbability) + "\t" + output.text + "\n")
  }

  // MARK: score

  /// The loss of a file is the sum of the scores of its examples.
  @Test(arguments: [
    ("seq2seq", "pairs.tsv"), ("generator", "classes.tsv"), ("classifier", "classes.tsv"),
  ])
  func scoresAddUpToTheLoss(task: String, file: String) async throws {
    try await runs.trained(task)
    let scores = try await objects(Score.self, ["score", "run", "--json"], text(of: file))
    let report = try await evaluate(["--data", file])
    let total = scores.reduce(0) { $0 + $1.logProbability }
    #expect(abs(total + report.loss * Double(report.tokens)) < 1e-4 * abs(total))
    #expect(scores.map(\.example) == Array(1...60))
    guard task != "classifier" else {
      #expect(scores.allSatisfy { $0.tokens == nil })
      return
    }
    #expect(scores.reduce(0) { $0 + ($1.tokens?.count ?? 0) } == report.tokens)
    for score in scores {
      let sum = try #require(score.tokenLogProbabilities).reduce(0, +)
      #expect(abs(sum - score.logProbability) < 1e-9)
    }
    let lines = try await run(["score", "run", "--per-token", "--batch-size", "7"], text(of: file)).output
      .split(separator: "\n")
    for (line, score) in zip(lines, scores) {
      let fields = line.split(separator: "\t")
      #expect(abs(try #require(Double(fields[0])) - score.logProbability) < 1e-3)
      #expect(fields[1].split(separator: " ").count == score.tokens?.count)
    }
  }

  @Test func taggersOfParallelFilesScoreColumns() async throws {
    try await runs.trained("tagger")
    let scores = try await objects(Score.self, ["score", "run", "--json"], "cat\tB-pet\ndog\tO\n\nhen\tO\n")
    #expect(scores.count == 2 && scores.allSatisfy { $0.logProbability < 0 })
  }

  /// The score of a line of a language model is the result of `evaluate` for the line after a line feed, which is not
  /// predicted.
  @Test func linesOfALanguageModel() async throws {
    let folder = try await TinyRun.folder()
    let line = String(try #require(TinyRun.text.split(separator: "\n").first))
    let input = "\(line)\n\(line.reversed().map(String.init).joined())\n"
    func score(_ arguments: [String]) async throws -> [Double] {
      let outcome = try await Program.run(
        ["score", "run"] + arguments, in: folder.path, input: Array(input.utf8))
      #expect(outcome.exitCode == 0, "\(outcome)")
      return outcome.output.split(separator: "\n").compactMap { Double($0) }
    }
    let scores = try await score([])
    #expect(scores.count == 2 && scores[0] > scores[1])
    #expect(try await score(["--batch-size", "1"]) == scores)
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).txt").path
    try "\n\(line)\n".write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let outcome = try await Program.run(["evaluate", "run", "--json", "--data", path], in: folder.path)
    let report = try JSONDecoder().decode(Report.self, from: outcome.standardOutput)
    #expect(report.tokens == line.unicodeScalars.count + 1)
    #expect(abs(scores[0] + report.loss * Double(report.tokens)) < 1e-3)
  }

  // MARK: evaluate --per-class

  @Test(arguments: ["classifier", "tagger"])
  func reportPerClass(task: String) async throws {
    try await runs.trained(task)
    let report = try await evaluate()
    let (classes, confusion) = (try #require(report.classes), try #require(report.confusion))
    let (correct, all) = (classes.reduce(0) { $0 + $1.correct }, classes.reduce(0) { $0 + $1.examples })
    #expect(all == report.tokens && confusion.reduce(0) { $0 + $1.count } == all)
    #expect(abs(try #require(report.accuracy) - Double(correct) / Double(all)) < 1e-12)
    #expect(correct == confusion.filter { $0.reference == $0.predicted }.reduce(0) { $0 + $1.count })
    let together = try await evaluate(ranks: 2)
    #expect(together.classes == classes && together.confusion == confusion)
    #expect((report.spans == nil) == (task == "classifier"))
    let text = try await run(["evaluate", "run", "--per-class"]).output
    #expect(text.contains("precision") && text.contains("mean of classes"), "\(text)")
    #expect(classes.allSatisfy { text.contains($0.name) }, "\(text)")
  }

  /// The run keeps the counts of its best evaluation, and its report shows them.
  @Test func reportPerTypeOfSpan() async throws {
    let tags = ["B-PER I-PER O", "O B-LOC I-LOC"]
    let words =
      (0..<20).map { $0 % 2 == 0 ? "ann lee ran\($0)" : "to\($0) new york" }.joined(separator: "\n") + "\n"
    try runs.folder.write(Array(words.utf8), to: "names.txt")
    try runs.folder.write(
      Array(((0..<20).map { tags[$0 % 2] }.joined(separator: "\n") + "\n").utf8), to: "types.txt")
    try await runs.trained(
      "tagger", ["data.train.input=names.txt", "data.train.labels=types.txt", "training.learning_rate=0.05"])
    let report = try await evaluate()
    let spans = try #require(report.spans)
    #expect(Set(spans.map(\.name)).isSubset(of: ["PER", "LOC"]) && spans.reduce(0) { $0 + $1.examples } > 0)
    #expect(try await evaluate(ranks: 2).spans == spans)
    let text = try await run(["evaluate", "run", "--per-class"]).output
    #expect(text.contains("all types") && text.contains("mean of types"), "\(text)")
    let kept = try JSONDecoder().decode(
      Report.Kept.self, from: Data(contentsOf: URL(fileURLWithPath: runs.folder.file("run/classes.json"))))
    #expect(kept.classes == report.classes && kept.spans == spans)
    _ = try await run(["report", "run"])
    let page = try String(contentsOfFile: runs.folder.file("run/report.html"), encoding: .utf8)
    #expect(page.contains(">Classes</h2>") && page.contains(">spans</th>"))
  }

  @Test func modelsWithoutClassesHaveNoReport() async throws {
    try await runs.trained("seq2seq")
    #expect(try await evaluate().classes == nil)
    let refused = try await Program.run(["evaluate", "run", "--per-class"], in: runs.folder.path)
    #expect(refused.exitCode == 64 && refused.standardError.contains("--per-class"), "\(refused)")
  }
}
