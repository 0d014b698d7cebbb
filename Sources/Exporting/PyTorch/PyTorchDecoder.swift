import RecurrentNN

/// The Python code of models that write sequences: the computation of the decoder's initial state, and one step of the
/// decoder.
struct PyTorchDecoder {
  let module: PyTorchModel
  let decoder: DecoderPart

  init(_ module: PyTorchModel, _ decoder: DecoderPart) { (self.module, self.decoder) = (module, decoder) }

  // MARK: - Generators

  func generator(_ shape: GeneratorShape) -> [String] {
    let reads = shape.readsCondition
    let x = reads ? "x" : "None"
    return lines {
      module.constructor {
        if case .classes(let count, let size) = shape.condition, reads {
          "self.condition = nn.Embedding(\(count), \(size))"
        }
        if reads, shape.form == .initialState {
          bridgeModules(summarySize: shape.condition.size, makesCell: shape.bridgesCell)
        }
        decoderModules
        if decoder.tiesOutput { "self.decoder.output.weight = self.decoder.embedding.weight" }
      }
      ""
      "def begin(self, \(PyTorchModel.arguments(of: reads ? shape.condition : .none))):"
      indented {
        "\"\"\"The state before the first token.\"\"\""
        if reads {
          if case .classes = shape.condition {
            "x = self.condition(classes)"
          } else {
            "x = features"
            module.scaledInput
          }
          "batch_size = len(x)"
        }
        if reads, shape.form == .initialState {
          transformedState("x", makesCell: shape.bridgesCell)
        } else {
          zeroState("self.decoder.embedding.weight")
        }
        "return \(initialState(condition: decoder.condition == .none ? "None" : x, "batch_size", "h"))"
      }
      ""
      stepFunction(withSources: false)
      ""
      "def forward(self, \(PyTorchModel.arguments(of: reads ? shape.condition : .none)), target):"
      indented {
        "\"\"\"Logits [B, T, \(decoder.shape.vocabularySize)] of the tokens that follow each of BEGIN, target.\"\"\""
        "state = self.begin(\(PyTorchModel.arguments(of: reads ? shape.condition : .none)))"
        forcedSteps(encoded: "")
      }
    }
  }

  // MARK: - Encoder-decoders

  func encoderDecoder(_ shape: EncoderDecoderShape) -> [String] {
    let sources = SourcePart(shape: shape)
    let arguments = PyTorchModel.arguments(of: shape)
    return lines {
      module.constructor {
        for (index, encoder) in sources.encoders.enumerated() {
          let owner = "self.\(encoder.name)"
          "\(owner) = nn.Module()"
          module.inputModules(encoder.shape.input, in: owner, prefix: "\(encoder.name).")
          if shape.shareEmbeddings, index > 0 { "\(owner).embedding.weight = self.encoder.embedding.weight" }
          "\(owner).rnn = \(sources.network(of: index).torchExpression)"
        }
        if shape.summary.kind != .last {
          for (index, size) in sources.summarySizes.enumerated() {
            "self.\(SourcePart.name("summary", index)) = nn.Linear(\(shape.sources[index].network.outputSize), \(size))"
          }
        }
        if shape.bridge.form == .transform {
          bridgeModules(summarySize: sources.summarySizes.reduce(0, +), makesCell: shape.bridge.cellState)
        }
        for (part, memorySize) in decoder.attentions { attentionModules(part, memorySize: memorySize) }
        decoderModules
        if shape.shareEmbeddings { "self.decoder.embedding.weight = self.encoder.embedding.weight" }
        // Runs after a shared embedding has replaced the decoder's own.
        if decoder.tiesOutput { "self.decoder.output.weight = self.decoder.embedding.weight" }
      }
      ""
      if !decoder.attentions.isEmpty {
        attendFunction
        ""
      }
      "def encode(self, \(arguments)):"
      indented {
        "\"\"\"Reads sources [B, S]\(readsVectors(shape) ? "" : " of ids") with their lengths [B]: what every step reads, and the state before the first.\"\"\""
        for index in shape.sources.indices { encode(sources, index) }
        summary(sources)
        bridge(sources)
        if decoder.attentions.isEmpty {
          let condition = decoder.condition == .none ? "None" : "c"
          "return \(condition), \(initialState(condition: nil, "len(source)", "h"))"
        } else {
          let all = "[\(shape.sources.indices.map(memory).joined(separator: ", "))]"
          let state = initialState(condition: nil, "len(source)", "h")
          if state.contains("encoded") || shape.sources.count > 1 {
            "encoded = \(all)"
            "return encoded, \(state)"
          } else {
            "return \(all), \(state)"
          }
        }
      }
      ""
      stepFunction(withSources: true)
      ""
      "def forward(self, \(arguments), target):"
      indented {
        "\"\"\"Logits [B, T, \(decoder.shape.vocabularySize)] of the tokens that follow each of BEGIN, target.\"\"\""
        "encoded, state = self.encode(\(arguments))"
        forcedSteps(encoded: ", encoded")
      }
    }
  }

  private func readsVectors(_ shape: EncoderDecoderShape) -> Bool {
    if case .vectors = shape.sources[0].input { true } else { false }
  }

  /// `h1` and `last1` of a source: its states and the last ones.
  private func encode(_ sources: SourcePart, _ index: Int) -> [String] {
    let (name, shape) = sources.encoders[index]
    let network = sources.network(of: index)
    let (source, lengths) = (SourcePart.name("source", index), SourcePart.name("lengths", index))
    let (memory, last) = (SourcePart.name("memory", index), SourcePart.name("last", index))
    let suffix = index == 0 ? "" : "\(index + 1)"
    // A bridge that copies reads the states of lower layers, which are separate modules in a pyramid.
    let keepsAllStates = sources.shape.bridge.form == .identity
    // Ids that only the network reads are looked up in its call.
    var needsInput = true
    if case .tokens = shape.input { needsInput = network.isPyramidal }
    return lines {
      if needsInput { module.embedding(shape.input, of: "self.\(name)", source: source, suffix: suffix) }
      if network.isPyramidal {
        if keepsAllStates { "\(last)s = []" }
        "for layer, rnn in enumerate(self.\(name).rnn):"
        indented {
          "if layer > 0:  # pairs of steps become one; an odd last step is joined with zeros"
          "    x = nn.functional.pad(x, (0, 0, 0, x.shape[1] % 2)).reshape(len(x), -1, 2 * x.shape[2])"
          "    \(lengths) = (\(lengths) + 1) // 2"
          "x, \(last) = \(network.call("rnn", "x", lengths))"
          if keepsAllStates { "\(last)s.append(\(last))" }
        }
        "\(memory) = x"
      } else if case .tokens = shape.input {
        "\(memory), \(last) = \(network.call("self.\(name).rnn", "self.\(name).embedding(\(source))", lengths))"
      } else {
        "\(memory), \(last) = \(network.call("self.\(name).rnn", "x", lengths))"
      }
    }
  }

  /// The hidden or cell states of a layer of a source, with both directions side by side.
  private func state(_ part: String, of sources: SourcePart, _ index: Int, layer: Int) -> String {
    let network = sources.network(of: index)
    let last = SourcePart.name("last", index)
    let isList = network.isPyramidal && sources.shape.bridge.form == .identity
    let own = isList ? "\(last)s[\(layer)]" : last
    let states = network.hasCellState ? "\(own)[\(part == "h" ? 0 : 1)]" : own
    let first = network.isPyramidal ? 0 : layer * network.directions
    return (first..<first + network.directions).map { "\(states)[\($0)]" }.joined(separator: ", ")
  }

  /// `c`, if the model uses it.
  private func summary(_ sources: SourcePart) -> [String] {
    let shape = sources.shape
    guard shape.needsSummary else { return [] }
    let parts = shape.sources.indices.map { index -> String in
      let (memory, lengths) = (SourcePart.name("memory", index), SourcePart.name("lengths", index))
      let module = "self.\(SourcePart.name("summary", index))"
      let network = sources.network(of: index)
      let top = state("h", of: sources, index, layer: network.options.layers - 1)
      switch shape.summary.kind {
      case .last: return top
      case .lastTransform: return "torch.tanh(\(module)(torch.cat([\(top)], 1)))"
      case .allTransform:
        return "mean(torch.tanh(\(module)(\(memory))), \(lengths))"
      }
    }
    return lines {
      if shape.summary.kind == .allTransform {
        "def mean(x, lengths):"
        "    lengths = lengths[:, None].to(x.device)"
        "    alive = torch.arange(x.shape[1], device=x.device) < lengths"
        "    return (x * alive[:, :, None]).sum(1) / lengths"
        ""
      }
      "c = torch.cat([\(parts.joined(separator: ", "))], 1)"
    }
  }

  /// `h`, the initial state of the decoder's cells.
  private func bridge(_ sources: SourcePart) -> [String] {
    let shape = sources.shape
    switch shape.bridge.form {
    case .zero: return ["batch_size = len(source)"] + zeroState("memory")
    case .transform:
      return transformedState("c", makesCell: shape.bridge.cellState)
    case .identity:
      func joined(_ part: String) -> String {
        let layers = (0..<decoder.shape.network.layers).map { layer in
          let states = shape.sources.indices.map { index in
            state(part, of: sources, index, layer: min(layer, sources.network(of: index).options.layers - 1))
          }
          return "torch.cat([\(states.joined(separator: ", "))], 1)"
        }
        return "torch.stack([\(layers.joined(separator: ", "))])"
      }
      return lines {
        if decoder.network.hasCellState {
          "h = (\(joined("h")),"
          "     \(joined("c")))"
        } else {
          "h = \(joined("h"))"
        }
      }
    }
  }

  /// The states of a source with their keys and lengths.
  private func memory(_ index: Int) -> String {
    let (part, _) = decoder.attentions[index]
    let (memory, lengths) = (SourcePart.name("memory", index), SourcePart.name("lengths", index))
    let keys =
      switch part.shape.form {
      case .additive: "self.\(part.name).key(\(memory))"
      case .general: "self.\(part.name).general(\(memory))"
      case .dot: memory
      }
    return "(\(memory), \(keys), \(lengths))"
  }

  // MARK: - Attention

  private func attentionModules(_ part: AttentionPart, memorySize: Int) -> [String] {
    let (shape, owner) = (part.shape, "self.\(part.name)")
    let querySize = decoder.shape.network.outputSize
    let size = shape.size ?? decoder.shape.network.hiddenSize
    return lines {
      "\(owner) = nn.Module()"
      switch shape.form {
      case .additive:
        "\(owner).key = nn.Linear(\(memorySize), \(size), bias=False)"
        "\(owner).query = nn.Linear(\(querySize), \(size))"
        "\(owner).v = nn.Linear(\(size), 1, bias=False)"
        if shape.coverage { "\(owner).coverage = nn.Linear(1, \(size), bias=False)" }
        if let location = shape.location {
          "\(owner).location_conv = nn.Conv1d(1, \(location.channels), \(location.width), padding=\(location.width / 2), bias=False)"
          "\(owner).location = nn.Linear(\(location.channels), \(size), bias=False)"
        }
      case .general: "\(owner).general = nn.Linear(\(memorySize), \(querySize), bias=False)"
      case .dot: [String]()
      }
      if shape.scaling == .learned { "\(owner).scale = nn.Parameter(torch.ones(1))" }
    }
  }

  /// The attention inputs of a step that any attention uses, besides states and keys.
  private var tracksWeights: Bool { decoder.attentions.contains { $0.part.shape.location != nil } }
  private var tracksCoverage: Bool { decoder.attentions.contains { $0.part.shape.coverage } }
  private var hasWindow: Bool { decoder.attentions.contains { $0.part.shape.window != nil } }

  private var attendFunction: [String] {
    let shape = decoder.attentions[0].part.shape
    let further =
      (tracksWeights ? ", weights" : "") + (tracksCoverage ? ", coverage" : "") + (hasWindow ? ", step" : "")
    return lines {
      "def attend(self, attention, s, memory, keys, lengths\(further)):"
      indented {
        "\"\"\"The mean of the source's states with the weights that s [B, H] gives them, and the weights.\"\"\""
        "place, lengths = torch.arange(memory.shape[1], device=s.device), lengths[:, None].to(s.device)"
        if let window = shape.window {
          "center = (lengths - 1).clamp(max=step)"
          "visible = (place < lengths) & ((place - center).abs() <= \(window))"
        }
        switch shape.form {
        case .additive:
          "a = keys + attention.query(s)[:, None]"
          if shape.coverage { "a = a + attention.coverage(coverage[:, :, None])" }
          if shape.location != nil {
            "a = a + attention.location(attention.location_conv(weights[:, None]).transpose(1, 2))"
          }
          "scores = attention.v(torch.tanh(a)).squeeze(2)"
        case .dot, .general:
          switch shape.scaling {
          case .none: "scores = (keys * s[:, None]).sum(2)"
          case .learned: "scores = (keys * s[:, None]).sum(2) * attention.scale"
          case .inverseSquareRoot: "scores = (keys * s[:, None]).sum(2) / s.shape[1] ** 0.5"
          }
        }
        let visible = shape.window == nil ? "place < lengths" : "visible"
        "weights = torch.softmax(scores.where(\(visible), -torch.inf), 1)"
        "return (weights[:, :, None] * memory).sum(1), weights"
      }
    }
  }

  // MARK: - Initial state

  private func bridgeModules(summarySize: Int, makesCell: Bool) -> [String] {
    let network = decoder.network
    return lines {
      let all = (0..<network.options.layers).flatMap { layer in
        ["\"h_l\(layer)\": nn.Linear(\(summarySize), \(network.stateSize))"]
          + (makesCell && network.hasCellState
            ? ["\"c_l\(layer)\": nn.Linear(\(summarySize), \(network.options.hiddenSize))"] : [])
      }
      "self.bridge = nn.ModuleDict({\(all.joined(separator: ", "))})"
    }
  }

  private func transformedState(_ c: String, makesCell: Bool) -> [String] {
    let network = decoder.network
    func stack(_ part: String) -> String {
      let layers = (0..<network.options.layers).map { "torch.tanh(self.bridge.\(part)_l\($0)(\(c)))" }
      return "torch.stack([\(layers.joined(separator: ", "))])"
    }
    return lines {
      "h = \(stack("h"))"
      if network.hasCellState {
        if makesCell {
          "h = (h, \(stack("c")))"
        } else {
          "h = (h, h.new_zeros(\(network.options.layers), len(\(c)), \(network.options.hiddenSize)))"
        }
      }
    }
  }

  private func zeroState(_ like: String) -> [String] {
    let (network, layers) = (decoder.network, decoder.network.options.layers)
    return lines {
      "h = \(like).new_zeros(\(layers), batch_size, \(network.stateSize))"
      if network.hasCellState {
        "h = (h, h.new_zeros(\(layers), batch_size, \(network.options.hiddenSize)))"
      }
    }
  }

  /// The dictionary of everything that changes from step to step, and of X if a step reads it.
  private func initialState(condition: String?, _ batchSize: String, _ h: String) -> String {
    var entries = ["\"rnn\": \(h)"]
    if let condition, condition != "None" { entries.append("\"x\": \(condition)") }
    let first = decoder.network.hasCellState ? "h[0]" : "h"
    if decoder.shape.inputFeeding {
      entries.append("\"feed\": \(first).new_zeros(\(batchSize), \(decoder.readoutSize))")
    }
    let memories = "[memory.new_zeros(memory.shape[:2]) for memory, _, _ in encoded]"
    if tracksWeights { entries.append("\"weights\": \(memories)") }
    if tracksCoverage { entries.append("\"coverage\": \(memories)") }
    if decoder.countsSteps { entries.append("\"step\": 0") }
    return "{\(entries.joined(separator: ", "))}"
  }

  // MARK: - One step

  private var decoderModules: [String] {
    let shape = decoder.shape
    return lines {
      "self.decoder = nn.Module()"
      "self.decoder.embedding = nn.Embedding(\(shape.vocabularySize), \(shape.embeddingSize))"
      if decoder.condition == .initialInput {
        "self.decoder.condition = nn.Linear(\(decoder.conditionSize), \(shape.embeddingSize))"
      }
      "self.decoder.rnn = \(decoder.network.torchExpression)"
      if shape.readout.isHidden {
        let width =
          shape.network.outputSize + (shape.readout.withContext ? decoder.contextSize : 0)
          + (shape.readout.withInput ? shape.embeddingSize : 0)
        "self.decoder.read = nn.Linear(\(width), \(decoder.readoutSize))"
      }
      "self.decoder.output = nn.Linear(\(decoder.readoutSize), \(shape.vocabularySize))"
    }
  }

  private func stepFunction(withSources: Bool) -> [String] {
    let shape = decoder.shape
    let condition = withSources ? "encoded" : "state[\"x\"]"
    var inputs = ["y"]
    if decoder.condition == .everyStep { inputs.append(condition) }
    if decoder.attendsBefore { inputs.append("context") }
    if shape.inputFeeding { inputs.append("state[\"feed\"]") }
    var outputs = ["s"]
    if shape.readout.withContext { outputs.append(decoder.attentions.isEmpty ? condition : "context") }
    if shape.readout.withInput { outputs.append("y") }
    let h = decoder.network.hasCellState ? "state[\"rnn\"][0][-1]" : "state[\"rnn\"][-1]"
    return lines {
      "def step(self, token, state\(withSources ? ", encoded" : "")):"
      indented {
        "\"\"\"Logits [B, \(shape.vocabularySize)] of the token after token [B], and the state after it.\"\"\""
        "y = self.decoder.embedding(token)"
        if decoder.condition == .initialInput {
          "if state[\"step\"] == 0:"
          "    y = self.decoder.condition(\(condition))"
        }
        if decoder.attendsBefore { attention(h) }
        let x = inputs.count == 1 ? inputs[0] : "torch.cat([\(inputs.joined(separator: ", "))], 1)"
        "s, rnn = self.decoder.rnn(\(x)[:, None], state[\"rnn\"])"
        "s = s[:, 0]"
        if !decoder.attentions.isEmpty, !decoder.attendsBefore { attention("s") }
        let joined = outputs.count == 1 ? outputs[0] : "torch.cat([\(outputs.joined(separator: ", "))], 1)"
        "r = \(shape.readout.isHidden ? "torch.tanh(self.decoder.read(\(joined)))" : joined)"
        "return self.decoder.output(r), \(nextState)"
      }
    }
  }

  private var nextState: String {
    var entries = ["rnn=rnn"]
    if decoder.shape.inputFeeding { entries.append("feed=r") }
    if tracksWeights { entries.append("weights=\(weightList)") }
    if tracksCoverage {
      entries.append("coverage=[old + new for old, new in zip(state[\"coverage\"], \(weightList))]")
    }
    if decoder.countsSteps { entries.append("step=state[\"step\"] + 1") }
    return "dict(state, \(entries.joined(separator: ", ")))"
  }

  /// `context`, the contexts of all sources, and `weights`.
  private func attention(_ s: String) -> [String] {
    let calls = decoder.attentions.indices.map { index in
      let further =
        (tracksWeights ? ", state[\"weights\"][\(index)]" : "")
        + (tracksCoverage ? ", state[\"coverage\"][\(index)]" : "") + (hasWindow ? ", state[\"step\"]" : "")
      return "self.attend(self.\(decoder.attentions[index].part.name), \(s), *encoded[\(index)]\(further))"
    }
    return lines {
      if calls.count == 1 {
        "context, weights = \(calls[0])"
      } else {
        for (index, call) in calls.enumerated() { "context\(index + 1), weights\(index + 1) = \(call)" }
        let numbers = calls.indices.map { $0 + 1 }
        "context = torch.cat([\(numbers.map { "context\($0)" }.joined(separator: ", "))], 1)"
      }
    }
  }

  /// The weights of a step, one for each source.
  private var weightList: String {
    decoder.attentions.count == 1
      ? "[weights]" : "[\(decoder.attentions.indices.map { "weights\($0 + 1)" }.joined(separator: ", "))]"
  }

  private func forcedSteps(encoded: String) -> [String] {
    lines {
      "logits = []"
      "for token in nn.functional.pad(target, (1, 0), value=BEGIN).T:"
      "    scores, state = self.step(token, state\(encoded))"
      "    logits.append(scores)"
      "return torch.stack(logits, 1)"
    }
  }
}
