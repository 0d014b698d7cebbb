import Configuration
import Foundation
import Tasks
import Testing

/// The commands in help texts, in the comments of presets and in pages run as written, and all options and settings in pages exist.
///
/// Each block is run by a shell in a folder with small data under the names that the commands use. `rnn-dist` is a script
/// there that makes every model small, and `mpirun` starts two ranks.
@Suite(.timeLimit(.minutes(15))) struct DocumentedCommandTests {
  private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private let runs: SequenceRuns

  init() throws {
    runs = try PresetTests.data()
    for name in ["launch", "configs"] {
      try FileManager.default.copyItem(
        atPath: Self.repository.appendingPathComponent(name).path, toPath: runs.folder.file(name))
    }
    for preset in PresetTests.presets {
      let sizes =
        PresetTests.small
        + preset.settings.filter { !$0.hasPrefix("data.train") && !$0.hasPrefix("data.format") }
      try write("small/\(preset.name)", sizes.joined(separator: " "))
    }
    let program = """
      #!/bin/sh
      case "$*" in
        "train --"*--resume*) exec "$PROGRAM" "$@" ;;
        train*)
          name=$(basename -- "${2:-default}" .yaml)
          [ -f "small/$name" ] || name=default
          exec "$PROGRAM" "$@" $(cat "small/$name") ;;
      esac
      exec "$PROGRAM" "$@"
      """
    let launcher = """
      #!/bin/sh
      until [ "${1##*/}" = rnn-dist ]; do shift; done
      exec "$MPIRUN" -np 2 --bind-to none "$@"
      """
    // The program is newer than its sources, so launch/run starts it without a build.
    try write("Package.swift", "")
    try write("Sources/main.swift", "")
    for path in ["bin/rnn-dist", ".build/release/rnn-dist"] { try write(path, program, mode: 0o755) }
    try write("bin/mpirun", launcher, mode: 0o755)
    try write(
      "bin/sbatch", "#!/bin/sh\nSLURM_SUBMIT_DIR=. SLURM_JOB_ID=7 SLURM_NTASKS=2 exec bash \"$@\"\n",
      mode: 0o755)
  }

  private func write(_ name: String, _ text: String, mode: Int = 0o644) throws {
    let path = runs.folder.file(name)
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
  }

  /// Copies small data to the names that the commands use.
  private func provide(_ files: KeyValuePairs<String, String>) throws {
    for (name, source) in files {
      try write(name, String(contentsOfFile: runs.folder.file(source), encoding: .utf8))
    }
  }

  @discardableResult private func run(_ commands: String) async throws -> Outcome {
    let outcome = try await Program.run(
      shell: commands, in: runs.folder.path,
      environment: ["PATH": "\(runs.folder.file("bin")):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"]
    )
    #expect(outcome.exitCode == 0 && outcome.errors.isEmpty, "\(commands)\n\(outcome)")
    return outcome
  }

  // MARK: Help texts

  static let commandNames = [
    "train", "prepare", "evaluate", "predict", "score", "generate", "inspect", "export", "import", "lengths",
    "report", "serve", "bench", "bench lm", "bench seq2seq", "bench generate", "bench gemm", "bench latency",
    "bench allreduce", "bench scaling", "config", "config list", "config show", "config check", "doctor",
  ]

  /// The lines of a help text, as a terminal of 80 columns shows them.
  private func help(of command: String) async throws -> [Substring] {
    try await Program.run(
      command.split(separator: " ").map(String.init) + ["--help"], in: runs.folder.path,
      environment: ["COLUMNS": "80"]
    ).output.split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The examples of a help text.
  private func examples(of command: String) async throws -> String {
    let lines = try await help(of: command)
    guard let start = lines.firstIndex(where: { $0.hasPrefix("Example") }) else { return "" }
    return lines[(start + 1)...].prefix { !$0.isEmpty }.joined(separator: "\n")
  }

  @Test func examplesOfHelpTexts() async throws {
    try provide([
      "input.txt": "text.txt", "other.txt": "text.txt", "test.txt": "text.txt", "ptb.train.txt": "text.txt",
      "held-out.tsv": "pairs.tsv", "dates.txt": "words.txt",
    ])
    // A folder that `prepare` writes has the configuration of its preset under this name.
    try provide(["small/config": "small/char-lm"])
    var commands = [
      try await examples(of: "train"),
      "rnn-dist train ptb-small data.train=input.txt data.valid=input.txt data.test=input.txt --run-dir runs/ptb",
      "rnn-dist train pronunciation data.train=pairs.tsv data.valid=pairs.tsv --run-dir runs/g2p",
      "rnn-dist train default --run-dir runs/dates",
      """
      sed 's/^few/Russian/' classes.tsv > names.tsv
      rnn-dist train surnames data.train=names.tsv --run-dir runs/surnames
      (echo label,text; tr '\\t' , < classes.tsv) > reviews.csv
      rnn-dist train intent data.format=csv data.columns=text,label data.train=reviews.csv --run-dir runs/reviews
      for context in initial-state every-step attention; do
        rnn-dist train default model.context=$context --run-dir runs/$context
      done
      """,
    ]
    for command in [
      "prepare", "evaluate", "predict", "score", "generate", "inspect", "export", "import", "lengths",
      "report",
      "bench allreduce", "config list",
      "config show",
    ] {
      let examples = try await examples(of: command)
      #expect(examples.contains("rnn-dist \(command)"), "\(command) has no example")
      commands.append(examples)
    }
    // In this order, because later commands use the runs of earlier ones.
    for command in commands { try await run(command) }
  }

  @Test(arguments: [""] + commandNames) func helpFitsATerminal(command: String) async throws {
    let lines = try await help(of: command)
    #expect(lines.contains { $0.hasPrefix("OVERVIEW: ") }, "\(command): \(lines)")
    for line in lines where !line.hasPrefix("USAGE: ") { #expect(line.count <= 80, "\(command): \(line)") }
    // A longer example would be broken without a backslash.
    let examples = lines.drop { !$0.hasPrefix("Example") }.dropFirst().prefix { !$0.isEmpty }
    #expect(examples.allSatisfy { $0.hasPrefix("  ") }, "\(command): \(examples)")
  }

  // MARK: Presets

  /// The files that the comment of a preset names, and the small data that replace them.
  private static let files: [String: KeyValuePairs<String, String>] = [
    "text": ["input.txt": "text.txt"], "char-lm": ["input.txt": "text.txt"],
    "ptb-small": [
      "ptb.train.txt": "text.txt", "ptb.valid.txt": "text.txt", "ptb.test.txt": "text.txt",
    ],
    "war-and-peace-bytes": ["train.txt": "text.txt", "valid.txt": "text.txt", "test.txt": "text.txt"],
    "tagger": ["en_ewt-ud-train.conllu": "words.conllu", "en_ewt-ud-dev.conllu": "words.conllu"],
    "slots": [
      "train/seq.in": "words.txt", "train/seq.out": "tags.txt", "valid/seq.in": "words.txt",
      "valid/seq.out": "tags.txt",
    ],
    "music": ["JSB_Chorales.train.txt": "pieces.txt", "JSB_Chorales.valid.txt": "pieces.txt"],
    "intent": [
      "train/seq.in": "words.txt", "train/label": "kinds.txt", "valid/seq.in": "words.txt",
      "valid/label": "kinds.txt",
    ],
    "mnist1d": ["train.csv": "series.csv"], "japanese-vowels": ["train.tsv": "captions.tsv"],
    "captions": ["train.tsv": "captions.tsv"],
    "pronunciation": ["train.tsv": "pairs.tsv", "dev.tsv": "pairs.tsv"],
    "pronunciation-small": ["fre_train.tsv": "pairs.tsv", "fre_dev.tsv": "pairs.tsv"],
    "reading": ["train.tsv": "triples.tsv"],
    "entailment": ["train.tsv": "matches.tsv", "valid.tsv": "matches.tsv"],
    "translation": [
      "train.de": "words.txt", "train.en": "reversed.txt", "valid.de": "words.txt",
      "valid.en": "reversed.txt",
    ],
    "speech": ["train.tsv": "captions.tsv", "valid.tsv": "captions.tsv"],
    "forecast": ["load.csv": "table.csv"],
  ]

  @Test(arguments: Presets.names.filter { $0 != "default" }) func commentsOfPresets(preset: String)
    async throws
  {
    let comment = try await Program.run(["config", "list", preset]).output.components(separatedBy: "\n")
    let commands = comment.filter { $0.hasPrefix("      ") }.joined(separator: "\n")
    try #require(commands.contains("rnn-dist train \(preset)"), "\(comment)")
    try provide(Self.files[preset] ?? [:])
    // PresetTests trains the models; here only those that a later command needs.
    if !["evaluate", "predict", "generate"].contains(where: { commands.contains("rnn-dist \($0)") }) {
      let sizes = try String(contentsOfFile: runs.folder.file("small/\(preset)"), encoding: .utf8)
      try write("small/\(preset)", sizes + " --dry-run")
    }
    if preset == "surnames" { try await run("sed 's/^few/Russian/' classes.tsv > names.tsv") }
    if preset == "captions" {
      try FileManager.default.copyItem(
        atPath: runs.folder.file("picture-0.npy"), toPath: runs.folder.file("picture.npy"))
    }
    try await run(commands)
  }

  // MARK: Pages

  private static func text(of page: String) throws -> String {
    try String(contentsOf: repository.appendingPathComponent(page), encoding: .utf8)
  }

  @Test func commandsOfTheLaunchers() async throws {
    try provide(["input.txt": "text.txt"])
    try write("hosts", "localhost slots=2\n")
    let commands = try Self.text(of: "launch/README.md").split(separator: "\n").filter {
      $0.hasPrefix("    ")
    }
    #expect(commands.count > 3)
    for command in commands { try await run(String(command)) }
  }

  /// The commands of a page that need no network and no build, after those that make the runs that the page assumes.
  @Test(
    arguments: [
      ("README.md", [], 6), ("docs/TUTORIAL.md", [], 10),
      (
        "docs/EXPORT.md",
        [
          "rnn-dist train char-lm data.train=input.txt --run-dir runs/shakespeare",
          "rnn-dist train --run-dir runs/dates",
        ], 6
      ),
    ] as [(String, [String], Int)])
  func commandsOfAPage(page: String, before: [String], count: Int) async throws {
    try provide([
      "input.txt": "text.txt", "data/shakespeare/input.txt": "text.txt", "train.tsv": "captions.tsv",
      "train/seq.in": "words.txt", "train/label": "kinds.txt", "data/snips/train/seq.in": "words.txt",
      "data/snips/train/label": "kinds.txt", "data/snips/valid/seq.in": "words.txt",
      "data/snips/valid/label": "kinds.txt",
    ])
    try FileManager.default.copyItem(
      atPath: runs.folder.file("picture-0.npy"), toPath: runs.folder.file("picture.npy"))
    let text = try Self.text(of: page)
    var after: [String] = []
    if let program = text.firstRange(of: "```c\n") {
      try write("demo.c", String(text[program.upperBound...].prefix { $0 != "`" }))
      try write("bin/cc", "#!/bin/sh\nexec $(command -v clang || command -v gcc) \"$@\"\n", mode: 0o755)
      after = ["./demo"]
    }

    var isShell = false
    let lines = text.replacing("\\\n", with: " ").split(separator: "\n").filter { line in
      if line.hasPrefix("```") { isShell = line == "```sh" }
      return isShell || line.hasPrefix("    rnn-dist ") || line.hasPrefix("    cc ")
    }
    let others = ["```", "git ", "launch/data ", "launch/test ", "    rnn-dist import "]
    let commands = lines.filter { line in !others.contains { line.hasPrefix($0) } }.map(String.init)
    #expect(commands.count == count, "\(commands)")
    for command in before + commands + after { try await run(command) }
  }

  @Test func requestsToAService() async throws {
    try provide(["input.txt": "text.txt"])
    let requests = try Self.text(of: "docs/SERVING.md").replacing("\\\n", with: " ").split(separator: "\n")
      .filter { $0.hasPrefix("curl ") }.map { $0.replacing("127.0.0.1:8080", with: "127.0.0.1:$port") }
    #expect(requests.count == 2)
    try await run("rnn-dist train char-lm data.train=input.txt --run-dir runs/shakespeare")
    try await run("rnn-dist train --run-dir runs/dates")
    let outcome = try await run(
      """
      rnn-dist serve runs/dates runs/shakespeare --port 0 > listening &
      service=$!
      trap 'kill $service; wait $service' EXIT
      until [ -s listening ]; do kill -0 $service; sleep 0.1; done
      port=$(sed 's/.*://' listening)
      \(requests.joined(separator: "\n"))
      """)
    #expect(outcome.output.contains(#"{"model":"dates","results":[{"outputs":[{"text":""#), "\(outcome)")
    #expect(outcome.output.contains(#"data: {"model":"shakespeare","seed":"#), "\(outcome)")
    #expect(
      outcome.output.contains(#"data: {"index":0,"finish_reason":"length","tokens":200}"#), "\(outcome)")
    #expect(outcome.output.contains(#"data: {"done":true}"#), "\(outcome)")
  }

  /// Returns the commands in the text and the code of a page, as their words.
  private static func commands(in text: String) -> [[String]] {
    let names = Set(commandNames.map { $0.split(separator: " ")[0] })
    return text.replacing("\\\n", with: " ").split { "\n`|".contains($0) }.compactMap { line in
      var words = line.split(separator: " ").prefix { $0 != "#" }
      if let program = words.firstIndex(where: { $0 == "rnn-dist" || $0.hasSuffix("launch/run") }) {
        words = words[(program + 1)...]
        // Options of the launcher and of mpirun.
        if words.first?.hasPrefix("-") == true { words = words.drop { !names.contains($0) } }
      }
      return words.first.map(names.contains) == true ? words.map(String.init) : nil
    }
  }

  /// Every option of a command has a line in its help, and `config check` accepts every setting for `train`.
  @Test func optionsAndSettingsInPages() async throws {
    let pages = try FileManager.default.contentsOfDirectory(
      atPath: Self.repository.appendingPathComponent("docs").path
    ).filter { $0.hasSuffix(".md") }.map { "docs/\($0)" }
    let texts = try (["README.md", "launch/README.md"] + pages).map(Self.text)
    var options: [String: Set<String>] = [:]
    var settings: Set<[String]> = []
    for words in texts.flatMap(Self.commands) {
      let pair = words.prefix(2).joined(separator: " ")
      let name = Self.commandNames.contains(pair) ? pair : words[0]
      let found = words.map { $0.drop { $0 == "[" } }.filter {
        $0.hasPrefix("-") && $0.contains(where: \.isLetter)
      }
      let names = found.map { option in String(option.prefix { $0.isLetter || $0.isNumber || $0 == "-" }) }
      options[name, default: []].formUnion(names)
      // A word in capitals is the name of a value.
      let values = words.dropFirst().filter { $0.contains("=") && !$0.contains(#/=[A-Z]$|\[/#) }
      if words[0] == "train", words.count > 1, Presets.names.contains(words[1]) || words[1].contains("=") {
        settings.insert((Presets.names.contains(words[1]) ? [words[1]] : []) + values)
      }
    }
    #expect(options.values.reduce(0) { $0 + $1.count } > 50 && settings.count > 20)
    for (name, options) in options {
      let help = Set(
        try await help(of: name).flatMap { $0.split { !$0.isLetter && !$0.isNumber && $0 != "-" } }
          .map(String.init))
      #expect(options.subtracting(help) == [], "options of \(name)")
    }
    for arguments in settings {
      let outcome = try await Program.run(["config", "check"] + arguments, in: runs.folder.path)
      #expect(outcome.exitCode == 0, "\(arguments)\n\(outcome)")
    }
  }
}
