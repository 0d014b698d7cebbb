import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Central differences through a whole language model, with every place of dropout in use.
@Suite struct LanguageModelGradientTests {
  struct Case: Sendable {
    var tied = false
    var dropout = 0.0
    var embeddingDropout = 0.0
    var cutoffs: [Int] = []
    /// Steps between kept states.
    var segment: Int?
    var variational = 0.0
  }

  static let cases = [
    Case(), Case(tied: true), Case(dropout: 0.4), Case(embeddingDropout: 0.4),
    Case(dropout: 0.3, embeddingDropout: 0.3), Case(tied: true, dropout: 0.3, embeddingDropout: 0.3),
    Case(cutoffs: [2]), Case(dropout: 0.3, cutoffs: [1, 3, 6]), Case(segment: 1),
    Case(dropout: 0.3, embeddingDropout: 0.3, segment: 3), Case(cutoffs: [3], segment: 2, variational: 0.4),
  ]

  @Test(arguments: [CellOptions.lstm(forgetBias: 1), .gru(reset: .before)], cases)
  func gradientsAreSlopes(cell: CellOptions, option: Case) throws {
    var options = cell
    options.variationalDropout = option.variational
    let model = try LanguageModel<Double>(
      LanguageModelShape(
        vocabularySize: 7, embeddingSize: option.tied ? 4 : 3, hiddenSize: 4, layers: 2,
        cell: options,
        dropout: option.dropout, embeddingDropout: option.embeddingDropout, tieEmbeddings: option.tied,
        cutoffs: option.cutoffs, clusterFactor: 2))
    let parameters = ParameterBuffer<Double>(model.layout, seed: 8)
    let layout = PackedLayout(lengths: [4, 3, 1])
    let coordinates = Coordinates(layout)
    let tokens = (0..<layout.rowCount).map { $0 * 3 % 7 }
    let targets = (0..<layout.rowCount).map { $0 * 5 % 7 }
    func evaluate(_ masks: DropoutContext?, into gradients: ParameterBuffer<Double>? = nil) -> Double {
      let run = LanguageModelRun(model, parameters, batchSize: 3, dropout: masks, segment: option.segment)
      for (index, part) in run.state.enumerated() {
        let initial: Tensor<Double> = randomTensor([part.rows, part.columns], stream: index)
        for (position, value) in initial.values.enumerated() { part.base[position] = value }
      }
      return run.evaluate(tokens, targets, lengths: layout.lengths, into: gradients).total
    }

    let masks = DropoutContext(seed: 4, step: 6, rows: coordinates.rows)
    let gradients = ParameterBuffer<Double>(model.layout)
    let loss = evaluate(masks, into: gradients)
    expectGradients(gradients, of: parameters) { evaluate(masks) }
    #expect(
      (abs(loss - evaluate(nil)) < 1e-12)
        == (option.dropout + option.embeddingDropout + option.variational == 0))
  }
}
