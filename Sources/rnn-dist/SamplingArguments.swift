// Separate file: `predict` and `generate` share these options.

import ArgumentParser
import RecurrentNN

/// The sampling options, the same for all models that write texts.
struct SamplingArguments: ParsableArguments {
  @Option(
    help:
      "Below 1 makes likely tokens likelier, above 1 less so; 0 takes the most probable token (default: 1).")
  var temperature: Double?
  @Option(help: "Sample from the K most probable tokens only.") var topK: Int?
  @Option(help: "Sample from the most probable tokens with a total probability of P only.") var topP: Double?
  @Option(help: "Seed of the samples (default: the run's seed).") var seed: UInt64?

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

  /// The name of an option that was given, or nil.
  var given: String? {
    [
      ("--temperature", temperature != nil), ("--top-k", topK != nil), ("--top-p", topP != nil),
      ("--seed", seed != nil),
    ].first { $0.1 }?.0
  }
}
