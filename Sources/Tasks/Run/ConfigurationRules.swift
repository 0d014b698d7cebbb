import Datasets
import Metrics
import Options
import RecurrentNN

/// The constraints that involve several parts of a run: the task, the model, the data and the evaluation. Constraints
/// on a single part are in its own options.
///
/// A constraint on a key need not check whether the task reads the key: if it doesn't, the key has its default.
extension RunConfiguration {
  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.seed, .atLeast(0))
    checks.include(\.model)
    checks.include(\.model.network, as: usedNetwork)
    checks.include(\.data)
    checks.include(\.training)
    checks.include(\.decoding)
    checks.include(\.evaluation)
    checks.include(\.log)
    checks.include(\.checkpoint)
    checkFiles(&checks)
    checkTokens(&checks)
    checkFormat(&checks)
    checkGenerated(&checks)
    checkOutput(&checks)
    checkAttention(&checks)
    checkWidths(&checks)
    checkDecoding(&checks)
    checkEvaluation(&checks)
  }

  /// Whether the task reads the keys of a group.
  private func has(_ group: KeyGroup) -> Bool { task.groups.contains(group) }

  /// The network whose layers and units the constraints apply to. With both an encoder and a decoder: the larger number
  /// of layers and the smaller number of units.
  private var usedNetwork: NetworkOptions {
    guard has(.writing) else { return model.network }
    var network = model.network
    let decoder = model.decoderNetwork
    if has(.source) {
      network.layers = min(64, max(model.encoderNetwork.layers, decoder.layers))
      network.hiddenSize = min(network.hiddenSize, decoder.hiddenSize)
    } else {
      (network.layers, network.hiddenSize) = (decoder.layers, decoder.hiddenSize)
    }
    return network
  }

  // MARK: Data

  private func checkFiles(_ checks: inout OptionChecks<Self>) {
    for (property, path) in [
      (\Self.data.train, data.train), (\Self.data.valid, data.valid), (\Self.data.test, data.test),
    ] {
      if let path, let problem = problem(of: path) {
        checks.refuse(property, with: \.data.format, \.task, because: problem)
      }
    }
    // The number of files determines what a line means and how many sources the model has, so the validation and test data
    // must have as many files as the training data.
    guard task.data != .stream, let train = data.train else { return }
    for (property, path) in [(\Self.data.valid, data.valid), (\Self.data.test, data.test)] {
      guard let path else { continue }
      if (train.file == nil) != (path.file == nil) {
        checks.refuse(
          property, with: \.data.train, \.data.format, \.task,
          because: "must be \(train.file == nil ? "several files" : "one file"), as \(\.data.train) is")
      } else if (train.parts[.secondSource] == nil) != (path.parts[.secondSource] == nil) {
        checks.refuse(
          property, with: \.data.train, \.data.format, \.task,
          because:
            "must have \(train.parts[.secondSource] == nil ? "no" : "a") second source, as \(\.data.train) has"
        )
      }
    }
  }

  /// Returns the problem of a path whose number of files the task or the format can't read, or nil.
  private func problem(of path: DataPath) -> OptionText<Self>? {
    guard path.file != nil || task.data != .stream else { return "a language model reads one file" }
    if let problem = path.problem { return "\(problem)" }
    let format = data.format
    guard task.data != .stream, task.data.formats.contains(format) else { return nil }
    let fitting = task.data.parallelFiles
    guard path.file == nil else {
      guard format == .lines, task.data != .generated else { return nil }
      return "one file of lines holds no pairs: name \(fitting), or use another \(\.data.format)"
    }
    guard format == .lines else {
      return
        "parallel files hold one sequence per line: set \(\.data.format) to lines, not \(format.rawValue)"
    }
    if path.parts[.secondSource] != nil, !task.data.takesSecondSource {
      return "the task \(task.name) has no second source: name \(fitting)"
    }
    return path.parts[.secondSource] == nil && task.data == .matched
      ? "two texts are compared: name \(fitting)" : nil
  }

  private func checkTokens(_ checks: inout OptionChecks<Self>) {
    let (source, target, format) = (data.sourceUnit, data.targetUnit, data.format)
    if task.data == .stream, data.tokens == .space {
      checks.refuse(
        \.data.tokens, with: \.task,
        because: "space is for models of sequences; a language model of a text takes byte, char, word or bpe")
    }
    if task.data == .tagged, !source.isWord {
      // The message is about the key that is set.
      let key: PartialKeyPath<Self> = data.sourceTokens == nil ? \.data.tokens : \.data.sourceTokens
      if format.holdsWords {
        checks.refuse(
          key, with: \.data.format, \.task,
          because: "\(format.rawValue) holds words as they are: use word or space")
      } else if !data.holdsNumbers, source == .bpe {
        checks.refuse(
          key, with: \.data.format, \.task, because: "tags belong to words, not to subwords: use word")
      }
    }
    checks.read(
      \.model.wordDropout, if: !data.holdsNumbers, with: \.data.format,
      otherwise: "replaces tokens; \(format.rawValue) holds numbers")
    checks.read(
      \.model.wordDropout, if: source != .byte, with: \.data.tokens, \.data.sourceTokens,
      otherwise: "has no <unk> to put in place of bytes")
    checks.read(
      \.data.embeddings, if: !data.holdsNumbers, with: \.data.format,
      otherwise: "has a vector for each token; \(format.rawValue) holds numbers")
    checkCharacters(&checks)
    guard data.sharedVocabulary else { return }
    if data.train != nil, data.holdsNumbers {
      checks.refuse(
        \.data.sharedVocabulary, with: \.data.format, \.data.train, \.task,
        because: "needs two sides of text; \(format.rawValue) holds numbers")
    } else if source != target {
      checks.refuse(
        \.data.sharedVocabulary, with: \.data.tokens, \.data.sourceTokens, \.data.targetTokens, \.task,
        because: """
          needs both sides cut the same way; the source is cut into \(source.rawValue), the target into \
          \(target.rawValue)
          """)
    }
    if model.characterHiddenSize > 0 {
      checks.refuse(
        \.data.sharedVocabulary, with: \.model.characterHiddenSize, \.task,
        because: """
          is one embedding for both sides, and characters are the source's alone: set one of them to 0 or false
          """)
    }
    if model.embeddingSize != model.targetEmbeddingSize {
      checks.refuse(
        \.data.sharedVocabulary, with: \.model.decoderEmbeddingSize, \.model.embeddingSize, \.task,
        because: """
          is one embedding as well, which can't have \(model.embeddingSize) numbers for the source and \
          \(model.targetEmbeddingSize) for the target: leave \(\.model.decoderEmbeddingSize) at null
          """)
    }
  }

  private func checkCharacters(_ checks: inout OptionChecks<Self>) {
    let (source, format) = (data.sourceUnit, data.format)
    guard model.characterHiddenSize > 0 else { return }
    if data.holdsNumbers, data.train != nil {
      checks.refuse(
        \.model.characterHiddenSize, with: \.data.format, \.data.train,
        because: "reads the characters of words; \(format.rawValue) holds numbers")
    } else if !source.isWord, !format.holdsWords {
      checks.refuse(
        \.model.characterHiddenSize, with: \.data.tokens, \.data.sourceTokens, \.data.format,
        because: "reads the characters of words; the tokens are \(source.rawValue): use word or space")
    }
  }

  private func checkFormat(_ checks: inout OptionChecks<Self>) {
    let (format, task, output) = (data.format, task, model.output)
    if !task.data.formats.contains(format), !data.generator.isPairs || task.data != .paired {
      let fitting = task.data.formats.map(\.rawValue)
      checks.refuse(
        \.data.format, with: \.task,
        because: """
          \(format.rawValue) does not work with the task \(task.name); it takes \(fitting.joined(separator: ", "))
          """)
    }
    if format == .csv, task.data.formats.contains(.csv), !task.data.readsNumbersOfCSV, data.holdsNumbers {
      checks.refuse(
        \.data.columns, with: \.data.format, \.task,
        because: """
          must name the columns of csv that the task \(task.name) reads: one source of text, such as {source: text, target: label}
          """)
    }
    if data.window > 0, !output.isScaled {
      checks.refuse(
        \.data.window, with: \.model.output, \.task,
        because: "forecasts numbers: set \(\.model.output) to quantile or linear, not \(output.rawValue)")
    }
    checks.read(
      \.data.scaling, if: (data.holdsNumbers || output.isScaled) && format != .multihot,
      with: \.data.format, \.model.output,
      otherwise: "applies only to numeric data: csv or npy files, or numeric targets")
    checks.read(
      \.model.condition, if: format != .lines || data.train?.file == nil || model.condition == .none,
      with: \.data.format, \.data.train, otherwise: "sets where X enters; one file of lines has no X")
  }

  private func checkGenerated(_ checks: inout OptionChecks<Self>) {
    guard data.train == nil else { return }
    let generator = data.generator
    if generator.isPairs, task.data != .paired {
      checks.refuse(
        \.data.generator, with: \.task, because: "\(generator.rawValue) writes pairs, for the task seq2seq")
    }
    if task.data == .paired, let most = generator.largestSize, data.generatedSize > most {
      checks.refuse(
        \.data.generatedSize, with: \.data.generator, \.data.train, \.task,
        because:
          "\(generator.rawValue) has too few different pairs for \(data.generatedSize): at most \(most)")
    }
  }

  /// Reports missing training data. A run requires them; a preset doesn't, because users add the path of their text.
  package var missingText: [OptionProblem] {
    guard data.train == nil, data.generator == .none else { return [] }
    let generator: GeneratedData? =
      switch task.data {
      case .stream: .dates
      case .paired: .datePairs
      case .tagged, .labeled, .generated, .matched: nil
      }
    guard let generator else {
      return error(\.data.train, because: "nothing to learn from: add \(\.data.train)=FILE").problems
    }
    return error(
      \.data.train, with: [\.data.generator],
      because: """
        nothing to learn from: add \(\.data.train)=FILE, or \(\.data.generator)=\(generator.rawValue) for generated data
        """
    ).problems
  }

  // MARK: Model

  private func checkOutput(_ checks: inout OptionChecks<Self>) {
    let (output, format) = (model.output, data.format)
    if !task.outputs.contains(output) {
      checks.refuse(
        \.model.output, with: \.task, because: "\(output.rawValue) does not work with the task \(task.name)")
    } else if task.data == .tagged, format.holdsWords, output.isNumeric {
      checks.refuse(
        \.model.output, with: \.data.format, \.task,
        because: """
          \(output.rawValue) learns numbers; the tags of \(format.rawValue) are names: use npy or lines
          """)
    } else if task.data == .tagged, format == .multihot, !output.isNumeric {
      checks.refuse(
        \.model.output, with: \.data.format, \.task,
        because: """
          \(output.rawValue) predicts tags; multihot has none, because each step is the target of the previous one: \
          use bernoulli or linear
          """)
    }
    if training.labelSmoothing > 0, output != .softmax {
      checks.refuse(
        \.training.labelSmoothing, with: \.model.output,
        because: "smooths the targets of a softmax; \(\.model.output) is \(output.rawValue)")
    }
    guard let last = model.adaptiveCutoffs.last else { return }
    if training.labelSmoothing > 0 {
      checks.refuse(
        \.model.adaptiveCutoffs, with: \.training.labelSmoothing,
        because: "an adaptive softmax has no label smoothing: set \(\.training.labelSmoothing) to 0")
    }
    if let largest = data.largestVocabulary, last >= largest {
      checks.refuse(
        \.model.adaptiveCutoffs, with: \.data.tokens, \.data.maxVocabulary, \.data.subwordVocabulary, \.task,
        because: "must all be below the size of the vocabulary, which is at most \(largest)")
    }
  }

  private func checkAttention(_ checks: inout OptionChecks<Self>) {
    let attention = model.attention
    if has(.pooling) {
      checks.read(
        \.model.attention.size, if: model.pooling == .attention, with: \.task, \.model.pooling,
        otherwise: "is for pooling attention")
    } else {
      checks.read(
        \.model.attention.size, if: model.context == .attention, with: \.task, \.model.context,
        otherwise: "needs attention; \(\.model.context) is \(model.context.rawValue)")
      checks.read(
        \.model.attention.size, if: attention.form == .additive, with: \.task, \.model.attention.score,
        otherwise: "is a part of additive scores; \(\.model.attention.score) is \(attention.score.rawValue)")
    }
    checks.read(
      \.training.coverageWeight, if: attention.coverage, with: \.model.attention.coverage,
      otherwise: "goes with \(\.model.attention.coverage)")
    guard has(.encoderDecoder), model.context == .attention, model.readoutSize == 0 else { return }
    if attention.query == .current {
      checks.refuse(
        \.model.attention.query, with: \.model.readoutSize,
        because: "needs a readout: set \(\.model.readoutSize) above 0")
    } else if model.inputFeeding {
      checks.refuse(
        \.model.inputFeeding, with: \.model.readoutSize,
        because: "needs a readout: set \(\.model.readoutSize) above 0")
    }
  }

  /// Vectors that are multiplied with each other, or passed on unchanged, must have the same size.
  private func checkWidths(_ checks: inout OptionChecks<Self>) {
    let score = model.attention.score
    let (encoder, decoder) = (model.network.outputSize, model.decoderNetwork)
    if has(.encoderDecoder), model.context == .attention, score.multipliesStates,
      encoder != decoder.outputSize
    {
      checks.refuse(
        \.model.attention.score, with: \.model.decoderHiddenSize, \.model.network.hiddenSize,
        \.model.network.bidirectional, \.model.network.cell.projectionSize, \.model.context, \.task,
        because: """
          \(score.rawValue) multiplies states of the encoder (\(encoder) numbers) and of the decoder \
          (\(decoder.outputSize)): make them equal with \(\.model.decoderHiddenSize), or use general
          """)
    }
    // What is wrong with every number of sources that the data may have. Once they are read, the number is known.
    func common(_ problem: (_ sources: Int) -> String?) -> String? {
      let problems = possibleSources.map(problem)
      return problems.contains(nil) ? nil : problems[0]
    }
    if let problem = common(copyProblem) {
      checks.refuse(
        \.model.bridge, with: \.model.decoderHiddenSize, \.model.network.hiddenSize,
        \.model.network.bidirectional, \.model.network.cell.projectionSize, \.task, \.data.train,
        \.data.format, because: "\(problem)")
    }
    if let problem = common(tieProblem) {
      checks.refuse(
        \.model.tieEmbeddings, with: \.task, \.model.embeddingSize, \.model.network.hiddenSize,
        \.model.readoutSize, \.model.decoderEmbeddingSize, \.model.decoderHiddenSize,
        \.model.network.cell.projectionSize, \.model.network.bidirectional, \.model.context,
        \.model.contextToOutput, \.data.train, \.data.format, because: "\(problem)")
    }
  }

  /// Throws ``TrainingFailure/unfittingData(_:)`` if widths that depend on the number of sources do not fit that of the data.
  func requireFittingWidths(sources: Int) throws(TrainingFailure) {
    if let problem = copyProblem(sources: sources) { throw .unfittingData("model.bridge \(problem)") }
    if let problem = tieProblem(sources: sources) { throw .unfittingData("model.tie_embeddings \(problem)") }
  }

  /// Why the decoder can't take over the final states of the encoders of some sources, or nil.
  private func copyProblem(sources: Int) -> String? {
    guard model.bridge == .copy else { return nil }
    let copies = sources * (model.network.bidirectional ? 2 : 1)
    let (width, decoder) = (copies * model.network.hiddenSize, model.decoderNetwork.hiddenSize)
    guard width == decoder else {
      return """
        copy passes states of \(width) numbers (all directions and sources together) to a decoder of \(decoder): set \
        model.decoder_hidden_size to \(width), or use transform
        """
    }
    // Encoder and decoder project to the same width. The final states therefore fit only if there is one source and
    // one direction.
    guard let projection = model.network.cell.projectionSize, copies > 1 else { return nil }
    return """
      copy passes outputs of \(copies * projection) numbers to a decoder of \(projection): leave \
      model.projection_size out, or use transform
      """
  }

  /// Why the embedding can't be the weight of the output layer of a model with some sources, or nil.
  private func tieProblem(sources: Int) -> String? {
    guard model.tieEmbeddings else { return nil }
    let embedding = has(.writing) ? model.targetEmbeddingSize : model.embeddingSize
    let top = outputInputSize(sources: sources)
    guard top != embedding else { return nil }
    return """
      needs the embedding (\(embedding)) to be as wide as what the output layer reads (\(top)): change \
      model.embedding_size, model.hidden_size or model.readout_size
      """
  }

  /// Width of what the output layer reads.
  private func outputInputSize(sources: Int) -> Int {
    guard has(.writing) else { return model.network.outputSize }
    if model.readoutSize > 0 { return model.readoutSize }
    let contexts = has(.encoderDecoder) && model.joinsContext ? sources : 0
    return model.decoderNetwork.outputSize + contexts * model.network.outputSize
  }

  /// The possible numbers of sources in the data of an encoder-decoder.
  private var possibleSources: [Int] {
    guard data.train?.file != nil else { return [data.train?.parts[.secondSource] == nil ? 1 : 2] }
    return switch data.format {
    case .tsv: [1, 2]
    case .csv: [data.columns?.parts[.secondSource] == nil ? 1 : 2]
    default: [1]
    }
  }

  // MARK: Use

  private func checkDecoding(_ checks: inout OptionChecks<Self>) {
    let hasAttention = model.context == .attention
    checks.read(
      \.decoding.coveragePenalty, if: hasAttention, with: \.model.context,
      otherwise: "needs attention; \(\.model.context) is \(model.context.rawValue)")
    let replace = \Self.decoding.replaceUnknown
    checks.read(
      replace, if: hasAttention, with: \.model.context,
      otherwise: "needs attention; \(\.model.context) is \(model.context.rawValue)")
    checks.read(
      replace, if: model.pyramid == 0, with: \.model.pyramid,
      otherwise: "needs a state for every word; with \(\.model.pyramid) a state stands for several")
    let source = data.sourceUnit
    checks.read(
      replace, if: !data.holdsNumbers && source != .bpe, with: \.data.format, \.data.tokens,
      \.data.sourceTokens,
      otherwise: "copies words of the source, which holds \(data.holdsNumbers ? "numbers" : "subwords")")
    checks.read(
      replace, if: data.targetUnit != .byte, with: \.data.tokens, \.data.targetTokens,
      otherwise: "has nothing to replace: bytes have no <unk>")
  }

  private func checkEvaluation(_ checks: inout OptionChecks<Self>) {
    let (metric, output) = (evaluation.metric, model.output)
    if !metric.belongs(to: task, output) {
      let fitting = Metric.all.filter { $0.belongs(to: task, output) }
      let having = fitting.map(\.name).joined(separator: ", ")
      checks.refuse(
        \.evaluation.metric, with: \.task, \.model.output,
        because: metric.belongs(to: task)
          ? """
          the task \(task.name) with \(\.model.output) \(output.rawValue) has no \(metric.name); it has \(having)
          """ : "the task \(task.name) has no \(metric.name); it has \(having)")
    } else if metric.comparesTexts, !comparesTexts {
      checks.refuse(
        \.evaluation.metric, with: \.task, \.data.format,
        because: """
          \(metric.name) compares a text with those of the same vector, and a class has no reference text; \
          use loss or perplexity
          """)
    }
    let reason: OptionText<Self> =
      "applies only when generated texts are compared with references; a class has no reference text"
    checks.read(
      \.evaluation.decodeLimit, if: comparesTexts, with: \.task, \.data.format, otherwise: reason)
    checks.read(
      \.evaluation.bleuTokens, if: comparesTexts, with: \.task, \.data.format, otherwise: reason)
    checks.read(
      \.evaluation.groupReferences, if: comparesTexts, with: \.task, \.data.format, otherwise: reason)
    guard !data.hasValidation else { return }
    if training.schedule.kind == .plateau {
      checks.refuse(
        \.training.schedule.kind, with: \.data.valid, \.data.validFraction,
        because: """
          plateau follows the validation metric: set \(\.data.valid), or \(\.data.validFraction) above 0
          """)
    }
    if evaluation.patience > 0 {
      checks.refuse(
        \.evaluation.patience, with: \.data.valid, \.data.validFraction,
        because: """
          patience follows the validation metric: set \(\.data.valid), or \(\.data.validFraction) above 0
          """)
    }
  }
}
