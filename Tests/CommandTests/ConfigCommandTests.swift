import Configuration
import Foundation
import Tasks
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(15))) struct ConfigCommandTests {
  @Test func listNamesAndDescribesEveryPreset() async throws {
    let outcome = try await Program.run(["config", "list"])
    let lines = outcome.output.split(separator: "\n").map(String.init)
    let names = lines.map { String($0.prefix { $0 != " " }) }
    #expect(outcome.exitCode == 0 && names == Presets.names, "\(outcome)")
    #expect(lines[0].hasSuffix("  what `rnn-dist train` does alone"), "\(outcome)")
    for line in lines {
      let purpose = line.drop { $0 != " " }.drop { $0 == " " }
      #expect(purpose.count > 10 && line.count <= 80, "\(line)")
    }
  }

  @Test(arguments: Presets.names) func aPresetSaysHowItIsRun(name: String) async throws {
    let outcome = try await Program.run(["config", "list", name])
    #expect(outcome.exitCode == 0 && outcome.output.contains("rnn-dist train"), "\(outcome)")
  }

  @Test func onePresetIsDescribedAlone() async throws {
    let outcome = try await Program.run(["config", "list", "char-lm"])
    #expect(outcome.exitCode == 0 && outcome.output.hasPrefix("char-lm\n    "), "\(outcome)")
    #expect(!outcome.output.contains("ptb-small"), "\(outcome)")
    try await Program.run(["config", "list", "chr-lm"]).expect(64, "chr-lm", "did you mean \"char-lm\"?")
  }

  @Test func showHasEveryValueAndItsOrigin() async throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(Array("seed: 7\nmodel: {layers: 2}\n".utf8), to: "own.yaml")
    let outcome = try await Program.run(["config", "show", path, "training.steps=9"])
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(outcome.exitCode == 0 && lines.count == ConfigurationSchema.keys.count, "\(outcome)")
    func line(_ key: String) -> String { lines.first { $0.hasPrefix(key + ": ") } ?? "" }
    #expect(line("seed").contains("7") && line("seed").hasSuffix("# \(path):1:7"))
    #expect(line("model.layers").hasSuffix("# \(path):2:17"))
    #expect(
      line("training.steps").contains(" 9 ")
        && line("training.steps").hasSuffix("# override training.steps=9"))
    #expect(line("model.dropout").hasSuffix("# default"))
  }

  /// A preset can be shown and checked without its data.
  @Test(arguments: Presets.names, ["show", "check"]) func presets(name: String, verb: String) async throws {
    let outcome = try await Program.run(["config", verb, name])
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    if verb == "check" {
      #expect(outcome.output == "ok\n")
    } else {
      #expect(outcome.output.contains("preset \(name):"))
    }
  }

  /// A file of data is often valid YAML: one value, or one key. The message quotes only its beginning.
  @Test(arguments: [
    (String(repeating: "a,1,2\n", count: 300), "is it a configuration?"),
    ("? " + String(repeating: "word ", count: 300) + "\n: 1\n", "unknown key"),
  ]) func aFileOfAnotherKind(content: String, message: String) async throws {
    #expect(try await refusal(of: content, message).count < 200)
  }

  /// The messages are ours, not those of the library.
  @Test(arguments: [
    (String(repeating: "[", count: 100_000), "is nested too deeply"),
    ("task: classifier\n---\ntask: tagger\n", "has several YAML documents"),
  ]) func yamlThatIsNotRead(content: String, message: String) async throws {
    _ = try await refusal(of: content, message)
  }

  /// Checks a file with some content, and that it is refused with one message, which is returned without the file's path.
  private func refusal(of content: String, _ message: String) async throws -> String {
    let folder = try TemporaryDirectory()
    let path = try folder.write(Array(content.utf8), to: "own.yaml")
    let outcome = try await Program.run(["config", "check", path])
    #expect(outcome.exitCode == 78 && outcome.errors.count == 1, "\(outcome)")
    #expect(outcome.standardError.contains(message), "\(outcome)")
    return outcome.standardError.replacingOccurrences(of: path, with: "")
  }

  /// A second word that is a path is most likely the training data.
  @Test(arguments: [
    ("=3", "model.layers=2"), ("model.layers", "model.layers=2"), ("word", "model.layers=2"),
    ("own.txt", "data.train=own.txt"), ("data/own", "data.train=data/own"),
    ("data.csv", "data.train=data.csv"),
  ]) func anOverrideWithoutItsKey(word: String, example: String) async throws {
    let outcome = try await Program.run(["config", "check", "default", word])
    #expect(outcome.exitCode == 78 && outcome.errors.count == 1, "\(outcome)")
    #expect(
      outcome.standardError.contains("expects key.path=value, for example \(example)\n"), "\(outcome)")
  }

  /// Each problem of a list begins with the same word.
  @Test func severalProblems() async throws {
    let folder = try TemporaryDirectory()
    let path = try folder.write(Array("model: {layers: x, hiden_size: 3}\nseed: -1\n".utf8), to: "own.yaml")
    let outcome = try await Program.run(["config", "check", path])
    #expect(outcome.exitCode == 78 && outcome.errors.count == 3, "\(outcome)")
  }

  @Test func withoutANameItIsTheDefault() async throws {
    let outcome = try await Program.run(["config", "show", "seed=3"])
    #expect(outcome.exitCode == 0 && outcome.output.contains("# preset default:"), "\(outcome)")
    #expect(outcome.output.contains("# override seed=3"))
  }
}

@Suite(.timeLimit(.minutes(15))) struct HelpTests {
  private static let commands = [
    [], ["train"], ["evaluate"], ["generate"], ["inspect"], ["bench"], ["config"], ["config", "list"],
    ["config", "show"], ["config", "check"],
  ]

  @Test(arguments: commands, ["-h", "--help"]) func everyCommandHasHelp(command: [String], flag: String)
    async throws
  {
    let outcome = try await Program.run(command + [flag])
    #expect(outcome.exitCode == 0 && outcome.standardError.isEmpty, "\(outcome)")
    #expect(outcome.output.contains("OVERVIEW: ") && outcome.output.contains("USAGE: rnn-dist"), "\(outcome)")
  }

  /// The definitions of metrics are a table, whose second column begins below the first definition.
  @Test func metricsOfEvaluate() async throws {
    let help = try await Program.run(["evaluate", "--help"]).output
    let lines = help.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasPrefix("Metrics, ") })
    let table = lines[(start + 1)...].prefix { !$0.isEmpty }
    #expect(table.contains { $0.hasPrefix("  perplexity            e to the power") }, "\(table)")
    let continued = table.filter { $0.hasPrefix(String(repeating: " ", count: 24)) }
    #expect(!continued.isEmpty && table.allSatisfy { $0.hasPrefix("  ") }, "\(table)")
  }

  @Test(arguments: commands) func everyCommandHasAVersion(command: [String]) async throws {
    let outcome = try await Program.run(command + ["--version"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    let lines = outcome.output.split(separator: "\n")
    try #require(lines.count == 4, "\(outcome)")
    #expect(
      lines[0].wholeMatch(of: /rnn-dist [0-9]+\.[0-9]+\.[0-9]+, commit [0-9a-z-]+/) != nil, "\(outcome)")
    #expect(lines[1].hasPrefix("BLAS: OpenBLAS 0.") && lines[2].hasPrefix("MPI: Open MPI v"), "\(outcome)")
    #expect(lines[3].hasPrefix("instruction set: "), "\(outcome)")
  }

  @Test func ranksPrintItOnce() async throws {
    let outcome = try await Program.run(["--version"], ranks: 3)
    #expect(outcome.exitCode == 0 && outcome.output.split(separator: "\n").count == 4, "\(outcome)")
  }
}
