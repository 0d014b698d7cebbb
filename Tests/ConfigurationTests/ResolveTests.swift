import Configuration
import Datasets
import Tasks
import Testing

@Suite struct ResolveTests {
  /// The message names the key that was set last, because the earlier ones were valid together.
  @Test func theKeyThatWasSetLast() {
    let file = layer([
      ("training.schedule.warmup_steps", "500"), ("training.steps", "1000"), ("data.generator", "dates"),
    ])
    let found = issues("training.steps=100", layers: [file])
    #expect(found.map(\.key) == ["training.schedule.warmup_steps"])
    #expect(found.first?.origin == .override("training.steps=100"))
    let other = issues("training.schedule.warmup_steps=2000", layers: [file])
    #expect(other.first?.origin == .override("training.schedule.warmup_steps=2000"))
  }

  @Test func nothingGivenIsTheDefault() throws {
    let resolved = try RunConfiguration.resolve(layers: [], overrides: [], requiringText: false)
    #expect(resolved.configuration == RunConfiguration())
    #expect(ConfigurationSchema.keys.allSatisfy { resolved.origin(of: $0.path) == .defaultValue })
  }

  /// Parallel files and the extension of a file determine the format, unless it is set already or the task can't read it.
  @Test(arguments: [
    (["task=seq2seq", "data.train.source=a", "data.train.target=b"], DataFormat.lines),
    (["task=classifier", "data.train=a.b.tsv"], .tsv), (["task=classifier", "data.train=a.csv"], .csv),
    (["task=tagger", "data.tokens=word", "data.train=a.conllu"], .conllu),
    (["task=classifier", "data.train=a.csv", "data.format=tsv"], .tsv),
    (["task=language-model", "data.train=a.tsv"], .text),
  ])
  func theFormatFollowsFromTheData(overrides: [String], format: DataFormat) throws {
    let resolved = try RunConfiguration.resolve(layers: [], overrides: overrides)
    #expect(resolved.configuration.data.format == format)
    let isSaid = overrides.contains { $0.hasPrefix("data.format") }
    let train = resolved.origin(of: "data.train")
    #expect(format == .text || (resolved.origin(of: "data.format") == train) == !isSaid)
  }

  @Test func laterLayersAndOverridesWin() throws {
    let resolved = try RunConfiguration.resolve(
      layers: [
        layer([("model.layers", "2"), ("model.hidden_size", "10"), ("data.train", "x.txt")]),
        layer([("model.layers", "3"), ("model.cell", "gru")], file: "b.yaml"),
      ],
      overrides: ["model.cell=lstm", "model.cell=rnn"])
    #expect(resolved.configuration.model.network.layers == 3)
    #expect(resolved.configuration.model.network.hiddenSize == 10)
    #expect(resolved.configuration.model.network.cell.kind == .rnn)
    #expect(resolved.origin(of: "model.layers") == .file("b.yaml", line: 1, column: 15))
    #expect(resolved.origin(of: "model.hidden_size") == .file("a.yaml", line: 2, column: 20))
    #expect(resolved.origin(of: "model.cell") == .override("model.cell=rnn"))
    #expect(resolved.origin(of: "model.dropout") == .defaultValue)
  }

  @Test func everyTypeIsRead() throws {
    let configuration = try resolve(
      "training.learning_rate=4e-3", "training.clip_norm=1", "model.tie_embeddings=true",
      "training.schedule.kind=inverse-sqrt", "model.init_uniform=.08", "data.test='null'",
      "data.valid=\"a b\"",
      "training.epsilon=1e-10", "model.embedding_dropout=0.5"
    ).configuration
    #expect(configuration.training.learningRate == 0.004)
    #expect(configuration.training.clipNorm == 1)
    #expect(configuration.model.tieEmbeddings)
    #expect(configuration.training.schedule.kind == .inverseSqrt)
    #expect(configuration.model.initUniform == 0.08)
    #expect(configuration.data.test == "null")
    #expect(configuration.data.valid == "a b")
    #expect(configuration.training.optimizer.epsilon == 1e-10)
    #expect(configuration.model.inputDropout == 0.5)
  }

  @Test func nullUnsetsWhatIsOptional() throws {
    let resolved = try resolve(
      "data.valid=x", "data.valid=null", "model.dropout=0.3", "model.embedding_dropout=~")
    #expect(resolved.configuration.data.valid == nil)
    #expect(resolved.configuration.model.inputDropout == 0.3)
    #expect(issues("model.layers=").map(\.key) == ["model.layers"])
  }

  @Test(arguments: [
    "model.layers=two", "model.layers=2.5", "model.layers=0", "model.layers=65", "model.layers=\"2\"",
    "model.dropout=1", "model.dropout=-0.1", "model.dropout=nan", "model.dropout=0x0", "model.dropout=1e999",
    "training.learning_rate=0", "training.learning_rate=inf", "training.schedule.factor=1.5",
    "model.tie_embeddings=yes", "model.tie_embeddings=1", "model.cell=LSTM", "model.init_uniform=0",
    "data.valid_fraction=1", "seed=-1", "task=taggr", "data.format=tvs", "training.skip_limit=0",
    "evaluation.metric=acuracy", "training.optimizer=adma", "checkpoint.keep=0", "data.generated_size=1",
  ])
  func wrongValues(override: String) {
    let found = issues(override)
    #expect(found.map(\.key) == [String(override.prefix { $0 != "=" })])
    #expect(found.first?.origin == .override(override))
    #expect(found.first?.message.contains("expects") == true)
  }

  @Test(arguments: [
    ("model.layer=2", "model.layers"), ("model.hiden_size=2", "model.hidden_size"),
    ("training.hidden_size=2", "model.hidden_size"), ("hidden_size=2", "model.hidden_size"),
    ("modle.cell=rnn", "model.cell"), ("trainig=1", "training"),
    ("training.shedule.kind=step", "training.schedule.kind"),
    ("training.lerning_rate=1", "training.learning_rate"), ("evaluation.patiense=1", "evaluation.patience"),
  ])
  func unknownKeysGetTheNearestOne(override: String, suggestion: String) {
    let found = issues(override)
    #expect(found.map(\.suggestion) == [suggestion])
    #expect(found.first?.message == "unknown key")
  }

  /// Keys under the names of other programs, in the right section, another section or none.
  @Test(arguments: [
    ("lr=1", "training.learning_rate"), ("training.lr=1", "training.learning_rate"),
    ("model.batch=8", "training.batch_size"), ("hidden=8", "model.hidden_size"),
  ])
  func namesOfOtherProgramsGetOurKey(override: String, suggestion: String) {
    #expect(issues(override).map(\.suggestion) == [suggestion])
  }

  @Test func familiarNamesStandForKeys() {
    for (name, key) in ConfigurationSchema.familiarNames {
      #expect(ConfigurationSchema.keys.contains { $0.path == key }, "\(name): \(key)")
    }
  }

  @Test(arguments: ["zzz=1", "optimization.warp=2"])
  func keysLikeNoneAreUnknownWithoutAGuess(override: String) {
    #expect(issues(override).map(\.suggestion) == [nil])
  }

  /// Settings that are valid alone and wrong together name the key to change.
  @Test(arguments: [
    ("data.format=tsv", "data.format"),
    ("evaluation.metric=accuracy", "evaluation.metric"), ("model.output=crf", "model.output"),
    ("model.bidirectional=true", "model.bidirectional"), ("model.pyramid=1", "model.pyramid"),
    ("model.character_hidden_size=8", "model.character_hidden_size"),
    ("data.train.source=a", "data.train"), ("data.generator=addition", "data.generator"),
  ])
  func settingsThatDoNotGoTogether(override: String, key: String) {
    #expect(issues(override).map(\.key) == [key])
  }

  /// A tagger can use neither generated text nor the format of a text.
  @Test func everyKeyThatDoesNotGoWithTheTaskIsNamed() {
    #expect(issues("task=tagger").map(\.key) == ["data.generator", "data.format"])
    #expect(issues("task=tagger", "data.train=x").map(\.key) == ["data.format"])
  }

  @Test func parallelFiles() throws {
    let configuration = try resolve(
      "task=tagger", "data.format=lines", "data.train.input=a b", "data.train.labels=c"
    ).configuration
    #expect(configuration.data.train == DataPath(parts: [.input: "a b", .labels: "c"]))
    let half = issues("task=tagger", "data.format=lines", "data.train.input=a b")
    #expect(half.map(\.key) == ["data.train"])
    let written = configuration.yaml(commented: false)
    #expect(written.contains("train: {input: \"a b\", labels: c}"))
  }

  @Test func columnsOfSourceAndTarget() throws {
    let (task, format, data) = ("task=classifier", "data.format=csv", "data.train=a")
    let expected = DataColumns(parts: [.source: ["a text"], .target: ["label"]])
    for text in ["[a text, label]", "a text,label", "{source: a text, target: label}"] {
      let configuration = try resolve(task, format, data, "data.columns=\(text)").configuration
      #expect(configuration.data.columns == expected, "\(text)")
      #expect(
        configuration.yaml(commented: false).contains("columns: {source: [\"a text\"], target: [label]}"))
    }
    for text in ["[label]", "[a, b, c]", "label", "[a, ]"] {
      #expect(
        issues(task, format, data, "data.columns=\(text)").map(\.key) == ["data.columns"], "\(text)")
    }
    #expect(issues("data.train.series=a").map(\.message) == ["unknown key"])
  }

  @Test func listsAreRisingNumbers() throws {
    let (task, format, data) = ("task=language-model", "data.format=text", "data.train=a")
    for text in ["[2000, 6000]", "2000,6000", "[2000,6000]"] {
      let configuration = try resolve(task, format, data, "model.adaptive_cutoffs=\(text)").configuration
      #expect(configuration.model.adaptiveCutoffs == [2000, 6000])
      #expect(configuration.yaml(commented: false).contains("adaptive_cutoffs: [2000, 6000]"))
    }
    for text in ["[6000, 2000]", "[0]", "2000,", "[a]", "[5, 5]", "true"] {
      #expect(
        issues(task, format, data, "model.adaptive_cutoffs=\(text)").map(\.key) == ["model.adaptive_cutoffs"],
        "\(text)")
    }
    let tied = issues(
      task, format, data, "model.adaptive_cutoffs=[5]", "model.tie_embeddings=true")
    #expect(tied.map(\.key) == ["model.adaptive_cutoffs"])
    #expect(
      issues("model.adaptive_cutoffs=[5]", "task=seq2seq", "data.format=tsv").map(\.key) == [
        "model.adaptive_cutoffs"
      ])
    #expect(
      issues("training.recompute=5", "task=seq2seq", "data.format=tsv").map(\.key) == ["training.recompute"])
    // A chunk has no step between two kept ones: no memory would be saved.
    #expect(issues(task, format, data, "training.bptt=20", "training.recompute=19").isEmpty)
    #expect(
      issues(task, format, data, "training.bptt=20", "training.recompute=20").map(\.key) == [
        "training.recompute"
      ])
  }

  @Test func wrongChoicesGetTheNearestOne() {
    #expect(issues("model.cell=lsmt").map(\.suggestion) == ["lstm"])
    #expect(issues("training.optimizer=adma").map(\.suggestion) == ["adam"])
    #expect(issues("model.tie_embeddings=True").map(\.suggestion) == ["true"])
  }

  @Test func everythingWrongIsReportedAtOnce() {
    let file = layer(
      [("model.cell", "lstmm"), ("seeed", "3"), ("training.epochs", "many")], file: "run.yaml")
    let found = issues("model.dropout=2", "nonsense", layers: [file])
    #expect(found.map(\.key) == ["model.cell", "seeed", "training.epochs", "model.dropout", ""])
    let text = ConfigurationErrors(found).description
    #expect(text.split(separator: "\n").count == 5)
    #expect(
      text.hasPrefix(
        "run.yaml:1:13: model.cell: expects one of rnn, gru, lstm, mingru; found \"lstmm\"; did you mean \"lstm\"?\n"
          + "run.yaml:2:1: seeed: unknown key; did you mean \"seed\"?\n"))
    #expect(ConfigurationErrors(found).exitCode == 78)
  }

  @Test func keysGivenTwiceAreRefused() {
    let twice = layer([("model.layers", "1"), ("seed", "1"), ("model.layers", "2")])
    #expect(issues(layers: [twice]).map(\.message) == ["is given twice, first at a.yaml:1:1"])
    #expect(issues(layers: [twice]).map(\.origin) == [.file("a.yaml", line: 3, column: 1)])
  }

  @Test func sectionsAndValuesAreNotMixedUp() {
    let list = ConfigurationNode(
      .mapping([
        .init(
          key: "model", origin: .defaultValue,
          value: ConfigurationNode(.sequence([]), origin: .file("a", line: 1, column: 8))),
        .init(
          key: "seed", origin: .defaultValue,
          value: ConfigurationNode(.mapping([]), origin: .file("a", line: 2, column: 7))),
      ]), origin: .file("a", line: 1, column: 1))
    #expect(issues(layers: [list]).map(\.key) == ["model", "seed"])
    #expect(issues("training.schedule=cosine").map(\.key) == ["training.schedule"])
    let scalar = ConfigurationNode(.scalar(text: "model", isQuoted: false), origin: .defaultValue)
    #expect(issues(layers: [scalar]).count == 1)
  }

  @Test func emptyTextsAndSectionsAreEmpty() throws {
    let origin = Origin.file("a", line: 1, column: 1)
    let nothing = ConfigurationNode(.scalar(text: "", isQuoted: false), origin: origin)
    let section = ConfigurationNode(
      .mapping([.init(key: "model", origin: origin, value: nothing)]), origin: origin)
    let resolved = try RunConfiguration.resolve(
      layers: [nothing, section], overrides: [], requiringText: false)
    #expect(resolved.configuration == RunConfiguration())
  }
}

@Suite struct RuleTests {
  @Test(arguments: [
    (["model.tie_embeddings=true", "model.hidden_size=8", "model.embedding_size=4"], "model.tie_embeddings"),
    (["model.activation=relu", "model.cell=gru"], "model.activation"),
    (["model.forget_bias=1", "model.cell=gru"], "model.forget_bias"),
    (["model.gru_reset=before", "model.cell=lstm"], "model.gru_reset"),
    (["training.epochs=0"], "training.epochs"),
    (["training.reproducible=true", "training.batch_size=7"], "training.reproducible"),
    (["training.products=tuned", "training.reproducible=true"], "training.products"),
    (["training.precision=bf16", "training.products=tuned"], "training.products"),
    (["training.reduce_precision=bf16", "training.reproducible=true"], "training.reduce_precision"),
    (["training.shard_optimizer=true", "training.optimizer=sgd"], "training.shard_optimizer"),
    (["training.local_steps=2", "training.reproducible=true"], "training.local_steps"),
    (["training.local_steps=2", "training.shard_optimizer=true"], "training.local_steps"),
    (["training.local_steps=2", "training.share_parameters=true"], "training.local_steps"),
    (["training.share_parameters=true", "training.shard_optimizer=true"], "training.share_parameters"),
    (["training.share_parameters=true", "training.average_decay=0.9"], "training.share_parameters"),
    (["training.local_steps=2", "training.average_decay=0.9"], "training.local_steps"),
    (["training.steps=10", "training.schedule.warmup_steps=10"], "training.schedule.warmup_steps"),
    (["training.schedule.kind=plateau", "data.valid_fraction=0"], "training.schedule.kind"),
    (["evaluation.patience=1", "data.valid_fraction=0"], "evaluation.patience"),
    (["data.max_vocabulary=2"], "data.max_vocabulary"),
    (["data.tokens=byte", "data.max_vocabulary=200"], "data.max_vocabulary"),
    (["data.tokens=bpe", "data.min_count=2"], "data.min_count"), (["data.generator=none"], "data.train"),
  ])
  func keysThatDoNotGoTogether(overrides: [String], key: String) {
    let error = #expect(throws: ConfigurationErrors.self) {
      try RunConfiguration.resolve(layers: [], overrides: ["data.generator=dates"] + overrides)
    }
    #expect(error?.issues.map(\.key) == [key])
    #expect(error?.issues.first.map { overrides.map { .override($0) }.contains($0.origin) } == true)
  }

  @Test(arguments: [
    ["model.tie_embeddings=true"], ["model.activation=relu", "model.cell=rnn"], ["model.forget_bias=1"],
    ["model.gru_reset=before", "model.cell=gru"], ["training.epochs=0", "training.steps=1"],
    ["training.reproducible=true", "training.batch_size=8"], ["training.products=tuned"],
    ["training.products=rule", "training.reproducible=true", "training.precision=bf16"],
    ["training.schedule.kind=plateau", "data.valid_fraction=0", "data.valid=v"],
    ["data.generator=none", "data.train=t"],
  ])
  func keysThatGoTogether(overrides: [String]) throws {
    _ = try RunConfiguration.resolve(layers: [], overrides: ["data.generator=dates"] + overrides)
  }

  @Test func rulesAreNotTriedOnInvalidValues() {
    #expect(issues("training.epochs=0", "training.steps=many").map(\.key) == ["training.steps"])
  }
}

/// Rules for models of sequences.
@Suite struct SequenceRuleTests {
  private static let tied = [
    "task=seq2seq", "data.format=tsv", "data.train=t", "data.generator=none", "model.tie_embeddings=true",
    "model.hidden_size=8", "model.embedding_size=8",
  ]

  /// Without a readout, the output layer reads [s; c], which is wider than the decoder's state alone.
  @Test(arguments: [
    [], ["model.context=every-step", "model.context_to_output=true"], ["model.projection_size=7"],
    ["model.bidirectional=true"], ["model.embedding_size=32"],
    ["model.embedding_size=24", "data.format=lines", "data.train.source=a", "data.train.target=b"],
    ["model.bidirectional=true", "model.decoder_embedding_size=16"],
    [
      "model.embedding_size=16", "data.format=lines", "data.train.source=a", "data.train.target=b",
      "data.train.second_source=c",
    ],
  ])
  func tiedWithContext(overrides: [String]) {
    #expect(issues(overrides: Self.tied + overrides).map(\.key) == ["model.tie_embeddings"])
  }

  @Test(arguments: [
    ["model.embedding_size=16"], ["model.readout_size=8"], ["model.context=initial-state"],
    ["model.context=every-step"], ["model.bidirectional=true", "model.embedding_size=24"],
    ["model.projection_size=4"],
    ["model.bidirectional=true", "model.projection_size=4", "model.embedding_size=12"],
    ["model.context=every-step", "model.context_to_output=true", "model.embedding_size=16"],
    // A file of three columns has two sources.
    ["model.decoder_embedding_size=24"],
    ["task=generator"],
  ])
  func tiedAndAsWide(overrides: [String]) {
    #expect(issues(overrides: Self.tied + overrides).map(\.key) == [])
  }

  @Test(arguments: [
    (
      ["task=tagger", "data.format=columns", "data.tokens=word", "evaluation.metric=mse"], "evaluation.metric"
    ),
    (
      ["task=tagger", "data.format=npy", "model.output=linear", "evaluation.metric=accuracy"],
      "evaluation.metric"
    ),
    (["task=tagger", "data.format=npy", "model.output=linear", "evaluation.metric=f1"], "evaluation.metric"),
    (
      ["task=tagger", "data.format=npy", "model.output=linear", "evaluation.metric=perplexity"],
      "evaluation.metric"
    ),
    (
      ["task=tagger", "data.format=multihot", "model.output=bernoulli", "evaluation.metric=perplexity"],
      "evaluation.metric"
    ),
    (["task=classifier", "data.format=tsv", "evaluation.metric=mse"], "evaluation.metric"),
    (["task=generator", "data.format=tsv", "decoding.max_length_ratio=2"], "decoding.max_length_ratio"),
  ])
  func keysThatDoNotGoTogether(overrides: [String], key: String) {
    #expect(issues(overrides: overrides + ["data.train=t", "data.generator=none"]).map(\.key) == [key])
  }

  /// Settings that `train` would reject after reading the data are rejected before.
  @Test(arguments: [
    (["model.attention=dot", "model.decoder_hidden_size=64"], "model.attention"),
    (["model.attention=scaled", "model.bidirectional=true", "model.projection_size=8"], "model.attention"),
    (["model.bridge=copy", "model.decoder_hidden_size=64", "data.format=csv"], "model.bridge"),
    (["decoding.min_length=9", "decoding.max_length=8"], "decoding.min_length"),
  ])
  func widthsAndLengths(overrides: [String], key: String) {
    let common = ["task=seq2seq", "data.format=tsv", "model.context=attention", "model.hidden_size=32"]
    #expect(
      issues(overrides: common + ["data.train=t", "data.generator=none"] + overrides).map(\.key) == [key])
  }

  /// A second column of sources can make up for a narrow encoder, and only the data show whether there is one.
  @Test(arguments: [
    ["model.attention=dot", "model.bidirectional=true", "model.decoder_hidden_size=64"],
    ["model.attention=scaled", "model.projection_size=8", "model.decoder_hidden_size=64"],
    ["model.attention=general", "model.decoder_hidden_size=64"],
    ["model.bridge=copy", "model.decoder_hidden_size=64"],
    ["decoding.min_length=8", "decoding.max_length=8"],
  ])
  func widthsAndLengthsThatFit(overrides: [String]) {
    let common = ["task=seq2seq", "data.format=tsv", "model.context=attention", "model.hidden_size=32"]
    #expect(issues(overrides: common + ["data.train=t", "data.generator=none"] + overrides).map(\.key) == [])
  }

  @Test func tagsOfSubwords() {
    let overrides = ["task=tagger", "data.format=lines", "data.train.input=a", "data.train.labels=b"]
    for key in ["data.tokens", "data.source_tokens"] {
      let found = issues(overrides: overrides + ["data.generator=none", "\(key)=bpe"])
      #expect(found.map(\.key) == [key])
      #expect(found.first?.origin == .override("\(key)=bpe"))
    }
  }

  /// Task, format and the number of files determine the meaning of a line; training needs no other setting.
  @Test(arguments: [
    ("tagger", ["data.format=columns"], "data.tokens", "use word or space"),
    ("tagger", ["data.format=conllu", "data.tokens=bpe"], "data.tokens", "use word or space"),
    ("tagger", ["data.format=conllu", "data.source_tokens=byte"], "data.source_tokens", "use word or space"),
    (
      "tagger", ["data.format=columns", "data.tokens=word", "model.output=linear"], "model.output",
      "are names"
    ),
    (
      "tagger", ["data.format=conllu", "data.tokens=word", "model.output=bernoulli"], "model.output",
      "are names"
    ),
    ("tagger", ["data.format=multihot"], "model.output", "use bernoulli or linear"),
    ("tagger", ["data.format=multihot", "model.output=crf"], "model.output", "use bernoulli or linear"),
    ("tagger", ["data.format=npy"] + characterOptions, "model.character_hidden_size", "npy holds numbers"),
    (
      "tagger",
      ["data.format=lines", "data.train=null", "data.train.input=a", "data.train.labels=b"]
        + characterOptions,
      "model.character_hidden_size", "the tokens are char"
    ),
    ("tagger", ["data.format=lines"], "data.train", "name {input: …, labels: …}"),
    ("seq2seq", ["data.format=lines"], "data.train", "name {source: …, target: …}"),
    ("tagger", ["data.format=npy", "data.train=null"] + pair, "data.train", "set data.format to lines"),
    (
      "classifier", ["data.format=lines", "data.train=null", "data.train.second_source=c"] + pair,
      "data.train",
      "has no second source"
    ),
    (
      "generator", ["data.format=lines", "data.valid.source=a", "data.valid.target=b"], "data.valid",
      "one file"
    ),
    (
      "seq2seq",
      ["data.format=lines", "data.train=null", "data.train.second_source=c"] + pair
        + ["data.test.source=a", "data.test.target=b"], "data.test", "must have a second source"
    ),
    ("generator", ["data.format=lines", "model.condition=initial-state"], "model.condition", "has no X"),
    (
      "seq2seq", ["data.format=npy", "data.shared_vocabulary=true"], "data.shared_vocabulary",
      "npy holds numbers"
    ),
    (
      "seq2seq", ["data.format=tsv", "data.shared_vocabulary=true", "data.target_tokens=word"],
      "data.shared_vocabulary", "cut into char, the target into word"
    ),
    (
      "seq2seq",
      ["data.format=tsv", "model.bridge=copy", "model.projection_size=8", "model.bidirectional=true"]
        + ["model.decoder_hidden_size=512"], "model.bridge", "leave model.projection_size out"
    ),
    (
      "language-model", ["data.tokens=byte", "model.adaptive_cutoffs=[20,256]"], "model.adaptive_cutoffs",
      "256"
    ),
    (
      "language-model", ["data.tokens=word", "data.max_vocabulary=90", "model.adaptive_cutoffs=[90]"],
      "model.adaptive_cutoffs", "at most 90"
    ),
  ])
  func whatALineIs(task: String, overrides: [String], key: String, words: String) throws {
    let found = issues(overrides: ["task=\(task)", "data.train=t", "data.generator=none"] + overrides)
    #expect(found.map(\.key) == [key], "\(found)")
    #expect(found.first?.message.contains(words) == true, "\(found)")
  }

  private static let characterOptions = ["model.character_hidden_size=4", "model.character_embedding_size=4"]
  private static let pair = ["data.train.source=a", "data.train.target=b"]

  @Test(arguments: [
    ["task=tagger", "data.format=npy", "model.output=linear", "evaluation.metric=mse"],
    ["task=tagger", "data.format=columns", "data.tokens=word", "model.output=crf", "evaluation.metric=f1"],
    ["task=tagger", "data.format=columns", "data.source_tokens=space", "evaluation.metric=perplexity"],
    ["task=classifier", "data.format=csv", "model.output=linear", "evaluation.metric=mse"],
    ["task=seq2seq", "data.format=tsv", "decoding.max_length_ratio=2"],
  ])
  func keysThatGoTogether(overrides: [String]) {
    #expect(issues(overrides: overrides + ["data.train=t", "data.generator=none"]).map(\.key) == [])
  }

  private func issues(overrides: [String]) -> [ConfigurationIssue] {
    do {
      _ = try RunConfiguration.resolve(layers: [], overrides: overrides)
      return []
    } catch {
      return error.issues
    }
  }
}

@Suite struct SchemaTests {
  @Test func everyKeyIsDescribed() {
    let paths = ConfigurationSchema.keys.map(\.path)
    #expect(Set(paths).count == paths.count)
    #expect(ConfigurationSchema.keys.allSatisfy { !$0.help.isEmpty && !$0.expectation.isEmpty })
    #expect(ConfigurationSchema.keys.allSatisfy { !$0.defaultText.isEmpty })
  }

  /// A default outside its bounds would make every written configuration unreadable.
  @Test func defaultsAreAllowed() throws {
    let overrides = ConfigurationSchema.keys.map { "\($0.path)=\($0.defaultText)" }
    let resolved = try RunConfiguration.resolve(layers: [], overrides: overrides, requiringText: false)
    #expect(resolved.configuration == RunConfiguration())
  }

  @Test func showListsEveryKeyWithItsOrigin() throws {
    let lines = try resolve("model.layers=4").show()
    #expect(lines.count == ConfigurationSchema.keys.count)
    let layers = try #require(lines.first { $0.hasPrefix("model.layers: 4 ") })
    #expect(layers.hasSuffix("# override model.layers=4"))
    #expect(lines.first { $0.hasPrefix("model.cell: lstm ") }?.hasSuffix("# default") == true)
  }
}
