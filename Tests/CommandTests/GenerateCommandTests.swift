import Foundation
import Testing

@Suite(.timeLimit(.minutes(15))) struct GenerateCommandTests {
  private func generate(_ arguments: [String], tokens: String = "char") async throws -> Outcome {
    let folder = try await TinyRun.folder(tokens)
    return try await Program.run(["generate", "run"] + arguments, in: folder.path)
  }

  @Test func theTextBeginsWithThePromptAndHasItsLength() async throws {
    let outcome = try await generate(["--prompt", "the cat", "--length", "50"])
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    #expect(outcome.output.hasPrefix("the cat"))
    #expect(outcome.output.unicodeScalars.count == 7 + 50 + 1)
  }

  @Test(arguments: [("char", 500), ("byte", 500)]) func defaultLength(tokens: String, length: Int)
    async throws
  {
    let outcome = try await generate([], tokens: tokens)
    let count = tokens == "char" ? outcome.output.unicodeScalars.count : outcome.standardOutput.count
    #expect(outcome.exitCode == 0 && count == length + 1, "\(outcome)")
  }

  /// Each token is a word or the end of a line.
  @Test func wordsAreJoined() async throws {
    let outcome = try await generate(["--prompt", "the cat", "--length", "40"], tokens: "word")
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.output.hasPrefix("the cat"))
    #expect(
      !outcome.output.contains("  ") && !outcome.output.contains(" \n") && !outcome.output.contains("\n "))
    let lines = outcome.output.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
    let words = lines.reduce(0) { $0 + $1.split(separator: " ").count }
    #expect(words + lines.count - 1 == 2 + 40)
    #expect(words > 20)
  }

  @Test func theSeedDecides() async throws {
    func text(_ seed: String...) async throws -> String {
      try await generate(["--length", "60"] + seed).output
    }
    let usual = try await text()
    #expect(try await text("--seed", "1") == usual, "the run's seed is 1")
    #expect(try await text("--seed", "2") != usual)
  }

  @Test func severalTexts() async throws {
    let outcome = try await generate(["--prompt", "a", "--count", "3", "--length", "20"])
    let texts = outcome.output.components(separatedBy: "\n---\n")
    #expect(outcome.exitCode == 0 && texts.count == 3, "\(outcome)")
    #expect(Set(texts).count == 3)
    #expect(texts.allSatisfy { $0.hasPrefix("a") })
    // The first text is the one that is streamed if only one is requested.
    #expect(try await generate(["--prompt", "a", "--length", "20"]).output == texts[0] + "\n")
  }

  /// If only one token can be chosen, the seed makes no difference.
  @Test(arguments: [["--temperature", "0"], ["--top-k", "1"], ["--top-p", "1e-9"]])
  func withoutChoiceSeedsAgree(options: [String]) async throws {
    let first = try await generate(["--length", "30", "--seed", "1"] + options).output
    let second = try await generate(["--length", "30", "--seed", "2"] + options).output
    #expect(first == second)
    #expect(first.unicodeScalars.count == 31)
  }

  @Test func unknownCharactersAreNamed() async throws {
    let outcome = try await generate(["--prompt", "the ZßZ", "--length", "3"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.standardError.contains("\"Z\", \"ß\""), "\(outcome)")
    let lines = try await generate(["--prompt", "the\r\t", "--length", "3"])
    #expect(lines.standardError.contains("\"\\t\""), "\(lines)")
    #expect(outcome.output.hasPrefix("the ZßZ") && outcome.output.unicodeScalars.count == 11, "\(outcome)")
    #expect(
      try await generate(["--prompt", "the cow", "--length", "3"], tokens: "word").standardError.contains(
        "\"cow\"")
    )
  }

  /// The prompt is shown as it was given, and the text continues it in the same way for one text and for several.
  @Test(arguments: ["char", "word"], ["the ZßZ", "the  cat ", "a\n"])
  func thePromptIsShownAsGiven(tokens: String, prompt: String) async throws {
    let arguments = ["--prompt", prompt, "--length", "5"]
    let one = try await generate(arguments, tokens: tokens)
    let two = try await generate(arguments + ["--count", "2"], tokens: tokens)
    let shown = tokens == "word" ? prompt.trimmingCharacters(in: [" "]) : prompt
    #expect(one.exitCode == 0 && one.output.hasPrefix(shown), "\(one)")
    if tokens == "word" { #expect(!one.output.dropFirst(shown.count).hasPrefix("  "), "\(one)") }
    #expect(two.output.components(separatedBy: "---\n").first == one.output, "\(two)")
  }

  @Test(arguments: [
    ["--length", "0"], ["--count", "0"], ["--count", "1001"], ["--temperature", "-1"],
    ["--temperature", "nan"],
    ["--temperature", "inf"], ["--top-k", "0"], ["--top-p", "0"], ["--top-p", "1.5"], ["--seed", "-1"],
    ["--length", "many"], ["--checkpoint", "first"], ["--checkpoint", "-4"],
  ])
  func valuesOutOfRangeAreUsageErrors(options: [String]) async throws {
    let outcome = try await generate([options.joined(separator: "=")])
    #expect(outcome.exitCode == 64 && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.errors.count == 1 && outcome.standardError.contains(options[0]), "\(outcome)")
    #expect(outcome.standardOutput.isEmpty)
  }

  /// `generate | head -1`: when the reader closes the pipe, the program ends without a message.
  @Test(arguments: [
    ["generate", "run", "--length", "1000000"], ["evaluate", "run"], ["inspect", "run"], ["--help"],
  ])
  func aReaderThatLeaves(arguments: [String]) async throws {
    let folder = try await TinyRun.folder()
    let pipe = Pipe()
    try pipe.fileHandleForReading.close()
    let outcome = try await Program.run(arguments, in: folder.path, output: pipe.fileHandleForWriting)
    #expect(outcome.exitCode == 0 && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.standardError.isEmpty, "\(outcome)")
  }

  @Test(arguments: [
    ["generate", "run"], ["generate", "run", "--count", "2"], ["evaluate", "run"], ["inspect", "run"],
  ])
  func aFullDisk(arguments: [String]) async throws {
    let folder = try await TinyRun.folder()
    let full = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full"))
    let outcome = try await Program.run(arguments, in: folder.path, output: full)
    #expect(outcome.exitCode == 74 && !outcome.wasKilled, "\(outcome)")
    #expect(outcome.errors.count == 1, "\(outcome)")
  }

  /// Under a launcher only rank 0 writes.
  @Test func oneRankWrites() async throws {
    let folder = try await TinyRun.folder()
    let arguments = ["generate", "run", "--length", "20"]
    let (alone, together) = (
      try await Program.run(arguments, in: folder.path),
      try await Program.run(arguments, ranks: 2, in: folder.path)
    )
    #expect(together.exitCode == 0 && together.output == alone.output, "\(together)")
  }
}
