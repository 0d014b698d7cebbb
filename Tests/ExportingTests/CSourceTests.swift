import Foundation
import RecurrentNN
import TestSupport
import Testing

@testable import Exporting
@testable import Tasks

/// The C file of a model is compiled and must have the outputs of the program.
@Suite struct CSourceTests {
  static let cases = [
    ExportCase(preset: "text"), ExportCase(preset: "char-lm"), ExportCase(preset: "war-and-peace-bytes"),
    ExportCase("rnn-relu", "text", "model.cell=rnn", "model.activation=relu", "model.layers=2"),
    ExportCase("gru", "text", "model.cell=gru", "model.layers=2"),
    ExportCase("gru-before", "text", "model.cell=gru", "model.gru_reset=before"),
    ExportCase("lstm-forget-bias", "text", "model.forget_bias=1"),
    ExportCase("lm-tied", "text", "model.tie_embeddings=true", "model.embedding_size=6"),
    ExportCase(preset: "tagger"), ExportCase(preset: "slots"), ExportCase(preset: "music"),
    ExportCase("tagger-gru", "tagger", "model.cell=gru", "model.layers=2"),
    ExportCase(preset: "intent"), ExportCase(preset: "mnist1d"), ExportCase(preset: "japanese-vowels"),
    ExportCase("classifier-max", "intent", "model.pooling=max", "model.layers=2"),
    ExportCase("classifier-last", "intent", "model.pooling=last", "model.cell=rnn"),
  ]

  @Test(arguments: cases) func computesTheSame(testCase: ExportCase) throws {
    let (model, parameters) = try testCase.model()
    let reference = try ReferenceOutputs(model, parameters)
    let directory = try TemporaryDirectory()
    try model.writeC(to: directory.file("net.c"))
    try directory.write(CDriver(model.shape, reference).text, to: "main.c")
    let compiler = try #require(findTool("cc", "clang", "gcc"), "a C compiler")
    let built = try runTool(
      compiler, ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-o", "main", "main.c", "net.c", "-lm"],
      in: directory.path)
    try #require(built.exitCode == 0, "\(built.output)")
    let run = try runTool(directory.file("main"), [], in: directory.path)
    let numbers = run.output.split(separator: "\n").compactMap { Float($0) }
    let expected = CDriver.expected(reference)
    try #require(run.exitCode == 0 && numbers.count == expected.count, "\(run.output.prefix(500))")
    for (number, value) in zip(numbers, expected) { #expect(abs(number - value) < 1e-5) }
  }

  @Test func modelsWithoutAFormInCAreRefused() throws {
    for testCase in [
      ExportCase(preset: "default"), ExportCase(preset: "surnames"), ExportCase(preset: "entailment"),
      ExportCase("", "text", "model.peepholes=true"), ExportCase("", "text", "model.cell=mingru"),
      ExportCase(preset: "forecast"), ExportCase("", "mnist1d", "data.missing=mask"),
    ] {
      let (model, _) = try testCase.model()
      let failure = #expect(throws: ExportFailure.self) { _ = try CSource(model, prefix: "net") }
      #expect(failure?.description.contains("--format onnx") == true)
    }
  }
}

/// A C program that runs a model on the inputs of some reference outputs and prints the corresponding numbers.
private struct CDriver {
  private let shape: ModelShape
  private let reference: ReferenceOutputs

  init(_ shape: ModelShape, _ reference: ReferenceOutputs) {
    (self.shape, self.reference) = (shape, reference)
  }

  /// The output of the program: log-probabilities, bits, or the tags of best paths.
  static func expected(_ reference: ReferenceOutputs) -> [Float] {
    if let path = reference.integers["best_path"] { return path.values.map(Float.init) }
    let scores = reference.floats["log_probabilities"] ?? reference.floats["probabilities"]
    guard let scores else { return [] }
    guard let lengths = reference.integers["lengths"]?.values, scores.shape.count == 3 else {
      return scores.values
    }
    let (steps, width) = (scores.shape[1], scores.shape[2])
    return lengths.enumerated().flatMap { sequence, length in
      scores.values[sequence * steps * width..<(sequence * steps + length) * width]
    }
  }

  private func array(_ name: String) -> String {
    if let ids = reference.integers[name] {
      return "static const int \(name)[] = {\(ids.values.map(String.init).joined(separator: ", "))};"
    }
    let values = reference.floats[name]?.values ?? []
    return "static const float \(name)[] = {\(values.map { "\($0)f" }.joined(separator: ", "))};"
  }

  private static let printing = """
    void print_scores(const float *y, int size, int is_log) {
      float largest = y[0], sum = 0.0f;
      for (int k = 0; k < size; k++) largest = fmaxf(largest, y[k]);
      for (int k = 0; k < size; k++) sum += expf(y[k] - largest);
      for (int k = 0; k < size; k++) printf("%.9g\\n", is_log ? y[k] - largest - logf(sum) : y[k]);
    }
    """

  var text: String {
    let head = """
      #include <math.h>
      #include <stdio.h>
      #define NET_DECLARATIONS_ONLY
      #include "net.c"
      \(Self.printing)
      """
    switch shape {
    case .languageModel:
      let (count, steps) = (reference.integers["tokens"]!.shape[0], reference.integers["tokens"]!.shape[1])
      return """
        \(head)
        \(array("tokens"))
        int main(void) {
          float logits[NET_VOCABULARY];
          for (int b = 0; b < \(count); b++) {
            net_state state = {0};
            for (int t = 0; t < \(steps); t++) {
              net_step(&state, tokens[b * \(steps) + t], logits);
              print_scores(logits, NET_VOCABULARY, 1);
            }
          }
          return 0;
        }

        """
    case .tagger(let shape):
      let output =
        switch shape.output.kind {
        case .crf:
          "int tags[8]; net_best_path(y, lengths[b], tags); for (int t = 0; t < lengths[b]; t++) printf(\"%d\\n\", tags[t]);"
        case .softmax: "for (int t = 0; t < lengths[b]; t++) print_scores(y + t * NET_SIZE, NET_SIZE, 1);"
        default: "for (int t = 0; t < lengths[b]; t++) print_scores(y + t * NET_SIZE, NET_SIZE, 0);"
        }
      return sequences(head, shape.network.encoder.input, "8 * NET_SIZE", output)
    case .classifier(let shape):
      return sequences(head, shape.network.encoder.input, "NET_SIZE", "print_scores(y, NET_SIZE, 1);")
    default: return ""
    }
  }

  private func sequences(_ head: String, _ input: InputShape, _ size: String, _ output: String) -> String {
    let (names, call): ([String], String)
    switch input {
    case .tokens: (names, call) = (["tokens"], "tokens + b * 5")
    case .vectors(let width): (names, call) = (["x"], "x + b * 5 * \(width)")
    case .words:
      (names, call) = (
        ["words", "characters", "word_lengths"], "words + b * 5, spelled, word_lengths + b * 5"
      )
    }
    var spelled = ""
    if case .words = input {
      spelled = """
        int spelled[64], n = 0;
            for (int t = 0; t < lengths[b]; t++) {
              for (int k = 0; k < word_lengths[b * 5 + t]; k++) spelled[n++] = characters[(b * 5 + t) * 3 + k];
            }
        """
    }
    return """
      \(head)
      \((names + ["lengths"]).map(array).joined(separator: "\n"))
      int main(void) {
        static net_memory memory;
        float y[\(size)];
        for (int b = 0; b < 2; b++) {
          \(spelled)
          if (net_run(&memory, \(call), lengths[b], y) != 0) return 1;
          \(output)
        }
        return net_run(&memory, \(call.replacing("+ b", with: "+ 0").replacing("spelled", with: "characters")), 0, y) == -1 ? 0 : 1;
      }

      """
  }
}
