import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Decoders that read their own tokens in training (Bengio et al. 2015).
@Suite struct ScheduledSamplingTests {
  private static let hidden = EncoderDecoderCase.decoder(
    layers: 2, readout: .hidden(size: 3), inputFeeding: true)
  private static let cases = [
    EncoderDecoderCase.model(.initialState),
    EncoderDecoderCase.model(.attention(AttentionShape(.additive, size: 3)), hidden),
    EncoderDecoderCase.model(.everyStep),
  ]

  /// With a ratio of 0, every step reads the most probable token of the previous step.
  @Test(arguments: cases)
  func withoutForcingTheMostProbableTokenIsRead(shape: EncoderDecoderShape) throws {
    let run = try EncoderDecoderRun<Double>(shape)
    let pairs: PairBatch<Double> = EncoderDecoderCase("", shape).pairs()
    let loss = run.loss(pairs.batch(masks: (1, 2)), DecoderOptions(teacherForcing: 0))
    var expected = 0.0
    for (sentence, target) in pairs.targets.enumerated() {
      let decoder = run.model.decoder(for: pairs.batch([sentence]).sources, run.context)
      var read = shape.decoder.beginToken
      for label in target + [shape.decoder.endToken] {
        let logits = decoder.advance([read], [0])
        read = logits.indices.max { logits[$0] < logits[$1] } ?? 0
        let largest = logits.max() ?? 0
        let sum = logits.reduce(0) { $0 + RealFunctions.exp($1 - largest) }
        expected += largest + RealFunctions.log(sum) - logits[label]
      }
    }
    expectClose([loss.total], [expected], within: 1e-11, "loss")
  }

  /// Bernoulli draws depend on seed, step and sample, and their mean is about the ratio.
  @Test func drawsFollowTheRatio() throws {
    let run = try EncoderDecoderRun<Double>(Self.cases[0])
    let pairs: PairBatch<Double> = EncoderDecoderCase("", Self.cases[0]).pairs()
    func loss(_ ratio: Double, seed: UInt64 = 1, step: UInt64 = 1, samples: Bool = false) -> Double {
      let options = DecoderOptions(teacherForcing: ratio, feedsSamples: samples)
      return run.loss(pairs.batch(masks: (seed, step)), options).total
    }
    let (forced, free) = (loss(1), loss(0))
    #expect(forced == run.loss(pairs.batch()).total)
    #expect(forced != free)
    #expect(loss(0.5) == loss(0.5))
    let draws = (0..<40).map { loss(0.5, step: $0) }
    #expect(Set(draws).count > 8)
    #expect(draws.contains(forced) || draws.contains { abs($0 - forced) > abs($0 - free) })
    #expect(Set((0..<20).map { loss(0, seed: $0, samples: true) }).count > 8)
    // With a ratio this close to 1, none of these few draws is false.
    #expect(loss(1 - 1e-9) == forced)
  }
}
