import RecurrentNN
import Tasks

/// A stack of recurrent layers of a model, with the prefix of its parameters' names.
struct RecurrentPart {
  /// The prefix, for example `encoder.rnn`.
  let name: String
  let options: NetworkOptions
  /// Width of the vectors that the lowest layer reads.
  let inputSize: Int
  /// Whether every layer but the lowest reads pairs of steps.
  var isPyramidal = false

  /// One layer of the stack.
  struct Layer {
    let index: Int
    let inputSize: Int
    /// The suffixes of parameter names, one for each direction: `_l0`, `_l0_reverse`.
    let suffixes: [String]
    /// The connection around the layer.
    let connection: LayerConnectionKind
  }

  var layers: [Layer] {
    (0..<options.layers).map { index in
      Layer(
        index: index, inputSize: index == 0 ? inputSize : options.outputSize * (isPyramidal ? 2 : 1),
        suffixes: ["_l\(index)"] + (options.bidirectional ? ["_l\(index)_reverse"] : []),
        connection: index == 0 ? .none : options.connection)
    }
  }

  var directions: Int { options.bidirectional ? 2 : 1 }
  var outputSize: Int { options.outputSize }
  /// Width of the hidden state of one direction.
  var stateSize: Int { options.cell.outputSize(hiddenSize: options.hiddenSize) }
  var hasCellState: Bool { options.cell.kind == .lstm }
  /// The rates at which states keep their previous value; in evaluation, a state is the weighted mean of old and new.
  var zoneout: Zoneout { options.cell.zoneoutRates }

  /// Whether nn.RNN, nn.GRU or nn.LSTM, and the operators of ONNX, can compute a layer of this kind.
  var hasStandardCell: Bool {
    let cell = options.cell
    guard !zoneout.isActive else { return false }
    switch cell.kind {
    case .rnn: return true
    case .gru: return cell.gruReset == .after && !cell.layerNorm
    case .lstm:
      return !cell.peepholes && cell.cellClip == nil && cell.projectionClip == nil && !cell.coupledGates
        && !cell.layerNorm
    default: return false
    }
  }

  /// Whether the operators of ONNX compute the cell, and so do the layers of Keras and the C file. Unlike PyTorch, they have a GRU
  /// with the reset gate before the product, and no projection.
  var isONNXOperator: Bool {
    let isPlainGRU = options.cell.kind == .gru && !options.cell.layerNorm && zoneout.hidden == 0
    return (hasStandardCell && options.cell.projectionSize == nil) || isPlainGRU
  }

  /// Throws ``ExportFailure`` for a cell whose equations are not implemented here.
  func requireKnownCell() throws(ExportFailure) {
    guard [.rnn, .gru, .lstm, .mingru].contains(options.cell.kind) else {
      throw ExportFailure(
        "model.cell \(options.cell.kind) has no exported form: rnn, gru, lstm and mingru have one")
    }
  }
}

/// An attention of a model, with the prefix of its parameters' names.
struct AttentionPart {
  /// `attention`, or `attention2` over a second source.
  let name: String
  let shape: AttentionShape
}

extension InputShape {
  /// The network that reads the characters of a word, if there is one.
  func characterNetwork(_ name: String) -> RecurrentPart? {
    guard case .words(_, _, let shape) = self else { return nil }
    return RecurrentPart(
      name: name, options: NetworkOptions(shape.cell, hiddenSize: shape.hiddenSize, bidirectional: true),
      inputSize: shape.embeddingSize)
  }
}

/// The sources of an encoder-decoder, with the parts between them and the decoder.
struct SourcePart {
  let shape: EncoderDecoderShape

  /// `encoder` and `encoder2`, with their shapes.
  var encoders: [(name: String, shape: EncoderShape)] {
    shape.sources.enumerated().map { (Self.name("encoder", $0), $1) }
  }

  /// Width of the c of each source; empty if the model does not use c.
  var summarySizes: [Int] {
    guard shape.needsSummary else { return [] }
    return shape.sources.map {
      shape.summary.kind == .last ? $0.network.outputSize : shape.summary.size ?? $0.network.outputSize
    }
  }

  func network(of source: Int) -> RecurrentPart {
    let (name, encoder) = encoders[source]
    return RecurrentPart(
      name: "\(name).rnn", options: encoder.network, inputSize: encoder.input.width,
      isPyramidal: encoder.pyramidal)
  }

  /// `name` for the first source, `name2` for the second.
  static func name(_ name: String, _ source: Int) -> String { source == 0 ? name : "\(name)\(source + 1)" }
}

/// The decoder of an encoder-decoder or a generator, with the inputs of a step.
struct DecoderPart {
  let shape: DecoderShape
  /// The way the vector X, or the summary c, reaches the steps.
  let condition: DecoderCondition
  /// Width of X or c if a step reads it.
  let conditionSize: Int
  /// The attention over each source, with the width of its states.
  let attentions: [(part: AttentionPart, memorySize: Int)]
  /// Whether the output layer's weight is the embedding.
  let tiesOutput: Bool

  init(_ model: EncoderDecoderShape) {
    let sources = SourcePart(shape: model)
    shape = model.decoder
    condition = model.context.condition
    conditionSize = condition == .none ? 0 : sources.summarySizes.reduce(0, +)
    attentions =
      model.context.attention.map { attention in
        model.sources.enumerated().map {
          (AttentionPart(name: SourcePart.name("attention", $0), shape: attention), $1.network.outputSize)
        }
      } ?? []
    tiesOutput = model.tieOutput
  }

  init(_ model: GeneratorShape) {
    shape = model.decoder
    condition = model.decoderCondition
    conditionSize = condition == .none ? 0 : model.condition.size
    attentions = []
    tiesOutput = model.tieOutput
  }

  var attendsBefore: Bool { attentions.contains { $0.part.shape.query == .previous } }
  /// Width of X at every step, or of all contexts.
  var contextSize: Int {
    condition == .everyStep ? conditionSize : attentions.reduce(0) { $0 + $1.memorySize }
  }
  /// Whether the cells read X or the contexts.
  var readsContext: Bool { condition == .everyStep || attendsBefore }
  var readoutSize: Int { shape.readoutSize(contextSize: contextSize) }
  var network: RecurrentPart {
    RecurrentPart(
      name: "decoder.rnn", options: shape.network,
      inputSize: shape.embeddingSize + (readsContext ? contextSize : 0)
        + (shape.inputFeeding ? readoutSize : 0))
  }
  /// Whether a step needs its number.
  var countsSteps: Bool {
    condition == .initialInput || attentions.contains { $0.part.shape.window != nil }
  }
}

extension ExportedModel {
  /// All recurrent networks of the model.
  var networks: [RecurrentPart] {
    func networks(_ shape: SequenceNetworkShape) -> [RecurrentPart] {
      [RecurrentPart(name: "rnn", options: shape.encoder.network, inputSize: shape.encoder.input.width)]
        + [shape.encoder.input.characterNetwork("characters.rnn")].compactMap { $0 }
    }
    switch shape {
    case .languageModel(let shape):
      return [
        RecurrentPart(name: "rnn", options: shape.options.network, inputSize: shape.options.embeddingSize)
      ]
    case .tagger(let shape): return networks(shape.network)
    case .classifier(let shape), .matcher(let shape): return networks(shape.network)
    case .generator(let shape): return [DecoderPart(shape).network]
    case .encoderDecoder(let shape):
      let sources = SourcePart(shape: shape)
      return sources.encoders.indices.flatMap { index in
        [sources.network(of: index)]
          + [
            sources.encoders[index].shape.input.characterNetwork(
              "\(sources.encoders[index].name).characters.rnn")
          ].compactMap { $0 }
      } + [DecoderPart(shape).network]
    }
  }

  var attentions: [AttentionPart] {
    if case .encoderDecoder(let shape) = shape { DecoderPart(shape).attentions.map(\.part) } else { [] }
  }
}
