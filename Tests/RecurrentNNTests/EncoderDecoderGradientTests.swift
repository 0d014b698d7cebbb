import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Central differences through whole encoder-decoders over a ragged batch.
@Suite struct EncoderDecoderGradientTests {
  @Test(arguments: EncoderDecoderCase.all)
  func gradientsAreSlopes(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let batch = (test.pairs() as PairBatch<Double>)
    let gradients = ParameterBuffer<Double>(run.model.layout)
    let views = batch.batch(masks: test.masks)
    _ = run.loss(views, test.options, into: gradients)
    for parameter in run.model.layout.parameters {
      #expect(gradients.elements(parameter).contains { $0 != 0 }, "\(parameter.name) has no gradient")
    }
    expectGradients(gradients, of: run.parameters) { run.loss(views, test.options).total }
  }

  /// A batch of many is the sum of its sentences one by one: nothing of one sentence reaches another, whatever their
  /// lengths, and masks and coins follow the sample.
  @Test(arguments: EncoderDecoderCase.all)
  func aBatchIsTheSumOfItsSentences(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs = (test.pairs() as PairBatch<Double>)
    let (together, apart) = (
      ParameterBuffer<Double>(run.model.layout), ParameterBuffer<Double>(run.model.layout)
    )
    let whole = run.loss(pairs.batch(masks: test.masks), test.options, into: together)
    var sum = LossSum()
    for sentence in pairs.targets.indices {
      sum += run.loss(pairs.batch([sentence], masks: test.masks), test.options, into: apart)
    }
    #expect(whole.tokens == sum.tokens)
    expectClose([whole.total], [sum.total], within: 1e-11, "loss")
    expectClose(Array(together.elements), Array(apart.elements), within: 1e-11, "gradients")
  }

  /// A shard may have nothing to do.
  @Test(arguments: EncoderDecoderCase.all)
  func anEmptyBatchHasNoLoss(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs: PairBatch<Double> = test.pairs()
    let gradients = ParameterBuffer<Double>(run.model.layout)
    #expect(run.loss(pairs.batch([], masks: test.masks), test.options, into: gradients) == LossSum())
    #expect(gradients.elements.allSatisfy { $0 == 0 })
  }
}
