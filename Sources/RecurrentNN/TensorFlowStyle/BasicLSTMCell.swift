import NumericKernels
import Parameters

/// TensorFlow's BasicLSTMCell.
///
///     i, j, f, o = split([inputs, h] · kernel + bias)
///     new_c = c ∘ σ(f + forget_bias) + σ(i) ∘ tanh(j)
///     new_h = tanh(new_c) ∘ σ(o)
///
/// The output is new_h, the state both. `forgetBias` is added at run time and is 1 unless said otherwise.
public final class BasicLSTMCell: TensorFlowCell {
  public let numUnits: Int
  public let forgetBias: Float
  public let seed: UInt64
  public var layer = 0
  private var weights: LazyWeights<LSTMCell<Float>>

  /// - Parameters:
  ///   - numUnits: width of c, h and output.
  ///   - seed: of the first weights.
  public init(numUnits: Int, forgetBias: Float = 1, seed: UInt64 = 0) {
    self.numUnits = numUnits
    self.forgetBias = forgetBias
    self.seed = seed
    // TensorFlow's order i j f o in terms of ours, i f g o, where g is its j.
    weights = LazyWeights(numUnits: numUnits, gates: [0, 2, 1, 3]) { inputSize, builder in
      LSTMCell(
        inputSize: inputSize, hiddenSize: numUnits, .lstm(forgetBias: Double(forgetBias)), suffix: "",
        in: &builder)
    }
  }

  public var stateSize: StateSize { .lstm(c: numUnits, h: numUnits) }
  public var outputSize: Int { numUnits }
  public var singleCells: [AnyObject] { [self] }

  public func zeroState(batchSize: Int) -> LSTMStateTuple {
    LSTMStateTuple(c: .zeros([batchSize, numUnits]), h: .zeros([batchSize, numUnits]))
  }

  public func call(
    _ inputs: Tensor<Float>, _ state: LSTMStateTuple
  ) -> (output: Tensor<Float>, state: LSTMStateTuple) {
    precondition(inputs.shape.count == 2, "inputs of shape \(inputs.shape) are not [batch, width]")
    let (cell, parameters) = weights.cell(inputSize: inputs.shape[1], seed: seed, layer: layer)
    let (output, next) = cell(inputs, .lstm(c: state.c, h: state.h), parameters)
    return (output, LSTMStateTuple(next))
  }

  public func callAll(
    _ inputs: Tensor<Float>, sequenceLengths: [Int]?, initialState: LSTMStateTuple
  ) -> (outputs: Tensor<Float>, state: LSTMStateTuple) {
    let (cell, parameters) = weights.cell(inputSize: inputs.shape[2], seed: seed, layer: layer)
    let result = dynamicRNN(
      cell, inputs, sequenceLengths: sequenceLengths,
      initialState: .lstm(c: initialState.c, h: initialState.h), parameters: parameters)
    return (result.outputs, LSTMStateTuple(result.state))
  }

  /// [inputSize + numUnits, 4 · numUnits], columns i j f o; nil before the first call.
  public var kernel: Tensor<Float>? { weights.tensors?.kernel }
  /// [4 · numUnits]; nil before the first call.
  public var bias: Tensor<Float>? { weights.tensors?.bias }
  /// Overwrites kernel [inputSize + numUnits, 4 · numUnits] and bias [4 · numUnits], both in the order i j f o.
  public func setWeights(kernel: Tensor<Float>, bias: Tensor<Float>) {
    weights.set(kernel: kernel, bias: bias)
  }
}

extension LSTMStateTuple {
  /// The state of an LSTM cell.
  fileprivate init(_ state: CellState<Float>) {
    guard let c = state.c else { preconditionFailure("an LSTM returned a state without c: \(state)") }
    self.init(c: c, h: state.h)
  }
}
