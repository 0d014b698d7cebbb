import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct SequenceClassifierTests {
  private static let option = SequenceCase(
    name: "words", input: .words(.lstm()), cell: .lstm(), bidirectional: true, lengths: [2, 5, 0, 3])
  private static let poolings: [Pooling] = [.last, .mean, .max, .attention(size: 5)]

  private func make(
    _ pooling: Pooling, _ output: OutputShape, _ option: SequenceCase = option
  ) throws -> (SequenceClassifier<Double>, LayerContext<Double>) {
    let classifier = try SequenceClassifier<Double>(
      SequenceClassifierShape(network: option.network, pooling: pooling, output: output))
    let parameters = ParameterBuffer<Double>(classifier.layout, seed: 2)
    return (classifier, LayerContext(parameters: parameters, workspace: Workspace()))
  }

  private func numbers(_ prediction: ClassifierPrediction<Double>) -> [Double] {
    switch prediction.output {
    case .classes(_, let probabilities): probabilities
    case .numbers(let numbers): numbers
    }
  }

  @Test(arguments: poolings, [OutputShape.softmax(classes: 3), .linear(size: 3)])
  func predictionsStandInTheCallersOrder(pooling: Pooling, output: OutputShape) throws {
    let (classifier, context) = try make(pooling, output)
    let scratch = Scratch<Double>()
    let data = Self.option.data
    let whole = classifier.predict(data.input(scratch), context)
    let parts = data.lengths.indices.map { classifier.predict(data[$0].input(scratch), context) }
    expectClose(numbers(whole), parts.flatMap(numbers), within: 1e-13, "prediction")
    #expect(Set(numbers(whole)).count == 12)
    if let attention = whole.attention {
      expectClose(attention, parts.flatMap { $0.attention ?? [] }, within: 1e-13, "attention")
      for (sequence, length) in data.lengths.enumerated() where length > 0 {
        let weights = attention[data.steps(sequence)]
        #expect(abs(weights.reduce(0, +) - 1) < 1e-14 && weights.allSatisfy { $0 > 0 })
      }
    }
    #expect((whole.attention != nil) == (pooling == .attention(size: 5)))
  }

  @Test func theMostProbableClassIsPredicted() throws {
    let (classifier, context) = try make(.mean, .softmax(classes: 3))
    let scratch = Scratch<Double>()
    let prediction = classifier.predict(Self.option.data.input(scratch), context)
    guard case .classes(let classes, let probabilities) = prediction.output else {
      Issue.record("no classes")
      return
    }
    for (sequence, best) in classes.enumerated() {
      let row = Array(probabilities[3 * sequence..<3 * sequence + 3])
      #expect(abs(row.reduce(0, +) - 1) < 1e-14 && row[Int(best)] == row.max())
    }
  }

  /// An empty sequence is classified by the bias of the output layer alone.
  @Test(arguments: poolings)
  func anEmptySequenceIsTheVectorZero(pooling: Pooling) throws {
    let (classifier, context) = try make(pooling, .linear(size: 3))
    let scratch = Scratch<Double>()
    let bias = try #require(classifier.layout["output.bias"])
    let expected = Array(context.parameters.elements(bias))
    let prediction = classifier.predict(Self.option.data.input(scratch), context)
    #expect(Array(numbers(prediction)[6..<9]) == expected)
    let empty = SequenceData(lengths: [0, 0], content: .words([], index: [], lengths: [], characters: []))
    #expect(numbers(classifier.predict(empty.input(scratch), context)) == expected + expected)
    let gradients = ParameterBuffer<Double>(classifier.layout)
    let loss = classifier.evaluate(
      empty, .numbers([0, 0, 0, 1, 1, 1], width: 3), scratch, into: gradients, context)
    #expect(loss.tokens == 2 && loss.total > 0)
    #expect(
      zip(gradients.elements.indices, gradients.elements).allSatisfy { ($1 != 0) == bias.range.contains($0) })
  }

  @Test func noSequences() throws {
    let (classifier, context) = try make(.attention(size: 2), .softmax(classes: 3))
    let scratch = Scratch<Double>()
    let none = SequenceData(lengths: [], content: .words([], index: [], lengths: [], characters: []))
    let loss = classifier.evaluate(
      none, .classes([]), scratch, into: ParameterBuffer(classifier.layout), context
    )
    #expect(loss == LossSum() && numbers(classifier.predict(none.input(scratch), context)).isEmpty)
  }

  /// 5,134 parameters: the published recipe for MNIST-1D.
  @Test func allStatesOfTheMNISTRecipe() throws {
    let shape = SequenceNetworkShape(
      encoder: EncoderShape(.vectors(size: 1), cell: .gru(), hiddenSize: 6, bidirectional: true))
    let classifier = try SequenceClassifier<Float>(
      SequenceClassifierShape(network: shape, pooling: .all(steps: 40), output: .softmax(classes: 10)))
    #expect(classifier.layout.count == 5134)
  }

  @Test func namesOfAttention() throws {
    let (classifier, _) = try make(.attention(size: 5), .linear(size: 3))
    #expect(classifier.layout["attention.weight"]?.shape == [5, 8])
    #expect(classifier.layout["attention.query"]?.shape == [5])
    #expect(classifier.layout["output.weight"]?.shape == [3, 8])
  }
}
