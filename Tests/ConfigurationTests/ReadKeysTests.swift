import Configuration
import Tasks
import Testing

/// Every task reads a key or rejects it: no setting is accepted and then ignored.
@Suite struct ReadKeysTests {
  private static let bases: [TaskKind: [String]] = [
    .languageModel: ["data.train=x"],
    .tagger: ["data.train=x", "data.format=columns", "data.tokens=word"],
    .classifier: ["data.train=x", "data.format=tsv"], .matcher: ["data.train=x", "data.format=tsv"],
    .generator: ["data.train=x", "data.format=tsv"],
    .seq2seq: ["data.train=x", "data.format=tsv"],
  ]

  /// A value other than the default for each key, and the settings without which the key has no effect.
  private static let values: [String: (value: String, with: [String])] = [
    "seed": ("2", []), "model.cell": ("gru", []), "model.activation": ("relu", ["model.cell=rnn"]),
    "model.forget_bias": ("1", []), "model.gru_reset": ("before", ["model.cell=gru"]),
    "model.layers": ("2", []), "model.hidden_size": ("8", []), "model.embedding_size": ("8", []),
    "model.bidirectional": ("true", []), "model.pyramid": ("1", []), "model.peepholes": ("true", []),
    "model.projection_size": ("4", []), "model.cell_clip": ("1", []), "model.coupled_gates": ("true", []),
    "model.layer_norm": ("true", []), "model.residual": ("true", ["model.layers=2"]),
    "model.highway": ("true", ["model.layers=2"]), "model.dropout": ("0.1", []),
    "model.embedding_dropout": ("0.1", []), "model.variational_dropout": ("0.1", []),
    "model.variational_input_dropout": ("0.1", []),
    "model.zoneout": ("0.1", []), "model.zoneout_cell": ("0.1", []), "model.word_dropout": ("0.1", []),
    "model.initialization": ("xavier", []), "model.init_uniform": ("0.1", []),
    "model.forget_gate_init": ("1", []), "model.tie_embeddings": ("true", ["model.readout_size=256"]),
    "model.character_embedding_size": ("4", ["model.character_hidden_size=4", "data.tokens=word"]),
    "model.character_hidden_size": ("4", ["model.character_embedding_size=4", "data.tokens=word"]),
    "model.adaptive_cutoffs": ("[5]", []), "model.adaptive_factor": ("2", ["model.adaptive_cutoffs=[5]"]),
    "training.recompute": ("5", []), "model.pooling": ("max", []), "model.readout_size": ("8", []),
    "model.context": ("every-step", []), "model.bridge": ("copy", []),
    "model.summary": ("last-transform", []),
    "model.context_to_output": ("true", ["model.context=every-step"]), "model.condition": ("none", []),
    "model.attention": ("general", []), "model.attention_size": ("8", ["model.pooling=attention"]),
    "model.attention_query": ("current", ["model.readout_size=8"]), "model.attention_window": ("3", []),
    "model.coverage": ("true", []), "model.input_feeding": ("true", ["model.readout_size=8"]),
    "model.decoder_layers": ("2", []), "model.decoder_hidden_size": ("8", []),
    "model.decoder_embedding_size": ("8", []), "data.train": ("y", []), "data.valid": ("y", []),
    "data.test": ("y", []), "data.valid_fraction": ("0.2", []), "data.tokens": ("word", []),
    "data.columns": ("{source: [2], target: [1]}", []),
    "data.delimiter": ("semicolon", ["data.format=csv", "data.columns=[text, label]"]),
    "data.decimal": ("comma", ["data.format=csv", "data.columns=[text, label]"]),
    "data.embeddings": ("vectors.txt", []), "data.vocabulary": ("v.txt", ["data.tokens=word"]),
    "data.target_vocabulary": ("v.txt", []),
    "data.window": ("4", ["data.format=csv", "data.horizon=2", "model.output=linear"]),
    "data.horizon": ("2", ["data.format=csv", "data.window=4", "model.output=linear"]),
    "data.season": ("2", ["data.format=csv", "data.window=4", "data.horizon=2", "model.output=linear"]),
    "data.scaling": ("standard", ["data.format=csv"]), "data.missing": ("mask", ["data.format=csv"]),
    "model.quantiles": ("[0.5]", ["model.output=quantile"]),
    "data.source_tokens": ("word", []), "data.target_tokens": ("word", []),
    "data.shared_vocabulary": ("true", []), "data.subword_kind": ("unigram", ["data.tokens=bpe"]),
    "data.subword_vocabulary": ("100", ["data.tokens=bpe"]), "data.lowercase": ("true", []),
    "data.min_count": ("2", []), "data.max_vocabulary": ("100", []), "data.reverse_source": ("true", []),
    "data.max_length": ("5", []), "data.too_long": ("skip", ["data.max_length=5"]),
    "data.empty_sequences": ("skip", []), "data.width": ("12", ["data.format=multihot"]),
    "data.generator": ("dates", ["data.train=null"]),
    "data.generated_size": ("5000", ["data.train=null", "data.generator=dates"]),
    "training.batch_size": ("8", []), "training.batch_tokens": ("100", []),
    "training.bucketing": ("false", []), "training.bptt": ("5", []), "training.epochs": ("2", []),
    "training.steps": ("2", []), "training.optimizer": ("sgd", []), "training.learning_rate": ("0.1", []),
    "training.momentum": ("0.5", ["training.optimizer=nesterov"]),
    "training.decay": ("0.5", ["training.optimizer=rmsprop"]), "training.beta1": ("0.5", []),
    "training.beta2": ("0.5", []), "training.epsilon": ("0.1", []), "training.weight_decay": ("0.1", []),
    "training.clip_norm": ("1", []), "training.clip_value": ("0.1", []),
    "training.reproducible": ("true", []), "training.reduce_precision": ("bf16", []),
    "training.reduce_method": ("messages", []),
    "training.shard_optimizer": ("true", []), "training.share_parameters": ("true", []),
    "training.local_steps": ("4", []),
    "training.outer_learning_rate": ("1", ["training.local_steps=4"]),
    "training.outer_momentum": ("0.8", ["training.local_steps=4"]),
    "training.precision": ("bf16", []), "training.products": ("tuned", []), "training.accumulate": ("2", []),
    "training.skip_limit": ("2", []),
    "training.drop_last_chunk": ("true", []), "training.label_smoothing": ("0.1", []),
    "training.teacher_forcing": ("0.5", []), "training.teacher_forcing_end": ("0.5", []),
    "training.teacher_forcing_steps": ("5", ["training.teacher_forcing_end=0.5"]),
    "training.coverage_weight": ("2", ["model.coverage=true"]), "training.average_decay": ("0.9", []),
    "training.schedule.kind": ("cosine", []), "training.schedule.warmup_steps": ("2", []),
    "training.schedule.start_epoch": ("2", ["training.schedule.kind=step"]),
    "training.schedule.factor": ("0.9", ["training.schedule.kind=exponential"]),
    "training.schedule.patience": ("2", ["training.schedule.kind=plateau"]),
    "training.schedule.minimum": ("0.1", ["training.schedule.kind=cosine"]),
    "decoding.beam": ("2", []), "decoding.length_penalty": ("0.5", []),
    "decoding.coverage_penalty": ("0.5", []), "decoding.patience": ("2", []),
    "decoding.min_length": ("2", []), "decoding.max_length": ("9", []),
    "decoding.max_length_ratio": ("2", []), "decoding.no_repeat_ngram": ("2", []),
    "decoding.replace_unknown": ("true", []), "evaluation.every_steps": ("2", []),
    "evaluation.patience": ("2", []), "evaluation.batch_size": ("2", []),
    "evaluation.decode_limit": ("2", []), "evaluation.bleu_tokens": ("char", []),
    "evaluation.group_references": ("true", []),
    "log.every_steps": ("2", []),
    "log.tensorboard": ("false", []), "log.samples": ("1", []),
    "checkpoint.every_steps": ("2", []), "checkpoint.keep": ("2", []),
    "checkpoint.every_seconds": ("60", []), "checkpoint.background": ("true", []),
  ]

  /// Keys of which only some values are rejected, and the task itself.
  private static let byValue: Set = ["task", "data.format", "model.output", "evaluation.metric"]

  /// The tasks that read each key, independent of the schema: mistakes are less likely in two tables that must agree.
  private static let readers: [String: Set<TaskKind>] = {
    let writing: Set<TaskKind> = [.generator, .seq2seq]
    let sequences: Set<TaskKind> = [.tagger, .classifier, .matcher, .generator, .seq2seq]
    let reading: Set<TaskKind> = [.tagger, .classifier, .matcher, .seq2seq]
    var table: [String: Set<TaskKind>] = [:]
    func add(_ tasks: Set<TaskKind>, _ paths: [String]) {
      for path in paths { table[path] = tasks }
    }
    add(reading, ["model.bidirectional", "model.word_dropout", "data.source_tokens"])
    add(
      [.seq2seq],
      [
        "model.pyramid", "model.context", "model.bridge", "model.summary", "model.context_to_output",
        "model.attention", "model.attention_query", "model.attention_window", "model.coverage",
        "data.shared_vocabulary", "data.reverse_source", "training.coverage_weight",
        "decoding.coverage_penalty", "decoding.max_length_ratio", "decoding.replace_unknown",
        "evaluation.decode_limit", "evaluation.bleu_tokens", "evaluation.group_references",
      ])
    add([.classifier, .matcher, .seq2seq], ["model.attention_size"])
    add([.classifier, .matcher], ["model.pooling"])
    add([.classifier], ["model.quantiles", "data.window", "data.horizon", "data.season"])
    add([.generator], ["model.condition"])
    add(reading, ["model.character_embedding_size", "model.character_hidden_size"])
    add([.tagger, .classifier], ["data.width"])
    add(reading.union([.languageModel]), ["data.embeddings", "data.vocabulary"])
    add([.languageModel, .seq2seq], ["data.generator", "data.generated_size"])
    add([.languageModel, .generator, .seq2seq], ["model.tie_embeddings"])
    add([.languageModel], ["training.bptt", "training.drop_last_chunk"])
    add([.languageModel], ["model.adaptive_cutoffs", "model.adaptive_factor", "training.recompute"])
    add(
      sequences,
      [
        "data.columns", "data.delimiter", "data.decimal", "data.scaling", "data.missing", "data.max_length",
        "data.too_long",
        "data.empty_sequences", "training.batch_tokens", "training.bucketing",
      ])
    add(
      writing,
      [
        "data.target_vocabulary", "model.readout_size", "model.input_feeding", "model.decoder_layers",
        "model.decoder_hidden_size",
        "model.decoder_embedding_size", "data.target_tokens", "training.teacher_forcing",
        "training.teacher_forcing_end", "training.teacher_forcing_steps", "decoding.beam",
        "decoding.length_penalty", "decoding.patience", "decoding.min_length", "decoding.max_length",
        "decoding.no_repeat_ngram",
      ])
    return table
  }()

  private static func readers(of path: String) -> Set<TaskKind> {
    readers[path] ?? Set(TaskKind.allCases)
  }

  @Test func everyKeyIsListed() {
    let paths = Set(ConfigurationSchema.keys.map(\.path))
    #expect(Set(Self.values.keys).union(Self.byValue) == paths)
    #expect(paths.isSuperset(of: Self.readers.keys))
    for key in ConfigurationSchema.keys {
      #expect(Self.values[key.path]?.value != key.defaultText, "\(key.path)")
    }
  }

  @Test(arguments: TaskKind.allCases)
  func aKeyIsReadOrRefused(task: TaskKind) throws {
    for (path, setting) in Self.values {
      // Other settings that the key needs, if the task reads them.
      let with = setting.with.filter { Self.readers(of: String($0.prefix { $0 != "=" })).contains(task) }
      let overrides = ["task=\(task.rawValue)"] + (Self.bases[task] ?? []) + with
      // An override is one value; a mapping is written in a file.
      let isMapping = setting.value.hasPrefix("{")
      let text = isMapping ? path.replacing(".", with: ": {") + ": \(setting.value)}" : ""
      let layer = try YAMLReader.node(bytes: Array(text.utf8), source: .file("a.yaml"))
      let own = issues(overrides + (isMapping ? [] : ["\(path)=\(setting.value)"]), layers: [layer])
        .filter { $0.key == path }
      #expect(own.isEmpty == Self.readers(of: path).contains(task), "\(task.rawValue), \(path): \(own)")
      #expect(own.count <= 1 && own.allSatisfy { !$0.message.contains("expects") }, "\(path): \(own)")
    }
  }

  private func issues(_ overrides: [String], layers: [ConfigurationNode] = []) -> [ConfigurationIssue] {
    do {
      _ = try RunConfiguration.resolve(layers: layers, overrides: overrides)
      return []
    } catch {
      return error.issues
    }
  }

  /// Settings that the task reads, but not together with the others.
  @Test(arguments: [
    ("seq2seq", ["data.format=npy", "data.reverse_source=true"], "data.reverse_source"),
    ("seq2seq", ["data.format=csv", "data.reverse_source=true"], "data.reverse_source"),
    ("seq2seq", ["data.format=npy", "model.word_dropout=0.1"], "model.word_dropout"),
    ("classifier", ["data.format=csv", "data.columns=[a, b]", "data.missing=mask"], "data.missing"),
    ("tagger", ["data.format=csv"], "data.columns"),
    ("classifier", ["data.tokens=byte", "model.word_dropout=0.1"], "model.word_dropout"),
    ("seq2seq", ["model.context_to_output=true"], "model.context_to_output"),
    ("seq2seq", ["model.context=every-step", "decoding.coverage_penalty=0.5"], "decoding.coverage_penalty"),
    ("seq2seq", ["model.context=every-step", "decoding.replace_unknown=true"], "decoding.replace_unknown"),
    ("seq2seq", ["model.pyramid=1", "decoding.replace_unknown=true"], "decoding.replace_unknown"),
    ("seq2seq", ["data.source_tokens=bpe", "decoding.replace_unknown=true"], "decoding.replace_unknown"),
    ("seq2seq", ["data.target_tokens=byte", "decoding.replace_unknown=true"], "decoding.replace_unknown"),
    ("seq2seq", ["data.format=npy", "decoding.replace_unknown=true"], "decoding.replace_unknown"),
    ("seq2seq", ["model.context=initial-state", "model.attention=general"], "model.attention"),
    ("seq2seq", ["model.context=initial-state", "model.attention_size=4"], "model.attention_size"),
    ("seq2seq", ["model.attention=general", "model.attention_size=4"], "model.attention_size"),
    ("classifier", ["model.attention_size=4"], "model.attention_size"),
    ("seq2seq", ["model.bridge=copy", "model.summary=last-transform"], "model.summary"),
    ("seq2seq", ["training.coverage_weight=2"], "training.coverage_weight"),
    ("seq2seq", ["training.teacher_forcing_steps=2"], "training.teacher_forcing_steps"),
    (
      "seq2seq", ["data.shared_vocabulary=true", "model.decoder_embedding_size=8"],
      "data.shared_vocabulary"
    ),
    ("seq2seq", ["data.train=null", "data.generator=addition"], "data.generated_size"),
    ("tagger", ["data.width=12"], "data.width"), ("tagger", ["data.too_long=skip"], "data.too_long"),
    ("tagger", ["training.optimizer=sgd", "training.momentum=0.5"], "training.momentum"),
    ("tagger", ["training.optimizer=rmsprop", "training.beta1=0.5"], "training.beta1"),
    ("tagger", ["training.optimizer=sgd", "training.beta2=0.5"], "training.beta2"),
    ("tagger", ["training.decay=0.5"], "training.decay"),
    ("tagger", ["training.optimizer=momentum", "training.epsilon=0.1"], "training.epsilon"),
    (
      "tagger", ["training.schedule.kind=cosine", "training.schedule.start_epoch=2"],
      "training.schedule.start_epoch"
    ),
    ("tagger", ["training.schedule.factor=0.1"], "training.schedule.factor"),
    ("tagger", ["training.schedule.patience=3"], "training.schedule.patience"),
    ("tagger", ["training.schedule.minimum=0.1"], "training.schedule.minimum"),
    ("classifier", ["data.subword_vocabulary=12"], "data.subword_vocabulary"),
    ("language-model", ["data.tokens=space"], "data.tokens"),
    ("language-model", ["model.init_uniform=0.1", "model.forget_gate_init=1"], "model.forget_gate_init"),
    ("language-model", ["model.init_uniform=0.1", "model.initialization=xavier"], "model.initialization"),
    ("language-model", ["model.residual=true"], "model.residual"),
    ("generator", ["model.decoder_layers=1", "model.layers=2", "model.highway=true"], "model.highway"),
  ])
  func aSettingThatOthersMakeMeaninglessIsRefused(task: String, settings: [String], key: String) throws {
    let base = Self.bases[try #require(TaskKind(rawValue: task))] ?? []
    #expect(issues(["task=\(task)"] + base + settings).map(\.key) == [key])
  }

  /// `train text task=tagger …` is not a mistake: settings of the preset that only language models have are left out.
  /// They are also left out of the written configuration, which is read again.
  @Test func whatAPresetSaysOfAnotherTaskIsLeftBehind() throws {
    let preset = try YAMLReader.node(named: "text")
    let overrides = ["task=classifier", "data.format=tsv", "data.train=x", "evaluation.metric=loss"]
    let resolved = try RunConfiguration.resolve(layers: [preset], overrides: overrides)
    #expect(resolved.configuration.training.bptt == TrainingConfiguration().bptt)
    #expect(resolved.origin(of: "training.bptt") == .defaultValue)
    let again = try RunConfiguration.resolve(
      layers: [
        YAMLReader.node(
          bytes: Array(resolved.configuration.yaml(commented: false).utf8), source: .file("config.yaml"))
      ],
      overrides: [])
    #expect(again.configuration == resolved.configuration)
    let file = try YAMLReader.node(bytes: Array("training: {bptt: 48}".utf8), source: .file("a.yaml"))
    let error = #expect(throws: ConfigurationErrors.self) {
      try RunConfiguration.resolve(layers: [file], overrides: overrides)
    }
    #expect(error?.issues.map(\.key) == ["training.bptt"])
  }
}
