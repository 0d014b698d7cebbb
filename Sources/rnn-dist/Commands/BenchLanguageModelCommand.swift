import ArgumentParser
import Benchmarking
import Communication
import RecurrentNN

struct LanguageModelBenchCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "lm",
    abstract: "Time whole training steps of a language model on random tokens.",
    discussion: """
      Forward pass, backward pass, reduction, clipping to norm 5 and update: the median of --iters steps after 5 steps of \
      warm-up. --batch is the global batch. "gflops" counts six operations per multiplied weight and token, also where the \
      program saves some of them; "utilization" is their share of the peak of all cores in use.
      """)

  @OptionGroup var model: BenchmarkModelArguments
  @Option(help: "Sequences per step over all ranks.") var batch = 64
  @Option(help: "Time steps.") var steps = 50
  @Option(help: "Spread the lengths evenly from this to --steps (default: all are equal).") var shortest: Int?
  @Option(
    help: ArgumentHelp(
      "First ids of the clusters of an adaptive softmax, such as 2000,6000; the tokens then follow Zipf's law.",
      valueName: "ids"))
  var cutoffs: String?
  @Option(help: "Keep the activations of this many steps only (default: of all).") var recompute: Int?
  @OptionGroup var step: StepBenchmarkArguments

  /// The first ids of the clusters; nil if the option is not a list of ids in ascending order below the vocabulary
  /// size.
  private var clusters: [Int]? {
    guard let cutoffs else { return [] }
    let ids = cutoffs.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
    return AdaptiveSoftmaxOutput<Float>.areCutoffs(ids, of: model.vocab) ? ids : nil
  }

  func validate() throws {
    try requireSizes(["batch": batch, "steps": steps, "recompute": recompute ?? 1])
    guard clusters != nil else {
      throw ValidationError("--cutoffs must be rising numbers from 1 to below --vocab, not \(cutoffs ?? "")")
    }
    if let shortest, !(1...steps).contains(shortest) {
      throw ValidationError("--shortest must be from 1 to --steps, not \(shortest)")
    }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    let timing = step.benchmark(optimizer: .sgd, iterations: 20)
    let benchmark = LanguageModelBenchmark(
      shape: model.shape(cutoffs: clusters ?? []), batchSize: batch, steps: steps, shortest: shortest,
      segment: recompute, benchmark: timing)
    let subject = StepBenchmarkArguments.Subject(
      name: "lm",
      settings: [
        model.members,
        [
          "batch": .integer(batch), "steps": .integer(steps), "shortest": .integer(shortest ?? steps),
          "cutoffs": .array((clusters ?? []).map { .integer($0) }), "recompute": .integer(recompute ?? 0),
        ],
      ],
      summary: "\(model.summary), B=\(batch), T=\(steps)")
    return try step.report(subject, timing, on: communicator) { try benchmark.run(on: communicator) }
  }
}
