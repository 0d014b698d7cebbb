import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The matcher compared with its equations, written out for one pair at a time.
@Suite struct SequenceMatcherTests {
  private let first = SequenceData(lengths: [3, 1, 2], content: .tokens([0, 3, 1, 4, 2, 2]))
  private let second = SequenceData(lengths: [1, 4, 2], content: .tokens([2, 1, 0, 4, 3, 2, 2]))
  private let classes = [2, 0, -1]

  private func make(_ output: OutputShape) throws -> (SequenceMatcher<Double>, ParameterBuffer<Double>) {
    let model = try SequenceMatcher<Double>(
      SequenceMatcherShape(
        network: SequenceNetworkShape(
          encoder: EncoderShape(.tokens(vocabularySize: 5, embeddingSize: 3), cell: .rnn(), hiddenSize: 4)),
        pooling: .mean, output: output))
    return (model, ParameterBuffer<Double>(model.layout, seed: 3))
  }

  /// y = W [u; v; |u − v|; u ⊙ v] + b with the means u, v of h_t = tanh(W x_t + b + U h_{t−1} + d).
  private func plainOutput(
    _ pair: Int, _ model: SequenceMatcher<Double>, _ parameters: ParameterBuffer<Double>
  ) throws -> [Double] {
    func values(_ name: String) throws -> [Double] {
      Array(parameters.elements(try #require(model.layout[name])))
    }
    func product(_ matrix: [Double], _ x: [Double]) -> [Double] {
      (0..<matrix.count / x.count).map { row in
        x.indices.reduce(0) { $0 + matrix[row * x.count + $1] * x[$1] }
      }
    }
    let (table, input) = (try values("embedding.weight"), try values("rnn.weight_ih_l0"))
    let recurrent = try values("rnn.weight_hh_l0")
    let bias = zip(try values("rnn.bias_ih_l0"), try values("rnn.bias_hh_l0")).map(+)
    func mean(_ data: SequenceData) -> [Double] {
      guard case .tokens(let tokens) = data.content else { return [] }
      var (h, sum) = ([Double](repeating: 0, count: 4), [Double](repeating: 0, count: 4))
      for token in tokens {
        let (x, u) = (product(input, Array(table[token * 3..<token * 3 + 3])), product(recurrent, h))
        h = (0..<4).map { tanh(x[$0] + u[$0] + bias[$0]) }
        sum = zip(sum, h).map(+)
      }
      return sum.map { $0 / Double(tokens.count) }
    }
    let (u, v) = (mean(first[pair]), mean(second[pair]))
    let features = u + v + zip(u, v).map { abs($0 - $1) } + zip(u, v).map(*)
    return zip(product(try values("output.weight"), features), try values("output.bias")).map(+)
  }

  @Test func probabilitiesAndLossFollowTheEquations() throws {
    let (model, parameters) = try make(.softmax(classes: 3))
    let context = LayerContext(parameters: parameters, workspace: Workspace<Double>())
    let scratch = Scratch<Double>()
    var (expected, loss) = ([Double](), 0.0)
    for pair in 0..<3 {
      let exponentials = try plainOutput(pair, model, parameters).map { exp($0) }
      let probabilities = exponentials.map { $0 / exponentials.reduce(0, +) }
      expected += probabilities
      if classes[pair] >= 0 { loss -= log(probabilities[classes[pair]]) }
    }
    let found = model.predict(first.input(scratch), second.input(scratch), context)
    guard case .classes(let best, let probabilities) = found else {
      Issue.record("no classes")
      return
    }
    expectClose(probabilities, expected, within: 1e-13, "probabilities")
    for pair in 0..<3 {
      let row = probabilities[3 * pair..<3 * pair + 3]
      #expect(row[3 * pair + Int(best[pair])] == row.max())
    }
    let sum = model.evaluate(
      PairedBatch(
        first.input(scratch), second.input(scratch), targets: TargetData.classes(classes).rows(scratch)),
      into: nil, context)
    #expect(sum.tokens == 2)
    expectClose([sum.total], [loss], within: 1e-13, "loss")
  }

  @Test func numbersFollowTheEquations() throws {
    let (model, parameters) = try make(.linear(size: 2))
    let scratch = Scratch<Double>()
    let found = model.predict(
      first.input(scratch), second.input(scratch),
      LayerContext(parameters: parameters, workspace: Workspace<Double>()))
    guard case .numbers(let values) = found else {
      Issue.record("no numbers")
      return
    }
    let expected = try (0..<3).flatMap { try plainOutput($0, model, parameters) }
    expectClose(values, expected, within: 1e-13, "numbers")
  }
}
