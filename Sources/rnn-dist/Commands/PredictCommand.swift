import ArgumentParser
import Communication
import Configuration
import Datasets
import Foundation
import RunLog
import Tasks
import Inference

struct PredictCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Classes, tags or sequences for the lines of standard input.",
    discussion: """
      One line in, one line out, in order: a class (classifier), a tag for each token (tagger; of bits the keys of the next \
      step), a sequence (seq2seq; a second source stands behind a tab). Lines that arrive together are computed together; a line that arrives alone is answered at \
      once. An empty line gives an empty line; with --n-best N every line gives N, the last of them empty where there are fewer \
      outputs.

      With --sample sequences are drawn from the model instead of searched for: N of them with --n-best N, in the order in \
      which they were drawn. What is drawn for a line depends on its number, the options and the seed, not on the other lines.

      Examples:
        rnn-dist predict runs/dates < dates.txt
        echo 'the 3rd of May, 2017' | rnn-dist predict runs/dates --beam 5 --attention pictures
        rnn-dist predict runs/dates --sample --temperature 0.8 --n-best 3 < dates.txt
      """)

  @OptionGroup var run: RunArguments
  @OptionGroup var ensemble: EnsembleArguments
  @Argument(
    help: ArgumentHelp("Changes such as decoding.max_length=50.", valueName: "key.path=value"))
  var overrides: [String] = []
  @Option(help: "Hypotheses kept (default: as the run's decoding.beam).") var beam: Int?
  @Option(help: "Exponent of the length normalization (default: as the run).") var lengthPenalty: Double?
  @Flag(help: "Draw sequences instead of searching for the most probable ones (seq2seq, generators).")
  var sample = false
  @OptionGroup var sampling: SamplingArguments
  @Option(
    help:
      "Outputs for each line, best first (with --sample: as drawn), each on a line of its own (not of taggers)."
  )
  var nBest = 1
  @Flag(
    help:
      "Write the score of each output before it, with a tab: a probability (classifier), a log-probability (tagger, seq2seq)."
  )
  var scores = false
  @Option(help: ArgumentHelp("Draw where the model looked for each line.", valueName: "dir"))
  var attention: String?
  @Option(help: "Lines computed together at most.") var batchSize = 64

  func validate() throws {
    for (name, value, most) in [
      ("beam", beam ?? 1, 1000), ("n-best", nBest, 1000), ("batch-size", batchSize, 65_536),
    ]
    where !(1...most).contains(value) {
      throw ValidationError("--\(name) \(value): 1 to \(most)")
    }
    try checkSampling()
    if let lengthPenalty, !(0...10).contains(lengthPenalty) {
      throw ValidationError("--length-penalty \(lengthPenalty): 0 to 10")
    }
  }

  /// A search has no temperature, and a draw no beam.
  private func checkSampling() throws {
    guard sample else {
      guard let option = sampling.given else { return }
      throw ValidationError("\(option) is for sequences that are drawn: it goes with --sample")
    }
    let search = ["beam", "length_penalty", "coverage_penalty", "patience"].map { "decoding.\($0)=" }
    let named =
      beam != nil
      ? "--beam"
      : lengthPenalty != nil
        ? "--length-penalty" : overrides.first { key in search.contains { key.hasPrefix($0) } }
    if let named {
      throw ValidationError("\(named) is for a search, and --sample draws: leave one of them out")
    }
  }

  func runLocally() throws -> Int32 {
    if let word = overrides.first(where: { !$0.contains("=") }) {
      throw ValidationError("\(word): one run, and then overrides such as decoding.beam=5")
    }
    var changes = overrides
    if let beam { changes.append("decoding.beam=\(beam)") }
    if let lengthPenalty { changes.append("decoding.length_penalty=\(lengthPenalty)") }
    let saved = try run.load(overrides: changes, ensemble: ensemble.runs)
    run.warn(of: saved)
    guard saved.abilities.writesAfter != .prompt else {
      throw ValidationError("\(run.run) is a language model: use rnn-dist generate")
    }
    guard nBest == 1 || saved.abilities.ranksOutputs else {
      throw ValidationError("--n-best: a model that says one thing of a line has no second best")
    }
    guard !scores || saved.abilities.scoresOutputs else {
      throw ValidationError("--scores: a model of numbers or bits gives its outputs no score")
    }
    guard attention == nil || saved.abilities.attends else {
      throw ValidationError("--attention: \(run.run) is a model without attention")
    }
    guard !sample || saved.abilities.samplesOutputs else {
      throw ValidationError("--sample: \(run.run) writes no sequences, of which one could be drawn")
    }
    try Threads.share(among: SoloCommunicator(), reproducible: saved.configuration.training.reproducible)
    let seed = sampling.seed ?? UInt64(saved.configuration.seed)
    let options = PredictionOptions(
      count: nBest, keepsAttention: attention != nil, keepsScores: scores,
      sampling: sample ? TextSampling(sampling.options, seed: seed) : nil)
    try serve(saved.predictor(options))
    return ExitCode.done
  }

  private func serve(_ predictor: Predictor) throws {
    let pictures = try attention.map { try AttentionFolder($0) }
    let input = LineInput()
    var answered = 0
    while let lines = try input.next(atMost: batchSize) {
      var isEmpty: [Bool] = []
      var failure: (any Error)?
      for (index, line) in lines.enumerated() {
        var blank = line.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        do {
          if !blank { try predictor.add(line, number: answered + index + 1) }
        } catch DataError.line(_, _, .empty(field: "source")) {
          // Characters that are no tokens, such as a space without a break: as good as none.
          blank = true
        } catch {
          // The lines before a bad one have an answer all the same.
          failure = error
          break
        }
        isEmpty.append(blank)
      }
      var outputs = try predictor.run()[...]
      var text: [UInt8] = []
      for (index, blank) in isEmpty.enumerated() {
        let output = blank ? nil : outputs.popFirst()
        text += answer(output)
        if let pictures, let output {
          try pictures.draw(output, of: lines[index], number: answered + index + 1)
        }
      }
      try StandardOutput.write(text)
      if let failure { throw failure }
      answered += lines.count
    }
  }

  /// As many lines as were asked for, whatever there is, so that a reader can tell which input they belong to.
  private func answer(_ output: Prediction?) -> [UInt8] {
    var text: [UInt8] = []
    for index in 0..<nBest {
      if let output, index < output.lines.count {
        if scores { text += Array("\(String(format: "%.4f", output.scores[index]))\t".utf8) }
        text += output.lines[index]
      }
      text.append(UInt8(ascii: "\n"))
    }
    return text
  }
}

/// A folder of attention pictures, `line-1.svg` and so on.
struct AttentionFolder {
  private let path: String

  /// Makes the folder. Throws `RunFileFailure`.
  init(_ path: String) throws {
    self.path = path
    try RunDirectory.makeFolder(path)
  }

  /// Draws where the model looked; nothing for models without attention.
  func draw(_ output: Prediction, of input: [UInt8], number: Int) throws {
    guard !output.attention.isEmpty else { return }
    let picture = AttentionPicture(output, of: input)
    try picture.write(to: "\(path)/line-\(number).svg")
  }
}

extension AttentionPicture {
  /// The picture of the output of a line.
  init(_ output: Prediction, of input: [UInt8]) {
    self.init(
      title: "\(Self.shortened(input)) → \(Self.shortened(output.lines.first ?? []))",
      outputTokens: output.attention.first?.outputLabels ?? [],
      panels: output.attention.enumerated().map { index, matrix in
        Panel(
          name: output.attention.count > 1 ? "source \(index + 1)" : "source", tokens: matrix.sourceLabels,
          weights: matrix.weights.flatMap { $0.map { Float($0) } })
      })
  }

  /// A line as a part of a title.
  private static func shortened(_ line: [UInt8]) -> String {
    let text = String(decoding: line.map { $0 == UInt8(ascii: "\t") ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
    return text.count > 40 ? text.prefix(37) + "..." : text
  }
}
