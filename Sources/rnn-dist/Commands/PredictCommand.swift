import ArgumentParser
import Communication
import Configuration
import Datasets
import Foundation
import RunLog
import Training

struct PredictCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Classes, tags or sequences for the lines of standard input.",
    discussion: """
      One line in, one line out, in order: a class (classifier), a tag for each token (tagger; of bits the keys of the next \
      step), a sequence (seq2seq; a second source stands behind a tab). Lines that arrive together are computed together; a line that arrives alone is answered at \
      once. An empty line gives an empty line.

      Examples:
        rnn-dist predict runs/dates < dates.txt
        echo 'the 3rd of May, 2017' | rnn-dist predict runs/dates --beam 5 --attention pictures
      """)

  @OptionGroup var run: RunArguments
  @Argument(
    help: ArgumentHelp("Changes such as decoding.max_length=50.", valueName: "key.path=value"))
  var overrides: [String] = []
  @Option(help: "Hypotheses kept (default: as the run's decoding.beam).") var beam: Int?
  @Option(help: "Exponent of the length normalization (default: as the run).") var lengthPenalty: Double?
  @Option(help: "Outputs for each line, best first, each on a line of its own (not of taggers).") var nBest =
    1
  @Flag(help: "Write the score of each output before it, with a tab.") var scores = false
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
    if let lengthPenalty, !(0...10).contains(lengthPenalty) {
      throw ValidationError("--length-penalty \(lengthPenalty): 0 to 10")
    }
  }

  func runLocally() throws -> Int32 {
    var changes = overrides
    if let beam { changes.append("decoding.beam=\(beam)") }
    if let lengthPenalty { changes.append("decoding.length_penalty=\(lengthPenalty)") }
    let loaded = try run.load(overrides: changes)
    loaded.warnOfRejected()
    guard case .sequences(let saved) = loaded else {
      throw ValidationError("\(run.run) is a language model: use rnn-dist generate")
    }
    guard nBest == 1 || saved.ranksOutputs else {
      throw ValidationError("--n-best: a model that says one thing of a line has no second best")
    }
    guard attention == nil || saved.looksAtSource else {
      throw ValidationError("--attention: \(run.run) is a model without attention")
    }
    try Threads.share(among: SoloCommunicator(), reproducible: saved.configuration.training.reproducible)
    try serve(saved.predictor(count: nBest, keepsAttention: attention != nil))
    return ExitCode.done
  }

  private func serve(_ predictor: SavedSequenceModel.Predictor) throws {
    let pictures = try attention.map { try AttentionFolder($0) }
    let input = LineInput()
    var answered = 0
    while let lines = try input.next(atMost: batchSize) {
      var isEmpty: [Bool] = []
      var failure: (any Error)?
      for (index, line) in lines.enumerated() {
        let blank = line.allSatisfy { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        do {
          if !blank { try predictor.add(line, number: answered + index + 1) }
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
        text += Self.lines(of: output, withScores: scores)
        if let pictures, let output { try pictures.draw(output, number: answered + index + 1) }
      }
      try StandardOutput.write(text)
      if let failure { throw failure }
      answered += lines.count
    }
  }

  private static func lines(of output: SavedSequenceModel.Output?, withScores: Bool) -> [UInt8] {
    guard let output else { return [UInt8(ascii: "\n")] }
    var text: [UInt8] = []
    for (index, line) in output.lines.enumerated() {
      if withScores {
        let score = output.scores.indices.contains(index) ? String(format: "%.4f", output.scores[index]) : ""
        text += Array("\(score)\t".utf8)
      }
      text += line + [UInt8(ascii: "\n")]
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
  func draw(_ output: SavedSequenceModel.Output, number: Int) throws {
    guard !output.attention.isEmpty else { return }
    let picture = AttentionPicture(output)
    try picture.write(to: "\(path)/line-\(number).svg")
  }
}

extension AttentionPicture {
  /// The picture of an output.
  init(_ output: SavedSequenceModel.Output) {
    self.init(
      title: String(decoding: output.lines.first ?? [], as: UTF8.self),
      outputTokens: output.attention.first?.outputLabels ?? [],
      panels: output.attention.enumerated().map { index, matrix in
        Panel(
          name: output.attention.count > 1 ? "source \(index + 1)" : "source", tokens: matrix.sourceLabels,
          weights: matrix.weights.flatMap { $0.map { Float($0) } })
      })
  }
}
