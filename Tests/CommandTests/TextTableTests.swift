import Foundation
import TestSupport
import Testing

/// Columns of text in csv files: training on them, and answering a file with a column of predictions.
@Suite struct TextTableTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    let rows = (0..<40).map { $0 % 2 == 0 ? "\($0),\"good, fine\",praise" : "\($0),\"bad\npoor\",blame" }
    try folder.write(Array((["id,text,label"] + rows).joined(separator: "\n").utf8), to: "reviews.csv")
  }

  private func run(_ arguments: [String], _ input: String = "") async throws -> Outcome {
    let outcome = try await Program.run(arguments, in: folder.path, input: Array(input.utf8))
    try #require(outcome.exitCode == 0, "\(arguments): \(outcome)")
    return outcome
  }

  private func train(_ settings: String...) async throws {
    _ = try await run(
      [
        "train", "text", "task=classifier", "data.generator=none", "data.format=csv",
        "data.train=reviews.csv", "data.valid=reviews.csv",
        "data.tokens=word",
        "model.hidden_size=16", "model.embedding_size=8", "training.batch_size=8", "training.epochs=0",
        "training.steps=150", "training.learning_rate=0.02", "evaluation.metric=accuracy", "--run-dir", "run",
      ] + settings)
  }

  @Test func aFileIsAnsweredByTheFile() async throws {
    try await train("data.columns=[text, label]")
    let file = "label,text,no\nx,\"poor\n\"\"bad\"\" bad\",1\ny,,2\nz,fine,3\n"
    let answers = try await run(["predict", "run", "--batch-size", "2"], file).output
    let expected =
      "label,text,no,predicted\nx,\"poor\n\"\"bad\"\" bad\",1,blame\ny,,2,\nz,fine,3,praise\n"
    #expect(answers == expected)
    // The order of classes and the scores, as further rows and columns.
    let ranked = try await run(["predict", "run", "--n-best", "2", "--scores"], "text\nfine\n").output
    let lines = ranked.split(separator: "\n").map { $0.split(separator: ",") }
    #expect(
      lines.map { $0.prefix(2) } == [["text", "predicted"], ["fine", "praise"], ["fine", "blame"]])
    #expect(lines[0].last == "score" && lines.dropFirst().allSatisfy { Double($0[2]) != nil })

    let json = try await run(["predict", "run", "--json"], file).output.split(separator: "\n")
    let first = try #require(JSONSerialization.jsonObject(with: Data(json[0].utf8)) as? [String: Any])
    #expect(first["row"] as? [String: String] == ["label": "x", "text": "poor\n\"bad\" bad", "no": "1"])
    #expect(json.count == 3 && first["line"] as? Int == 2)

    // Without a header each line is a text.
    #expect(try await run(["predict", "run"], "good, fine\nbad\n").output == "praise\nblame\n")
    let open = try await Program.run(
      ["predict", "run"], in: folder.path, input: Array("text\na\n\"b\n".utf8))
    #expect(open.exitCode == 65 && open.output.hasPrefix("text,predicted\na,"), "\(open)")
    #expect(open.standardError.contains("standard input:3") && open.standardError.contains("not closed"))
  }

  @Test func columnsByNumber() async throws {
    try await train("data.columns.source=2", "data.columns.target=3")
    #expect(try await run(["predict", "run"], "text\nfine\n").output == "text,predicted\nfine,praise\n")
    // Without a header a row would be a text as a whole.
    let row = try await run(["predict", "run"], "1,fine,x\n")
    #expect(row.standardError.contains("a header that names the columns"), "\(row)")
    let scored = try await run(["evaluate", "run", "--data", "reviews.csv", "--json"])
    let json = try #require(JSONSerialization.jsonObject(with: scored.standardOutput) as? [String: Any])
    #expect(json["accuracy"] as? Double == 1)
  }
}
