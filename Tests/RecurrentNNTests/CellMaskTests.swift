import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Compares variational dropout and zoneout with plain cells whose weights or states are masked by hand.
@Suite struct CellMaskTests {
  private static let lengths = [3, 0, 5, 2]
  private static let (inputSize, hiddenSize) = (3, 4)
  private static let position = CellPosition(layer: 2, isReverse: true)

  /// A cell with masks, the plain cell with the same parameters, and the batch that both read.
  private struct Pair {
    let masked: any RecurrentCell<Double>
    let plain: any RecurrentCell<Double>
    let parameters: ParameterBuffer<Double>
    let layout = PackedLayout(lengths: CellMaskTests.lengths)
    let coordinates: Coordinates
    let dropout: DropoutContext
    let input: MatrixView<Double>
    let initial: [MatrixView<Double>]
    let scratch = Scratch<Double>()
    /// Owns the memory of the results.
    let workspace = Workspace<Double>()

    init(_ kind: CellOptions, _ set: (inout CellOptions) -> Void) throws {
      // The cell of layer 2 of a network that reads from the end: its masks are not those of layer 0.
      var options = kind
      set(&options)
      func cell(_ options: CellOptions) throws -> (any RecurrentCell<Double>, ParameterLayout) {
        var builder = ParameterLayout.Builder()
        let network = try LayerStack<Double>(
          NetworkOptions(options, hiddenSize: hiddenSize, layers: 3, bidirectional: true),
          inputSize: inputSize, in: &builder)
        let top = try #require(network.layers[2] as? Bidirectional<Double>)
        return (top.backward, builder.build())
      }
      let layout: ParameterLayout
      (masked, layout) = try cell(options)
      (plain, _) = try cell(kind)
      parameters = ParameterBuffer(layout, seed: 8)
      coordinates = Coordinates(self.layout)
      dropout = DropoutContext(seed: 5, step: 7, rows: coordinates.rows, firstStream: 3)
      let memory = scratch
      let batchSize = self.layout.batchSize
      input = memory.matrix(randomTensor([self.layout.rowCount, plain.inputSize], stream: 1))
      initial = plain.stateSize.parts.enumerated().map {
        memory.matrix(randomTensor([batchSize, $1], stream: 10 + $0))
      }
    }

    func run(_ dropout: DropoutContext?) -> Unrolled<Double> {
      masked.unroll(.dense(input), layout, from: initial, context(dropout))
    }

    func context(_ dropout: DropoutContext? = nil) -> LayerContext<Double> {
      LayerContext(parameters: parameters, workspace: workspace, dropout: dropout)
    }

    /// The mask of some rows in the form of inverted dropout.
    func mask(
      _ purpose: CellMask, _ coordinates: RowCoordinates, rows: Int, width: Int, rate: Double
    ) -> MatrixView<Double> {
      let mask = scratch.matrix(rows: rows, columns: width)
      mask.fill(1)
      Double.dropout(
        from: mask, to: mask, coordinates, dropout.key(purpose, at: CellMaskTests.position), rate: rate)
      return mask
    }
  }

  /// Dropping the same units of x and h at every step is a cell with these columns of its weights dropped.
  @Test(arguments: NetworkCase.kinds.filter(\.masksStates))
  func variationalDropoutMasksTheColumnsOfTheWeights(kind: CellOptions) throws {
    let pair = try Pair(kind) { ($0.variationalInputDropout, $0.variationalDropout) = (0.4, 0.5) }
    let output = pair.run(pair.dropout).output
    let rows = pair.layout.activeCounts[0]
    let inputMask = pair.mask(
      .input, pair.dropout.rows.withoutTimes, rows: rows, width: pair.plain.inputSize, rate: 0.4)
    let stateMask = pair.mask(
      .state, pair.dropout.rows.withoutTimes, rows: rows, width: Self.hiddenSize, rate: 0.5)
    #expect(values(inputMask).contains(0) && values(stateMask).contains(0))
    for position in 0..<rows {
      let parameters = ParameterBuffer<Double>(pair.parameters.layout)
      defer { withExtendedLifetime(parameters) {} }
      _ = parameters.elements.update(fromContentsOf: pair.parameters.elements)
      for (parameter, mask) in zip(pair.plain.parameters, [inputMask, stateMask]) {
        let weight = parameters.matrix(parameter)
        for row in 0..<weight.rows {
          for column in 0..<weight.columns { weight[row, column] *= mask[position, column] }
        }
      }
      let all = pair.plain.unroll(
        .dense(pair.input), pair.layout, from: pair.initial,
        LayerContext(parameters: parameters, workspace: pair.workspace))
      for t in 0..<pair.layout.lengths[position] {
        let row = pair.layout.offsets[t] + position
        expectClose(
          values(output.rows(row..<row + 1)), values(all.output.rows(row..<row + 1)), within: 1e-13,
          "row \(row)")
      }
    }
  }

  @Test(arguments: NetworkCase.kinds)
  func zoneoutKeepsUnitsOfTheState(kind: CellOptions) throws {
    let isLSTM = kind.kind == .lstm
    let pair = try Pair(kind) { ($0.zoneoutCell, $0.zoneout) = (isLSTM ? 0.5 : nil, 0.4) }
    let trace = pair.run(pair.dropout)
    let (layout, context) = (pair.layout, pair.context())
    let masks = [
      pair.mask(.hiddenZoneout, pair.dropout.rows, rows: layout.rowCount, width: Self.hiddenSize, rate: 0.4),
      pair.mask(.cellZoneout, pair.dropout.rows, rows: layout.rowCount, width: Self.hiddenSize, rate: 0.5),
    ]
    var kept = 0
    for t in 0..<layout.steps {
      // One step of the plain cell from the states before it.
      let rows = layout.rows(t)
      let single = PackedLayout(steps: 1, batchSize: rows.count)
      let before = pair.initial.indices.map { trace.state(part: $0, before: t) }
      let plain = pair.plain.unroll(.dense(pair.input.rows(rows)), single, from: before, context)
      for part in pair.initial.indices {
        let after = trace.state(part: part, after: t)
        for row in 0..<rows.count {
          for unit in 0..<Self.hiddenSize {
            let isKept = masks[part][rows.lowerBound + row, unit] == 0
            kept += isKept ? 1 : 0
            let expected = isKept ? before[part][row, unit] : plain.finalState[part][row, unit]
            #expect(abs(after[row, unit] - expected) < 1e-14)
          }
        }
      }
    }
    #expect(kept > 10 && kept < layout.rowCount * Self.hiddenSize * pair.initial.count - 10)
  }

  /// A sample's masks are the same in another batch and on another rank.
  @Test(arguments: NetworkCase.kinds)
  func masksBelongToSamples(kind: CellOptions) throws {
    let pair = try Pair(kind) {
      $0.zoneout = 0.4
      $0.setVariationalDropout(input: 0.4, state: 0.5)
    }
    let all = pair.run(pair.dropout)
    // The longest sequence alone.
    let layout = PackedLayout(lengths: [5])
    let alone = Coordinates(layout, samples: [pair.layout.order[0]])
    let input = pair.scratch.matrix(rows: 5, columns: pair.plain.inputSize)
    for t in 0..<5 {
      let row = pair.layout.offsets[t]
      input.rows(t..<t + 1).copy(from: pair.input.rows(row..<row + 1))
    }
    let single = pair.masked.unroll(
      .dense(input), layout, from: pair.initial.map { $0.rows(0..<1) },
      pair.context(pair.dropout.at(rows: alone.rows, firstStream: 3)))
    for t in 0..<5 {
      let row = pair.layout.offsets[t]
      expectClose(
        values(single.output.rows(t..<t + 1)), values(all.output.rows(row..<row + 1)), within: 1e-14, "\(t)")
    }
  }

  /// Layers, directions and parts of a model have separate masks, all different from those between layers.
  @Test func everyMaskHasItsKey() {
    let coordinates = Coordinates(PackedLayout(lengths: [1]))
    var streams: [UInt32] = []
    for firstStream in [0, 8] {
      let dropout = DropoutContext(seed: 1, step: 2, rows: coordinates.rows, firstStream: firstStream)
      for layer in 0..<6 {
        for isReverse in [false, true] {
          streams += CellMask.allCases.map {
            dropout.key($0, at: CellPosition(layer: layer, isReverse: isReverse)).stream
          }
        }
      }
    }
    #expect(Set(streams).count == 2 * 6 * 2 * 4)
    #expect(streams.allSatisfy { $0 >= 1 << 20 })
  }

  @Test func nothingIsDroppedWhenEvaluating() throws {
    let pair = try Pair(.gru()) { ($0.variationalInputDropout, $0.variationalDropout) = (0.4, 0.5) }
    let plain = pair.plain.unroll(.dense(pair.input), pair.layout, from: pair.initial, pair.context())
    #expect(values(pair.run(nil).output) == values(plain.output))
    #expect(values(pair.run(pair.dropout).output) != values(plain.output))
  }
}
