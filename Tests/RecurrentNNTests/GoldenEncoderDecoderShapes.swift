import NumericKernels
import RecurrentNN
import Testing

/// The models whose options make_seq2seq.py wrote into a file.
extension GoldenFile {
  private func cell(_ key: String) throws -> CellOptions {
    switch try option(key) {
    case "rnn": .rnn()
    case "gru": .gru()
    case "lstm": .lstm()
    case let other: throw UnknownCell(name: other)
    }
  }

  private func value<Value>(_ key: String, _ values: [String: Value]) throws -> Value {
    let option = try option(key)
    return try #require(values[option], "\(name): \(key) \(option)")
  }

  private func decoderShape() throws -> DecoderShape {
    let readout: DecoderReadout =
      try option("readout") == "hidden"
      ? .hidden(
        size: try size("readout_size"), withContext: flag("with_context"), withInput: flag("with_input"))
      : .direct(withContext: flag("with_context"))
    return DecoderShape(
      vocabularySize: 7, embeddingSize: 3, hiddenSize: 4, layers: try size("layers"), cell: try cell("cell"),
      readout: readout, inputFeeding: flag("input_feeding"), beginToken: 1, endToken: 2)
  }

  private func attentionShape() throws -> AttentionShape {
    let form = try #require(AttentionShape.Form(rawValue: try option("score")))
    let isAdditive = form == .additive
    let (channels, window) = (try size("location_channels"), try size("window"))
    return AttentionShape(
      form, size: isAdditive ? try size("attention_size") : nil, normed: isAdditive && flag("normed"),
      scaling: try value(
        "scaling", ["none": .none, "inverse-square-root": .inverseSquareRoot, "learned": .learned]),
      query: try value("query", ["previous": .previous, "current": .current]), coverage: flag("coverage"),
      location: channels == 0 ? nil : .init(channels: channels, width: try size("location_width")),
      window: window < 0 ? nil : window)
  }

  func encoderDecoderShape() throws -> EncoderDecoderShape {
    let width = try size("source_size")
    let first = EncoderShape(
      width > 0 ? .vectors(size: width) : .tokens(vocabularySize: 6, embeddingSize: 3),
      cell: try cell("encoder_cell"), hiddenSize: try size("encoder_hidden"),
      layers: try size("encoder_layers"), bidirectional: flag("bidirectional"))
    var second = first
    second.network = NetworkOptions(CellOptions.gru(), hiddenSize: 3, layers: first.network.layers)
    let summarySize = try size("summary_size") == 0 ? nil : try size("summary_size")
    return EncoderDecoderShape(
      sources: try size("sources") == 2 ? [first, second] : [first], decoder: try decoderShape(),
      context: try value(
        "context",
        [
          "initial-state": .initialState, "initial-input": .initialInput, "every-step": .everyStep,
          "attention": .attention(try attentionShape()),
        ]),
      summary: try value(
        "summary",
        [
          "last": .last, "last-transform": .lastTransform(size: summarySize),
          "all-transform": .allTransform(size: summarySize),
        ]),
      bridge: BridgeShape(
        try value("bridge", ["zero": .zero, "identity": .identity, "transform": .transform]),
        from: try value("bridge_from", ["summary": .summary, "final-states": .finalStates]),
        cellState: flag("bridge_cell")),
      tieOutput: flag("tie_output"), shareEmbeddings: flag("share_embeddings"))
  }

  func generatorShape() throws -> GeneratorShape {
    let width = try size("condition_size")
    return GeneratorShape(
      condition: try value(
        "condition",
        [
          "none": .none, "classes": .classes(count: try size("classes"), size: width),
          "features": .features(size: width),
        ]
      ),
      form: try value(
        "context",
        ["initial-state": .initialState, "initial-input": .initialInput, "every-step": .everyStep]),
      decoder: try decoderShape(), bridgesCell: flag("bridge_cell"))
  }

  /// The sentences of the file.
  func pairs<Element: Scalar>(sources: Int) throws -> PairBatch<Element> {
    PairBatch(
      sources: try (0..<sources).map { index in
        let lengths = try integers("source\(index).lengths")
        guard has("source\(index).values") else {
          return try split(integers("source\(index).tokens"), lengths).map { .tokens($0) }
        }
        let values: Tensor<Element> = try tensor("source\(index).values")
        let width = values.shape[1]
        return split(values.values, lengths.map { $0 * width }).map {
          .vectors(Tensor([$0.count / width, width], $0))
        }
      }, targets: split(try integers("target.tokens"), try integers("target.lengths")))
  }

  private func split<Value>(_ values: [Value], _ lengths: [Int]) -> [[Value]] {
    var rest = values[...]
    return lengths.map { length in
      defer { rest = rest.dropFirst(length) }
      return Array(rest.prefix(length))
    }
  }
}
