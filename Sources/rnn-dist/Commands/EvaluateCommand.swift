import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import NumericKernels
import RecurrentNN
import RunLog
import Training

struct EvaluateCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Score a text with the model of a run.",
    discussion: """
      All ranks predict every token but the first once. The text is cut into evaluation.batch_size parallel \
      streams: 1 loses no context, more are faster.

      Examples:
        rnn-dist evaluate runs/shakespeare --split valid
        mpirun -np 2 rnn-dist evaluate runs/shakespeare --data other.txt --json
        rnn-dist evaluate runs/ptb --split test evaluation.batch_size=1
      """)

  @OptionGroup var run: RunArguments
  @Argument(
    help: ArgumentHelp(
      "Changes to the run's configuration that its model doesn't depend on, such as data.test=FILE.",
      valueName: "key.path=value"))
  var overrides: [String] = []
  @Option(help: "Which of the run's texts: train, valid or test (default: valid).") var split: DataSplit?
  @Option(help: "A text of your own instead.") var data: String?
  @Flag(help: "Print one JSON object.") var json = false

  func validate() throws {
    if split != nil && data != nil { throw ValidationError("--split and --data contradict each other") }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    let (saved, tokens) = try communicator.agree {
      let saved = try run.load(overrides: overrides)
      return (saved, try text(for: saved))
    }
    if communicator.rank == 0 { saved.warnOfRejected() }
    try Threads.share(among: communicator, reproducible: saved.configuration.training.reproducible)
    try requireSameInputs(saved, tokens, communicator)
    let loss = try saved.score(tokens, communicator: communicator)
    if communicator.rank == 0 {
      try StandardOutput.line(json ? object(loss, saved).text : lines(loss, saved))
    }
    return ExitCode.done
  }

  private func text(for saved: SavedModel) throws -> TokenSequence {
    if let data { return try saved.tokens(ofFile: data) }
    let split = split ?? .valid
    if let tokens = try saved.tokens(of: split) { return tokens }
    let key = "data.\(split.rawValue)"
    throw ConfigurationErrors([
      ConfigurationIssue(
        origin: .defaultValue, key: key,
        message: "not set, so the run has no such text: add \(key)=FILE, or use --data FILE")
    ])
  }

  /// A run that is still training may have got another best checkpoint between the looks of two ranks.
  private func requireSameInputs(
    _ saved: SavedModel, _ tokens: TokenSequence, _ communicator: any Communicator
  ) throws {
    let weights = Digest.digest64(of: UnsafeRawBufferPointer(saved.parameters.elements))
    try communicator.allEqual(Array("\(saved.step) \(weights)".utf8), what: "the checkpoint")
    try communicator.allEqual(
      Array("\(saved.vocabulary.digest) \(tokens.digest)".utf8), what: "the text or its vocabulary")
  }

  // MARK: The result

  private func object(_ loss: LossSum, _ saved: SavedModel) -> JSONValue {
    .object([
      JSONMember("split", .string(data == nil ? (split ?? .valid).rawValue : "data")),
      JSONMember("data", data.map { .string($0) } ?? .null),
      JSONMember("loss", .double(loss.mean)),
      JSONMember("perplexity", .double(loss.perplexity)),
      JSONMember("bits_per_token", .double(loss.mean / log(2))),
      JSONMember("tokens", .integer(loss.tokens)),
      JSONMember("examples", 1),
      JSONMember("step", .integer(saved.step)),
      JSONMember("checkpoint", .string(saved.checkpointPath)),
    ])
  }

  private func lines(_ loss: LossSum, _ saved: SavedModel) -> String {
    """
    \(data ?? (split ?? .valid).rawValue): \(Console.grouped(loss.tokens)) tokens predicted
    loss        \(String(format: "%.4f", loss.mean)) nats/token, \
    \(String(format: "%.4f", loss.mean / log(2))) bits/token
    perplexity  \(String(format: "%.4f", loss.perplexity))
    checkpoint  \(saved.checkpointPath)
    """
  }
}
