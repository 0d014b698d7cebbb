import NumericKernels
import Parameters

/// A recurrent cell: (output, next state) = cell(input, state), the same parameters at every step.
///
/// A cell is the unit TensorFlow calls RNNCell: it has a ``SequenceLayer/stateSize``, an
/// ``SequenceLayer/outputSize``, a zero state, and a call that advances one time step. `dynamicRNN` unrolls
/// it over a whole sequence in one call. The output of a cell is its hidden state h; the y of a network
/// picture is a further layer's work (``Linear``).
public protocol RecurrentCell<Element>: SequenceLayer {}

extension RecurrentCell {
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

  /// The cell together with its parameters, to be called with input and state alone.
  public func bound(to parameters: ParameterBuffer<Element>) -> BoundCell<Element> {
    BoundCell(cell: self, parameters: parameters)
  }
}

/// A cell with the parameters it computes with.
public struct BoundCell<Element: Scalar> {
  public let cell: any RecurrentCell<Element>
  public let parameters: ParameterBuffer<Element>

  public var inputSize: Int { cell.inputSize }
  public var outputSize: Int { cell.outputSize }
  public var stateSize: StateSize { cell.stateSize }

  /// The all-zero state for a batch.
  public func zeroState(batchSize: Int) -> CellState<Element> { .zero(stateSize, batchSize: batchSize) }

  /// Advances one time step: input [batchSize, inputSize] to output [batchSize, outputSize] and the next
  /// state.
  public func callAsFunction(
    _ input: Tensor<Element>, _ state: CellState<Element>
  ) -> (output: Tensor<Element>, state: CellState<Element>) {
    cell(input, state, parameters)
  }
}

/// Stacked or combined cells must be different cells.
public struct RepeatedCellError: Error, Hashable, CustomStringConvertible {
  /// Positions of the two equal cells.
  public let first: Int
  public let second: Int
  /// Name of a parameter both would use.
  public let parameter: String

  public var description: String {
    """
    cells \(first) and \(second) of the stack are the same cell (both use parameter \(parameter)): a cell owns \
    one set of weights, so stacking it twice would tie the two layers together. Make a new cell for every \
    layer, for example with (0..<layers).map { _ in makeCell() }
    """
  }
}

/// Throws ``RepeatedCellError`` if two layers share a parameter.
func requireDistinct<Element>(_ layers: [any SequenceLayer<Element>]) throws(RepeatedCellError) {
  var owner: [Int: Int] = [:]
  for (position, layer) in layers.enumerated() {
    for parameter in layer.parameters {
      if let first = owner[parameter.offset] {
        throw RepeatedCellError(first: first, second: position, parameter: parameter.name)
      }
    }
    for parameter in layer.parameters { owner[parameter.offset] = position }
  }
}
