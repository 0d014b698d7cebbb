import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct LanguageModelTests {
  private func model<Element: Scalar>(
    vocabularySize: Int = 7, cell: CellOptions = .lstm(), dropout: Double = 0
  ) throws -> LanguageModel<Element> {
    try LanguageModel(
      LanguageModelShape(
        vocabularySize: vocabularySize, embeddingSize: 3,
        network: NetworkOptions(cell, hiddenSize: 5, layers: 2, dropout: dropout), embeddingDropout: dropout))
  }

  private func ids(_ count: Int, _ factor: Int, below bound: Int = 7) -> [Int] {
    (0..<count).map { ($0 * factor + $0 / 3) % bound }
  }

  @Test(arguments: NetworkCase.kinds)
  func stepsGiveTheDistributionThatEvaluateScores(cell: CellOptions) throws {
    let model: LanguageModel<Double> = try model(cell: cell)
    let parameters = ParameterBuffer<Double>(model.layout, seed: 1)
    let (whole, stepwise) = (
      LanguageModelRun(model, parameters, batchSize: 2), LanguageModelRun(model, parameters, batchSize: 2)
    )
    let (tokens, targets) = (ids(10, 3), ids(10, 5))
    var expected = 0.0
    for t in 0..<5 {
      let logits = stepwise.step(Array(tokens[2 * t..<2 * t + 2]))
      for stream in 0..<2 {
        let row = logits[7 * stream..<7 * stream + 7]
        expected += log(row.reduce(0) { $0 + exp($1) }) - row[row.startIndex + targets[2 * t + stream]]
      }
    }
    let loss = whole.evaluate(tokens, targets)
    #expect(abs(loss.total - expected) < 1e-12 && loss.tokens == 10)
    expectClose(whole.hidden, stepwise.hidden, within: 1e-14, "h")
  }

  /// Computing activations twice changes only the memory, for ragged lengths, every random option, and a carried state.
  @Test(arguments: 1...6)
  func segmentsGiveTheLossTheGradientAndTheStateOfTheWhole(segment: Int) throws {
    var cell = CellOptions.lstm()
    (cell.zoneoutCell, cell.zoneout) = (0.1, 0.2)
    cell.variationalDropout = 0.3
    let model = try LanguageModel<Double>(
      LanguageModelShape(
        vocabularySize: 7, embeddingSize: 3,
        network: NetworkOptions(cell, hiddenSize: 5, layers: 2, dropout: 0.2), embeddingDropout: 0.2))
    let parameters = ParameterBuffer<Double>(model.layout, seed: 1)
    let layout = PackedLayout(lengths: [6, 4, 2, 1])
    let coordinates = Coordinates(layout)
    let results = [nil, segment].map { segment in
      let run = LanguageModelRun(
        model, parameters, batchSize: 4, dropout: DropoutContext(seed: 1, step: 2, rows: coordinates.rows),
        segment: segment)
      let gradients = ParameterBuffer<Double>(model.layout)
      let losses = (0..<2).map { _ in
        run.evaluate(ids(13, 3), ids(13, 5), lengths: layout.lengths, into: gradients).total
      }
      return losses + run.hidden + run.cells + Array(gradients.elements)
    }
    expectClose(results[1], results[0], within: 1e-13, "segments of \(segment)")
  }

  @Test func segmentsTakeLessMemory() throws {
    let model: LanguageModel<Float> = try model()
    let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
    let peaks = [nil, 10].map { segment in
      let run = LanguageModelRun(model, parameters, batchSize: 2, segment: segment)
      _ = run.evaluate(ids(400, 3), ids(400, 5), into: ParameterBuffer<Float>(model.layout))
      return run.context.workspace.arena.peak
    }
    #expect(peaks[1] * 3 < peaks[0])
  }

  @Test(arguments: [[1], [3], [2, 5], [1, 2, 3, 4, 5, 6]])
  func anAdaptiveSoftmaxIsADistribution(cutoffs: [Int]) throws {
    let model = try LanguageModel<Double>(
      LanguageModelShape(
        vocabularySize: 7, embeddingSize: 3, network: NetworkOptions(.lstm(), hiddenSize: 6),
        cutoffs: cutoffs, clusterFactor: 2))
    let parameters = ParameterBuffer<Double>(model.layout, seed: 1)
    let logits = LanguageModelRun(model, parameters, batchSize: 2).step([1, 4])
    for stream in 0..<2 {
      #expect(abs(logits[7 * stream..<7 * stream + 7].reduce(0) { $0 + exp($1) } - 1) < 1e-12)
    }
    for target in 0..<7 {
      let loss = LanguageModelRun(model, parameters, batchSize: 2).evaluate([1, 4], [target, target])
      #expect(abs(loss.total + logits[target] + logits[7 + target]) < 1e-12)
    }
  }

  @Test func theLossIsTheSameWithoutGradients() throws {
    let model: LanguageModel<Float> = try model()
    let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
    func run() -> LanguageModelRun<Float> { LanguageModelRun(model, parameters, batchSize: 2) }
    let gradients = ParameterBuffer<Float>(model.layout)
    #expect(run().evaluate(ids(10, 3), ids(10, 5), into: gradients) == run().evaluate(ids(10, 3), ids(10, 5)))
    #expect(gradients.elements.contains { $0 != 0 })
  }

  @Test func targetsBelowZeroAreNotCounted() throws {
    let model: LanguageModel<Double> = try model()
    let parameters = ParameterBuffer<Double>(model.layout, seed: 1)
    func evaluate(_ targets: [Int]) -> LossSum {
      LanguageModelRun(model, parameters, batchSize: 2).evaluate(ids(4, 3), targets)
    }
    let (left, right, both) = (evaluate([2, -1, 3, -1]), evaluate([-1, 1, -1, 5]), evaluate([2, 1, 3, 5]))
    #expect(left.tokens == 2 && right.tokens == 2 && both.tokens == 4)
    #expect(abs(left.total + right.total - both.total) < 1e-13 && left.total > 0)
  }

  /// There are more rows than fit into one block of logits.
  @Test func manyBlocksOfLogitsEqualOne() throws {
    let vocabulary = 40_000
    let model = try LanguageModel<Double>(
      LanguageModelShape(
        vocabularySize: vocabulary, embeddingSize: 1, network: NetworkOptions(.rnn(), hiddenSize: 2),
        uniformInitialization: 1))
    let parameters = ParameterBuffer<Double>(model.layout, seed: 1)
    let (tokens, targets) = (ids(70, 571, below: vocabulary), ids(70, 977, below: vocabulary))
    let (whole, parts) = (ParameterBuffer<Double>(model.layout), ParameterBuffer<Double>(model.layout))
    let all = LanguageModelRun(model, parameters, batchSize: 70).evaluate(tokens, targets, into: whole)
    var sum = LossSum()
    for half in [0..<35, 35..<70] {
      sum += LanguageModelRun(model, parameters, batchSize: 35).evaluate(
        Array(tokens[half]), Array(targets[half]), into: parts)
    }
    #expect(all.tokens == sum.tokens && abs(all.total - sum.total) < 1e-9)
    expectClose(Array(whole.elements), Array(parts.elements), within: 1e-12, "gradients")
  }

  /// The packed weights of a workspace must follow changes, and belong to one buffer.
  @Test func packedWeightsFollowTheParameters() throws {
    let model: LanguageModel<Float> = try model(cell: .gru())
    let buffers = [UInt64(1), 2].map { ParameterBuffer<Float>(model.layout, seed: $0) }
    func fresh(_ parameters: ParameterBuffer<Float>) -> LossSum {
      LanguageModelRun(model, parameters, batchSize: 2).evaluate(ids(10, 3), ids(10, 5))
    }
    let expected = buffers.map(fresh)
    #expect(expected[0] != expected[1])
    let workspace = Workspace<Float>()
    func shared(_ parameters: ParameterBuffer<Float>) -> LossSum {
      let run = LanguageModelRun(model, parameters, batchSize: 2, workspace: workspace)
      return run.evaluate(ids(10, 3), ids(10, 5))
    }
    for _ in 0..<2 { #expect(buffers.map(shared) == expected) }
    buffers[0].initialize(seed: 2)
    #expect(shared(buffers[0]) == expected[1])
  }

  @Test func sumsOfLosses() {
    var sum = LossSum(total: 6, tokens: 2)
    sum += LossSum(total: 2, tokens: 2)
    #expect(sum == LossSum(total: 8, tokens: 4) && sum.mean == 2)
    #expect(abs(sum.perplexity - exp(2)) < 1e-12)
    #expect(LossSum().mean.isNaN && LossSum().perplexity.isNaN)
  }

  @Test func sizesOfTheModel() throws {
    let model: LanguageModel<Float> = try model()
    #expect(model.stateParts == [5, 5, 5, 5])
    #expect(model.multipliedWeights == 20 * 3 + 20 * 5 + 2 * 20 * 5 + 7 * 5)
    #expect(model.layout.parameters.first?.name == "embedding.weight")
    #expect(model.layout.parameters.last?.name == "output.bias")
  }
}
