import RecurrentNN

// The two graphs of models that write sequences. Every output of the encoder is an input of the decoder, under the same
// name. The decoder makes one step, and returns the new values of everything that changes as `next_…`.

/// The graph that computes the initial state of a decoder: `encoder.onnx`.
struct EncoderGraph {
  let model: ExportedModel
  let decoder: DecoderPart
  let graph: Graph

  init(_ model: ExportedModel, _ decoder: DecoderPart) {
    (self.model, self.decoder, graph) = (model, decoder, Graph("encoder", model.weights))
  }

  /// Computes the state of a generator from `classes` [batch], `features` [batch, N] or `batch_size` [1].
  func generator(_ shape: GeneratorShape) -> Graph {
    let reads = shape.readsCondition
    var x: String?
    let batch: String
    switch shape.condition {
    case .classes where reads:
      let classes = graph.input("classes", .int64, ["batch"])
      x = graph.lookUp(classes, "condition.weight")
      batch = graph.extent(classes, 0)
    case .features(let size) where reads:
      let features = graph.input("features", .float, ["batch", .fixed(model.callerWidth(size))])
      x = model.scaled(features, in: graph)
      batch = graph.extent(features, 0)
    default: batch = graph.input("batch_size", .int64, [1])
    }
    let state =
      if let x, shape.form == .initialState {
        transformed(x, batch, makesCell: shape.bridgesCell)
      } else {
        zeroState(batch)
      }
    if decoder.condition != .none, let x { writeCondition(x) }
    finish(state, batch)
    return graph
  }

  /// Computes everything that a step of the decoder reads from `source` [batch, source_steps] and `lengths` [batch] (for
  /// a second source, `source2` and `lengths2`).
  func encoderDecoder(_ shape: EncoderDecoderShape) -> Graph {
    let sources = SourcePart(shape: shape)
    var passes: [(y: String, state: GraphState, lengths: String)] = []
    for index in shape.sources.indices { passes.append(encode(sources, index)) }
    let batch = graph.extent(passes[0].y, 0)
    let c = summary(sources, passes)
    let state: GraphState
    switch shape.bridge.form {
    case .zero: state = zeroState(batch)
    case .transform: state = transformed(c ?? "", batch, makesCell: shape.bridge.cellState)
    case .identity: state = copied(sources, passes)
    }
    if decoder.condition != .none, let c { writeCondition(c) }
    for (index, attention) in decoder.attentions.enumerated() {
      writeMemory(attention.part, size: attention.memorySize, passes[index].y, passes[index].lengths, index)
    }
    finish(state, batch)
    return graph
  }

  // MARK: - Sources

  /// The states of a source [batch, steps, D], and the last states.
  private func encode(
    _ sources: SourcePart, _ index: Int
  ) -> (y: String, state: GraphState, lengths: String) {
    let (name, shape) = sources.encoders[index]
    let steps = Graph.Extent.named(SourcePart.name("steps", index))
    let source = SourcePart.name("source", index)
    var x: String
    if case .vectors(let size) = shape.input {
      let numbers = graph.input(source, .float, ["batch", steps, .fixed(model.callerWidth(size))])
      x = model.scaled(numbers, in: graph)
    } else {
      let ids = graph.input(source, .int64, ["batch", steps])
      x = graph.lookUp(ids, "\(name).embedding.weight")
      if case .words = shape.input {
        let spelled = shape.input.spelled(ids, prefix: "\(name).", source: index, in: graph)
        x = graph.concatenate([x, spelled], axis: 2)
      }
    }
    let lengths = graph.input(SourcePart.name("lengths", index), .int64, ["batch"])
    x = graph.transpose(x, [1, 0, 2])
    let pass = sources.network(of: index).unroll(x, lengths: lengths, from: nil, in: graph)
    return (graph.transpose(pass.y, [1, 0, 2]), pass.state, pass.lengths ?? lengths)
  }

  /// The states of a layer of a source, with both directions side by side.
  private func layer(_ parts: [String], _ network: RecurrentPart, _ layer: Int) -> [String] {
    let first = layer * network.directions
    return Array(parts[first..<first + network.directions])
  }

  /// c; nil if the model does not use it.
  private func summary(
    _ sources: SourcePart, _ passes: [(y: String, state: GraphState, lengths: String)]
  ) -> String? {
    guard sources.shape.needsSummary else { return nil }
    let parts = passes.enumerated().map { index, pass in
      let network = sources.network(of: index)
      let name = SourcePart.name("summary", index)
      let last = graph.concatenate(layer(pass.state.h, network, network.options.layers - 1), axis: 1)
      switch sources.shape.summary.kind {
      case .last: return last
      case .lastTransform: return graph.tanh(graph.linear(last, name))
      case .allTransform:
        let y = graph.tanh(graph.linear(pass.y, name))
        let alive = graph.node("Cast", [graph.alive(y, pass.lengths)], ["to": .int(1)])
        let sum = graph.sum(graph.multiply(y, graph.unsqueeze(alive, 2)), axis: 1)
        return graph.node(
          "Div", [sum, graph.node("Cast", [graph.unsqueeze(pass.lengths, 1)], ["to": .int(1)])])
      }
    }
    return graph.concatenate(parts, axis: 1)
  }

  // MARK: - Initial state

  private func zeroState(_ batch: String) -> GraphState {
    let (network, layers) = (decoder.network, decoder.network.options.layers)
    return GraphState(
      h: (0..<layers).map { _ in graph.zeros(batch, network.stateSize) },
      c: network.hasCellState
        ? (0..<layers).map { _ in graph.zeros(batch, network.options.hiddenSize) } : [])
  }

  private func transformed(_ c: String, _ batch: String, makesCell: Bool) -> GraphState {
    var state = zeroState(batch)
    for layer in state.h.indices {
      state.h[layer] = graph.tanh(graph.linear(c, "bridge.h_l\(layer)"))
      if makesCell, !state.c.isEmpty { state.c[layer] = graph.tanh(graph.linear(c, "bridge.c_l\(layer)")) }
    }
    return state
  }

  private func copied(
    _ sources: SourcePart, _ passes: [(y: String, state: GraphState, lengths: String)]
  ) -> GraphState {
    func joined(_ decoderLayer: Int, _ part: (GraphState) -> [String]) -> String {
      graph.concatenate(
        passes.enumerated().flatMap { index, pass in
          let network = sources.network(of: index)
          return layer(part(pass.state), network, min(decoderLayer, network.options.layers - 1))
        }, axis: 1)
    }
    let layers = 0..<decoder.network.options.layers
    return GraphState(
      h: layers.map { joined($0, \.h) },
      c: decoder.network.hasCellState ? layers.map { joined($0, \.c) } : [])
  }

  // MARK: - Outputs

  private func writeCondition(_ x: String) {
    graph.output("condition", x, .float, ["batch", .fixed(decoder.conditionSize)])
  }

  private func writeMemory(
    _ attention: AttentionPart, size: Int, _ y: String, _ lengths: String, _ index: Int
  ) {
    let steps = Graph.Extent.named(SourcePart.name("memory_steps", index))
    graph.output(SourcePart.name("memory", index), y, .float, ["batch", steps, .fixed(size)])
    graph.output(SourcePart.name("memory_lengths", index), lengths, .int64, ["batch"])
    let keys: String
    switch attention.shape.form {
    case .additive: keys = graph.linear(y, "\(attention.name).key", hasBias: false)
    case .general: keys = graph.linear(y, "\(attention.name).general", hasBias: false)
    case .dot: return
    }
    graph.output(
      SourcePart.name("keys", index), keys, .float, ["batch", steps, .fixed(decoder.keySize(attention))])
    let zeros = graph.zeros(shape: graph.node("Shape", [graph.sum(y, axis: 2)]))
    for name in decoder.tracked(attention) {
      graph.output(SourcePart.name(name, index), zeros, .float, ["batch", steps])
    }
  }

  private func finish(_ state: GraphState, _ batch: String) {
    decoder.network.stateOutputs(state, prefix: "", graph)
    if decoder.shape.inputFeeding {
      graph.output(
        "feed", graph.zeros(batch, decoder.readoutSize), .float, ["batch", .fixed(decoder.readoutSize)])
    }
    if decoder.countsSteps { graph.output("step", graph.constant([0]), .int64, [1]) }
  }
}

extension DecoderPart {
  /// The number of units of the keys of an attention.
  func keySize(_ attention: AttentionPart) -> Int {
    attention.shape.form == .additive
      ? attention.shape.size ?? shape.network.hiddenSize : shape.network.outputSize
  }

  /// The state that attention carries from step to step for every position of its source.
  func tracked(_ attention: AttentionPart) -> [String] {
    (attention.shape.location != nil ? ["weights"] : []) + (attention.shape.coverage ? ["coverage"] : [])
  }
}

/// The graph of one step of a decoder: `decoder.onnx`.
struct DecoderGraph {
  let decoder: DecoderPart
  let graph: Graph

  init(_ model: ExportedModel, _ decoder: DecoderPart) {
    (self.decoder, graph) = (decoder, Graph("decoder", model.weights))
  }

  /// Computes `logits` [batch, V] of the next token, the weights over the source (`attention`, `attention2`), and the
  /// values for the next step, from `token` [batch] and everything that ``EncoderGraph`` returns.
  func build() -> Graph {
    let shape = decoder.shape
    let token = graph.input("token", .int64, ["batch"])
    let state = decoder.network.stateInputs(graph)
    let condition =
      decoder.condition == .none
      ? nil : graph.input("condition", .float, ["batch", .fixed(decoder.conditionSize)])
    let feed =
      shape.inputFeeding ? graph.input("feed", .float, ["batch", .fixed(decoder.readoutSize)]) : nil
    let step = decoder.countsSteps ? graph.input("step", .int64, [1]) : nil
    var y = graph.lookUp(token, "decoder.embedding.weight")
    if decoder.condition == .initialInput, let step, let condition {
      let isFirst = graph.node("Equal", [step, graph.constant([0])])
      y = graph.node("Where", [isFirst, graph.linear(condition, "decoder.condition"), y])
    }
    let memories = decoder.attentions.indices.map(memory)
    var context = decoder.condition == .everyStep ? condition : nil
    if decoder.attendsBefore, let top = state.h.last { context = attend(memories, top, step) }
    let inputs = [y, decoder.readsContext ? context : nil, feed].compactMap { $0 }
    let (s, next) = decoder.network.step(graph.concatenate(inputs, axis: 1), from: state, in: graph)
    if !decoder.attentions.isEmpty, !decoder.attendsBefore { context = attend(memories, s, step) }
    let r = readout(s, context, y)
    graph.output(
      "logits", graph.linear(r, "decoder.output"), .float, ["batch", .fixed(shape.vocabularySize)])
    decoder.network.stateOutputs(next, prefix: "next_", graph)
    if shape.inputFeeding { graph.output("next_feed", r, .float, ["batch", .fixed(decoder.readoutSize)]) }
    if let step { graph.output("next_step", graph.add(step, graph.constant([1])), .int64, [1]) }
    return graph
  }

  private func readout(_ s: String, _ context: String?, _ y: String) -> String {
    let shape = decoder.shape.readout
    let parts = [s, shape.withContext ? context : nil, shape.withInput ? y : nil].compactMap { $0 }
    let joined = graph.concatenate(parts, axis: 1)
    return shape.isHidden ? graph.tanh(graph.linear(joined, "decoder.read")) : joined
  }

  // MARK: - Attention

  /// The values of a source that a step reads.
  private struct Memory {
    let values: String
    let keys: String
    let lengths: String
    let steps: Graph.Extent
    /// The tracked values by their names, see ``DecoderPart/tracked(_:)``.
    var tracked: [String: String] = [:]
  }

  private func memory(_ index: Int) -> Memory {
    let (attention, size) = decoder.attentions[index]
    let steps = Graph.Extent.named(SourcePart.name("memory_steps", index))
    let values = graph.input(SourcePart.name("memory", index), .float, ["batch", steps, .fixed(size)])
    let lengths = graph.input(SourcePart.name("memory_lengths", index), .int64, ["batch"])
    let keys =
      attention.shape.form == .dot
      ? values
      : graph.input(
        SourcePart.name("keys", index), .float, ["batch", steps, .fixed(decoder.keySize(attention))])
    var memory = Memory(values: values, keys: keys, lengths: lengths, steps: steps)
    for name in decoder.tracked(attention) {
      memory.tracked[name] = graph.input(SourcePart.name(name, index), .float, ["batch", steps])
    }
    return memory
  }

  /// The contexts of all sources side by side.
  private func attend(_ memories: [Memory], _ s: String, _ step: String?) -> String {
    let contexts = memories.enumerated().map { index, memory in
      let attention = decoder.attentions[index].part
      var visible = graph.alive(memory.values, memory.lengths)
      if let window = attention.shape.window, let step {
        let last = graph.subtract(memory.lengths, graph.constant([1]))
        let center = graph.unsqueeze(graph.node("Min", [last, step]), 1)
        let place = graph.unsqueeze(graph.positions(memory.values, axis: 1), 0)
        let distance = graph.node("Abs", [graph.subtract(place, center)])
        let isNear = graph.node("Less", [distance, graph.constant([window + 1])])
        visible = graph.node("And", [visible, isNear])
      }
      let weights = graph.maskedSoftmax(scores(attention, memory, s), visible)
      graph.output(SourcePart.name("attention", index), weights, .float, ["batch", memory.steps])
      for (name, old) in memory.tracked.sorted(by: { $0.key < $1.key }) {
        let new = name == "coverage" ? graph.add(old, weights) : weights
        graph.output("next_" + SourcePart.name(name, index), new, .float, ["batch", memory.steps])
      }
      return graph.squeeze(graph.node("MatMul", [graph.unsqueeze(weights, 1), memory.values]), 1)
    }
    return graph.concatenate(contexts, axis: 1)
  }

  /// The scores of all positions, [batch, steps].
  private func scores(_ attention: AttentionPart, _ memory: Memory, _ s: String) -> String {
    let name = attention.name
    guard attention.shape.form == .additive else {
      let scores = graph.squeeze(graph.node("MatMul", [memory.keys, graph.unsqueeze(s, 2)]), 2)
      switch attention.shape.scaling {
      case .none: return scores
      case .learned: return graph.multiply(scores, graph.weight("\(name).scale"))
      case .inverseSquareRoot:
        return graph.multiply(
          scores, graph.constant(1 / Double(decoder.shape.network.outputSize).squareRoot()))
      }
    }
    var a = graph.add(memory.keys, graph.unsqueeze(graph.linear(s, "\(name).query"), 1))
    if let coverage = memory.tracked["coverage"] {
      a = graph.add(a, graph.linear(graph.unsqueeze(coverage, 2), "\(name).coverage", hasBias: false))
    }
    if let weights = memory.tracked["weights"], let location = attention.shape.location {
      let features = graph.node(
        "Conv", [graph.unsqueeze(weights, 1), graph.weight("\(name).location_conv.weight")],
        ["pads": .ints([location.width / 2, location.width / 2])])
      a = graph.add(
        a, graph.linear(graph.transpose(features, [0, 2, 1]), "\(name).location", hasBias: false))
    }
    return graph.squeeze(graph.linear(graph.tanh(a), "\(name).v", hasBias: false), 2)
  }
}
