import NumericKernels

/// What a layer keeps of its forward pass: its results, and what its backward pass needs.
///
/// All matrices live in the workspace's arena and end with its step.
public struct Unrolled<Element: Scalar> {
  public let layout: PackedLayout
  /// The output of every row, [rowCount, outputSize]. Of a cell that is stepped, the rows of the steps done.
  public let output: MatrixView<Element>
  /// The state of every sequence after its last step, in sorted order, one matrix for each part of the state.
  /// Empty as long as a cell is stepped: see ``RecurrentCell/finalState(_:_:)``.
  public internal(set) var finalState: [MatrixView<Element>] = []
  /// The states of all steps, for each part of the state [batchSize + rowCount, part] (see ``PackedLayout``);
  /// none for layers that are no cells.
  let slabs: [MatrixView<Element>]
  /// Which part is the hidden state of the top cell.
  let topPart: Int
  /// The input of all rows; nil if the cell was stepped, for then its caller has it.
  var input: SequenceInput<Element>?
  /// What a single cell keeps, in the type of its own.
  var cell: Any?
  /// The layers inside a stack or the two directions.
  var children: [Unrolled<Element>] = []
  /// What stands between the layers of a stack, for every layer but the lowest.
  var levels: [StackLevel<Element>] = []

  init(layout: PackedLayout, output: MatrixView<Element>, slabs: [MatrixView<Element>], topPart: Int = 0) {
    self.layout = layout
    self.output = output
    self.slabs = slabs
    self.topPart = topPart
  }

  /// A part of the state before a step, [activeCounts[step], part], a view of what the cell itself reads.
  ///
  /// - Parameter part: index into the `parts` of the cell's ``StateSize``; nil for the hidden state of the top
  ///   cell.
  public func state(part: Int? = nil, before step: Int) -> MatrixView<Element> {
    slab(part).rows(from: layout.previousSlab(step), count: layout.activeCounts[step])
  }

  /// A part of the state after a step that has been done, [activeCounts[step], part].
  public func state(part: Int? = nil, after step: Int) -> MatrixView<Element> {
    slab(part).rows(from: layout.slab(step), count: layout.activeCounts[step])
  }

  private func slab(_ part: Int?) -> MatrixView<Element> {
    let index = part ?? topPart
    precondition(
      slabs.indices.contains(index),
      "part \(index) of a state of \(slabs.count) parts that can be read by step")
    return slabs[index]
  }
}

/// A backward pass under way over the steps of a cell.
///
/// Made by ``RecurrentCell/beginBackward(_:stateGradient:_:)``; its matrices live in the workspace's arena.
public struct BackwardTrace<Element: Scalar> {
  /// What the forward pass kept.
  public let forward: Unrolled<Element>
  /// The gradient of the state, [batchSize, part] for each part: before step t of the backward pass that of the
  /// state after step t, afterwards that of the state before it. Whoever else reads a state (attention) adds
  /// the gradient here between two steps.
  public let stateGradient: [MatrixView<Element>]
  /// What a single cell keeps, in the type of its own.
  var cell: Any?
  /// Of stacked cells: one for each cell.
  var children: [BackwardTrace<Element>] = []

  init(_ forward: Unrolled<Element>, stateGradient: [MatrixView<Element>]) {
    self.forward = forward
    self.stateGradient = stateGradient
  }
}

extension MatrixView {
  fileprivate func rows(from first: Int, count: Int) -> MatrixView { rows(first..<first + count) }
}
