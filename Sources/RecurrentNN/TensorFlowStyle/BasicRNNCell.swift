import NumericKernels
import Parameters

/// TensorFlow's BasicRNNCell: output = new state = act([inputs, state] · kernel + bias).
public final class BasicRNNCell: TensorFlowCell {
  public let numUnits: Int
  public let activation: RNNActivation
  public let seed: UInt64
  public var layer = 0
  private var weights: LazyWeights<RNNCell<Float>>

  /// - Parameters:
  ///   - numUnits: width of state and output.
  ///   - seed: of the first weights.
  public init(numUnits: Int, activation: RNNActivation = .tanh, seed: UInt64 = 0) {
    self.numUnits = numUnits
    self.activation = activation
    self.seed = seed
    weights = LazyWeights(numUnits: numUnits, gates: [0]) { inputSize, builder in
      RNNCell(
        inputSize: inputSize, hiddenSize: numUnits, .rnn(activation: activation), suffix: "", in: &builder)
    }
  }

  public var stateSize: StateSize { .vector(numUnits) }
  public var outputSize: Int { numUnits }
  public var singleCells: [AnyObject] { [self] }

  public func zeroState(batchSize: Int) -> Tensor<Float> { .zeros([batchSize, numUnits]) }

  public func call(
    _ inputs: Tensor<Float>, _ state: Tensor<Float>
  ) -> (output: Tensor<Float>, state: Tensor<Float>) {
    precondition(inputs.shape.count == 2, "inputs of shape \(inputs.shape) are not [batch, width]")
    let (cell, parameters) = weights.cell(inputSize: inputs.shape[1], seed: seed, layer: layer)
    let (output, next) = cell(inputs, .vector(state), parameters)
    return (output, next.h)
  }

  public func callAll(
    _ inputs: Tensor<Float>, sequenceLengths: [Int]?, initialState: Tensor<Float>
  ) -> (outputs: Tensor<Float>, state: Tensor<Float>) {
    let (cell, parameters) = weights.cell(inputSize: inputs.shape[2], seed: seed, layer: layer)
    let result = dynamicRNN(
      cell, inputs, sequenceLengths: sequenceLengths, initialState: .vector(initialState),
      parameters: parameters)
    return (result.outputs, result.state.h)
  }

  /// [inputSize + numUnits, numUnits]; nil before the first call.
  public var kernel: Tensor<Float>? { weights.tensors?.kernel }
  /// [numUnits]; nil before the first call.
  public var bias: Tensor<Float>? { weights.tensors?.bias }
  /// Overwrites kernel [inputSize + numUnits, numUnits] and bias [numUnits].
  public func setWeights(kernel: Tensor<Float>, bias: Tensor<Float>) {
    weights.set(kernel: kernel, bias: bias)
  }
}
