// Separate file: the tests of one rule.

import Configuration
import Tasks
import Testing

@testable import Training

/// The advice for a run on several hosts whose ranks spend much of a step in sums.
@Suite struct CommunicationAdviceTests {
  private func training(_ change: (inout TrainingConfiguration) -> Void = { _ in }) -> TrainingConfiguration {
    var training = TrainingConfiguration()
    training.optimizer.kind = .sgd
    change(&training)
    return training
  }

  /// The advised interval leads to the share that it aims at: M / H of M / H + c.
  @Test(arguments: [0.25, 0.5, 0.9], [1, 8])
  func theIntervalReachesItsAim(share: Double, present: Int) {
    let training = training { $0.reduction.localSteps = present }
    let steps = CommunicationAdvice.localSteps(share: share, density: 1, training)
    // With a computation of 1, an outer update takes this time.
    let update = share / (1 - share) * Double(present)
    func portion(after steps: Int) -> Double { update / Double(steps) / (update / Double(steps) + 1) }
    #expect(portion(after: steps) <= CommunicationAdvice.aim + 1e-9)
    #expect(portion(after: steps - 1) > CommunicationAdvice.aim - 1e-9)
  }

  @Test func momentsAreSentToo() {
    let (plain, adam) = (training(), training { $0.optimizer.kind = .adam })
    #expect(CommunicationAdvice.localSteps(share: 0.5, density: 1, plain) == 9)
    #expect(CommunicationAdvice.localSteps(share: 0.5, density: 1, adam) == 27)
    // A step sums a quarter of the gradient, an update after local steps everything.
    #expect(CommunicationAdvice.localSteps(share: 0.5, density: 0.25, plain) == 36)
    #expect(CommunicationAdvice.localSteps(share: 0.999_999, density: 1, adam) == 100_000)
  }

  @Test func onlySettingsThatArePossibleAreAdvised() throws {
    #expect(CommunicationAdvice.text(share: 0.2, density: 1, training()) == nil)
    let text = try #require(CommunicationAdvice.text(share: 0.5, density: 1, training()))
    for key in ["batch_size", "accumulate", "reduce_precision=bf16", "local_steps=9"] {
      #expect(text.contains("training.\(key)"), "\(text)")
    }
    let fixed = try #require(
      CommunicationAdvice.text(share: 0.5, density: 1, training { $0.reproducible = true }))
    #expect(!fixed.contains("bf16") && !fixed.contains("local_steps"))
    for change: (inout TrainingConfiguration) -> Void in [
      { $0.reduction.shardsOptimizer = true }, { $0.reduction.sharesParameters = true },
      { $0.averageDecay = 0.9 },
    ] {
      #expect(
        CommunicationAdvice.text(share: 0.5, density: 1, training(change))?.contains("local_steps") == false)
    }
    let keys = Set(ConfigurationSchema.keys.map(\.path))
    for word in text.split(whereSeparator: { " =;,:".contains($0) }) where word.hasPrefix("training.") {
      #expect(keys.contains(String(word)), "\(word)")
    }
  }
}
