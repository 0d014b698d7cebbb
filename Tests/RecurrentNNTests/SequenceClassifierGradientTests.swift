import NumericKernels
import RecurrentNN
import Testing

/// Central differences through whole classifiers: every way to pool, every output, every place of dropout.
@Suite struct SequenceClassifierGradientTests {
  private static let inputs: [SequenceCase] = [
    SequenceCase(name: "tokens", input: .tokens, cell: .lstm()),
    SequenceCase(
      name: "words", input: .words(.rnn()), layers: 2, bidirectional: true, dropout: 0.3, inputDropout: 0.3,
      wordDropout: 0.4),
    SequenceCase(name: "vectors", input: .vectors, bidirectional: true, dropout: 0.3),
  ]
  private static let poolings: [Pooling] = [.last, .mean, .max, .attention(size: 5)]

  @Test(arguments: inputs, poolings)
  func softmax(option: SequenceCase, pooling: Pooling) throws {
    var option = option
    option.smoothing = option.bidirectional ? 0.1 : 0
    let classifier = try SequenceClassifier<Double>(
      SequenceClassifierShape(network: option.network, pooling: pooling, output: .softmax(classes: 3)))
    classifier.check(option, SequenceCase.classes(option.lengths.count, of: 3, unknown: [3]))
  }

  @Test(arguments: inputs, poolings)
  func regression(option: SequenceCase, pooling: Pooling) throws {
    let classifier = try SequenceClassifier<Double>(
      SequenceClassifierShape(network: option.network, pooling: pooling, output: .linear(size: 2)))
    classifier.check(option, SequenceCase.numbers(option.lengths.count, width: 2))
  }

  @Test(arguments: inputs, [OutputShape.softmax(classes: 3), .linear(size: 3)])
  func allStates(option: SequenceCase, output: OutputShape) throws {
    var option = option
    option.lengths = [3, 3]
    let classifier = try SequenceClassifier<Double>(
      SequenceClassifierShape(network: option.network, pooling: .all(steps: 3), output: output))
    let targets =
      output == .linear(size: 3) ? SequenceCase.numbers(2, width: 3) : SequenceCase.classes(2, of: 3)
    classifier.check(option, targets)
  }
}
