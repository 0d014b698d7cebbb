import Checkpoints
import Foundation
import RecurrentNN
import Tasks

/// A model as a Python module, `model.py`, which users can read and change, and its weights as `model.safetensors`.
///
/// `model.py` needs PyTorch and safetensors. Its modules have the names of the weights, so `load_state_dict` accepts them
/// in strict mode. Outputs are those of evaluation, without dropout.
struct PyTorchModel {
  let model: ExportedModel

  /// The text of `model.py`.
  var source: String {
    let body = classes
    let text = body.joined(separator: "\n")
    func imports(_ word: String, _ line: String) -> [String] { text.contains(word) ? [line] : [] }
    let all = lines {
      "\"\"\"\(summary) \(model.origin)."
      ""
      indented { usage }
      "\"\"\""
      ""
      "from pathlib import Path"
      ""
      "import torch"
      imports("F.layer_norm", "import torch.nn.functional as F")
      "from safetensors.torch import load_file"
      "from torch import nn"
      imports("pack_padded", "from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence")
      constants
      ""
      ""
      body
      ""
      ""
      "def load(path=Path(__file__).with_name(\"model.safetensors\")):"
      "    \"\"\"The model with its weights.\"\"\""
      if takesWeights {
        "    weights = load_file(path)"
        "    model = Model(weights)"
        "    model.load_state_dict(weights)"
      } else {
        "    model = Model()"
        "    model.load_state_dict(load_file(path))"
      }
      "    return model.eval()"
    }
    return all.joined(separator: "\n") + "\n"
  }

  /// The weights under the names of the modules. The layers of a pyramid are modules in a list.
  var weights: ExportedWeights {
    var weights = model.weights
    for network in model.networks where network.isPyramidal {
      for name in weights.names where name.hasPrefix(network.name + ".") {
        for layer in network.layers {
          for suffix in layer.suffixes where name.hasSuffix(suffix) {
            let kind = name.dropFirst(network.name.count + 1).dropLast(suffix.count)
            let single = suffix.hasSuffix("_reverse") ? "_l0_reverse" : "_l0"
            weights.rename(name, to: "\(network.name).\(layer.index).\(kind)\(single)")
          }
        }
      }
    }
    return weights
  }

  // MARK: - Parts of the file

  /// Whether a network has a generated class, which takes its parameters from the file.
  var takesWeights: Bool { !writtenOut.isEmpty }
  /// One network per generated class. The encoders of two sources have the same class.
  private var writtenOut: [RecurrentPart] {
    let networks = model.networks.filter(\.isWrittenOut)
    let names = Set(networks.map(\.torchClassName)).sorted(by: >)
    return names.compactMap { name in networks.first { $0.torchClassName == name } }
  }

  private var summary: String {
    switch model.shape {
    case .languageModel: "A language model:"
    case .tagger: "A tagger:"
    case .classifier: "A classifier:"
    case .matcher: "A matcher:"
    case .generator: "A generator:"
    case .encoderDecoder: "An encoder-decoder:"
    }
  }

  private var usage: [String] {
    lines {
      "model = load()"
      switch model.shape {
      case .languageModel(let shape):
        let result = shape.options.adaptiveCutoffs.isEmpty ? "logits" : "log_probabilities"
        "\(result), state = model(tokens)         # ids [B, T] to [B, T, \(shape.vocabularySize)]"
        "\(result), state = model(next_tokens, state)"
      case .tagger(let shape):
        "y = model(\(Self.arguments(of: shape.network.encoder.input)))  # [B, T, \(Self.extents(of: shape.output))]"
      case .classifier(let shape):
        "y = model(\(Self.arguments(of: shape.network.encoder.input)))  # [B, \(Self.extents(of: shape.output))]"
      case .matcher(let shape):
        "y = model(\(Self.argumentsOfPairs(of: shape.network.encoder.input)))  # [B, \(Self.extents(of: shape.output))]"
      case .generator(let shape):
        "state = model.begin(\(Self.arguments(of: shape.condition)))"
        "logits, state = model.step(token, state)  # ids [B], the first BEGIN, until END"
      case .encoderDecoder(let shape):
        "encoded, state = model.encode(\(Self.arguments(of: shape)))"
        "logits, state = model.step(token, state, encoded)  # ids [B], the first BEGIN, until END"
      }
    }
  }

  private var constants: [String] {
    switch model.shape {
    case .generator(let shape): Self.marks(shape.decoder)
    case .encoderDecoder(let shape): Self.marks(shape.decoder)
    default: []
    }
  }

  private static func marks(_ decoder: DecoderShape) -> [String] {
    ["", "BEGIN, END = \(decoder.beginToken), \(decoder.endToken)"]
  }

  private var classes: [String] {
    lines {
      for network in writtenOut {
        network.torchClass
        ""
        ""
      }
      if model.networks.contains(where: { $0.runsPacked(in: model) }) {
        Self.runFunction
        ""
        ""
      }
      "class Model(nn.Module):"
      indented {
        switch model.shape {
        case .languageModel(let shape): languageModel(shape)
        case .tagger(let shape): tagger(shape)
        case .classifier(let shape): classifier(shape)
        case .matcher(let shape): matcher(shape)
        case .generator(let shape): PyTorchDecoder(self, DecoderPart(shape)).generator(shape)
        case .encoderDecoder(let shape): PyTorchDecoder(self, DecoderPart(shape)).encoderDecoder(shape)
        }
      }
    }
  }

  private static let runFunction = lines {
    "def run(rnn, x, lengths):"
    "    \"\"\"A network over sequences of these lengths: outputs [B, T, H], zero after each end, and the last states.\"\"\""
    "    outputs, state = rnn(pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False))"
    "    return pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])[0], state"
  }

  /// The constructor of a class with the given modules.
  func constructor(@TextBuilder _ modules: () -> [String]) -> [String] {
    lines {
      "def __init__(self\(takesWeights ? ", weights" : "")):"
      "    super().__init__()"
      indented(4, modules)
      indented(4) { scaleModules }
    }
  }

  // MARK: - Language models

  private func languageModel(_ shape: LanguageModelShape) -> [String] {
    let network = model.networks[0]
    return lines {
      constructor {
        "self.embedding = nn.Embedding(\(shape.vocabularySize), \(shape.options.embeddingSize))"
        "self.rnn = \(network.torchExpression)"
        if shape.options.adaptiveCutoffs.isEmpty {
          "self.output = nn.Linear(\(network.outputSize), \(shape.vocabularySize))"
          if shape.options.tieEmbeddings { "self.output.weight = self.embedding.weight" }
        } else {
          "self.output = nn.AdaptiveLogSoftmaxWithLoss("
          "    \(network.outputSize), \(shape.vocabularySize), \(shape.options.adaptiveCutoffs), \(shape.options.adaptiveFactor.literal))"
        }
      }
      ""
      "def forward(self, tokens, state=None):"
      "    \"\"\"Returns the next-token scores at each position of tokens [B, T], and the final state.\"\"\""
      "    h, state = self.rnn(self.embedding(tokens), state)"
      if shape.options.adaptiveCutoffs.isEmpty {
        "    return self.output(h), state"
      } else {
        "    log_probabilities = self.output.log_prob(h.flatten(0, 1))"
        "    return log_probabilities.view(*tokens.shape, -1), state"
      }
    }
  }

  // MARK: - Taggers, classifiers and matchers

  private func tagger(_ shape: SequenceTaggerShape) -> [String] {
    let network = model.networks[0]
    return lines {
      constructor {
        inputModules(shape.network.encoder.input)
        "self.rnn = \(network.torchExpression)"
        "self.output = nn.Linear(\(network.outputSize), \(shape.output.units))"
        if shape.output.kind == .crf {
          "self.crf = nn.Module()"
          "self.crf.start_transitions = nn.Parameter(torch.empty(\(shape.output.size)))"
          "self.crf.end_transitions = nn.Parameter(torch.empty(\(shape.output.size)))"
          "self.crf.transitions = nn.Parameter(torch.empty(\(shape.output.size), \(shape.output.size)))  # from, to"
        }
      }
      ""
      "def forward(self, \(Self.arguments(of: shape.network.encoder.input))):"
      "    \"\"\"\(Self.meaning(of: shape.output.kind)) of every step, [B, T, \(Self.extents(of: shape.output))].\"\"\""
      indented {
        embedding(shape.network.encoder.input)
        "h, _ = \(network.call("self.rnn", "x", "lengths"))"
        result("h", shape.output)
      }
      if shape.output.kind == .crf {
        ""
        Self.viterbi
      }
    }
  }

  private static let viterbi = lines {
    "def best_path(self, emissions):"
    indented {
      "\"\"\"The tags of the highest score for the emissions [T, tags] of one sequence (Viterbi 1967).\"\"\""
      "score, back = self.crf.start_transitions + emissions[0], []"
      "for emission in emissions[1:]:"
      "    best, previous = (score[:, None] + self.crf.transitions).max(0)"
      "    score = best + emission"
      "    back.append(previous)"
      "path = [(score + self.crf.end_transitions).argmax()]"
      "for previous in reversed(back):"
      "    path.append(previous[path[-1]])"
      "return torch.stack(path[::-1])"
    }
  }

  private static func meaning(of output: OutputShape.Kind) -> String {
    switch output {
    case .softmax: "Logits"
    case .crf: "Emissions"
    case .bernoulli: "Probabilities of the bits"
    case .linear: "Numbers"
    case .quantile: "Quantiles"
    }
  }

  private static func extents(of output: OutputShape) -> String {
    output.extents.map { "\($0)" }.joined(separator: ", ")
  }

  /// Returns the output for vectors, in the units of the data. Quantiles that cross are put in order.
  private func result(_ vectors: String, _ output: OutputShape) -> [String] {
    let y = "self.output(\(vectors))"
    guard output.kind.isScaled, model.scalesTarget || output.kind == .quantile else {
      return ["return \(output.kind == .bernoulli ? "torch.sigmoid(\(y))" : y)"]
    }
    return lines {
      "y = \(y)"
      if model.scalesTarget { "y = y * self.target_deviation + self.target_mean" }
      if output.kind == .quantile { "y = y.unflatten(-1, (\(Self.extents(of: output)))).sort(-1).values" }
      "return y"
    }
  }

  private func classifier(_ shape: SequenceClassifierShape) -> [String] {
    lines {
      constructor {
        pooledModules(shape)
        "self.output = nn.Linear(\(pooledWidth(shape)), \(shape.output.units))"
      }
      ""
      "def forward(self, \(Self.arguments(of: shape.network.encoder.input))):"
      "    \"\"\"\(Self.meaning(of: shape.output.kind)) of each sequence, [B, \(Self.extents(of: shape.output))].\"\"\""
      indented {
        pooledVector(shape)
        result("pooled", shape.output)
      }
    }
  }

  private func matcher(_ shape: SequenceMatcherShape) -> [String] {
    let input = shape.network.encoder.input
    let (first, second) = (Self.arguments(of: input), Self.arguments(of: input, suffix: "2"))
    return lines {
      constructor {
        pooledModules(shape)
        "self.output = nn.Linear(\(4 * pooledWidth(shape)), \(shape.output.units))"
      }
      ""
      "def encode(self, \(first)):"
      "    \"\"\"The vector of each sequence, [B, \(pooledWidth(shape))].\"\"\""
      indented {
        pooledVector(shape)
        "return pooled"
      }
      ""
      "def forward(self, \(Self.argumentsOfPairs(of: input))):"
      "    \"\"\"\(Self.meaning(of: shape.output.kind)) of each pair of sequences, [B, \(Self.extents(of: shape.output))].\"\"\""
      "    u = self.encode(\(first))"
      "    v = self.encode(\(second))"
      indented { result("torch.cat([u, v, (u - v).abs(), u * v], 1)", shape.output) }
    }
  }

  /// The modules that make a vector of a sequence.
  private func pooledModules(_ shape: SequenceClassifierShape) -> [String] {
    let network = model.networks[0]
    return lines {
      inputModules(shape.network.encoder.input)
      "self.rnn = \(network.torchExpression)"
      if shape.pooling.kind == .attention {
        "self.attention = nn.Linear(\(network.outputSize), \(shape.pooling.size))"
        "self.attention.query = nn.Parameter(torch.empty(\(shape.pooling.size)))"
      }
    }
  }

  /// `pooled`, the vector of each sequence.
  private func pooledVector(_ shape: SequenceClassifierShape) -> [String] {
    let network = model.networks[0]
    return lines {
      embedding(shape.network.encoder.input)
      "h, state = \(network.call("self.rnn", "x", "lengths"))"
      pooling(shape.pooling.kind, network)
    }
  }

  private func pooledWidth(_ shape: SequenceClassifierShape) -> Int {
    let width = model.networks[0].outputSize
    return shape.pooling.kind == .all ? shape.pooling.size * width : width
  }

  private func pooling(_ kind: Pooling.Kind, _ network: RecurrentPart) -> [String] {
    lines {
      if kind != .last, kind != .all {
        "alive = torch.arange(h.shape[1], device=h.device) < lengths[:, None].to(h.device)"
      }
      switch kind {
      case .last: "pooled = \(network.topState("state"))"
      case .mean: "pooled = (h * alive[:, :, None]).sum(1) / lengths[:, None].to(h)"
      case .max: "pooled = h.masked_fill(~alive[:, :, None], -torch.inf).amax(1)"
      case .attention:
        "scores = torch.tanh(self.attention(h)) @ self.attention.query"
        "weights = torch.softmax(scores.masked_fill(~alive, -torch.inf), 1)"
        "pooled = (weights[:, :, None] * h).sum(1)"
      case .all: "pooled = h.flatten(1)"
      }
    }
  }

  // MARK: - Inputs

  /// The modules of an input as members of `self` or `self.encoder`.
  func inputModules(_ input: InputShape, in owner: String = "self", prefix: String = "") -> [String] {
    lines {
      switch input {
      case .tokens(let count, let size):
        "\(owner).embedding = nn.Embedding(\(count), \(size))"
      case .words(let count, let size, let characters):
        "\(owner).embedding = nn.Embedding(\(count), \(size))"
        "\(owner).characters = nn.Module()"
        "\(owner).characters.embedding = nn.Embedding(\(characters.vocabularySize), \(characters.embeddingSize))"
        if let network = input.characterNetwork(prefix + "characters.rnn") {
          "\(owner).characters.rnn = \(network.torchExpression)"
        }
      case .vectors: [String]()
      }
    }
  }

  /// The arguments of a function that reads sequences.
  ///
  /// - Parameter suffix: of every name.
  static func arguments(of input: InputShape, suffix: String = "") -> String {
    let names =
      switch input {
      case .tokens: ["tokens", "lengths"]
      case .words: ["words", "lengths", "characters", "word_lengths"]
      case .vectors: ["x", "lengths"]
      }
    return names.map { $0 + suffix }.joined(separator: ", ")
  }

  /// The arguments of a function that reads pairs of sequences.
  private static func argumentsOfPairs(of input: InputShape) -> String {
    "\(arguments(of: input)), \(arguments(of: input, suffix: "2"))"
  }

  static func arguments(of shape: EncoderDecoderShape) -> String {
    shape.sources.enumerated().flatMap { index, source in
      var names = ["source", "lengths"]
      if case .words = source.input { names += ["characters", "word_lengths"] }
      return names.map { SourcePart.name($0, index) }
    }.joined(separator: ", ")
  }

  static func arguments(of condition: GeneratorCondition) -> String {
    switch condition {
    case .none: "batch_size"
    case .classes: "classes"
    case .features: "features"
    }
  }

  /// `x`, the vectors of all steps. Characters are ids [B, T, C] with the number of characters of each word [B, T].
  ///
  /// - Parameters:
  ///   - owner: the object that has the modules of the input.
  ///   - source: the argument with the ids or vectors; nil: the one of ``arguments(of:)``.
  ///   - suffix: the suffix of the other arguments.
  func embedding(
    _ input: InputShape, of owner: String = "self", source: String? = nil, suffix: String = ""
  ) -> [String] {
    lines {
      switch input {
      case .tokens: "x = \(owner).embedding(\(source ?? "tokens"))"
      case .words:
        let words = source ?? "words"
        "spelled = \(owner).characters.embedding(characters\(suffix).flatten(0, 1))"
        "counts = word_lengths\(suffix).flatten().clamp(min=1)"
        "_, (last, _) = run(\(owner).characters.rnn, spelled, counts)"
        "spelled = torch.cat([last[0], last[1]], 1).view(*\(words).shape, -1)"
        "x = torch.cat([\(owner).embedding(\(words)), spelled], 2)"
      case .vectors:
        if let source { "x = \(source)" }
        scaledInput
      }
    }
  }

  // MARK: - Scales of numbers

  private var scaleModules: [String] {
    model.scaleNames.map { name in
      "self.\(name) = nn.Parameter(torch.empty(\(model.weights.required(name).values.count)), requires_grad=False)"
    }
  }

  /// `x` as the network reads it. Missing numbers, which are NaN, become the mean, and each number has a mark.
  var scaledInput: [String] {
    lines {
      if model.readsMissing {
        "known = ~x.isnan()"
        "x = torch.where(known, x, self.source_mean)"
      }
      if model.scalesSource { "x = (x - self.source_mean) / self.source_deviation" }
      if model.readsMissing { "x = torch.cat([x, known.to(x)], -1)" }
    }
  }
}

extension RecurrentPart {
  /// Whether the network runs on PyTorch's packed sequences, which requires sequences with lengths and a PyTorch module.
  fileprivate func runsPacked(in model: ExportedModel) -> Bool {
    if case .languageModel = model.shape { return false }
    return hasStandardCell && (isPyramidal || isTorchModule) && name != "decoder.rnn"
  }

  /// The call of the network for sequences with lengths.
  func call(_ module: String, _ x: String, _ lengths: String) -> String {
    let isModule = isPyramidal ? hasStandardCell : isTorchModule
    return isModule ? "run(\(module), \(x), \(lengths))" : "\(module)(\(x), lengths=\(lengths))"
  }

  /// The hidden states of the top layer, with both directions side by side.
  func topState(_ state: String) -> String {
    let h = hasCellState ? "\(state)[0]" : state
    return options.bidirectional ? "torch.cat([\(h)[-2], \(h)[-1]], 1)" : "\(h)[-1]"
  }
}

// MARK: - Files

extension ExportedModel {
  /// Writes `model.py`, `model.safetensors` and the vocabularies to a new or empty directory.
  ///
  /// Throws ``ExportFailure``, `FileFailure`, `DataError`.
  package func writePyTorch(to directory: String) throws {
    let torch = PyTorchModel(model: self)
    try createExportDirectory(directory)
    try torch.weights.write(to: "\(directory)/model.safetensors", metadata: metadata)
    try DurableFile.write(Data(torch.source.utf8), to: "\(directory)/model.py")
    try encoding.save(to: directory)
  }
}
