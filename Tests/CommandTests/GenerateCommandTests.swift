import Foundation
import Testing

@Suite(.timeLimit(.minutes(3))) struct GenerateCommandTests {
  private func generate(_ arguments: [String], tokens: String = "char") throws -> Outcome {
    let folder = try TinyRun.folder(tokens)
    return try Program.run(["generate", "run"] + arguments, in: folder.root)
  }

  @Test func theTextBeginsWithThePromptAndHasItsLength() throws {
    let outcome = try generate(["--prompt", "the cat", "--length", "50"])
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    #expect(outcome.output.hasPrefix("the cat"))
    #expect(outcome.output.unicodeScalars.count == 7 + 50 + 1)
  }

  @Test(arguments: [("char", 500), ("byte", 500)]) func defaultLength(tokens: String, length: Int) throws {
    let outcome = try generate([], tokens: tokens)
    let count = tokens == "char" ? outcome.output.unicodeScalars.count : outcome.standardOutput.count
    #expect(outcome.exitCode == 0 && count == length + 1, "\(outcome)")
  }

  /// Each token is a word or the end of a line.
  @Test func wordsAreJoined() throws {
    let outcome = try generate(["--prompt", "the cat", "--length", "40"], tokens: "word")
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.output.hasPrefix("the cat"))
    #expect(
      !outcome.output.contains("  ") && !outcome.output.contains(" \n") && !outcome.output.contains("\n "))
    let lines = outcome.output.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
    let words = lines.reduce(0) { $0 + $1.split(separator: " ").count }
    #expect(words + lines.count - 1 == 2 + 40)
    #expect(words > 20)
  }

  @Test func theSeedDecides() throws {
    let texts = try [[], ["--seed", "1"], ["--seed", "2"]].map {
      try generate(["--length", "60"] + $0).output
    }
    #expect(texts[0] == texts[1])  // the run's seed is 1
    #expect(texts[0] != texts[2])
  }

  @Test func severalTexts() throws {
    let outcome = try generate(["--prompt", "a", "--count", "3", "--length", "20"])
    let texts = outcome.output.components(separatedBy: "\n---\n")
    #expect(outcome.exitCode == 0 && texts.count == 3, "\(outcome)")
    #expect(Set(texts).count == 3)
    #expect(texts.allSatisfy { $0.hasPrefix("a") })
    // The first text is the one that is streamed if no others are asked for.
    #expect(try generate(["--prompt", "a", "--length", "20"]).output == texts[0] + "\n")
  }

  /// With one token to choose from, the seed makes no difference.
  @Test(arguments: [["--temperature", "0"], ["--top-k", "1"], ["--top-p", "1e-9"]])
  func withoutChoiceSeedsAgree(options: [String]) throws {
    let texts = try ["1", "2"].map { try generate(["--length", "30", "--seed", $0] + options).output }
    #expect(texts[0] == texts[1])
    #expect(texts[0].unicodeScalars.count == 31)
  }

  @Test func unknownCharactersAreNamed() throws {
    let outcome = try generate(["--prompt", "the ZßZ", "--length", "3"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.standardError.contains("\"Z\", \"ß\""), "\(outcome)")
    #expect(outcome.output.hasPrefix("the \u{FFFD}\u{FFFD}\u{FFFD}"))
    #expect(
      try generate(["--prompt", "the cow", "--length", "3"], tokens: "word").standardError.contains("\"cow\"")
    )
  }

  @Test(arguments: [
    ["--length", "0"], ["--count", "0"], ["--count", "1001"], ["--temperature", "-1"],
    ["--temperature", "nan"],
    ["--temperature", "inf"], ["--top-k", "0"], ["--top-p", "0"], ["--top-p", "1.5"], ["--seed", "-1"],
    ["--length", "many"], ["--checkpoint", "first"], ["--checkpoint", "-4"],
  ])
  func valuesOutOfRangeAreUsageErrors(options: [String]) throws {
    let outcome = try generate([options.joined(separator: "=")])
    #expect(outcome.exitCode == 64 && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.errors.count == 1 && outcome.standardError.contains(options[0]), "\(outcome)")
    #expect(outcome.standardOutput.isEmpty)
  }

  /// `generate | head -1`: when the reader closes the pipe, the program ends without a message.
  @Test(arguments: [
    ["generate", "run", "--length", "1000000"], ["evaluate", "run"], ["inspect", "run"], ["--help"],
  ])
  func aReaderThatLeaves(arguments: [String]) throws {
    let folder = try TinyRun.folder()
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let outcome = try Program.run(arguments, in: folder.root, output: pipe.fileHandleForWriting)
    #expect(outcome.exitCode == 0 && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.standardError.isEmpty, "\(outcome)")
  }

  @Test(arguments: [
    ["generate", "run"], ["generate", "run", "--count", "2"], ["evaluate", "run"], ["inspect", "run"],
  ])
  func aFullDisk(arguments: [String]) throws {
    let folder = try TinyRun.folder()
    let full = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full"))
    let outcome = try Program.run(arguments, in: folder.root, output: full)
    #expect(outcome.exitCode == 74 && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.errors.count == 1, "\(outcome)")
  }

  /// Under a launcher only rank 0 writes.
  @Test func oneRankWrites() throws {
    let folder = try TinyRun.folder()
    let arguments = ["generate", "run", "--length", "20"]
    let (alone, together) = (
      try Program.run(arguments, in: folder.root), try Program.run(arguments, ranks: 2, in: folder.root)
    )
    #expect(together.exitCode == 0 && together.output == alone.output, "\(together)")
  }
}
