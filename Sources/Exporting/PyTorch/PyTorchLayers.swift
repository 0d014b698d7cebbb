import RecurrentNN

// The recurrent layers of a model in PyTorch: nn.RNN, nn.GRU or nn.LSTM if they compute the same, otherwise a module with
// the equations of the cell.

extension RecurrentPart {
  /// Whether a whole stack is one module of PyTorch.
  var isTorchModule: Bool { hasStandardCell && !isPyramidal && options.connection == .none }

  /// The expression that creates the module.
  var torchExpression: String {
    if isPyramidal {
      guard hasStandardCell else {
        return
          "nn.ModuleList(\(torchClassName)(weights, f\"\(name).{n}.\") for n in range(\(options.layers)))"
      }
      let layer = RecurrentPart(name: name, options: options.single, inputSize: inputSize).torchExpression
      let widths = layers.map { "\($0.inputSize)" }.joined(separator: ", ")
      return "nn.ModuleList(\(layer.replacing("(\(inputSize),", with: "(n,")) for n in (\(widths)))"
    }
    guard isTorchModule else { return "\(torchClassName)(weights, \"\(name).\")" }
    var arguments = ["\(inputSize)", "\(options.hiddenSize)"]
    if options.layers > 1 { arguments.append("num_layers=\(options.layers)") }
    arguments.append("batch_first=True")
    if options.bidirectional { arguments.append("bidirectional=True") }
    if options.cell.kind == .rnn, options.cell.activation == .relu {
      arguments.append("nonlinearity=\"relu\"")
    }
    if let size = options.cell.projectionSize { arguments.append("proj_size=\(size)") }
    return "nn.\(options.cell.kind.rawValue.uppercased())(\(arguments.joined(separator: ", ")))"
  }

  /// Whether a class with the cell's equations is generated for the network.
  var isWrittenOut: Bool { isPyramidal ? !hasStandardCell : !isTorchModule }

  /// The name of the generated class. An encoder and a decoder differ in layers and directions.
  var torchClassName: String { name == "decoder.rnn" ? "DecoderLayers" : "Layers" }

  /// The generated class of a stack, with the interface of nn.LSTM.
  var torchClass: [String] {
    lines {
      "class \(torchClassName)(nn.Module):"
      "    \"\"\"\(options.layers == 1 || isPyramidal ? "A layer" : "\(options.layers) layers") of \(cellDescription).\"\"\""
      ""
      "    def __init__(self, weights, prefix):"
      "        super().__init__()"
      "        for name in [name for name in weights if name.startswith(prefix)]:"
      "            self.register_parameter(name[len(prefix):], nn.Parameter(weights[name]))"
      ""
      indented { stepFunction }
      ""
      indented { unrollFunction }
    }
  }

  private var cellDescription: String {
    let cell = options.cell
    var text = "\(cell.kind.rawValue) cells"
    var extras: [String] = []
    if cell.kind == .gru, cell.gruReset == .before { extras.append("the reset gate before the product") }
    if cell.peepholes { extras.append("peepholes") }
    if cell.projectionSize != nil { extras.append("a projection") }
    if cell.cellClip != nil || cell.projectionClip != nil { extras.append("clipping") }
    if cell.coupledGates { extras.append("coupled gates") }
    if cell.layerNorm { extras.append("layer normalization") }
    if zoneout.hidden > 0 || zoneout.cell > 0 { extras.append("zoneout") }
    if options.connection != .none { extras.append("\(options.connection.rawValue) connections") }
    if !extras.isEmpty { text += " with " + extras.joined(separator: ", ") }
    return text
  }

  // MARK: One step

  private var stepFunction: [String] {
    lines {
      "def cell(self, x, h, c, suffix):"
      indented {
        "\"\"\"h and c after one step of x [B, D].\"\"\""
        "w = lambda name: getattr(self, name + suffix)"
        switch options.cell.kind {
        case .lstm: lstmStep
        case .gru: gruStep
        case .mingru: minGRUStep
        default: rnnStep
        }
        if zoneout.hidden > 0 {
          "new_h = \(zoneout.hidden.literal) * h + \((1 - zoneout.hidden).literal) * new_h"
        }
        if zoneout.cell > 0 { "new_c = \(zoneout.cell.literal) * c + \((1 - zoneout.cell).literal) * new_c" }
        "return new_h, \(hasCellState ? "new_c" : "c")"
      }
    }
  }

  private var rnnStep: [String] {
    lines {
      "a = x @ w(\"weight_ih\").T + w(\"bias_ih\") + h @ w(\"weight_hh\").T + w(\"bias_hh\")"
      "new_h = torch.\(options.cell.activation.rawValue)(a)"
    }
  }

  private var minGRUStep: [String] {
    lines {
      "z, a = (x @ w(\"weight_ih\").T + w(\"bias_ih\")).chunk(2, 1)"
      "z, candidate = torch.sigmoid(z), torch.where(a >= 0, a + 0.5, torch.sigmoid(a))"
      "new_h = (1 - z) * h + z * candidate"
    }
  }

  private var gruStep: [String] {
    let units = options.hiddenSize
    return lines {
      if options.cell.gruReset == .before {
        "W_rz, W_n = w(\"weight_hh\").split([\(2 * units), \(units)])"
        "b_rz, b_n = (w(\"bias_ih\") + w(\"bias_hh\")).split([\(2 * units), \(units)])"
        "x_rz, x_n = (x @ w(\"weight_ih\").T).split([\(2 * units), \(units)], 1)"
        "r, z = torch.sigmoid(x_rz + h @ W_rz.T + b_rz).chunk(2, 1)"
        "n = torch.tanh(x_n + (r * h) @ W_n.T + b_n)"
      } else {
        if options.cell.layerNorm {
          "norm = lambda a: torch.cat([F.layer_norm(part, part.shape[1:]) for part in a.split([\(2 * units), \(units)], 1)], 1)"
          "x_gates = norm(x @ w(\"weight_ih\").T) * w(\"norm_ih\") + w(\"bias_ih\")"
          "h_gates = norm(h @ w(\"weight_hh\").T) * w(\"norm_hh\") + w(\"bias_hh\")"
        } else {
          "x_gates = x @ w(\"weight_ih\").T + w(\"bias_ih\")"
          "h_gates = h @ w(\"weight_hh\").T + w(\"bias_hh\")"
        }
        "(x_r, x_z, x_n), (h_r, h_z, h_n) = x_gates.chunk(3, 1), h_gates.chunk(3, 1)"
        "r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)"
        "n = torch.tanh(x_n + r * h_n)"
      }
      "new_h = (1 - z) * n + z * h"
    }
  }

  private var lstmStep: [String] {
    let cell = options.cell
    let gates = cell.coupledGates ? "f, g, o" : "i, f, g, o"
    func product(_ x: String, _ part: String) -> String {
      let product = "\(x) @ w(\"weight_\(part)\").T"
      guard cell.layerNorm else { return "\(product) + w(\"bias_\(part)\")" }
      return
        "F.layer_norm(\(product), w(\"norm_\(part)\").shape) * w(\"norm_\(part)\") + w(\"bias_\(part)\")"
    }
    return lines {
      "a = \(product("x", "ih"))"
      "\(gates) = (a + \(product("h", "hh"))).chunk(\(cell.coupledGates ? 3 : 4), 1)"
      if cell.peepholes {
        "p = w(\"peephole\")"
        if cell.coupledGates { "f = f + p[0] * c" } else { "i, f = i + p[0] * c, f + p[1] * c" }
      }
      "f = torch.sigmoid(f)"
      "i = \(cell.coupledGates ? "1 - f" : "torch.sigmoid(i)")"
      "new_c = f * c + i * torch.tanh(g)"
      if let clip = cell.cellClip { "new_c = new_c.clamp(-\(clip.literal), \(clip.literal))" }
      if cell.peepholes { "o = o + p[-1] * new_c" }
      if cell.layerNorm {
        "seen = F.layer_norm(new_c, new_c.shape[1:]) * w(\"norm_c\") + w(\"norm_c_bias\")"
      }
      "new_h = torch.sigmoid(o) * torch.tanh(\(cell.layerNorm ? "seen" : "new_c"))"
      if cell.projectionSize != nil { "new_h = new_h @ w(\"weight_hr\").T" }
      if let clip = cell.projectionClip { "new_h = new_h.clamp(-\(clip.literal), \(clip.literal))" }
    }
  }

  // MARK: All steps

  private var unrollFunction: [String] {
    let depth = isPyramidal ? 1 : options.layers
    let sides = options.bidirectional ? "\"\", \"_reverse\"" : "\"\""
    return lines {
      "def forward(self, x, state=None, lengths=None):"
      indented {
        "\"\"\"x [B, T, D] to the outputs [B, T, H] and the state after each sequence's last step.\"\"\""
        "(B, T), device = x.shape[:2], x.device"
        if !hasCellState {
          "if torch.is_tensor(state):"
          "    state = (state, state)"
        }
        "if not state:"
        "    n = \(depth * directions)"
        "    state = (x.new_zeros(n, B, \(stateSize)), x.new_zeros(n, B, \(options.hiddenSize)))"
        "time = torch.arange(T, device=device)"
        "ends = (lengths.to(device) if torch.is_tensor(lengths) else torch.full((B,), T, device=device))[:, None]"
        "alive = time < ends"
        if options.bidirectional {
          "backwards = torch.where(alive, ends - 1 - time, time)[:, :, None]  # each sequence from its own end"
        }
        "final = []"
        "for layer in range(\(depth)):"
        indented {
          "outputs = []"
          "for side in (\(sides),):"
          indented {
            "h, c = state[0][len(final)], state[1][len(final)]"
            if options.bidirectional {
              "inputs = x.gather(1, backwards.expand_as(x)) if side else x"
            } else {
              "inputs = x"
            }
            "steps = []"
            "for t in range(T):"
            "    new_h, new_c = self.cell(inputs[:, t], h, c, f\"_l{layer}{side}\")"
            "    h, c = torch.where(alive[:, t, None], new_h, h), torch.where(alive[:, t, None], new_c, c)"
            "    steps.append(h)"
            "y = torch.stack(steps, 1) * alive[:, :, None]"
            if options.bidirectional {
              "outputs.append(y.gather(1, backwards.expand_as(y)) if side else y)"
            } else {
              "outputs.append(y)"
            }
            "final.append((h, c))"
          }
          "y = torch.cat(outputs, 2)"
          switch options.connection {
          case .none: "x = y"
          case .residual: "x = y + x if layer else y"
          case .highway:
            "if layer:"
            "    gate = getattr(self, f\"highway_weight_l{layer}\"), getattr(self, f\"highway_bias_l{layer}\")"
            "    t = torch.sigmoid(x @ gate[0].T + gate[1])"
            "    y = t * y + (1 - t) * x"
            "x = y"
          }
        }
        "h, c = (torch.stack(part) for part in zip(*final))"
        "return x, \(hasCellState ? "(h, c)" : "h")"
      }
    }
  }
}

extension NetworkOptions {
  /// One layer of the network.
  var single: NetworkOptions {
    var options = self
    (options.layers, options.connection) = (1, .none)
    return options
  }
}
