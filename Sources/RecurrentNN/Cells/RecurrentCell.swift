import NumericKernels
import Parameters

/// A recurrent cell: (output, next state) = cell(input, state), the same parameters at every step.
///
/// A cell is the unit TensorFlow calls RNNCell: it has a ``SequenceLayer/stateSize``, an
/// ``SequenceLayer/outputSize``, a zero state, and a call that advances one time step. `dynamicRNN` unrolls
/// it over a whole sequence in one call. The output of a cell is its hidden state h; the output y of a network is
/// computed by another layer (``Linear``).
///
/// Besides running all steps at once (``SequenceLayer/unroll(_:_:from:_:)``) a cell can be driven step by step,
/// for a decoder whose input depends on its previous output:
///
///     var trace = cell.begin(layout, from: initial, context)
///     for t in 0..<layout.steps { cell.forward(step: t, x(t), trace, context) }
///     let back = cell.beginBackward(trace, stateGradient: …, context)
///     for t in (0..<layout.steps).reversed() { cell.backward(step: t, back, outputGradient: …, …) }
///     cell.finishBackward(back, inputs: x, into: gradients, context)
///
/// If the first columns of all inputs are available before the first step, such as embeddings that each step joins with a
/// context, ``begin(_:from:precomputing:_:)`` multiplies them for all steps at once, and the steps get the other columns only.
///
/// Traces live in the arena and must be used before the `scoped` call in which they were made ends.
public protocol RecurrentCell<Element>: SequenceLayer {
  /// Allocates memory for all steps of a layout and copies the initial state. If the first columns of the inputs are
  /// given, it computes their product with the input weights once for all steps; `forward`, `backward` and
  /// `finishBackward` then take the other columns, [n, inputSize - columns].
  ///
  /// - Parameters:
  ///   - initial: for each part of the state a matrix [batchSize, part] in sorted order.
  ///   - known: the first columns of all rows; nil: none. Requires that the cell does not need its inputs whole.
  func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], precomputing known: SequenceInput<Element>?,
    _ context: LayerContext<Element>
  ) -> Unrolled<Element>

  /// Whether the steps need all columns of their inputs, because variational dropout masks them.
  func needsWholeInputs(_ context: LayerContext<Element>) -> Bool

  /// Computes step t after the steps before it. Its output is then in `trace.output.rows(layout.rows(t))`.
  ///
  /// - Parameters:
  ///   - input: [n, inputSize] with n = `layout.activeCounts[t]`.
  ///   - trace: the result of `begin`.
  func forward(
    step t: Int, _ input: MatrixView<Element>, _ trace: Unrolled<Element>, _ context: LayerContext<Element>)

  /// Copies the state of every sequence after its own last step, one matrix [batchSize, part] per part. Call it after all
  /// steps.
  func finalState(_ trace: Unrolled<Element>, _ context: LayerContext<Element>) -> [MatrixView<Element>]

  /// Prepares the backward pass over the steps.
  ///
  /// - Parameter stateGradient: gradient of the final state, [batchSize, part] for each part, which the steps
  ///   turn into that of the initial state: see ``BackwardTrace/stateGradient``.
  func beginBackward(
    _ trace: Unrolled<Element>, stateGradient: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> BackwardTrace<Element>

  /// The backward pass of step t, after those of the steps after it.
  ///
  /// - Parameters:
  ///   - outputGradient: gradient of the step's output, [n, outputSize].
  ///   - inputGradient: OVERWRITTEN with that of the step's input, [n, inputSize], if given.
  func backward(
    step t: Int, _ trace: BackwardTrace<Element>, outputGradient: MatrixView<Element>,
    inputGradient: MatrixView<Element>?, _ context: LayerContext<Element>)

  /// ADDS the gradients of all parameters, after all steps: one matrix product per weight.
  ///
  /// - Parameters:
  ///   - inputs: the inputs of all steps, [rowCount, inputSize], without the precomputed columns.
  ///   - precomputedGradient: OVERWRITTEN with the gradient of dense precomputed columns, [rowCount, columns], if given. The
  ///     gradient of indexed ones is added to that of their table.
  func finishBackward(
    _ trace: BackwardTrace<Element>, inputs: MatrixView<Element>, precomputedGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>)
}

extension RecurrentCell {
  /// Begins without precomputed columns.
  public func begin(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> Unrolled<Element> { begin(layout, from: initial, precomputing: nil, context) }

  /// The all-zero state for a batch.
  public func zeroState(batchSize: Int) -> CellState<Element> { .zero(stateSize, batchSize: batchSize) }

  /// Advances one time step.
  ///
  /// - Parameters:
  ///   - input: [batchSize, inputSize].
  ///   - state: the state before the step, shaped like ``SequenceLayer/stateSize``.
  ///   - parameters: the buffer of the layout this cell was built in.
  /// - Returns: the output [batchSize, outputSize] and the state after the step.
  public func callAsFunction(
    _ input: Tensor<Element>, _ state: CellState<Element>, _ parameters: ParameterBuffer<Element>
  ) -> (output: Tensor<Element>, state: CellState<Element>) {
    precondition(
      input.shape.count == 2 && input.shape[1] == inputSize,
      "input of shape \(input.shape) for a cell that takes [batchSize, \(inputSize)]")
    let batchSize = input.shape[0]
    let result = dynamicRNN(
      self, Tensor([batchSize, 1, inputSize], input.values), initialState: state, parameters: parameters)
    return (Tensor([batchSize, outputSize], result.outputs.values), result.state)
  }
}
