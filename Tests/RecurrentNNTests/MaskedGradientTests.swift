import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Central differences where `dynamicRNN` does not reach: dropout between layers, and inputs that are rows of
/// a table.
@Suite struct MaskedGradientTests {
  private static let lengths = [4, 3, 1, 0]
  private static let inputSize = 2

  @Test(
    arguments: NetworkCase.kinds.flatMap { kind in
      [false, true].map { NetworkCase(kind: kind, layers: 3, bidirectional: $0, dropout: 0.4) }
    })
  func dropoutBetweenLayers(network: NetworkCase) throws {
    try check(network, tableRows: nil)
  }

  /// With fewer entries than rows the table is projected, with more the rows are.
  @Test(arguments: NetworkCase.all, [3, 8, 11])
  func tableEntriesAsInput(network: NetworkCase, tableRows: Int) throws {
    try check(network, tableRows: tableRows)
  }

  /// Every option, with random masks and without: the mean of zoneout is another formula.
  @Test(arguments: NetworkCase.options, [true, false])
  func options(network: NetworkCase, masked: Bool) throws {
    try check(network, tableRows: nil, masked: masked)
  }

  @Test(arguments: NetworkCase.options.filter { $0.cell.variationalInputDropout > 0 }, [3, 11])
  func tableEntriesAsMaskedInput(network: NetworkCase, tableRows: Int) throws {
    try check(network, tableRows: tableRows)
  }

  private func check(_ network: NetworkCase, tableRows: Int?, masked: Bool = true) throws {
    var builder = ParameterLayout.Builder()
    let table = tableRows.map { builder.add("table", [$0, Self.inputSize], .uniform(1)) }
    // The variance of three cell states may be so small that differences are no slopes.
    let hiddenSize = network.cell.layerNorm ? 5 : 3
    let stack = try LayerStack<Double>(
      network.options(hiddenSize: hiddenSize), inputSize: Self.inputSize, in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 6)
    if !network.name.isEmpty { parameters.roughen() }
    let layout = PackedLayout(lengths: Self.lengths)
    let problem = PackedProblem(stack, layout, parameters, masked: masked)
    let input: SequenceInput<Double> =
      if let table, let tableRows {
        .indexed(
          problem.scratch.indices((0..<layout.rowCount).map { $0 * 5 % tableRows }), count: layout.rowCount,
          table: table)
      } else {
        .dense(problem.scratch.matrix(randomTensor([layout.rowCount, Self.inputSize], stream: 1)))
      }
    problem.expectGradientsAreSlopes(input)
    #expect(problem.dropsSomething(input) == (masked && network.isRandom))
  }
}

extension NetworkCase {
  /// True if the network does something at random when training.
  var isRandom: Bool {
    let rates = [cell.zoneout, cell.zoneoutCell ?? 0, cell.variationalInputDropout, cell.variationalDropout]
    return dropout + rates.reduce(0, +) > 0
  }
}
