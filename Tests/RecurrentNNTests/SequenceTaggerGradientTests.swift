import NumericKernels
import RecurrentNN
import Testing

/// Central differences through whole taggers: every output, every input, every place of dropout.
@Suite struct SequenceTaggerGradientTests {
  private static let inputs: [SequenceCase] = [
    SequenceCase(name: "tokens", input: .tokens),
    SequenceCase(
      name: "words", input: .words(.lstm()), cell: .lstm(), layers: 2, bidirectional: true, dropout: 0.3,
      inputDropout: 0.3, wordDropout: 0.4),
    SequenceCase(name: "words, nothing dropped", input: .words(.gru()), bidirectional: true),
    SequenceCase(name: "words dropped", input: .tokens, cell: .rnn(), wordDropout: 0.4),
    SequenceCase(name: "vectors", input: .vectors, layers: 2, dropout: 0.3, inputDropout: 0.3),
  ]

  @Test(arguments: inputs, [0, 0.1])
  func softmax(option: SequenceCase, smoothing: Double) throws {
    var option = option
    option.smoothing = smoothing
    let tagger = try SequenceTagger<Double>(
      SequenceTaggerShape(network: option.network, output: .softmax(classes: 3)))
    tagger.check(option, SequenceCase.classes(option.steps, of: 3, unknown: [2]))
  }

  /// All targets known; one unknown in the middle; a whole sequence unknown.
  @Test(arguments: inputs, [[], [1], [4, 7]])
  func conditionalRandomField(option: SequenceCase, unknown: Set<Int>) throws {
    let tagger = try SequenceTagger<Double>(
      SequenceTaggerShape(network: option.network, output: .conditionalRandomField(classes: 3)))
    tagger.check(option, SequenceCase.classes(option.steps, of: 3, unknown: unknown))
  }

  @Test(arguments: inputs)
  func bits(option: SequenceCase) throws {
    let tagger = try SequenceTagger<Double>(
      SequenceTaggerShape(network: option.network, output: .bernoulli(bits: 3)))
    tagger.check(option, SequenceCase.bits(option.steps, width: 3, unknown: [3]))
  }

  @Test(arguments: inputs)
  func numbers(option: SequenceCase) throws {
    let tagger = try SequenceTagger<Double>(
      SequenceTaggerShape(network: option.network, output: .linear(size: 2)))
    tagger.check(option, SequenceCase.numbers(option.steps, width: 2))
  }

  /// Options of cells reach the network, with their masks: projection, variational dropout, zoneout, connections.
  @Test func optionsOfCells() throws {
    var option = SequenceCase(
      name: "options", input: .words(.gru()), cell: .lstm(), layers: 2, bidirectional: true)
    option.extendsCells = true
    let tagger = try SequenceTagger<Double>(
      SequenceTaggerShape(network: option.network, output: .conditionalRandomField(classes: 3)))
    #expect(tagger.layout["rnn.weight_hr_l0"] != nil)
    tagger.check(option, SequenceCase.classes(option.steps, of: 3))
  }
}
