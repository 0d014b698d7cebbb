import Configuration
import Foundation
import Testing

/// Options of models of sequences from `train` to `predict`: settings take effect, and the trained model is the one that is loaded.
@Suite(.timeLimit(.minutes(15))) struct SequenceOptionTests {
  private let runs: SequenceRuns

  init() throws { runs = try SequenceRuns() }

  // MARK: Random options

  static let random = [
    "model.dropout", "model.variational_dropout", "model.zoneout", "model.embedding_dropout",
  ]

  /// One step reads the whole text; two steps with almost no update between them differ only by their random masks.
  @Test(arguments: random + [""]) func everyStepOfATextHasNewMasks(option: String) async throws {
    try runs.folder.write(Array(TinyRun.text.prefix(500).utf8), to: "text.txt")
    let outcome = try await runs.run(
      "train", "text", "data.train=text.txt", "--run-dir", "run", "data.generator=none",
      "data.valid_fraction=0",
      "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=4", "training.bptt=1000",
      "training.epochs=2", "training.learning_rate=1e-30", "log.every_steps=1",
      option.isEmpty ? "model.dropout=0" : "\(option)=0.5")
    #expect(outcome.exitCode == 0, "\(outcome)")
    let losses = try runs.losses("train")
    #expect(losses.count == 2)
    #expect((abs(losses[0] - losses[1]) > 1e-4) == !option.isEmpty, "\(losses)")
  }

  @Test(arguments: ["classifier", "tagger", "generator", "seq2seq"]) func regularized(task: String)
    async throws
  {
    let options = ["model.zoneout=0.3", "model.variational_dropout=0.2", "log.every_steps=1"]
    try await runs.trained(task)
    let plain = try runs.losses("train")
    try await runs.trained(task, options, run: "other")
    #expect(try runs.losses("train", run: "other") != plain)
    // Evaluation is not random.
    let score = try await runs.score(run: "other")
    #expect(try await runs.score(run: "other")["loss"] as? Double == score["loss"] as? Double)
    let found = try #require(score["loss"] as? Double)
    let reported = try #require(try runs.losses("valid", run: "other").min())
    #expect(abs(found - reported) < 1e-9 * reported)
  }

  // MARK: Limits of the data

  /// Tags without spans have no F1, which is detected before the first step.
  @Test func spansAreNeededBeforeTheFirstStep() async throws {
    let outcome = try await Program.run(
      [
        "train", "slots", "data.train.input=words.txt", "data.train.labels=numbers.txt", "--run-dir", "run",
        "--dry-run",
      ], in: runs.folder.path)
    outcome.expect(78, "f1 needs tags such as B-name")
  }

  /// Examples that are left out or truncated because of limits are counted wherever they change a metric.
  @Test func examplesLeftOutAreCounted() async throws {
    let settings = ["data.max_length=3", "data.too_long=skip"]
    let planned = try await runs.train("seq2seq", settings + ["--dry-run"])
    #expect(planned.exitCode == 0 && planned.standardError.contains("examples left out"), "\(planned)")
    try await runs.trained("seq2seq", settings)
    let scored = try await runs.run("evaluate", "run", "--data", "pairs.tsv", "data.too_long=truncate")
    #expect(scored.exitCode == 0 && scored.standardError.contains("24 sequences cut"), "\(scored)")
  }

  /// A warning about the data comes before the checkpoint is restored, and must not open the log at step 0.
  @Test func aWarningDoesNotCutTheLogOfAResumedRun() async throws {
    let settings = [
      "data.max_length=3", "data.too_long=skip", "log.every_steps=1", "training.schedule.kind=constant",
    ]
    try await runs.trained("seq2seq", settings + ["training.steps=6"])
    let resumed = try await runs.run("train", "--run-dir", "run", "--resume", "training.steps=12")
    #expect(resumed.exitCode == 0 && resumed.standardError.contains("warning:"), "\(resumed)")
    try await runs.trained("seq2seq", settings, run: "whole")
    for kind in ["train", "valid", "checkpoint"] {
      func steps(_ run: String) throws -> [Int] {
        try runs.events(kind, run: run).map { try #require($0["step"] as? Int) }
      }
      #expect(try steps("run") == steps("whole"), "\(kind)")
    }
    #expect(try runs.losses("train") == runs.losses("train", run: "whole"))
    // TensorBoard hides the steps from the one that a session starts at: step 7 (field 2), start of a session (field 7).
    let boards = try FileManager.default.contentsOfDirectory(atPath: runs.folder.file("run"))
      .filter { $0.hasPrefix("events.out.tfevents.") }
      .map { try Data(contentsOf: URL(fileURLWithPath: runs.folder.file("run/\($0)"))) }
    let start = [Data([0x10, 1, 0x3A]), Data([0x10, 7, 0x3A])]
    #expect(boards.contains { $0.range(of: start[1]) != nil })
    #expect(boards.allSatisfy { $0.range(of: start[0]) == nil })
  }

  @Test func metricsOfAFewSourcesNameTheirNumber() async throws {
    let outcome = try await runs.train(
      "seq2seq", ["evaluation.metric=token_error_rate", "evaluation.decode_limit=2"])
    #expect(outcome.exitCode == 0 && outcome.standardError.contains("(of 2 sources)"), "\(outcome)")
    #expect(outcome.output.contains("of 2 sources"), "\(outcome)")
    #expect(try runs.events("valid").allSatisfy { $0["decoded"] as? Int == 2 })
    for change in ["evaluation.decode_limit=1", "log.samples=2", "training.steps=3"] {
      try await runs.run("evaluate", "run", change).expect(78, change, "only training reads it")
    }
  }

  /// Only three of the training settings also apply to a trained model; the rest are refused.
  @Test func trainingSettingsAreRefusedOutsideTraining() async throws {
    try await runs.trained("seq2seq")
    let read: Set = ["training.bptt", "training.precision", "training.reproducible"]
    let keys = ConfigurationSchema.keys.filter { $0.path.hasPrefix("training.") && !read.contains($0.path) }
    #expect(keys.count > 30)
    let outcome = try await Program.run(
      ["evaluate", "run"] + keys.map { "\($0.path)=\($0.defaultText)" }, in: runs.folder.path)
    #expect(outcome.exitCode == 78, "\(outcome)")
    for key in keys {
      #expect(outcome.standardError.contains("\(key.path): only training reads it"), "\(outcome)")
    }
    #expect(try await runs.run("evaluate", "run", "training.reproducible=true").exitCode == 0)
  }

  /// The model depends on the other keys of data, or only training reads them. Commands that don't evaluate also refuse
  /// those that name or choose held-out data.
  @Test func dataSettingsAreReadOrRefused() async throws {
    let read: Set = ["data.columns", "data.delimiter", "data.decimal", "data.max_length", "data.too_long"]
    let keys = ConfigurationSchema.keys.filter { $0.path.hasPrefix("data.") && !read.contains($0.path) }
    let forEvaluation = keys.filter(\.isForEvaluation)
    #expect(keys.count > 20 && forEvaluation.count > 6)
    try await runs.trained("seq2seq")
    func refused(_ command: String, _ keys: [ConfigurationKey]) async throws -> [String] {
      let outcome = try await Program.run(
        [command, "run"] + keys.map { "\($0.path)=\($0.defaultText)" }, in: runs.folder.path)
      #expect(outcome.exitCode == 78, "\(outcome)")
      return outcome.errors
    }
    let others = keys.filter { !$0.isForEvaluation }
    for command in ["evaluate", "predict", "serve"] {
      let errors = try await refused(command, others)
      for key in others {
        #expect(
          errors.contains {
            $0.contains("\(key.path): only training reads it")
              || $0.contains("\(key.path): the trained model")
          }, "\(command) \(key.path): \(errors)")
      }
    }
    for command in ["predict", "serve"] {
      let errors = try await refused(command, forEvaluation)
      for key in forEvaluation.map(\.path) {
        #expect(
          errors.contains { $0.contains("\(key): only train and evaluate read it") },
          "\(command) \(key): \(errors)")
      }
    }
  }

  /// The shape of inputs that are numbers is shown before training.
  @Test func theShapeOfNumbersIsShown() async throws {
    let numbers: [[Float]] = [[1, 2, 3], [4, 5, 6, 7]]
    for (index, values) in numbers.enumerated() {
      try runs.folder.write(SequenceRuns.npy(values), to: "series-\(index).npy")
    }
    try runs.folder.write(Array("a\tseries-0.npy\nb\tseries-1.npy\n".utf8), to: "series.tsv")
    try runs.folder.write(Array("a,1,2,3\nb,4,5,\n".utf8), to: "gaps.csv")
    func summary(_ settings: String...) async throws -> String {
      let outcome = try await Program.run(
        [
          "train", "japanese-vowels", "model.hidden_size=8", "training.batch_size=2", "training.epochs=0",
          "training.steps=1", "--dry-run",
        ] + settings, in: runs.folder.path)
      #expect(outcome.exitCode == 0, "\(outcome)")
      return outcome.standardError
    }
    #expect(
      try await summary("data.train=series.tsv", "data.valid=series.tsv").contains(
        "inputs: 1 number per step; 3 to 4 steps"))
    #expect(
      try await summary("data.train=gaps.csv", "data.valid=gaps.csv", "data.format=csv", "data.missing=mask")
        .contains(
          "inputs: 1 number per step, each with a mask (1: present); 3 steps"))
  }

  /// If there are fewer sources than the limit, their number is reported.
  @Test func aLimitAboveTheSourcesIsNotTheirNumber() async throws {
    let settings = [
      "data.valid=pairs.tsv", "evaluation.metric=token_error_rate", "evaluation.decode_limit=1000",
    ]
    let outcome = try await runs.train("seq2seq", settings)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let decoded = try runs.events("valid").map { try #require($0["decoded"] as? Int) }
    let examples = try runs.events("valid").map { try #require($0["examples"] as? Int) }
    #expect(decoded == examples && !decoded.isEmpty)
    #expect(!outcome.standardError.contains("sources)") && !outcome.output.contains("sources"), "\(outcome)")
  }

  /// Each line has one reference, or each source has the references of all its lines.
  @Test func referencesAreGroupedOnRequest() async throws {
    try runs.folder.write(Array("cat\tdog\ncat\tcow\nhen\tcat\n".utf8), to: "same.tsv")
    try await runs.trained("seq2seq")
    func notes(_ settings: String...) async throws -> [String] {
      let outcome = try await Program.run(
        ["evaluate", "run", "--json", "--data", "same.tsv"] + settings, in: runs.folder.path)
      let object = try JSONSerialization.jsonObject(with: outcome.standardOutput) as? [String: Any]
      return try #require(object?["notes"] as? [String])
    }
    #expect(try await notes().allSatisfy { $0.contains("nrefs:1|") })
    #expect(try await notes("evaluation.group_references=true").allSatisfy { $0.contains("nrefs:var|") })
  }

  /// A no-break space is not a token here: the line counts as empty, and the next line gets its output.
  @Test func linesWithoutTokensAreEmptyLines() async throws {
    try await runs.trained("seq2seq", ["data.tokens=bpe", "data.subword_vocabulary=20"])
    let answered = try await runs.run("predict", "run", lines: "cat\n\u{A0}\ndog\n")
    let lines = answered.output.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(answered.exitCode == 0 && lines.count == 4 && lines[1].isEmpty, "\(answered)")
    try await runs.run("predict", "run", "other").expect(64, "other", "decoding.beam=5")
  }

  @Test func aClassIsNotAPartOfAText() async throws {
    try await runs.trained("classifier")
    let outcome = try await runs.run("predict", "run", lines: "cat dog\nfew\tcat\n")
    #expect(outcome.exitCode == 65 && outcome.output.split(separator: "\n").count == 1, "\(outcome)")
    #expect(outcome.standardError.contains("standard input:2: 2 fields"), "\(outcome)")
  }

  @Test func missingValuesAreReported() async throws {
    try await runs.run("train", "text", "data.train=").expect(78, "data.train", "no value", "data.train=null")
  }

  // MARK: Sampled texts

  /// The limits of the configuration hold for sampled texts, too.
  @Test func sampledTextsKeepToTheirLengths() async throws {
    try await runs.trained(
      "generator", ["decoding.min_length=2", "decoding.max_length=3", "decoding.no_repeat_ngram=1"])
    let written = try await runs.run("generate", "run", "--class", "few", "--count", "40")
    let texts = written.output.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
      .map { $0.split(separator: " ") }
    #expect(written.exitCode == 0 && texts.count == 40, "\(written)")
    #expect(texts.allSatisfy { (2...3).contains($0.count) && Set($0).count == $0.count }, "\(written)")
    let short = try await runs.run("generate", "run", "--class", "few", "--count", "9", "--length", "1")
    #expect(
      short.output.split(separator: "\n").allSatisfy { $0.split(separator: " ").count == 1 }, "\(short)")
    try await runs.run("generate", "run", "--ensemble", "run").expect(64, "--ensemble")
  }

  // MARK: A text from a vector

  /// A text for a vector has a reference; a text for a class is one of many.
  @Test func captionsAreChosenByTheirTexts() async throws {
    let settings = ["model.hidden_size=8", "model.embedding_size=6", "training.epochs=2", "data.min_count=1"]
    let trained = try await Program.run(
      [
        "train", "captions", "data.train=captions.tsv", "data.valid=captions.tsv", "--run-dir", "run",
        "evaluation.metric=token_error_rate",
      ] + settings, in: runs.folder.path)
    #expect(trained.exitCode == 0 && trained.output.contains("token error rate "), "\(trained)")
    let errors = try runs.events("valid").map { try #require($0["token_error_rate"] as? Double) }
    #expect(errors.count == 2)
    let refused = try await Program.run(
      ["train", "surnames", "data.train=classes.tsv", "--run-dir", "new", "evaluation.metric=bleu"],
      in: runs.folder.path)
    refused.expect(78, "evaluation.metric", "no reference text")
  }

  @Test(arguments: ["initial-state", "initial-input", "every-step"])
  func captions(condition: String) async throws {
    let trained = try await runs.run(
      "train", "captions", "data.train=captions.tsv", "--run-dir", "run", "model.hidden_size=8",
      "model.embedding_size=6", "model.condition=\(condition)", "training.epochs=8", "data.min_count=1",
      "data.valid_fraction=0.3")
    try #require(trained.exitCode == 0, "\(trained)")
    #expect(trained.output.contains("held-out examples:\n  picture-"), "\(trained)")
    let reported = try #require(try runs.losses("valid").min())
    func expectTheSameModel() async throws {
      let found = try #require(try await runs.score()["loss"] as? Double)
      #expect(abs(found - reported) < 1e-9 * reported)
      let written = try await runs.run("generate", "run", "--features", "picture-1.npy", "--count", "3")
      #expect(written.exitCode == 0, "\(written)")
      #expect(written.output.split(separator: "\n", omittingEmptySubsequences: false).count == 4)
      try await runs.run("generate", "run").expect(64, "--features")
      try runs.folder.write(SequenceRuns.npy([1, 2]), to: "short.npy")
      try await runs.run("generate", "run", "--features", "short.npy").expect(
        65, "error: short.npy: ", "width 2")
      try await runs.run("generate", "run", "--features", "none.npy").expect(
        66, "error: none.npy: no such file")
      try await runs.run("generate", "run", "--class", "few").expect(64, "--features")
      let predicted = try await runs.run("predict", "run", lines: "picture-0.npy\npicture-1.npy\n")
      #expect(predicted.exitCode == 0 && predicted.output.split(separator: "\n").count == 2, "\(predicted)")
    }
    try await expectTheSameModel()
    // Four pictures have several captions each: one text is compared with all of them.
    let score = try await runs.score()
    #expect((score["bleu"] as? Double ?? -1) >= 0 && (0...1).contains(score["exact_match"] as? Double ?? -1))
    try FileManager.default.removeItem(atPath: runs.folder.file("run/shape.json"))
    try await runs.run("evaluate", "run").expect(66, "run/shape.json: no such file")
  }

  /// The files of a run are inputs like any other and may be damaged.
  @Test(arguments: [
    "", "{", "[]", #"{"source_width":-1,"source_count":1}"#, #"{"source_width":1e99,"source_count":1}"#,
    #"{"source_count":3}"#, #"{"source_count":1,"steps":0}"#,
    #"{"source_count":1,"source_width":4294967296}"#,
  ])
  func damagedShape(text: String) async throws {
    try await runs.trained("seq2seq")
    try runs.folder.write(Array(text.utf8), to: "run/shape.json")
    try await runs.run("evaluate", "run").expect(65, "run/shape.json")
  }

  // MARK: Subwords

  @Test(arguments: ["bpe", "unigram"]) func subwords(kind: String) async throws {
    let settings = [
      "data.tokens=bpe", "data.subword_kind=\(kind)", "data.subword_vocabulary=20", "decoding.max_length=30",
    ]
    try await runs.trained("seq2seq", settings)
    let (score, reported) = (try await runs.score(), try runs.losses("valid"))
    #expect(abs(try #require(score["loss"] as? Double) - (try #require(reported.min()))) < 1e-9)
    let predicted = try await runs.run("predict", "run", lines: "cat dog\nhen\n")
    #expect(predicted.exitCode == 0, "\(predicted)")
    #expect(predicted.output.split(separator: "\n", omittingEmptySubsequences: false).count == 3)
    #expect(!predicted.output.contains("\u{2581}"), "marks of word boundaries are not text")
    for side in ["source", "target"] {
      #expect(FileManager.default.fileExists(atPath: runs.folder.file("run/vocab.\(side).model")))
    }
  }

  // MARK: Ensembles

  @Test func anEnsembleDecodesTogether() async throws {
    try await runs.trained("seq2seq", ["training.learning_rate=0.02"])
    try await runs.trained("seq2seq", ["training.learning_rate=0.02", "seed=5"], run: "other")
    func scores(_ arguments: String...) async throws -> [String] {
      let outcome = try await Program.run(
        ["predict"] + arguments + ["--scores", "--beam", "4", "--n-best", "4"], in: runs.folder.path,
        input: Array("cat dog\nhen cow cat\n".utf8))
      #expect(outcome.exitCode == 0, "\(outcome)")
      return outcome.output.split(separator: "\n").map(String.init)
    }
    let (one, other) = (try await scores("run"), try await scores("other"))
    let both = try await scores("run", "--ensemble", "other")
    #expect(both.count == 8 && both != one && both != other)
    #expect(try await scores("other", "--ensemble", "run") == both)
    #expect(try await runs.score("--ensemble", "other")["chrf"] != nil)
  }

  @Test func anEnsembleOfDifferentInputs() async throws {
    try await runs.trained("seq2seq")
    try await runs.trained("seq2seq", ["data.train=triples.tsv"], run: "two")
    try await runs.trained("seq2seq", ["data.reverse_source=true"], run: "reversed")
    try await runs.run("predict", "run", "--ensemble", "two", lines: "cat\n").expect(65, "two", "source")
    try await runs.run("predict", "run", "--ensemble", "reversed", lines: "cat\n")
      .expect(65, "reversed", "data.reverse_source")
    let good = try await runs.run("predict", "two", lines: "cat\tdog\n")
    #expect(good.exitCode == 0, "\(good)")
    try await runs.run("predict", "two", lines: "cat\n").expect(65)
    try await runs.run("predict", "run", lines: "cat\tdog\n").expect(65)
  }

  // MARK: Earlier traps

  @Test func charactersOfATaggerOfNumbers() async throws {
    try await runs.trained(
      "tagger",
      [
        "model.output=linear", "model.character_embedding_size=3", "model.character_hidden_size=3",
        "data.train.labels=numbers.txt",
      ])
    #expect(try await runs.score()["mse"] != nil)
    let predicted = try await runs.run("predict", "run", lines: "cat dog\n")
    #expect(predicted.exitCode == 0 && predicted.output.split(separator: " ").count == 2, "\(predicted)")
  }

  /// Only the data show whether there is a second source, which decides the width of all contexts.
  @Test func tiedEmbeddingsOfTwoSources() async throws {
    let settings = ["model.tie_embeddings=true", "data.train=triples.tsv"]
    let narrow = try await runs.train("seq2seq", settings + ["model.decoder_embedding_size=16"])
    narrow.expect(65, "model.tie_embeddings", "24", "model.readout_size")
    try await runs.trained("seq2seq", settings + ["model.decoder_embedding_size=24"])
    #expect(try await runs.score()["loss"] is Double)
  }

  @Test func aGeneratorHasNoSourceToMeasure() async throws {
    try await runs.trained("generator")
    try await runs.run("predict", "run", "decoding.max_length_ratio=2", lines: "few\n")
      .expect(78, "decoding.max_length_ratio")
  }

  @Test(arguments: ["generator", "seq2seq", "classifier"]) func theLargestSeed(task: String) async throws {
    try await runs.trained(task, ["seed=9223372036854775807"])
  }

  @Test(arguments: ["language-model", "seq2seq"]) func aModelLargerThanTheMachine(task: String) async throws {
    try runs.folder.write(Array(TinyRun.text.utf8), to: "text.txt")
    let data = task == "seq2seq" ? [] : ["data.format=text", "data.train=text.txt"]
    let outcome = try await runs.train(
      task, data + ["data.tokens=char", "model.hidden_size=65536", "model.layers=8"])
    outcome.expect(78, "model.hidden_size", "GiB")
    #expect(!FileManager.default.fileExists(atPath: runs.folder.file("run")))
  }
}
