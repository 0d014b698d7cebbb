import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct SequenceTaggerTests {
  private static let words = SequenceCase(
    name: "words", input: .words(.lstm()), cell: .lstm(), bidirectional: true, dropout: 0.3,
    inputDropout: 0.3, wordDropout: 0.3, lengths: [2, 5, 0, 3])
  private static let vectors = SequenceCase(name: "vectors", input: .vectors, lengths: [2, 5, 0, 3])
  private static let outputs: [OutputShape] = [
    .softmax(classes: 4), .conditionalRandomField(classes: 4), .bernoulli(bits: 3), .linear(size: 2),
  ]

  private func numbers<Element>(_ prediction: TaggerPrediction<Element>) -> [Element] {
    switch prediction {
    case .classes(let classes): classes.map { Element($0) }
    case .bits(let values), .numbers(let values): values
    }
  }

  @Test(arguments: [words, vectors], outputs)
  func predictionsStandInTheCallersOrder(option: SequenceCase, output: OutputShape) throws {
    var network = option.network
    network.uniformInitialization = 2  // Wide enough that the steps differ.
    let tagger = try SequenceTagger<Double>(SequenceTaggerShape(network: network, output: output))
    let scratch = Scratch<Double>()
    let context = LayerContext(
      parameters: ParameterBuffer<Double>(tagger.layout, seed: 2), workspace: Workspace<Double>())
    let whole = numbers(tagger.predict(option.data.input(scratch), context))
    let parts = option.lengths.indices.flatMap {
      numbers(tagger.predict(option.data[$0].input(scratch), context))
    }
    expectClose(whole, parts, within: 1e-12, "prediction")
    #expect(Set(whole).count > 2 && whole.count % 10 == 0)
  }

  /// The argmax of a softmax, the path of a CRF, and bits: the predictions have the smallest loss.
  @Test(arguments: outputs)
  func predictionsAreTheLeastLoss(output: OutputShape) throws {
    let option = Self.vectors
    let tagger = try SequenceTagger<Double>(SequenceTaggerShape(network: option.network, output: output))
    let scratch = Scratch<Double>()
    let context = LayerContext(
      parameters: ParameterBuffer<Double>(tagger.layout, seed: 2), workspace: Workspace<Double>())
    func loss(_ targets: TargetData) -> Double {
      tagger.evaluate(option.data, targets, scratch, context).total
    }
    switch tagger.predict(option.data.input(scratch), context) {
    case .classes(let classes):
      let best = classes.map { Int($0) }
      for step in best.indices {
        var other = best
        other[step] = (best[step] + 1) % 4
        #expect(loss(.classes(other)) > loss(.classes(best)))
      }
    case .bits(let probabilities):
      let best = probabilities.map { $0 > 0.5 ? 1.0 : 0 }
      for bit in best.indices {
        var other = best
        other[bit] = 1 - other[bit]
        #expect(loss(.bits(other, width: 3)) > loss(.bits(best, width: 3)))
      }
    case .numbers(let numbers):
      #expect(abs(loss(.numbers(numbers, width: 2))) < 1e-24)
      #expect(abs(loss(.numbers(numbers.map { $0 + 0.5 }, width: 2)) - 0.25 * 20) < 1e-12)
    }
  }

  /// Music: the first frame is predicted from a frame of zeros, so the first layer's biases determine its probability.
  @Test func aZeroFrameIsAnInputLikeAnyOther() throws {
    let tagger = try SequenceTagger<Double>(
      SequenceTaggerShape(
        network: SequenceNetworkShape(encoder: EncoderShape(.vectors(size: 3), hiddenSize: 4)),
        output: .bernoulli(bits: 3)))
    let context = LayerContext(
      parameters: ParameterBuffer<Double>(tagger.layout, seed: 2), workspace: Workspace<Double>())
    let frames: [Double] = [1, 0, 1, 0, 1, 0]
    let scratch = Scratch<Double>()
    func loss(_ inputs: [Double], _ targets: [Double]) -> LossSum {
      tagger.evaluate(
        SequenceData(lengths: [inputs.count / 3], content: .vectors(inputs, width: 3)),
        .bits(targets, width: 3), scratch, context)
    }
    let (first, both) = (loss([0, 0, 0], [1, 0, 1]), loss([0, 0, 0, 1, 0, 1], frames))
    #expect(first.total > 0 && first.tokens == 1 && both.tokens == 2 && both.total > first.total)
    // One more step at the end does not change the steps before it.
    let again = loss([0, 0, 0, 1, 0, 1, 0, 1, 0], frames + [-1, -1, -1])
    #expect(again == both)
  }

  @Test(arguments: outputs, [[], [0], [0, 0]])
  func nothingToTag(output: OutputShape, lengths: [Int]) throws {
    let tagger = try SequenceTagger<Float>(SequenceTaggerShape(network: Self.words.network, output: output))
    let context = LayerContext(
      parameters: ParameterBuffer<Float>(tagger.layout, seed: 2), workspace: Workspace<Float>())
    let data = SequenceData(lengths: lengths, content: .words([], index: [], lengths: [], characters: []))
    let targets: TargetData =
      switch output.kind {
      case .bernoulli: .bits([], width: output.size)
      case .linear: .numbers([], width: output.size)
      default: .classes([])
      }
    let scratch = Scratch<Float>()
    let gradients = ParameterBuffer<Float>(tagger.layout)
    let loss = tagger.evaluate(data, targets, scratch, into: gradients, context)
    #expect(loss == LossSum() && gradients.elements.allSatisfy { $0 == 0 })
    #expect(numbers(tagger.predict(data.input(scratch), context)).isEmpty)
  }

  @Test func namesAndSizes() throws {
    let tagger = try SequenceTagger<Float>(
      SequenceTaggerShape(network: Self.words.network, output: .conditionalRandomField(classes: 4)))
    let names = tagger.layout.parameters.map(\.name)
    for name in [
      "embedding.weight", "characters.embedding.weight", "characters.rnn.weight_ih_l0_reverse",
      "rnn.weight_hh_l0", "output.bias", "crf.transitions",
    ] { #expect(names.contains(name)) }
  }
}
