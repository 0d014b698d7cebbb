import NumericKernels
import RecurrentNN
import Testing

/// The encoder-decoders of the tests: every form and option once, with all sizes different.
struct EncoderDecoderCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  var shape: EncoderDecoderShape
  var options = DecoderOptions()
  /// Whether the batch has masks, with which dropout and scheduled sampling draw random numbers.
  var isMasked = false

  static let (sourceVocabulary, targetVocabulary, embeddingSize, hiddenSize) = (6, 5, 3, 4)
  static let sourceLengths = [3, 1, 4, 2]
  static let secondLengths = [2, 4, 1, 1]
  static let targetLengths = [2, 3, 0, 3]

  static func decoder(
    layers: Int = 1, cell: CellOptions = .lstm(), readout: DecoderReadout = .direct(),
    inputFeeding: Bool = false
  ) -> DecoderShape {
    DecoderShape(
      vocabularySize: targetVocabulary, embeddingSize: embeddingSize, hiddenSize: hiddenSize, layers: layers,
      cell: cell, readout: readout, inputFeeding: inputFeeding, beginToken: 1, endToken: 2)
  }

  static func encoder(
    cell: CellOptions = .lstm(), hiddenSize: Int = 2, layers: Int = 1, bidirectional: Bool = true
  ) -> EncoderShape {
    EncoderShape(
      .tokens(vocabularySize: sourceVocabulary, embeddingSize: 2), cell: cell, hiddenSize: hiddenSize,
      layers: layers, bidirectional: bidirectional)
  }

  /// Reads words and their characters.
  static let spelling = EncoderShape(
    .words(
      vocabularySize: sourceVocabulary, embeddingSize: 2,
      characters: CharacterShape(vocabularySize: 4, embeddingSize: 2, hiddenSize: 2)), hiddenSize: 2,
    bidirectional: true)

  static func model(
    _ context: ContextForm, sources: [EncoderShape] = [encoder()], _ decoder: DecoderShape = decoder(),
    summary: SummaryForm = .last, bridge: BridgeShape = BridgeShape()
  ) -> EncoderDecoderShape {
    EncoderDecoderShape(
      sources: sources, decoder: decoder, context: context, summary: summary, bridge: bridge)
  }

  init(
    _ name: String, _ shape: EncoderDecoderShape, _ options: DecoderOptions = DecoderOptions(),
    isMasked: Bool = false
  ) {
    testDescription = name
    self.shape = shape
    self.options = options
    self.isMasked = isMasked
  }

  static let all = forms + bridges + scores + options

  var hasAttention: Bool { shape.context.kind == .attention }

  /// Each context with each summary.
  static let forms: [EncoderDecoderCase] = {
    let contexts: [(String, ContextForm)] = [
      ("initial-state", .initialState), ("initial-input", .initialInput), ("every-step", .everyStep),
    ]
    let summaries: [(String, SummaryForm)] = [
      ("last", .last), ("last-transform", .lastTransform()), ("all-transform", .allTransform(size: 5)),
    ]
    return contexts.flatMap { context in
      summaries.map { summary in
        EncoderDecoderCase("\(context.0) \(summary.0)", model(context.1, summary: summary.1))
      }
    }
  }()

  static let bridges: [EncoderDecoderCase] = [
    .init(
      "identity, all layers",
      model(
        .initialState, sources: [encoder(layers: 2)], decoder(layers: 2),
        bridge: BridgeShape(.identity, from: .finalStates, cellState: true))),
    .init(
      "identity of c, GRU",
      model(
        .initialState, sources: [encoder(cell: .gru())], decoder(layers: 2, cell: .gru()),
        bridge: BridgeShape(.identity))),
    .init(
      "transform of final states, fewer layers",
      model(
        .initialState, sources: [encoder(layers: 1, bidirectional: false)], decoder(layers: 2),
        bridge: BridgeShape(.transform, from: .finalStates, cellState: true))),
    .init(
      "transform of a GRU's states to an LSTM",
      model(
        .everyStep, sources: [encoder(cell: .gru())],
        bridge: BridgeShape(.transform, from: .finalStates, cellState: true))),
    .init("c to h and cell", model(.initialState, bridge: BridgeShape(.transform, cellState: true))),
    .init("zero", model(.everyStep, bridge: BridgeShape(.zero))),
  ]

  static let scores: [EncoderDecoderCase] = {
    let hidden = decoder(readout: .hidden(size: 5))
    func attention(_ name: String, _ shape: AttentionShape, _ options: DecoderOptions = DecoderOptions())
      -> [EncoderDecoderCase]
    {
      var current = shape
      current.query = .current
      return [
        .init(name, model(.attention(shape), hidden), options),
        .init(
          name + " of the current state",
          model(.attention(current), decoder(readout: .hidden(size: 5), inputFeeding: true)), options),
      ]
    }
    let location = AttentionShape.LocationFeatures(channels: 2, width: 3)
    return attention("additive", AttentionShape(.additive, size: 7))
      + attention("normed", AttentionShape(.additive, size: 7, normed: true))
      + attention("dot", AttentionShape(.dot))
      + attention("general", AttentionShape(.general))
      + attention("scaled", AttentionShape(.general, scaling: .inverseSquareRoot))
      + attention("learned scale", AttentionShape(.dot, scaling: .learned))
      + attention(
        "coverage", AttentionShape(.additive, size: 3, coverage: true), DecoderOptions(coverageLoss: 0.7))
      + attention("coverage loss of general", AttentionShape(.general), DecoderOptions(coverageLoss: 0.5))
      + attention("location", AttentionShape(.additive, size: 3, location: location))
      + attention(
        "everything",
        AttentionShape(.additive, size: 3, normed: true, coverage: true, location: location, window: 1),
        DecoderOptions(labelSmoothing: 0.1, coverageLoss: 0.3))
      + attention("window", AttentionShape(.general, window: 1))
  }()

  static let options: [EncoderDecoderCase] = {
    let attention = ContextForm.attention(AttentionShape(.additive, size: 3))
    let question = encoder(cell: .gru(), hiddenSize: 3, bidirectional: false)
    var tied = model(attention, decoder(readout: .hidden(size: embeddingSize)))
    tied.tieOutput = true
    var shared = model(
      attention,
      sources: Array(
        repeating: EncoderShape(
          .tokens(vocabularySize: targetVocabulary, embeddingSize: embeddingSize), hiddenSize: 2), count: 2),
      decoder(readout: .hidden(size: embeddingSize)))
    (shared.tieOutput, shared.shareEmbeddings) = (true, true)
    var dropped = model(
      attention, sources: [encoder(layers: 2)],
      decoder(layers: 2, readout: .hidden(size: 5), inputFeeding: true))
    dropped.decoder.network.dropout = 0.3
    dropped.decoder.readoutDropout = 0.4
    dropped.decoder.embeddingDropout = 0.2
    dropped.sources[0].network.dropout = 0.3
    dropped.sources[0].embeddingDropout = 0.2
    var pyramid = model(attention, sources: [encoder(layers: 2)], summary: .allTransform())
    pyramid.sources[0].pyramidal = true
    var projected = model(attention, decoder(layers: 2, readout: .hidden(size: 3)), summary: .last)
    projected.decoder.network.cell.projectionSize = 3
    projected.bridge = BridgeShape(.transform, cellState: true)
    var residual = model(attention, decoder(layers: 2, cell: .gru(), readout: .hidden(size: 3)))
    residual.decoder.network.connection = .residual
    var variational = model(attention, decoder(layers: 2, readout: .hidden(size: 3)))
    (
      variational.decoder.network.cell.variationalInputDropout,
      variational.decoder.network.cell.variationalDropout
    ) = (0.2, 0.3)
    (variational.decoder.network.cell.zoneoutCell, variational.decoder.network.cell.zoneout) = (0.1, 0.2)
    var droppedWords = shared
    for source in droppedWords.sources.indices {
      droppedWords.sources[source].wordDropout = WordDropout(rate: 0.5, unknown: 0)
    }
    var droppedOnce = model(.initialInput)
    droppedOnce.decoder.readoutDropout = 0.3
    droppedOnce.decoder.embeddingDropout = 0.2
    return [
      .init("context in a direct readout", model(attention, decoder(readout: .direct(withContext: true)))),
      .init("context in the cell alone", model(attention)),
      .init(
        "fed directly", model(attention, decoder(readout: .direct(withContext: true), inputFeeding: true))),
      .init("readout without input", model(attention, decoder(readout: .hidden(size: 3, withInput: false)))),
      .init(
        "every step and readout",
        model(.everyStep, decoder(layers: 2, cell: .gru(), readout: .hidden(size: 3)))),
      .init("every step, direct", model(.everyStep, decoder(readout: .direct(withContext: true)))),
      .init("every step, fed", model(.everyStep, decoder(inputFeeding: true))),
      .init("initial input, fed", model(.initialInput, decoder(inputFeeding: true))),
      .init(
        "current without feeding",
        model(
          .attention(AttentionShape(.general, query: .current)),
          decoder(readout: .hidden(size: 5, withInput: false)))),
      .init(
        "two sources", model(attention, sources: [encoder(), question], decoder(readout: .hidden(size: 3)))),
      .init(
        "two sources, every step",
        model(
          .everyStep, sources: [encoder(), question], summary: .allTransform(),
          bridge: BridgeShape(.transform, from: .finalStates, cellState: true))),
      .init(
        "vectors",
        model(
          attention,
          sources: [EncoderShape(.vectors(size: 3), cell: .gru(), hiddenSize: 2, bidirectional: true)])),
      .init("tied", tied), .init("shared", shared),
      .init("smoothed", model(.initialState), DecoderOptions(labelSmoothing: 0.2)),
      .init("pyramid", pyramid), .init("projected", projected), .init("residual", residual),
      .init("variational dropout and zoneout", variational, isMasked: true),
      .init("dropout", dropped, isMasked: true), .init("dropout at once", droppedOnce, isMasked: true),
      .init("word dropout", droppedWords, isMasked: true),
      .init("words with characters", model(attention, sources: [spelling], decoder())),
      .init(
        "two sources with characters",
        model(attention, sources: [spelling, spelling], decoder(readout: .hidden(size: 3)))),
      .init(
        "own tokens", model(attention, decoder(readout: .hidden(size: 3))),
        DecoderOptions(teacherForcing: 0.5),
        isMasked: true),
      .init(
        "own samples", model(.initialState), DecoderOptions(teacherForcing: 0, feedsSamples: true),
        isMasked: true),
    ]
  }()

  /// A ragged batch with a source of one token, an empty target, and lengths that sort differently on both sides.
  func pairs<Element: Scalar>() -> PairBatch<Element> {
    let lengths = [Self.sourceLengths, Self.secondLengths]
    let sources = shape.sources.enumerated().map { index, source -> [PairBatch<Element>.Source] in
      switch source.input {
      case .tokens(let vocabulary, _), .words(let vocabulary, _, _):
        randomTokens(lengths[index], vocabulary: vocabulary, stream: index).map { .tokens($0) }
      case .vectors(let size):
        lengths[index].enumerated().map { .vectors(exactTensor([$0.element, size], stream: $0.offset)) }
      }
    }
    let pairs = PairBatch<Element>(
      sources: sources,
      targets: randomTokens(Self.targetLengths, vocabulary: shape.decoder.vocabularySize, stream: 9))
    if case .words(let vocabulary, _, _) = shape.sources[0].input { pairs.spelledWords = vocabulary }
    return pairs
  }

  var masks: (seed: UInt64, step: UInt64)? { isMasked ? (3, 11) : nil }
}

extension DecoderShape {
  /// A decoder with the usual options only; `dropout` is between layers and before the output layer.
  init(
    vocabularySize: Int, embeddingSize: Int, hiddenSize: Int, layers: Int = 1, cell: CellOptions = .lstm(),
    readout: DecoderReadout = .direct(), inputFeeding: Bool = false, dropout: Double = 0,
    embeddingDropout: Double = 0, beginToken: Int, endToken: Int
  ) {
    self.init(
      vocabularySize: vocabularySize, embeddingSize: embeddingSize,
      network: NetworkOptions(cell, hiddenSize: hiddenSize, layers: layers, dropout: dropout),
      readout: readout, inputFeeding: inputFeeding, readoutDropout: dropout,
      embeddingDropout: embeddingDropout, beginToken: beginToken, endToken: endToken)
  }
}

extension EncoderShape {
  /// An encoder with the usual options only.
  init(
    _ input: InputShape, cell: CellOptions = .lstm(), hiddenSize: Int, layers: Int = 1,
    bidirectional: Bool = false,
    dropout: Double = 0, embeddingDropout: Double = 0
  ) {
    self.init(
      input,
      network: NetworkOptions(
        cell, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional,
        dropout: dropout),
      embeddingDropout: embeddingDropout)
  }
}
