import RecurrentNN

// The graphs of language models, taggers, classifiers and matchers.

/// The graph of a model that is one function: `model.onnx`.
struct SequenceGraph {
  let model: ExportedModel
  let graph: Graph

  init(_ model: ExportedModel) { (self.model, graph) = (model, Graph("model", model.weights)) }

  // MARK: - Language models

  /// Computes `logits` [batch, steps, V], or `log_probabilities` of an adaptive softmax, and the state after the tokens,
  /// `next_…`, from `tokens` [batch, steps] and the state before them.
  func languageModel(_ shape: LanguageModelShape) -> Graph {
    let network = model.networks[0]
    let tokens = graph.input("tokens", .int64, ["batch", "steps"])
    let state = network.stateInputs(graph)
    let x = graph.lookUp(tokens, "embedding.weight")
    let (y, next, _) = network.unroll(graph.transpose(x, [1, 0, 2]), lengths: nil, from: state, in: graph)
    let h = graph.transpose(y, [1, 0, 2])
    if shape.options.adaptiveCutoffs.isEmpty {
      let output = graph.linear(h, "output")
      graph.output("logits", output, .float, ["batch", "steps", .fixed(shape.vocabularySize)])
    } else {
      graph.output(
        "log_probabilities", adaptiveSoftmax(h, shape), .float,
        ["batch", "steps", .fixed(shape.vocabularySize)])
    }
    network.stateOutputs(next, prefix: "next_", graph)
    return graph
  }

  /// log p of an adaptive softmax: that of the head, and those of the clusters plus the head's log p of the cluster.
  private func adaptiveSoftmax(_ h: String, _ shape: LanguageModelShape) -> String {
    func logSoftmax(_ logits: String) -> String {
      graph.node("LogSoftmax", [logits], ["axis": .int(-1)])
    }
    let head = logSoftmax(graph.node("MatMul", [h, graph.transposedWeight("output.head.weight")]))
    let clusters = shape.options.adaptiveCutoffs.count
    let parts = graph.split(
      head, [shape.options.adaptiveCutoffs[0]] + Array(repeating: 1, count: clusters), axis: 2)
    let tails = (0..<clusters).map { cluster in
      let narrow = graph.node("MatMul", [h, graph.transposedWeight("output.tail.\(cluster).0.weight")])
      let logits = graph.node("MatMul", [narrow, graph.transposedWeight("output.tail.\(cluster).1.weight")])
      return graph.add(logSoftmax(logits), parts[cluster + 1])
    }
    return graph.concatenate([parts[0]] + tails, axis: 2)
  }

  // MARK: - Taggers

  /// Computes `logits`, `emissions`, `probabilities` (bits) or `values` [batch, steps, size] of every step of a sequence.
  /// With a conditional random field, its `start_transitions`, `transitions` [from, to] and `end_transitions` are outputs
  /// too.
  func tagger(_ shape: SequenceTaggerShape) -> Graph {
    let (x, lengths) = input(shape.network.encoder.input)
    let (y, _, _) = model.networks[0].unroll(x, lengths: lengths, from: nil, in: graph)
    let scores = graph.linear(graph.transpose(y, [1, 0, 2]), "output")
    write(scores, shape.output, ["batch", "steps"])
    if shape.output.kind == .crf {
      let tags = Graph.Extent.fixed(shape.output.size)
      graph.output("start_transitions", graph.weight("crf.start_transitions"), .float, [tags])
      graph.output("transitions", graph.weight("crf.transitions"), .float, [tags, tags])
      graph.output("end_transitions", graph.weight("crf.end_transitions"), .float, [tags])
    }
    return graph
  }

  /// Writes the output of an output layer; numbers in the units of the data, and quantiles that cross in order.
  ///
  /// - Parameter extents: those before the extents of an output.
  private func write(_ scores: String, _ output: OutputShape, _ extents: [Graph.Extent]) {
    let extents = extents + output.extents.map { .fixed($0) }
    switch output.kind {
    case .softmax: graph.output("logits", scores, .float, extents)
    case .crf: graph.output("emissions", scores, .float, extents)
    case .bernoulli: graph.output("probabilities", graph.sigmoid(scores), .float, extents)
    case .linear: graph.output("values", inUnits(scores), .float, extents)
    case .quantile:
      // 0 keeps an extent of batch or steps.
      let kept = [Int](repeating: 0, count: extents.count - output.extents.count)
      let values = graph.node("Reshape", [inUnits(scores), graph.constant(kept + output.extents)])
      let ordered = graph.nodes(
        "TopK", [values, graph.constant([output.unitsPerNumber])], outputs: 2,
        ["axis": .int(-1), "largest": .int(0), "sorted": .int(1)])
      graph.output("values", ordered[0], .float, extents)
    }
  }

  private func inUnits(_ numbers: String) -> String {
    guard model.scalesTarget else { return numbers }
    let scaled = graph.multiply(numbers, graph.weight(ExportedModel.targetDeviation))
    return graph.add(scaled, graph.weight(ExportedModel.targetMean))
  }

  // MARK: - Classifiers and matchers

  /// Computes `logits` or `values` [batch, size] of a sequence; with attention pooling, also the weights of the steps,
  /// `attention`.
  func classifier(_ shape: SequenceClassifierShape) -> Graph {
    let pooled = pooledVector(shape)
    write(graph.linear(pooled, "output"), shape.output, ["batch"])
    return graph
  }

  /// Two sequences, the inputs of the second with a 2 after their names, to `logits` or `values` [batch, size]; with attention
  /// pooling also the weights of their steps, `attention` and `attention2`.
  func matcher(_ shape: SequenceMatcherShape) -> Graph {
    let (u, v) = (pooledVector(shape, source: 0), pooledVector(shape, source: 1))
    let distance = graph.node("Abs", [graph.subtract(u, v)])
    let features = graph.concatenate([u, v, distance, graph.multiply(u, v)], axis: 1)
    write(graph.linear(features, "output"), shape.output, ["batch"])
    return graph
  }

  /// The vector of a sequence [batch, width].
  ///
  /// - Parameter source: the number of the sequence, which decides the names of inputs and outputs.
  private func pooledVector(_ shape: SequenceClassifierShape, source: Int = 0) -> String {
    let network = model.networks[0]
    let (x, lengths) = input(shape.network.encoder.input, source: source)
    let (y, state, _) = network.unroll(x, lengths: lengths, from: nil, in: graph)
    let h = graph.transpose(y, [1, 0, 2])
    switch shape.pooling.kind {
    case .last: return graph.concatenate(Array(state.h.suffix(network.directions)), axis: 1)
    case .mean:
      // The states past the ends are zero.
      let count = graph.node("Cast", [graph.unsqueeze(lengths, 1)], ["to": .int(1)])
      return graph.node("Div", [graph.sum(h, axis: 1), count])
    case .max:
      let alive = graph.unsqueeze(graph.alive(h, lengths), 2)
      return graph.node(
        "ReduceMax", [graph.node("Where", [alive, h, graph.constant(-Double.infinity)])],
        ["axes": .ints([1]), "keepdims": .int(0)])
    case .attention:
      let u = graph.tanh(graph.linear(h, "attention"))
      let query = graph.constant(
        "attention.query.column",
        ExportedTensor([shape.pooling.size, 1], graph.values("attention.query").values))
      let scores = graph.squeeze(graph.node("MatMul", [u, query]), 2)
      let weights = graph.maskedSoftmax(scores, graph.alive(h, lengths))
      graph.output(SourcePart.name("attention", source), weights, .float, ["batch", Self.steps(of: source)])
      return graph.squeeze(graph.node("MatMul", [graph.unsqueeze(weights, 1), h]), 1)
    case .all:
      return graph.node("Reshape", [h, graph.constant([0, shape.pooling.size * network.outputSize])])
    }
  }

  // MARK: - Inputs

  /// The name of the number of steps of a source.
  private static func steps(of source: Int) -> Graph.Extent { .named(SourcePart.name("steps", source)) }

  /// The vectors of all steps [T, B, D], and the lengths of the sequences.
  ///
  /// - Parameter source: the number of the sequence, which decides the names of the inputs.
  private func input(_ input: InputShape, source: Int = 0) -> (x: String, lengths: String) {
    func name(_ name: String) -> String { SourcePart.name(name, source) }
    let steps = Self.steps(of: source)
    switch input {
    case .tokens:
      let tokens = graph.input(name("tokens"), .int64, ["batch", steps])
      let x = graph.lookUp(tokens, "embedding.weight")
      return (graph.transpose(x, [1, 0, 2]), graph.input(name("lengths"), .int64, ["batch"]))
    case .words:
      let words = graph.input(name("words"), .int64, ["batch", steps])
      let lengths = graph.input(name("lengths"), .int64, ["batch"])
      let x = graph.concatenate(
        [graph.lookUp(words, "embedding.weight"), input.spelled(words, source: source, in: graph)], axis: 2)
      return (graph.transpose(x, [1, 0, 2]), lengths)
    case .vectors(let size):
      let numbers = graph.input(name("x"), .float, ["batch", steps, .fixed(model.callerWidth(size))])
      let x = model.scaled(numbers, in: graph)
      return (graph.transpose(x, [1, 0, 2]), graph.input(name("lengths"), .int64, ["batch"]))
    }
  }
}

extension ExportedModel {
  /// Numbers [..., D] as the network reads them. Missing numbers, which are NaN, become the mean, and each number has a mark.
  func scaled(_ numbers: String, in graph: Graph) -> String {
    var (x, marks) = (numbers, [String]())
    if readsMissing {
      let known = graph.node("Not", [graph.node("IsNaN", [x])])
      x = graph.node("Where", [known, x, graph.weight(Self.sourceMean)])
      marks = [graph.node("Cast", [known], ["to": .int(1)])]
    }
    if scalesSource {
      let centered = graph.subtract(x, graph.weight(Self.sourceMean))
      x = graph.node("Div", [centered, graph.weight(Self.sourceDeviation)])
    }
    return graph.concatenate([x] + marks, axis: -1)
  }
}

extension InputShape {
  /// The vectors of words from their `characters` [batch, steps, characters] and `word_lengths` [batch, steps].
  ///
  /// - Parameters:
  ///   - prefix: the prefix of the parameters.
  ///   - source: the number of the source, which determines the names of the inputs.
  func spelled(_ words: String, prefix: String = "", source: Int = 0, in graph: Graph) -> String {
    guard let network = characterNetwork("\(prefix)characters.rnn") else { return words }
    let characters = graph.input(
      SourcePart.name("characters", source), .int64,
      ["batch", .named(SourcePart.name("steps", source)), .named(SourcePart.name("characters", source))])
    let lengths = graph.input(
      SourcePart.name("word_lengths", source), .int64, ["batch", .named(SourcePart.name("steps", source))])
    // Each word is a separate sequence; positions without a word are read as one character.
    let list = graph.node(
      "Reshape",
      [characters, graph.concatenate([graph.constant([-1]), graph.extent(characters, 2)], axis: 0)])
    let x = graph.transpose(graph.lookUp(list, "\(prefix)characters.embedding.weight"), [1, 0, 2])
    let counts = graph.node(
      "Max", [graph.node("Reshape", [lengths, graph.constant([-1])]), graph.constant([1])])
    let (_, state, _) = network.unroll(x, lengths: counts, from: nil, in: graph)
    let vectors = graph.concatenate(state.h, axis: 1)
    let shape = graph.concatenate([graph.node("Shape", [words]), graph.constant([-1])], axis: 0)
    return graph.node("Reshape", [vectors, shape])
  }
}

extension RecurrentPart {
  /// The parts of the state with their names and widths: `h_l0`, `c_l0`, …, of a network of one direction.
  private var stateParts: [(name: String, width: Int, isCell: Bool)] {
    (0..<options.layers).flatMap { layer in
      [("h_l\(layer)", stateSize, false)] + (hasCellState ? [("c_l\(layer)", options.hiddenSize, true)] : [])
    }
  }

  /// Inputs of the graph for the state of every layer, [batch, width].
  func stateInputs(_ graph: Graph) -> GraphState {
    var state = GraphState()
    for part in stateParts {
      let input = graph.input(part.name, .float, ["batch", .fixed(part.width)])
      if part.isCell { state.c.append(input) } else { state.h.append(input) }
    }
    return state
  }

  /// Outputs of the graph for the state of every layer.
  func stateOutputs(_ state: GraphState, prefix: String, _ graph: Graph) {
    var (h, c) = (state.h[...], state.c[...])
    for part in stateParts {
      let value = part.isCell ? c.removeFirst() : h.removeFirst()
      graph.output(prefix + part.name, value, .float, ["batch", .fixed(part.width)])
    }
  }
}
