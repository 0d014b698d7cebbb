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
  /// What a single cell keeps.
  var memory: CellMemory<Element>?
  /// The layers inside a stack or the two directions.
  var children: [Unrolled<Element>] = []
  /// Of stacked cells that are stepped: the input rows of every cell but the lowest.
  var childInputs: [MatrixView<Element>] = []

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
    let first = layout.previousSlab(step)
    return slabs[part ?? topPart].rows(first..<first + layout.activeCounts[step])
  }

  /// A part of the state after a step that has been done, [activeCounts[step], part].
  public func state(part: Int? = nil, after step: Int) -> MatrixView<Element> {
    let first = layout.slab(step)
    return slabs[part ?? topPart].rows(first..<first + layout.activeCounts[step])
  }

  /// The memory of a single cell.
  var cellMemory: CellMemory<Element> {
    guard let memory else {
      preconditionFailure("a cell needs the trace that its own begin or unroll returned")
    }
    return memory
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
  /// What a single cell keeps.
  var memory: ReverseMemory<Element>?
  /// Of stacked cells: one for each cell.
  var children: [BackwardTrace<Element>] = []

  init(_ forward: Unrolled<Element>, stateGradient: [MatrixView<Element>]) {
    self.forward = forward
    self.stateGradient = stateGradient
  }

  var reverseMemory: ReverseMemory<Element> {
    guard let memory else {
      preconditionFailure("a cell needs the backward trace that its own beginBackward returned")
    }
    return memory
  }
}

/// What a single cell keeps from step to step. A view that a kind of cell has no use for is empty.
struct CellMemory<Element: Scalar> {
  /// Gate pre-activations, then activations, of every row; the backward pass overwrites them with the gradients
  /// of the pre-activations.
  var gates: MatrixView<Element>
  /// GRU: the recurrent part of the gates, or the reset states.
  var recurrent: MatrixView<Element>
  /// Slabs of hidden states, [batchSize + rowCount, H].
  var hidden: MatrixView<Element>
  /// LSTM: slabs of cell states.
  var cell: MatrixView<Element>
  /// The sum of both biases and of constants, [1, gates].
  var bias: MatrixView<Element>
  /// The recurrent weights as right operand of a step's product.
  var weights: PackedMatrix<Element>
  /// GRU with reset before the product: the weights of that product, `weights` being those of the gates.
  var outputWeights: PackedMatrix<Element>

  /// Memory with hidden states and gates only.
  init(
    gates: MatrixView<Element>, hidden: MatrixView<Element>, weights: PackedMatrix<Element>,
    _ context: LayerContext<Element>
  ) {
    self.gates = gates
    self.hidden = hidden
    self.weights = weights
    outputWeights = weights
    let none = context.arena.matrix(0, 0)
    (recurrent, cell, bias) = (none, none, none)
  }
}

/// What a single cell keeps from step to step backwards.
struct ReverseMemory<Element: Scalar> {
  /// Gradient of the hidden state, [batchSize, H].
  let dh: MatrixView<Element>
  /// LSTM: gradient of the cell state.
  var dc: MatrixView<Element>
  /// Summed gradients of both biases, where they are equal, or of `bias_ih`.
  var biasIH: MatrixView<Element>
  /// GRU with reset after the product: summed gradient of `bias_hh`.
  var biasHH: MatrixView<Element>
  /// Room for a step.
  var scratch: MatrixView<Element>
  /// The recurrent weights as right operand of a step's product.
  var weights: PackedMatrix<Element>
  var outputWeights: PackedMatrix<Element>

  init(
    dh: MatrixView<Element>, biasIH: MatrixView<Element>, weights: PackedMatrix<Element>,
    _ context: LayerContext<Element>
  ) {
    self.dh = dh
    self.biasIH = biasIH
    self.weights = weights
    outputWeights = weights
    let none = context.arena.matrix(0, 0)
    (dc, biasHH, scratch) = (none, none, none)
  }
}
