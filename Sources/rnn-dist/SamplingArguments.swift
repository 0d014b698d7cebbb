import ArgumentParser
import RecurrentNN

/// How tokens are drawn, the same for everything that writes.
struct SamplingArguments: ParsableArguments {
  @Option(
    help: "Below 1 more careful, above 1 more daring; 0 always takes the most probable token (default: 1).")
  var temperature: Double?
  @Option(help: "Draw from the K most probable tokens only.") var topK: Int?
  @Option(help: "Draw from the most probable tokens that make up P of the probability only.") var topP:
    Double?
  @Option(help: "Seed of the draws (default: that of the run).") var seed: UInt64?

  func validate() throws {
    if let temperature, !(temperature.isFinite && temperature >= 0) {
      throw ValidationError("--temperature \(temperature): 0 or a number above it")
    }
    if let topK, topK < 1 { throw ValidationError("--top-k \(topK): at least 1 token") }
    if let topP, !(topP > 0 && topP <= 1) {
      throw ValidationError("--top-p \(topP): a probability above 0 and up to 1")
    }
  }

  var options: SamplingOptions {
    SamplingOptions(temperature: temperature ?? 1, topK: topK, topP: topP)
  }

  /// The name of an option that is given; nil if none is.
  var given: String? {
    [
      ("--temperature", temperature != nil), ("--top-k", topK != nil), ("--top-p", topP != nil),
      ("--seed", seed != nil),
    ].first { $0.1 }?.0
  }
}
