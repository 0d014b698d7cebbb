import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Generators (1-N): every form of the condition.
@Suite struct GeneratorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let condition: GeneratorCondition
    let form: GeneratorShape.Form
    var layers = 1
    var bridgesCell = false
    var readout = DecoderReadout.direct()
    var isMasked = false

    var testDescription: String { "\(condition) \(form) \(readout)" + (isMasked ? " masked" : "") }

    static let all: [Case] =
      GeneratorShape.Form.allCases.flatMap { form in
        [
          Case(condition: .classes(count: 3, size: 4), form: form, layers: 2, bridgesCell: true),
          Case(condition: .features(size: 3), form: form),
          Case(
            condition: .classes(count: 3, size: 2), form: form, layers: 2,
            readout: .hidden(size: 3, withContext: form == .everyStep), isMasked: true),
        ]
      } + [Case(condition: .none, form: .initialState)]

    var shape: GeneratorShape {
      var decoder = DecoderShape(
        vocabularySize: 5, embeddingSize: 3, hiddenSize: 4, layers: layers,
        cell: layers == 1 ? .gru() : .lstm(),
        readout: readout, beginToken: 0, endToken: 4)
      if isMasked {
        (decoder.readoutDropout, decoder.embeddingDropout) = (0.3, 0.2)
        decoder.network.dropout = 0.4
      }
      return GeneratorShape(condition: condition, form: form, decoder: decoder, bridgesCell: bridgesCell)
    }
  }

  private final class Batch {
    let scratch = Scratch<Double>()
    let targets = randomTokens([2, 0, 4, 3], vocabulary: 5, stream: 1)
    let classes = [2, 0, 1, 2]
    let features: Tensor<Double> = randomTensor([4, 3], stream: 5)

    func conditions(_ shape: GeneratorShape, _ sequences: [Int]) -> GeneratorConditions<Double> {
      switch shape.condition {
      case .none: .none
      case .classes: .classes(scratch.indices(sequences.map { classes[$0] }))
      case .features(let size):
        .features(
          scratch.matrix(
            Tensor(
              [sequences.count, size], sequences.flatMap { features.values[$0 * size..<($0 + 1) * size] })
          ).base)
      }
    }

    func batch(_ test: Case, _ sequences: [Int]) -> GeneratorBatch<Double> {
      GeneratorBatch(
        conditions: conditions(test.shape, sequences),
        targets: TokenSequences(
          lengths: sequences.map { targets[$0].count },
          ids: scratch.indices(sequences.flatMap { targets[$0] })),
        masks: test.isMasked ? SampleMasks(seed: 1, step: 2, samples: sequences.map { UInt32($0) }) : nil)
    }
  }

  @Test(arguments: Case.all)
  func gradientsAreSlopes(test: Case) throws {
    let model = try Generator<Double>(test.shape)
    let parameters = ParameterBuffer<Double>(model.layout, seed: 3)
    let context = LayerContext(parameters: parameters, workspace: Workspace<Double>())
    let gradients = ParameterBuffer<Double>(model.layout)
    let source = Batch()
    let batch = source.batch(test, [0, 1, 2, 3])
    _ = model.evaluate(batch, into: gradients, context)
    for parameter in model.layout.parameters {
      #expect(gradients.elements(parameter).contains { $0 != 0 }, "\(parameter.name) has no gradient")
    }
    expectGradients(gradients, of: parameters) { model.evaluate(batch, into: nil, context).total }
  }

  @Test(arguments: Case.all)
  func aBatchIsTheSumOfItsSequences(test: Case) throws {
    let model = try Generator<Double>(test.shape)
    let context = LayerContext(
      parameters: ParameterBuffer<Double>(model.layout, seed: 3), workspace: Workspace<Double>())
    let source = Batch()
    let whole = model.evaluate(source.batch(test, [0, 1, 2, 3]), into: nil, context)
    var sum = LossSum()
    for sequence in 0..<4 { sum += model.evaluate(source.batch(test, [sequence]), into: nil, context) }
    #expect(whole.tokens == 13 && sum.tokens == 13)
    expectClose([whole.total], [sum.total], within: 1e-12, "loss")
  }

  /// Token by token the model gives a text the probability it has in training.
  @Test(arguments: Case.all.filter { !$0.isMasked })
  func stepsEqualTheWhole(test: Case) throws {
    let model = try Generator<Double>(test.shape)
    let context = LayerContext(
      parameters: ParameterBuffer<Double>(model.layout, seed: 3), workspace: Workspace<Double>())
    let source = Batch()
    let loss = model.evaluate(source.batch(test, [0, 1, 2, 3]), into: nil, context)
    let decoder = model.decoder(for: source.conditions(test.shape, [0, 1, 2, 3]), count: 4, context)
    let scores = forcedLogProbabilities(
      decoder, startTokens: decoder.startTokens, targets: source.targets.map { $0.map { Int32($0) } },
      endToken: 4)
    expectClose([-scores.joined().reduce(0, +)], [loss.total], within: 1e-11, "log-probability")
  }
}
