import NumericKernels

/// TensorFlow's MultiRNNCell: stacked cells as one cell, whose state has one state per layer.
///
/// All cells are of one kind; ``StackedCell`` takes different ones.
public final class MultiRNNCell<Cell: TensorFlowCell>: TensorFlowCell {
  public let cells: [Cell]
  /// The layer number of the lowest cell.
  public var layer = 0 {
    didSet { numberLayers() }
  }

  /// Requires at least one cell.
  ///
  /// - Throws: ``RepeatedCellError`` if a cell object occurs twice, as in `Array(repeating: cell, count: 3)`: all its
  ///   layers would be one layer with one set of weights.
  public init(_ cells: [Cell]) throws(RepeatedCellError) {
    precondition(!cells.isEmpty, "a MultiRNNCell needs at least one cell")
    self.cells = cells
    var owner: [ObjectIdentifier: Int] = [:]
    for (position, cell) in cells.enumerated() {
      for single in cell.singleCells {
        if let first = owner.updateValue(position, forKey: ObjectIdentifier(single)) {
          throw RepeatedCellError(first: first, second: position, parameter: "kernel")
        }
      }
    }
    numberLayers()
  }

  /// Cells created with the same arguments start with different weights.
  private func numberLayers() {
    var next = layer
    for cell in cells {
      cell.layer = next
      next += cell.singleCells.count
    }
  }

  public var stateSize: StateSize { .stacked(cells.map(\.stateSize)) }
  public var outputSize: Int { cells[cells.count - 1].outputSize }
  public var singleCells: [AnyObject] { cells.flatMap(\.singleCells) }

  public func zeroState(batchSize: Int) -> [Cell.State] { cells.map { $0.zeroState(batchSize: batchSize) } }

  public func call(
    _ inputs: Tensor<Float>, _ state: [Cell.State]
  ) -> (output: Tensor<Float>, state: [Cell.State]) {
    requireStates(state)
    var (output, states) = (inputs, [Cell.State]())
    for (cell, before) in zip(cells, state) {
      let (above, after) = cell.call(output, before)
      output = above
      states.append(after)
    }
    return (output, states)
  }

  public func callAll(
    _ inputs: Tensor<Float>, sequenceLengths: [Int]?, initialState: [Cell.State]
  ) -> (outputs: Tensor<Float>, state: [Cell.State]) {
    requireStates(initialState)
    var (outputs, states) = (inputs, [Cell.State]())
    for (cell, before) in zip(cells, initialState) {
      let (above, after) = cell.callAll(outputs, sequenceLengths: sequenceLengths, initialState: before)
      outputs = above
      states.append(after)
    }
    return (outputs, states)
  }

  private func requireStates(_ states: [Cell.State]) {
    precondition(states.count == cells.count, "\(states.count) states for \(cells.count) cells")
  }
}
