import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Every form of the condition of a generator.
struct GeneratorCase: Sendable {
  let condition: GeneratorCondition
  let form: GeneratorShape.Form
  var layers = 1
  var bridgesCell = false
  var readout = DecoderReadout.direct()
  var isMasked = false

  var testDescription: String { "\(condition) \(form) \(readout)" + (isMasked ? " masked" : "") }

  static let all: [GeneratorCase] =
    GeneratorShape.Form.allCases.flatMap { form in
      [
        GeneratorCase(condition: .classes(count: 3, size: 4), form: form, layers: 2, bridgesCell: true),
        GeneratorCase(condition: .features(size: 3), form: form),
        GeneratorCase(
          condition: .classes(count: 3, size: 2), form: form, layers: 2,
          readout: .hidden(size: 3, withContext: form == .everyStep), isMasked: true),
      ]
    } + [GeneratorCase(condition: .none, form: .initialState)]

  var shape: GeneratorShape {
    var decoder = DecoderShape(
      vocabularySize: 5, embeddingSize: 3, hiddenSize: 4, layers: layers,
      cell: layers == 1 ? .gru() : .lstm(), readout: readout, beginToken: 0, endToken: 4)
    if isMasked {
      (decoder.readoutDropout, decoder.embeddingDropout) = (0.3, 0.2)
      decoder.network.dropout = 0.4
    }
    return GeneratorShape(condition: condition, form: form, decoder: decoder, bridgesCell: bridgesCell)
  }
}

/// Four sequences with a class and a vector each.
final class GeneratorData<Element: Scalar> {
  let scratch = Scratch<Element>()
  let targets = randomTokens([2, 0, 4, 3], vocabulary: 5, stream: 1)
  let classes = [2, 0, 1, 2]
  let features: Tensor<Element> = exactTensor([4, 3], stream: 5)

  func conditions(_ shape: GeneratorShape, _ sequences: [Int]) -> GeneratorConditions<Element> {
    switch shape.condition {
    case .none: .none
    case .classes: .classes(scratch.indices(sequences.map { classes[$0] }))
    case .features(let size):
      .features(
        scratch.matrix(
          Tensor([sequences.count, size], sequences.flatMap { features.values[$0 * size..<($0 + 1) * size] })
        ).base)
    }
  }

  func batch(_ test: GeneratorCase, _ sequences: [Int], isMasked: Bool = true) -> GeneratorBatch<Element> {
    GeneratorBatch(
      conditions: conditions(test.shape, sequences),
      targets: TokenSequences(
        lengths: sequences.map { targets[$0].count },
        ids: scratch.indices(sequences.flatMap { targets[$0] })),
      masks: isMasked && test.isMasked
        ? SampleMasks(seed: 1, step: 2, samples: sequences.map { UInt32($0) }) : nil)
  }
}

/// Properties of generators (1-N) beyond `checkModel`.
@Suite struct GeneratorTests {
  /// Token by token, the model assigns a text the same probability as in training.
  @Test(arguments: GeneratorCase.all.filter { !$0.isMasked })
  func stepsEqualTheWhole(test: GeneratorCase) throws {
    let model = try Generator<Double>(test.shape)
    let context = LayerContext(
      parameters: ParameterBuffer<Double>(model.layout, seed: 3), workspace: Workspace<Double>())
    let source = GeneratorData<Double>()
    let loss = model.evaluate(source.batch(test, [0, 1, 2, 3]), into: nil, context)
    let decoder = model.decoder(for: source.conditions(test.shape, [0, 1, 2, 3]), count: 4, context)
    let scores = forcedLogProbabilities(
      decoder, startTokens: decoder.startTokens, targets: source.targets.map { $0.map { Int32($0) } },
      endToken: 4)
    expectClose([-scores.joined().reduce(0, +)], [loss.total], within: 1e-11, "log-probability")
  }
}
