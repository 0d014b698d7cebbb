import Checkpoints
import Foundation
import RecurrentNN
import Tasks

/// A language model, tagger or classifier as one C file: the weights as arrays, and the code that the model needs.
///
/// The C is C99 with `math.h` and `string.h`. It allocates nothing and has no global state: the caller owns all memory.
/// Cells are RNN, GRU and LSTM without other options.
struct CSource {
  let model: ExportedModel
  /// The prefix of every public name.
  let prefix: String

  /// Throws ``ExportFailure`` for a model that has no form in C.
  init(_ model: ExportedModel, prefix: String) throws(ExportFailure) {
    (self.model, self.prefix) = (model, prefix)
    switch model.shape {
    case .generator, .encoderDecoder:
      throw ExportFailure(
        "a model that writes sequences (\(model.configuration.task.rawValue)) has no form in C: use --format onnx"
      )
    case .languageModel(let shape):
      guard shape.options.adaptiveCutoffs.isEmpty else {
        throw ExportFailure("an adaptive softmax has no form in C: use --format onnx")
      }
    case .matcher:
      throw ExportFailure("a matcher, which reads two sequences, has no form in C: use --format onnx")
    case .tagger, .classifier: break
    }
    guard model.scaleNames.isEmpty, model.shape.output?.kind != .quantile else {
      throw ExportFailure(
        "scaled or masked numbers (data.scaling, data.missing) and quantiles have no form in C: use --format onnx"
      )
    }
    for network in model.networks {
      guard network.isONNXOperator, network.options.connection == .none else {
        throw ExportFailure(
          "\(network.name) has an option that has no form in C (cells are rnn, gru and lstm without options): use "
            + "--format onnx")
      }
    }
  }

  /// The name of a constant, in capitals with the prefix of the file.
  private func constant(_ name: String) -> String { "\(prefix.uppercased())_\(name)" }

  var text: String {
    let all = lines {
      comment
      "#ifndef \(constant("H"))"
      "#define \(constant("H"))"
      ""
      interface
      ""
      "#endif"
      ""
      "#ifndef \(constant("DECLARATIONS_ONLY"))"
      ""
      "#include <math.h>"
      "#include <string.h>"
      ""
      "#define MAX_UNITS \(model.networks.map(\.options.hiddenSize).max() ?? 1)"
      ""
      weights
      ""
      layerTables
      ""
      functions
      ""
      "#endif"
    }
    return all.joined(separator: "\n") + "\n"
  }

  private var comment: [String] {
    lines {
      "/* \(model.origin), written by rnn-dist \(ReleaseVersion.text)."
      ""
      "   Compile this file as C99 and link with -lm. Another file gets the declarations with"
      ""
      "       #define \(constant("DECLARATIONS_ONLY"))"
      "       #include \"\(prefix).c\""
      ""
      "   Nothing is allocated; all memory is the caller's. Ids are those of the vocabulary files of the run. */"
    }
  }

  // MARK: - Interface

  private var interface: [String] {
    switch model.shape {
    case .languageModel(let shape): languageModelInterface(shape)
    case .tagger(let shape):
      sequenceInterface(
        shape.network.encoder.input, output: shape.output, "one row per step: y[steps][\(constant("SIZE"))]")
    case .classifier(let shape):
      sequenceInterface(shape.network.encoder.input, output: shape.output, "y[\(constant("SIZE"))]")
    default: []
    }
  }

  private func languageModelInterface(_ shape: LanguageModelShape) -> [String] {
    let network = model.networks[0]
    return lines {
      "/* Tokens that the model knows. */"
      "#define \(constant("VOCABULARY")) \(shape.vocabularySize)"
      ""
      "/* What the model remembers of a text; all zeros before its first token. */"
      "typedef struct {"
      "  float h[\(network.options.layers)][\(network.options.hiddenSize)];"
      if network.hasCellState { "  float c[\(network.options.layers)][\(network.options.hiddenSize)];" }
      "} \(prefix)_state;"
      ""
      "/* Reads a token, 0 <= token < \(constant("VOCABULARY")), and writes the scores of the next one: their softmax is its"
      "   probability. */"
      "void \(prefix)_step(\(prefix)_state *state, int token, float logits[\(constant("VOCABULARY"))]);"
    }
  }

  private func sequenceInterface(_ input: InputShape, output: OutputShape, _ result: String) -> [String] {
    let widths = model.networks[0].layers.map(\.inputSize) + [model.networks[0].outputSize]
    return lines {
      "/* The longest sequence; define it before this file is compiled for another. */"
      "#ifndef \(constant("MAX_STEPS"))"
      "#define \(constant("MAX_STEPS")) 256"
      "#endif"
      if case .words = input {
        "/* The longest word in characters. */"
        "#ifndef \(constant("MAX_CHARACTERS"))"
        "#define \(constant("MAX_CHARACTERS")) 64"
        "#endif"
      }
      "/* \(Self.meaning(of: output.kind)). */"
      "#define \(constant("SIZE")) \(output.size)"
      ""
      "/* Memory for one call. */"
      "typedef struct {"
      "  float a[\(constant("MAX_STEPS")) * \(widths.max() ?? 1)], b[\(constant("MAX_STEPS")) * \(widths.max() ?? 1)];"
      if let network = input.characterNetwork("characters.rnn") {
        let width = max(network.inputSize, network.outputSize)
        "  float word_a[\(constant("MAX_CHARACTERS")) * \(width)], word_b[\(constant("MAX_CHARACTERS")) * \(width)];"
      }
      "} \(prefix)_memory;"
      ""
      "/* Reads a sequence of 1 to \(constant("MAX_STEPS")) steps\(Self.meaning(of: input)) and writes \(result)."
      "   Returns 0, or -1 for a length that is not allowed. */"
      "int \(prefix)_run(\(prefix)_memory *memory, \(Self.arguments(of: input)), int steps, float *y);"
      if output.kind == .crf {
        ""
        "/* Writes the tags of the highest score, tags[steps], for the emissions that \(prefix)_run wrote. Returns 0 or -1. */"
        "int \(prefix)_best_path(const float *emissions, int steps, int *tags);"
      }
    }
  }

  static func arguments(of input: InputShape) -> String {
    switch input {
    case .tokens: "const int *tokens"
    case .words: "const int *words, const int *characters, const int *word_lengths"
    case .vectors: "const float *x"
    }
  }

  private static func meaning(of input: InputShape) -> String {
    switch input {
    case .tokens: ", ids of tokens,"
    case .words:
      ", ids of words, with the concatenated ids of their characters and the number\n   of characters of each word,"
    case .vectors(let size): ", x[steps][\(size)],"
    }
  }

  private static func meaning(of output: OutputShape.Kind) -> String {
    switch output {
    case .softmax: "Scores of the classes, whose softmax is their probabilities"
    case .crf: "Emissions of the tags"
    case .bernoulli: "Probabilities of the bits"
    case .linear, .quantile: "Numbers"
    }
  }

  // MARK: - Weights

  /// The name of an array.
  private static func array(_ name: String) -> String { name.replacing(".", with: "_") }

  /// Whether the output layer's weight is the embedding under a second name.
  private var tiedOutput: Bool {
    if case .languageModel(let shape) = model.shape { shape.options.tieEmbeddings } else { false }
  }

  private var weights: [String] {
    lines {
      for name in model.weights.names {
        if tiedOutput, name == "output.weight" {
          "#define output_weight embedding_weight"
        } else {
          Self.definition(Self.array(name), model.weights.required(name).values)
        }
      }
    }
  }

  /// The definition of an array. Each value is the shortest decimal number that equals the float, with several per line.
  private static func definition(_ name: String, _ values: [Float]) -> [String] {
    var (rows, row) = (["static const float \(name)[\(values.count)] = {"], " ")
    for value in values {
      let text = " \(value)f,"
      if row.utf8.count + text.utf8.count > 110 {
        rows.append(row)
        row = " "
      }
      row += text
    }
    return rows + [row, "};"]
  }

  private var layerTables: [String] {
    lines {
      "typedef struct {"
      "  int inputs, units;"
      "  const float *weight_ih, *weight_hh, *bias_ih, *bias_hh;"
      "} layer;"
      for network in model.networks {
        ""
        "static const layer \(Self.array(network.name))[\(network.options.layers * network.directions)] = {"
        for layer in network.layers {
          for suffix in layer.suffixes {
            let names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map {
              Self.array("\(network.name).\($0)\(suffix)")
            }
            "  {\(layer.inputSize), \(network.options.hiddenSize), \(names.joined(separator: ", "))},"
          }
        }
        "};"
      }
    }
  }

  // MARK: - Code

  private var functions: [String] {
    lines {
      CCode.product
      ""
      if model.networks.contains(where: { $0.options.cell.kind != .rnn }) {
        CCode.sigmoid
        ""
      }
      for kind in cells {
        kind
        ""
      }
      switch model.shape {
      case .languageModel(let shape): CCode.languageModel(shape, model.networks[0], prefix)
      case .tagger(let shape):
        CCode.runLayers
        ""
        CCode.run(
          shape.network.encoder.input, model.networks[0], prefix,
          CCode.taggerOutput(shape.output, model.networks[0], prefix))
        if shape.output.kind == .crf {
          ""
          CCode.bestPath(prefix)
        }
      case .classifier(let shape):
        CCode.runLayers
        ""
        CCode.run(
          shape.network.encoder.input, model.networks[0], prefix,
          CCode.classifierOutput(shape, model.networks[0], prefix))
      default: [String]()
      }
    }
  }

  /// The step functions that are needed. LSTMs read the characters of words in all models.
  private var cells: [[String]] {
    let main = model.networks[0]
    let other = model.networks.dropFirst().first.map { CCode.cell($0, named: "character_step") }
    return [CCode.cell(main, named: "step")] + (other.map { [$0] } ?? [])
  }
}

extension ExportedModel {
  /// Writes one C file, whose public names begin with the name of the file.
  ///
  /// Throws ``ExportFailure``, `FileFailure`.
  package func writeC(to path: String) throws {
    let stem = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    var prefix = String(stem.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    if prefix.first.map({ $0.isNumber }) ?? true { prefix = "model_" + prefix }
    guard path.hasSuffix(".c") else {
      throw ExportFailure("\(path): the name of a C file ends in .c", exitCode: ExitCode.usage)
    }
    try DurableFile.write(Data(try CSource(self, prefix: prefix).text.utf8), to: path)
  }
}
