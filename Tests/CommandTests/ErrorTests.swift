import Foundation
import TestSupport
import Testing

/// One mistake of a user, and the message that the program must print.
struct Mistake: Sendable, CustomTestStringConvertible {
  let name: String
  /// Damages a folder with a good run in `run` and its text in `text.txt`.
  var prepare: @Sendable (TemporaryDirectory) throws -> Void = { _ in }
  let arguments: [String]
  let exitCode: Int32
  /// Parts of the message.
  let words: [String]

  var testDescription: String { name }
}

/// Every mistake leads to one message, the documented exit code and no result.
@Suite(.timeLimit(.minutes(15))) struct ErrorTests {
  @Test(arguments: Mistake.all) func alone(mistake: Mistake) async throws {
    let folder = try await folder(of: mistake)
    let outcome = try await Program.run(mistake.arguments, in: folder.path)
    expect(mistake, outcome)
    #expect(!outcome.standardError.contains("rank 0"), "the only process is not worth naming: \(outcome)")
  }

  /// Swift replaces bytes that are not UTF-8, so that different names would become one.
  @Test(arguments: [
    "train --run-dir $NAME", "evaluate $NAME", "predict run --attention $NAME", "export run --output $NAME",
    "train data.train=$NAME",
  ])
  func anArgumentThatIsNotUTF8(command: String) async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(
      shell: "NAME=$(printf 'r\\377'); \"$PROGRAM\" " + command.replacing("$NAME", with: "\"$NAME\""),
      in: folder.path,
      environment: [:])
    #expect(outcome.exitCode == 64 && outcome.errors.count == 1, "\(outcome)")
    #expect(outcome.standardError.contains("not valid UTF-8"), "\(outcome)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { !$0.contains("\u{FFFD}") }
    )
  }

  /// Three ranks print the message once.
  @Test(arguments: Mistake.all.filter { $0.arguments[0] != "generate" && $0.isWorthALauncher })
  func threeRanks(mistake: Mistake) async throws {
    let folder = try await folder(of: mistake)
    expect(mistake, try await Program.run(mistake.arguments, ranks: 3, in: folder.path))
  }

  private func folder(of mistake: Mistake) async throws -> TemporaryDirectory {
    let folder = try await TinyRun.folder()
    try mistake.prepare(folder)
    return folder
  }

  private func expect(_ mistake: Mistake, _ outcome: Outcome) {
    #expect(outcome.exitCode == mistake.exitCode && !outcome.wasKilled, "\(mistake.name): \(outcome)")
    expectErrors(of: outcome, at: #_sourceLocation)
    #expect(!outcome.standardError.contains("Error: "), "\(outcome)")
    for word in mistake.words { #expect(outcome.standardError.contains(word), "\(outcome)") }
    #expect(outcome.standardOutput.isEmpty, "\(outcome)")
  }
}

extension Mistake {
  static let all = missing + damaged + configuration + texts + usage

  /// Starting mpirun takes a second, so it is done for one mistake of each kind.
  var isWorthALauncher: Bool {
    [
      "no such run", "truncated weights", "broken YAML", "unknown key", "key of the model", "text missing",
      "text of one token", "run exists", "unknown option", "nothing to resume",
    ].contains(name)
  }

  private static let missing = [
    Mistake(
      name: "no such run", arguments: ["evaluate", "nothing"], exitCode: 66,
      words: ["nothing: no such run directory"]),
    Mistake(
      name: "no such run to write", arguments: ["generate", "nothing"], exitCode: 66, words: ["no such run"]),
    Mistake(
      name: "nothing to inspect", arguments: ["inspect", "nothing"], exitCode: 66, words: ["no such run"]),
    Mistake(
      name: "an empty path as run", arguments: ["evaluate", ""], exitCode: 66,
      words: ["the path of the run directory is empty"]),
    Mistake(
      name: "an empty path to write",
      arguments: ["train", "text", "data.train=text.txt", "--run-dir", ""] + TinyRun.settings, exitCode: 73,
      words: ["can't create directory \"\""]),
    Mistake(
      name: "a file as run", arguments: ["evaluate", "text.txt"], exitCode: 66,
      words: ["text.txt isn't a run directory"]),
    Mistake(
      name: "no checkpoint yet", prepare: { try $0.remove("run/checkpoints") },
      arguments: ["evaluate", "run"],
      exitCode: 65, words: ["run has no checkpoint yet"]),
    Mistake(
      name: "no such checkpoint", arguments: ["evaluate", "run", "--checkpoint", "5"], exitCode: 66,
      words: ["step-5", "no such checkpoint"]),
    Mistake(
      name: "no vocabulary", prepare: { try $0.remove("run/vocab.txt") }, arguments: ["generate", "run"],
      exitCode: 66, words: ["run/vocab.txt: no such file"]),
    Mistake(
      name: "no configuration", prepare: { try $0.remove("run/config.yaml") },
      arguments: ["generate", "run"],
      exitCode: 66, words: ["run/config.yaml: no such configuration file"]),
    Mistake(
      name: "no such text in the run", arguments: ["evaluate", "run", "--split", "test"], exitCode: 78,
      words: ["data.test", "--data FILE"]),
  ]

  private static let damaged = [
    Mistake(
      name: "truncated weights",
      prepare: { try $0.cut("run/checkpoints/step-12/model.safetensors", to: 2000) },
      arguments: ["evaluate", "run"], exitCode: 65, words: ["step-12/model.safetensors"]),
    Mistake(
      name: "empty weights", prepare: { try $0.cut("run/checkpoints/step-12/model.safetensors", to: 0) },
      arguments: ["generate", "run"], exitCode: 65, words: ["step-12/model.safetensors"]),
    Mistake(
      name: "flipped bit", prepare: { try $0.flipLastBit("run/checkpoints/step-12/model.safetensors") },
      arguments: ["generate", "run"], exitCode: 65, words: ["step-12/model.safetensors", "digest"]),
    Mistake(
      name: "truncated weights alone",
      prepare: { try $0.cut("run/checkpoints/step-8/model.safetensors", to: 500) },
      arguments: ["inspect", "run/checkpoints/step-8/model.safetensors"], exitCode: 65,
      words: ["model.safetensors"]),
    Mistake(
      name: "no safetensors", arguments: ["inspect", "text.txt"], exitCode: 65,
      words: ["text.txt", "not a safetensors file"]),
    Mistake(
      name: "weights of another model",
      prepare: { try $0.replace("run/config.yaml", "hidden_size: 8", by: "hidden_size: 65536") },
      arguments: ["generate", "run"], exitCode: 65, words: ["rnn.weight_ih_l0", "another model"]),
    Mistake(
      name: "damaged vocabulary", prepare: { try $0.write("<unk>\na\na\n", to: "run/vocab.txt") },
      arguments: ["generate", "run"], exitCode: 65, words: ["run/vocab.txt:3"]),
  ]

  private static let configuration = [
    Mistake(
      name: "a run as configuration", arguments: ["train", "run/", "--run-dir", "new"], exitCode: 66,
      words: ["run: is a directory", "run/config.yaml", "--run-dir run --resume"]),
    Mistake(
      name: "broken YAML",
      prepare: { try $0.write("seed: 1\nmodel: [1, 2\n", to: "run/config.yaml") },
      arguments: ["evaluate", "run"], exitCode: 78, words: ["run/config.yaml:", "isn't valid YAML"]),
    Mistake(
      name: "unknown key", arguments: ["train", "char-lm", "data.train=text.txt", "model.layrs=2"],
      exitCode: 78,
      words: ["model.layrs", "did you mean \"model.layers\"?"]),
    Mistake(
      name: "key by another program's name", arguments: ["config", "check", "lr=1"], exitCode: 78,
      words: ["lr: unknown key; did you mean \"training.learning_rate\"?"]),
    Mistake(
      name: "a key without its value", arguments: ["train", "model.layers", "2"], exitCode: 66,
      words: ["\"model.layers\" is a key", "model.layers=VALUE"]),
    Mistake(
      name: "several mistakes",
      arguments: ["config", "check", "char-lm", "model.layrs=2", "seed=x", "data=3"],
      exitCode: 78, words: ["model.layrs", "seed: expects", "data: expects"]),
    Mistake(
      name: "unknown key in evaluation", arguments: ["evaluate", "run", "evaluation.batchsize=1"],
      exitCode: 78,
      words: ["evaluation.batch_size"]),
    Mistake(
      name: "key of the model", arguments: ["evaluate", "run", "model.hidden_size=9", "data.tokens=word"],
      exitCode: 78,
      words: ["model.hidden_size", "data.tokens", "trained model"]),
    Mistake(
      name: "no such preset", arguments: ["config", "show", "chr-lm"], exitCode: 66,
      words: ["did you mean \"char-lm\"?"]),
    Mistake(name: "no text", arguments: ["train", "char-lm"], exitCode: 78, words: ["data.train"]),
  ]

  private static let texts: [Mistake] =
    ([
      ("text missing", nil, 66, "no such file"), ("text empty", [], 65, "no text"),
      ("text of one token", [0x61], 65, "1 token"), ("binary text", [0x61, 0x62, 0, 0x63], 65, "zero byte"),
      ("text not UTF-8", [0x61, 0x0A, 0xFF, 0x61], 65, "bad.txt:2: not UTF-8"),
    ] as [(String, [UInt8]?, Int32, String)]).flatMap { name, bytes, code, words in
      let prepare: @Sendable (TemporaryDirectory) throws -> Void = { folder in
        if let bytes { try folder.write(bytes, to: "bad.txt") }
      }
      return [
        Mistake(
          name: name, prepare: prepare,
          arguments: ["train", "text", "data.train=bad.txt", "--run-dir", "new"],
          exitCode: code, words: ["bad.txt", words]),
        Mistake(
          name: name + " to score", prepare: prepare, arguments: ["evaluate", "run", "--data", "bad.txt"],
          exitCode: code, words: ["bad.txt", words]),
      ]
    } + [
      Mistake(
        name: "directory as text", arguments: ["train", "text", "data.train=run", "--run-dir", "new"],
        exitCode: 66,
        words: ["run: is a directory"]),
      Mistake(
        name: "pipe as text", prepare: { #expect(mkfifo($0.file("pipe"), 0o600) == 0) },
        arguments: ["train", "text", "data.train=pipe", "--run-dir", "new"], exitCode: 66,
        words: ["pipe: is a directory, a pipe or a device", "save the output of a command"]),
      Mistake(
        name: "directory to score", arguments: ["evaluate", "run", "--data", "run"], exitCode: 66,
        words: ["run: is a directory"]),
      Mistake(
        name: "text too short", prepare: { try $0.write("abc abc abc", to: "short.txt") },
        arguments: ["train", "text", "data.train=short.txt", "--run-dir", "new"], exitCode: 65,
        words: ["short.txt: ", "training.batch_size"]),
      Mistake(
        name: "one file of lines for a tagger",
        prepare: { try $0.write("a b\n", to: "lines.txt") },
        arguments: [
          "train", "text", "task=tagger", "data.format=lines", "data.tokens=word", "data.train=lines.txt",
          "data.generator=none", "--run-dir", "new", "evaluation.metric=loss",
        ], exitCode: 78, words: ["data.train: one file of lines holds no pairs: name {input: …, labels: …}"]),
    ]

  private static let usage = [
    Mistake(
      name: "run exists", arguments: ["train", "text", "data.train=text.txt", "--run-dir", "run"],
      exitCode: 73,
      words: ["--resume", "--overwrite"]),
    Mistake(
      name: "foreign directory", prepare: { try $0.remove("run") },
      arguments: ["train", "text", "data.train=text.txt", "--run-dir", ".", "--overwrite"], exitCode: 73,
      words: ["isn't a run directory"]),
    Mistake(
      name: "resume and overwrite", arguments: ["train", "--run-dir", "run", "--resume", "--overwrite"],
      exitCode: 64,
      words: ["--resume and --overwrite"]),
    Mistake(
      name: "resume without a directory", arguments: ["train", "--resume"], exitCode: 64, words: ["--run-dir"]
    ),
    Mistake(
      name: "two texts", arguments: ["evaluate", "run", "--split", "test", "--data", "text.txt"],
      exitCode: 64,
      words: ["--split and --data"]),
    Mistake(
      name: "unknown split", arguments: ["evaluate", "run", "--split", "dev"], exitCode: 64, words: ["valid"]),
    Mistake(name: "unknown option", arguments: ["evaluate", "run", "--jsn"], exitCode: 64, words: ["--jsn"]),
    Mistake(
      name: "mistyped command", arguments: ["trian"], exitCode: 64,
      words: ["unknown command \"trian\"; did you mean \"train\"?", "See 'rnn-dist --help'"]),
    Mistake(
      name: "mistyped second command", arguments: ["config", "shw", "default"], exitCode: 64,
      words: ["unknown command \"shw\"; did you mean \"show\"?", "See 'rnn-dist config --help'"]),
    Mistake(
      name: "unknown command", arguments: ["translate"], exitCode: 64,
      words: ["unknown command \"translate\" (commands: train, prepare, evaluate"]),
    Mistake(
      name: "nothing to resume", arguments: ["train", "--run-dir", "rnu", "--resume"], exitCode: 66,
      words: ["rnu: there is no run to resume", "--run-dir", "name a configuration"]),
    Mistake(
      name: "file to predict from", arguments: ["predict", "run", "text.txt"], exitCode: 64,
      words: ["rnn-dist predict run < text.txt"]),
    Mistake(name: "run forgotten", arguments: ["generate"], exitCode: 64, words: ["<run>"]),
    Mistake(
      name: "a class for a language model", arguments: ["generate", "run", "--class", "x"], exitCode: 64,
      words: ["error: --class", "'rnn-dist generate --help'"]),
    Mistake(
      name: "a text to predict from", arguments: ["predict", "run"], exitCode: 64,
      words: ["error: run is a language model", "'rnn-dist predict --help'"]),
    Mistake(
      name: "ensemble of a language model", arguments: ["evaluate", "run", "--ensemble", "run"], exitCode: 64,
      words: ["error: --ensemble"]),
  ]
}

extension TemporaryDirectory {
  fileprivate func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: file(name)) }

  fileprivate func cut(_ name: String, to bytes: Int) throws {
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file(name)))
    try handle.truncate(atOffset: UInt64(bytes))
    try handle.close()
  }

  fileprivate func flipLastBit(_ name: String) throws {
    var data = try Data(contentsOf: URL(fileURLWithPath: file(name)))
    data[data.endIndex - 1] ^= 1
    try write(data, to: name)
  }

  fileprivate func replace(_ name: String, _ text: String, by other: String) throws {
    let content = try String(contentsOfFile: file(name), encoding: .utf8)
    try write(content.replacingOccurrences(of: text, with: other), to: name)
  }
}
