import NumericKernels

/// The results of a layer's forward pass, and the caches that its backward pass needs.
///
/// All matrices live in the arena of the workspace until its step ends.
public struct Unrolled<Element: Scalar> {
  public let layout: PackedLayout
  /// The output of every row, [rowCount, outputSize]. For a cell that is driven step by step, it holds the rows of the
  /// computed steps.
  public let output: MatrixView<Element>
  /// The state of every sequence after its last step, in sorted order, one matrix for each part of the state.
  /// Empty while a cell is driven step by step: see ``RecurrentCell/finalState(_:_:)``.
  public internal(set) var finalState: [MatrixView<Element>] = []
  /// The states of all steps, for each part of the state [batchSize + rowCount, part] (see ``PackedLayout``);
  /// empty for layers that are not cells.
  let slabs: [MatrixView<Element>]
  /// The index of the part that is the hidden state of the top cell.
  let topPart: Int
  /// The input of all rows; nil if the cell is driven step by step, because its caller has the inputs.
  var input: SequenceInput<Element>?
  /// The pass of a single cell.
  var cell: CellTrace<Element>?
  /// The layers inside a stack or the two directions.
  var children: [Unrolled<Element>] = []
  /// Dropout and connection below every layer of a stack but the lowest.
  var levels: [StackLevel<Element>] = []

  init(layout: PackedLayout, output: MatrixView<Element>, slabs: [MatrixView<Element>], topPart: Int = 0) {
    self.layout = layout
    self.output = output
    self.slabs = slabs
    self.topPart = topPart
  }

  /// A part of the state before a step, [activeCounts[step], part], a view of the memory that the cell itself reads.
  ///
  /// - Parameter part: index into the `parts` of the cell's ``StateSize``; nil for the hidden state of the top
  ///   cell.
  public func state(part: Int? = nil, before step: Int) -> MatrixView<Element> {
    rows(part, from: layout.previousSlab(step), step)
  }

  /// A part of the state after a computed step, [activeCounts[step], part].
  public func state(part: Int? = nil, after step: Int) -> MatrixView<Element> {
    rows(part, from: layout.slab(step), step)
  }

  private func rows(_ part: Int?, from first: Int, _ step: Int) -> MatrixView<Element> {
    let index = part ?? topPart
    precondition(
      slabs.indices.contains(index),
      "part \(index) of a state of \(slabs.count) parts that can be read by step")
    return slabs[index].rows(first..<first + layout.activeCounts[step])
  }
}

/// A backward pass over the steps of a cell, while it is running.
///
/// Made by ``RecurrentCell/beginBackward(_:stateGradient:_:)``; its matrices live in the workspace's arena.
public struct BackwardTrace<Element: Scalar> {
  /// The trace of the forward pass.
  public let forward: Unrolled<Element>
  /// The gradient of the state, [batchSize, part] for each part: before step t of the backward pass, that of the state
  /// after step t; afterwards, that of the state before step t. Other readers of a state (attention) add their gradients
  /// here between two steps.
  public let stateGradient: [MatrixView<Element>]
  /// The backward pass of a single cell.
  var cell: CellBackwardTrace<Element>?
  /// The traces of stacked cells.
  var children: [BackwardTrace<Element>] = []

  init(_ forward: Unrolled<Element>, stateGradient: [MatrixView<Element>]) {
    self.forward = forward
    self.stateGradient = stateGradient
  }
}
