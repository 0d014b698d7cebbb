import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Central differences for cases that `dynamicRNN` does not cover: dropout between layers, and inputs that are rows of a
/// table.
@Suite struct MaskedGradientTests {
  @Test(
    arguments: NetworkCase.kinds.flatMap { kind in
      [false, true].map { NetworkCase(kind: kind, layers: 3, bidirectional: $0, dropout: 0.4) }
    })
  func dropoutBetweenLayers(network: NetworkCase) throws {
    try check(network)
  }

  /// With fewer entries than rows, the table is projected; with more, the rows are.
  @Test(arguments: NetworkCase.networks, [3, 8, 11])
  func tableEntriesAsInput(network: NetworkCase, tableRows: Int) throws {
    try check(network, tableRows: tableRows)
  }

  /// Every option, with random masks and without, because the mean of zoneout has another formula.
  @Test(arguments: NetworkCase.options, [true, false])
  func options(network: NetworkCase, masked: Bool) throws {
    try check(network, masked: masked)
  }

  @Test(arguments: NetworkCase.options.filter { $0.cell.variationalInputDropout > 0 }, [3, 11])
  func tableEntriesAsMaskedInput(network: NetworkCase, tableRows: Int) throws {
    try check(network, tableRows: tableRows)
  }

  private func check(_ network: NetworkCase, tableRows: Int? = nil, masked: Bool = true) throws {
    // The variance of three cell states may be so small that finite differences don't approximate the gradient.
    let problem = try network.packedProblem(
      lengths: [4, 3, 1, 0], hiddenSize: network.cell.layerNorm ? 5 : 3, tableRows: tableRows, masked: masked)
    try problem.expectGradientsAreSlopes()
    #expect(problem.dropsSomething() == (masked && network.isRandom))
  }
}

extension NetworkCase {
  /// The network over a ragged batch of vectors of two numbers, which are rows of a table if `tableRows` is given.
  func packedProblem(
    lengths: [Int], hiddenSize: Int, tableRows: Int? = nil, masked: Bool, zeroState: Bool = false
  ) throws -> PackedProblem {
    var builder = ParameterLayout.Builder()
    let table = tableRows.map { builder.add("table", [$0, 2], .uniform(1)) }
    let stack = try LayerStack<Double>(options(hiddenSize: hiddenSize), inputSize: 2, in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 6)
    if !name.isEmpty { parameters.roughen() }
    return PackedProblem(
      stack, PackedLayout(lengths: lengths), parameters, table: table, masked: masked, zeroState: zeroState)
  }

  /// Whether the network uses random numbers in training.
  var isRandom: Bool {
    let rates = [cell.zoneout, cell.zoneoutCell ?? 0, cell.variationalInputDropout, cell.variationalDropout]
    return dropout + rates.reduce(0, +) > 0
  }
}
