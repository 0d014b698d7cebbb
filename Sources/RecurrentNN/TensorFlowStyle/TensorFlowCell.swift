import NumericKernels

/// A cell as TensorFlow 1 has it: an object that owns its weights and creates them when it is first called, when the
/// width of its input is known.
///
///     let (output, nextState) = cell.call(inputs, state)
///
/// These classes are for following texts on TensorFlow. Networks for training consist of the underlying value types
/// (``RecurrentCell``, ``LayerStack``), whose parameters lie in one buffer.
public protocol TensorFlowCell: AnyObject {
  /// The state of a batch: a tensor [batchSize, numUnits], an ``LSTMStateTuple``, or one of these for each layer.
  associatedtype State

  /// The size of the state, printed as TensorFlow does.
  var stateSize: StateSize { get }
  /// Width of the output.
  var outputSize: Int { get }
  /// Number of the layer in a stack; with the seed it determines the initial weights. Set it before the first call.
  var layer: Int { get set }
  /// The single cells this one is made of.
  var singleCells: [AnyObject] { get }

  /// The all-zero state for a batch.
  func zeroState(batchSize: Int) -> State

  /// Runs one time step.
  ///
  /// - Parameters:
  ///   - inputs: [batchSize, inputSize]; the first call determines inputSize.
  ///   - state: the state before the step.
  /// - Returns: the output [batchSize, outputSize] and the state after the step.
  func call(_ inputs: Tensor<Float>, _ state: State) -> (output: Tensor<Float>, state: State)

  /// Runs all time steps, see ``dynamicRNN(_:_:sequenceLengths:initialState:)``.
  func callAll(
    _ inputs: Tensor<Float>, sequenceLengths: [Int]?, initialState: State
  ) -> (outputs: Tensor<Float>, state: State)
}

/// Runs a cell over all time steps, as if it were called once for each: tf.nn.dynamic_rnn.
///
/// - Parameters:
///   - inputs: [batchSize, timeSteps, inputSize].
///   - sequenceLengths: length of each sequence; all of them timeSteps long if nil.
///   - initialState: the state before the first step; zeros if nil.
/// - Returns: outputs [batchSize, timeSteps, outputSize], zero past the length of a sequence, and the state of each
///   sequence after its own last step.
public func dynamicRNN<Cell: TensorFlowCell>(
  _ cell: Cell, _ inputs: Tensor<Float>, sequenceLengths: [Int]? = nil, initialState: Cell.State? = nil
) -> (outputs: Tensor<Float>, state: Cell.State) {
  precondition(inputs.shape.count == 3, "inputs of shape \(inputs.shape) are not [batch, time, width]")
  return cell.callAll(
    inputs, sequenceLengths: sequenceLengths,
    initialState: initialState ?? cell.zeroState(batchSize: inputs.shape[0]))
}

/// The state of a BasicLSTMCell: cell state and hidden state, each [batchSize, numUnits].
public struct LSTMStateTuple: Sendable, Equatable {
  public var c: Tensor<Float>
  public var h: Tensor<Float>

  public init(c: Tensor<Float>, h: Tensor<Float>) {
    self.c = c
    self.h = h
  }
}
