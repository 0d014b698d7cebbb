import ArgumentParser
import Communication
import Datasets
import Foundation
import Inference
import RunLog
import Tasks

struct ScoreCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Print the log-probability of given texts or pairs.",
    discussion: """
      Reads standard input and prints one line per example: the natural logarithm of the probability that the model gives to its \
      target. For a language model each line is a text, which begins after the end of a line and includes its own end. The other \
      tasks read examples as they were trained on: source<TAB>target, class<TAB>text, or words with tags; models that were \
      trained on parallel files read them as columns of one file.

      Examples:
        rnn-dist score runs/shakespeare < input.txt
        rnn-dist score runs/dates --per-token < held-out.tsv
        rnn-dist score runs/dates --json < held-out.tsv
      """)

  @OptionGroup var run: RunArguments
  @OptionGroup var products: PrecisionArguments
  @OptionGroup var ensemble: EnsembleArguments
  @Flag(
    help: "Add a tab and the log-probability of each token, its end included (models that write).")
  var perToken = false
  @Flag(help: "Print one JSON object per example.") var json = false
  @Option(help: "Maximum number of examples to compute together.") var batchSize = 64

  func validate() throws {
    guard (1...65_536).contains(batchSize) else {
      throw ValidationError("--batch-size \(batchSize): 1 to 65536")
    }
    if perToken, json {
      throw ValidationError("--per-token: the objects of --json have the tokens already")
    }
  }

  func runLocally() throws -> Int32 {
    let saved = try run.load(ensemble: ensemble.runs, precision: products.precision)
    run.warn(of: saved)
    let writes = saved.encoding.stream != nil || saved.encoding.target != nil
    guard writes || saved.abilities.scoresOutputs else {
      throw ValidationError("\(run.run) predicts numbers or bits, which have no probability")
    }
    guard !perToken || writes else {
      throw ValidationError("--per-token: \(run.run) writes no texts")
    }
    try Threads.share(
      among: SoloCommunicator(), reproducible: saved.configuration.training.reproducible)
    StandardInput.announce(saved.encoding.stream != nil ? "a text" : "an example")
    if saved.encoding.stream != nil {
      try scoreLines(saved)
    } else {
      try scoreExamples(saved)
    }
    return ExitCode.done
  }

  private func scoreLines(_ saved: SavedModel) throws {
    let input = try LineReader(.standardInput)
    var scored = 0
    while let lines = try input.nextLines(atMost: batchSize) {
      try write(saved.scores(ofLines: lines, firstNumber: scored + 1), after: scored)
      scored += lines.count
    }
  }

  private func scoreExamples(_ saved: SavedModel) throws {
    let set = try saved.examples(toScore: .standardInput)
    for first in stride(from: 0, to: set.count, by: batchSize) {
      let examples = (first..<min(first + batchSize, set.count)).map { Int32($0) }
      try write(saved.scores(of: examples, in: set), after: first)
    }
  }

  private func write(_ scores: [TargetScore], after count: Int) throws {
    let lines = scores.enumerated().map { index, score in
      json ? object(score, number: count + index + 1).text : line(score)
    }
    try StandardOutput.line(lines.joined(separator: "\n"))
  }

  private func line(_ score: TargetScore) -> String {
    let tokens = score.tokens.map { String(format: "%.4f", $0.logProbability) }.joined(
      separator: " ")
    return String(format: "%.4f", score.logProbability) + (perToken ? "\t" + tokens : "")
  }

  private func object(_ score: TargetScore, number: Int) -> JSONValue {
    .object(
      [
        JSONMember("example", .integer(number)),
        JSONMember("log_probability", .double(score.logProbability)),
      ] + (score.tokens.isEmpty ? [] : PredictCommand.members(of: score.tokens)))
  }
}
