import RecurrentNN

// The recurrent layers of a model in ONNX: the operators RNN, GRU and LSTM if they compute the same, otherwise a Scan
// over the equations of the cell.

/// The states of a stack of layers, [B, width] each, in the order of layers and directions.
struct GraphState {
  var h: [String] = []
  /// The cell states; empty except for LSTMs.
  var c: [String] = []
}

extension RecurrentPart {
  /// Runs all layers.
  ///
  /// - Parameters:
  ///   - x: [T, B, D].
  ///   - lengths: the lengths of the sequences, [B]; nil: all have T steps.
  ///   - initial: the state before the first step; nil: zeros.
  /// - Returns: [T, B, H], zero past the end of a sequence, the states after the last steps, and the lengths of the
  ///   returned sequences.
  func unroll(
    _ x: String, lengths: String?, from initial: GraphState?, in graph: Graph
  ) -> (y: String, state: GraphState, lengths: String?) {
    var (x, lengths, final) = (x, lengths, GraphState())
    for layer in layers {
      if isPyramidal, layer.index > 0 { (x, lengths) = joinPairs(x, lengths, in: graph) }
      let first = layer.index * directions
      let parts = first..<first + directions
      let (y, state) =
        isONNXOperator
        ? runOperator(layer, x, lengths, initial.map { Array($0.h[parts]) }, initial?.c.slice(parts), graph)
        : scan(layer, x, lengths, initial.map { Array($0.h[parts]) }, initial?.c.slice(parts), graph)
      final.h += state.h
      final.c += state.c
      switch layer.connection {
      case .none: x = y
      case .residual: x = graph.add(y, x)
      case .highway:
        let gate = graph.node(
          "MatMul", [x, graph.transposedWeight("\(name).highway_weight_l\(layer.index)")])
        let t = graph.sigmoid(graph.add(gate, graph.weight("\(name).highway_bias_l\(layer.index)")))
        x = graph.add(x, graph.multiply(t, graph.subtract(y, x)))
      }
    }
    return (x, final, lengths)
  }

  /// One step of all layers: computes the output [B, H] and the new state from x [B, D].
  func step(_ x: String, from state: GraphState, in graph: Graph) -> (y: String, state: GraphState) {
    let (y, next, _) = unroll(graph.unsqueeze(x, 0), lengths: nil, from: state, in: graph)
    return (graph.squeeze(y, 0), next)
  }

  /// Joins pairs of steps of a pyramid, and an odd last step with zeros: [T, B, D] to [⌈T/2⌉, B, 2D].
  private func joinPairs(_ x: String, _ lengths: String?, in graph: Graph) -> (x: String, lengths: String?) {
    let odd = graph.node("Mod", [graph.extent(x, 0), graph.constant([2])])
    let pads = graph.concatenate([graph.constant([0, 0, 0]), odd, graph.constant([0, 0])], axis: 0)
    let batchFirst = graph.transpose(graph.node("Pad", [x, pads]), [1, 0, 2])
    let joined = graph.node("Reshape", [batchFirst, graph.constant([0, -1, 2 * outputSize])])
    let halved = lengths.map {
      graph.node("Div", [graph.add($0, graph.constant([1])), graph.constant([2])])
    }
    return (graph.transpose(joined, [1, 0, 2]), halved)
  }

  // MARK: - Operators

  private func runOperator(
    _ layer: Layer, _ x: String, _ lengths: String?, _ h: [String]?, _ c: [String]?, _ graph: Graph
  ) -> (y: String, state: GraphState) {
    func join(_ parts: [String]?) -> String {
      guard let parts else { return "" }
      return graph.concatenate(parts.map { graph.unsqueeze($0, 0) }, axis: 0)
    }
    let stem = "\(name).onnx_l\(layer.index)"
    let weight = graph.constant("\(stem).W", stacked(layer, "weight_ih", graph))
    let recurrence = graph.constant("\(stem).R", stacked(layer, "weight_hh", graph))
    let bias = graph.constant("\(stem).B", biases(layer, graph))
    let shortLengths = lengths.map { graph.node("Cast", [$0], ["to": .int(6)]) } ?? ""
    var inputs = [x, weight, recurrence, bias, shortLengths, join(h)]
    if hasCellState { inputs.append(join(c)) }
    let direction = Graph.Attribute.text(options.bidirectional ? "bidirectional" : "forward")
    let size = Graph.Attribute.int(options.hiddenSize)
    let outputs: [String]
    switch options.cell.kind {
    case .lstm:
      outputs = graph.nodes("LSTM", inputs, outputs: 3, ["hidden_size": size, "direction": direction])
    case .gru:
      let after = options.cell.gruReset == .after
      outputs = graph.nodes(
        "GRU", inputs, outputs: 2,
        ["hidden_size": size, "direction": direction, "linear_before_reset": .int(after ? 1 : 0)])
    default:
      let function = options.cell.activation == .relu ? "Relu" : "Tanh"
      outputs = graph.nodes(
        "RNN", inputs, outputs: 2,
        [
          "hidden_size": size, "direction": direction,
          "activations": .texts(Array(repeating: function, count: directions)),
        ])
    }
    // [T, directions, B, H] to [T, B, directions · H].
    let y = graph.node("Reshape", [graph.transpose(outputs[0], [0, 2, 1, 3]), graph.constant([0, 0, -1])])
    func parts(_ output: String) -> [String] {
      directions == 1
        ? [graph.squeeze(output, 0)]
        : graph.split(output, [1, 1], axis: 0).map { graph.squeeze($0, 0) }
    }
    return (y, GraphState(h: parts(outputs[1]), c: hasCellState ? parts(outputs[2]) : []))
  }

  /// A weight of both directions with its gates in the order of ONNX: i o f c for an LSTM (torch: i f g o), z r h for a
  /// GRU (torch: r z n).
  private func stacked(_ layer: Layer, _ kind: String, _ graph: Graph) -> ExportedTensor {
    let tensors = layer.suffixes.map { graph.values("\(name).\(kind)\($0)") }
    let order = options.cell.kind == .lstm ? [0, 3, 1, 2] : options.cell.kind == .gru ? [1, 0, 2] : [0]
    let values = tensors.flatMap { tensor in
      let size = tensor.values.count / order.count
      return order.flatMap { tensor.values[$0 * size..<($0 + 1) * size] }
    }
    return ExportedTensor([tensors.count] + tensors[0].shape, values)
  }

  /// The biases, [directions, 2 · gates · H]: those of the input, then those of the state.
  private func biases(_ layer: Layer, _ graph: Graph) -> ExportedTensor {
    let (input, state) = (stacked(layer, "bias_ih", graph), stacked(layer, "bias_hh", graph))
    let width = input.shape[1]
    let values = (0..<directions).flatMap { direction in
      let rows = direction * width..<(direction + 1) * width
      return Array(input.values[rows]) + Array(state.values[rows])
    }
    return ExportedTensor([directions, 2 * width], values)
  }

  // MARK: - Cells as a Scan

  private func scan(
    _ layer: Layer, _ x: String, _ lengths: String?, _ h: [String]?, _ c: [String]?, _ graph: Graph
  ) -> (y: String, state: GraphState) {
    let batch = graph.extent(x, 1)
    let alive = lengths.map {
      // [T, B, 1]
      graph.unsqueeze(
        graph.node("Less", [graph.unsqueeze(graph.positions(x, axis: 0), 1), graph.unsqueeze($0, 0)]), 2)
    }
    var (outputs, final): ([String], GraphState) = ([], GraphState())
    for (direction, suffix) in layer.suffixes.enumerated() {
      func reversed(_ x: String) -> String {
        guard direction == 1, let lengths else { return x }
        return graph.node("ReverseSequence", [x, lengths], ["time_axis": .int(0), "batch_axis": .int(1)])
      }
      let body = Graph(bodyIn: graph)
      // The names of a body must differ from those of every other value.
      let prefix = body.name
      let oldH = body.input("\(prefix).h", .float, ["batch", .fixed(stateSize)])
      let oldC = body.input("\(prefix).c", .float, ["batch", .fixed(options.hiddenSize)])
      let input = body.input("\(prefix).x", .float, ["batch", .fixed(layer.inputSize)])
      var (newH, newC) = cell(input, oldH, oldC, suffix, body)
      if alive != nil {
        let mask = body.input("\(input)_alive", .float, ["batch", 1])
        let isAlive = body.node("Greater", [mask, body.constant(0.5)])
        newH = body.node("Where", [isAlive, newH, oldH])
        newC = body.node("Where", [isAlive, newC, oldC])
      }
      body.output("\(prefix).next_h", newH, .float, ["batch", .fixed(stateSize)])
      body.output("\(prefix).next_c", newC, .float, ["batch", .fixed(options.hiddenSize)])
      body.output("\(prefix).y", newH, .float, ["batch", .fixed(stateSize)])
      let start = [
        h?[direction] ?? graph.zeros(batch, stateSize),
        (hasCellState ? c?[direction] : nil) ?? graph.zeros(batch, options.hiddenSize),
      ]
      let floats = alive.map { graph.node("Cast", [$0], ["to": .int(1)]) }
      let scanned = [reversed(x)] + [floats].compactMap { $0 }
      let results = graph.nodes(
        "Scan", start + scanned, outputs: 3, ["body": .graph(body), "num_scan_inputs": .int(scanned.count)])
      final.h.append(results[0])
      if hasCellState { final.c.append(results[1]) }
      outputs.append(reversed(floats.map { graph.multiply(results[2], $0) } ?? results[2]))
    }
    return (graph.concatenate(outputs, axis: 2), final)
  }

  /// h and c after one step.
  private func cell(
    _ x: String, _ h: String, _ c: String, _ suffix: String, _ graph: Graph
  ) -> (h: String, c: String) {
    var newH: String
    var newC = c
    switch options.cell.kind {
    case .lstm: (newH, newC) = lstm(x, h, c, suffix, graph)
    case .gru: newH = normalizedGRU(x, h, suffix, graph)
    case .mingru: newH = minGRU(x, h, suffix, graph)
    default:
      let a = graph.add(product(x, "ih", suffix, graph), product(h, "hh", suffix, graph))
      newH = graph.node(options.cell.activation == .relu ? "Relu" : "Tanh", [a])
    }
    func mixed(_ old: String, _ new: String, _ rate: Double) -> String {
      guard rate > 0 else { return new }
      return graph.add(
        graph.multiply(graph.constant(rate), old), graph.multiply(graph.constant(1 - rate), new))
    }
    return (mixed(h, newH, zoneout.hidden), mixed(c, newC, zoneout.cell))
  }

  private func parameter(_ kind: String, _ suffix: String, _ graph: Graph) -> String {
    graph.weight("\(name).\(kind)\(suffix)")
  }

  /// W x + b without normalization.
  private func product(_ x: String, _ part: String, _ suffix: String, _ graph: Graph) -> String {
    graph.add(
      graph.node("MatMul", [x, graph.transposedWeight("\(name).weight_\(part)\(suffix)")]),
      parameter("bias_\(part)", suffix, graph))
  }

  /// α ∘ LN(W x) + b, normalized over blocks of gates.
  private func normalizedProduct(
    _ x: String, _ part: String, blocks: [Int], _ suffix: String, _ graph: Graph
  ) -> String {
    let product = graph.node("MatMul", [x, graph.transposedWeight("\(name).weight_\(part)\(suffix)")])
    func parts(_ kind: String) -> [String] {
      let name = "\(name).\(kind)\(suffix)"
      return blocks.count == 1 ? [graph.weight(name)] : graph.split(graph.weight(name), blocks, axis: 0)
    }
    let pieces = blocks.count == 1 ? [product] : graph.split(product, blocks, axis: 1)
    let normalized = zip(pieces, zip(parts("norm_\(part)"), parts("bias_\(part)"))).map {
      graph.node("LayerNormalization", [$0, $1.0, $1.1], ["axis": .int(-1), "epsilon": .float(1e-5)])
    }
    return graph.concatenate(normalized, axis: 1)
  }

  private func minGRU(_ x: String, _ h: String, _ suffix: String, _ graph: Graph) -> String {
    let units = options.hiddenSize
    let parts = graph.split(product(x, "ih", suffix, graph), [units, units], axis: 1)
    let z = graph.sigmoid(parts[0])
    let isPositive = graph.node("GreaterOrEqual", [parts[1], graph.constant(0.0)])
    let candidate = graph.node(
      "Where", [isPositive, graph.add(parts[1], graph.constant(0.5)), graph.sigmoid(parts[1])])
    return graph.add(h, graph.multiply(z, graph.subtract(candidate, h)))
  }

  private func normalizedGRU(_ x: String, _ h: String, _ suffix: String, _ graph: Graph) -> String {
    let units = options.hiddenSize
    // Without normalization, only cells with zoneout reach this code.
    func gates(_ x: String, _ part: String) -> [String] {
      let all =
        options.cell.layerNorm
        ? normalizedProduct(x, part, blocks: [2 * units, units], suffix, graph)
        : product(x, part, suffix, graph)
      return graph.split(all, [units, units, units], axis: 1)
    }
    let (input, state) = (gates(x, "ih"), gates(h, "hh"))
    let r = graph.sigmoid(graph.add(input[0], state[0]))
    let z = graph.sigmoid(graph.add(input[1], state[1]))
    let recurrent =
      options.cell.gruReset == .after
      ? graph.multiply(r, state[2]) : gates(graph.multiply(r, h), "hh")[2]
    let n = graph.tanh(graph.add(input[2], recurrent))
    return graph.add(n, graph.multiply(z, graph.subtract(h, n)))
  }

  private func lstm(
    _ x: String, _ h: String, _ c: String, _ suffix: String, _ graph: Graph
  ) -> (h: String, c: String) {
    let (cell, units) = (options.cell, options.hiddenSize)
    let gateCount = cell.coupledGates ? 3 : 4
    func part(_ x: String, _ part: String) -> String {
      cell.layerNorm
        ? normalizedProduct(x, part, blocks: [gateCount * units], suffix, graph)
        : product(x, part, suffix, graph)
    }
    var gates = graph.split(
      graph.add(part(x, "ih"), part(h, "hh")), Array(repeating: units, count: gateCount), axis: 1)
    if cell.coupledGates { gates.insert("", at: 0) }
    var (i, f, o) = (gates[0], gates[1], gates[3])
    let peepholes =
      cell.peepholes
      ? graph.split(parameter("peephole", suffix, graph), Array(repeating: 1, count: gateCount - 1), axis: 0)
      : []
    if cell.peepholes {
      f = graph.add(f, graph.multiply(peepholes[cell.coupledGates ? 0 : 1], c))
      if !cell.coupledGates { i = graph.add(i, graph.multiply(peepholes[0], c)) }
    }
    f = graph.sigmoid(f)
    i = cell.coupledGates ? graph.subtract(graph.constant(1.0), f) : graph.sigmoid(i)
    var newC = graph.add(graph.multiply(f, c), graph.multiply(i, graph.tanh(gates[2])))
    newC = clipped(newC, cell.cellClip, graph)
    if let last = peepholes.last { o = graph.add(o, graph.multiply(last, newC)) }
    let seen =
      cell.layerNorm
      ? graph.node(
        "LayerNormalization",
        [newC, parameter("norm_c", suffix, graph), parameter("norm_c_bias", suffix, graph)],
        ["axis": .int(-1), "epsilon": .float(1e-5)]) : newC
    var newH = graph.multiply(graph.sigmoid(o), graph.tanh(seen))
    if cell.projectionSize != nil {
      newH = graph.node("MatMul", [newH, graph.transposedWeight("\(name).weight_hr\(suffix)")])
    }
    return (clipped(newH, cell.projectionClip, graph), newC)
  }

  private func clipped(_ x: String, _ limit: Double?, _ graph: Graph) -> String {
    guard let limit else { return x }
    return graph.node("Clip", [x, graph.constant(-limit), graph.constant(limit)])
  }
}

extension [String] {
  /// Some of the cell states; nil where there are none.
  fileprivate func slice(_ range: Range<Int>) -> [String]? { isEmpty ? nil : Array(self[range]) }
}
