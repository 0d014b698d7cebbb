import NumericKernels
import Parameters

/// TensorFlow's BasicRNNCell: output = new state = act([inputs, state] · kernel + bias).
public final class BasicRNNCell: SingleTensorFlowCell {
  public let numUnits: Int
  public let activation: RNNActivation
  public var layer = 0
  var weights: LazyWeights<RNNCell<Float>>

  /// - Parameters:
  ///   - numUnits: width of state and output.
  ///   - seed: of the initial weights.
  public init(numUnits: Int, activation: RNNActivation = .tanh, seed: UInt64 = 0) {
    self.numUnits = numUnits
    self.activation = activation
    weights = LazyWeights(numUnits: numUnits, gates: [0], seed: seed) { inputSize, builder in
      RNNCell(inputSize: inputSize, hiddenSize: numUnits, activation: activation, in: &builder)
    }
  }

  public typealias State = Tensor<Float>
  public var stateSize: StateSize { .vector(numUnits) }
  func cellState(_ state: Tensor<Float>) -> CellState<Float> { .vector(state) }
  func state(_ state: CellState<Float>) -> Tensor<Float> { state.h }

  /// [inputSize + numUnits, numUnits]; nil before the first call.
  public var kernel: Tensor<Float>? { weights.tensors?.kernel }
  /// [numUnits]; nil before the first call.
  public var bias: Tensor<Float>? { weights.tensors?.bias }
  /// Overwrites kernel and bias.
  public func setWeights(kernel: Tensor<Float>, bias: Tensor<Float>) {
    weights.set(kernel: kernel, bias: bias, layer: layer)
  }
}

/// TensorFlow's BasicLSTMCell.
///
///     i, j, f, o = split([inputs, h] · kernel + bias)
///     new_c = c ∘ σ(f + forget_bias) + σ(i) ∘ tanh(j)
///     new_h = tanh(new_c) ∘ σ(o)
///
/// The output is new_h; the state is both. `forgetBias` is added at run time and is 1 by default. The columns of the
/// kernel are in the order i j f o.
public final class BasicLSTMCell: SingleTensorFlowCell {
  public let numUnits: Int
  public let forgetBias: Float
  public var layer = 0
  var weights: LazyWeights<LSTMCell<Float>>

  /// - Parameters:
  ///   - numUnits: width of c, h and output.
  ///   - seed: of the initial weights.
  public init(numUnits: Int, forgetBias: Float = 1, seed: UInt64 = 0) {
    self.numUnits = numUnits
    self.forgetBias = forgetBias
    // TensorFlow's order i j f o in terms of ours, i f g o, where g is its j.
    weights = LazyWeights(numUnits: numUnits, gates: [0, 2, 1, 3], seed: seed) { inputSize, builder in
      LSTMCell(inputSize: inputSize, hiddenSize: numUnits, forgetBias: Double(forgetBias), in: &builder)
    }
  }

  public typealias State = LSTMStateTuple
  public var stateSize: StateSize { .lstm(c: numUnits, h: numUnits) }
  func cellState(_ state: LSTMStateTuple) -> CellState<Float> { .lstm(c: state.c, h: state.h) }
  func state(_ state: CellState<Float>) -> LSTMStateTuple {
    guard let c = state.c else { preconditionFailure("an LSTM returned a state without c: \(state)") }
    return LSTMStateTuple(c: c, h: state.h)
  }

  /// [inputSize + numUnits, 4 · numUnits]; nil before the first call.
  public var kernel: Tensor<Float>? { weights.tensors?.kernel }
  /// [4 · numUnits]; nil before the first call.
  public var bias: Tensor<Float>? { weights.tensors?.bias }
  /// Overwrites kernel and bias, both in the order i j f o.
  public func setWeights(kernel: Tensor<Float>, bias: Tensor<Float>) {
    weights.set(kernel: kernel, bias: bias, layer: layer)
  }
}

/// A TensorFlow-style cell that wraps a single ``RecurrentCell`` and its weights.
protocol SingleTensorFlowCell: TensorFlowCell {
  associatedtype Cell: RecurrentCell where Cell.Element == Float
  var weights: LazyWeights<Cell> { get set }

  /// Converts the state to the form of ``RecurrentCell``, and back.
  func cellState(_ state: State) -> CellState<Float>
  func state(_ state: CellState<Float>) -> State
}

extension SingleTensorFlowCell {
  public var outputSize: Int { weights.numUnits }
  public var singleCells: [AnyObject] { [self] }

  public func zeroState(batchSize: Int) -> State { state(.zero(stateSize, batchSize: batchSize)) }

  public func call(_ inputs: Tensor<Float>, _ state: State) -> (output: Tensor<Float>, state: State) {
    precondition(inputs.shape.count == 2, "inputs of shape \(inputs.shape) are not [batch, width]")
    let (cell, parameters) = weights.cell(inputSize: inputs.shape[1], layer: layer)
    let (output, next) = cell(inputs, cellState(state), parameters)
    return (output, self.state(next))
  }

  public func callAll(
    _ inputs: Tensor<Float>, sequenceLengths: [Int]?, initialState: State
  ) -> (outputs: Tensor<Float>, state: State) {
    let (cell, parameters) = weights.cell(inputSize: inputs.shape[2], layer: layer)
    let result = dynamicRNN(
      cell, inputs, sequenceLengths: sequenceLengths, initialState: cellState(initialState),
      parameters: parameters)
    return (result.outputs, state(result.state))
  }
}

/// The weights of one TensorFlow-style cell, made when the width of the input is known.
///
/// TensorFlow keeps one `kernel` [inputSize + numUnits, gates · numUnits], by which the joined vector [input, state] is
/// multiplied, and one `bias`. Internally they are the parameters of a ``RecurrentCell``: the kernel's upper rows are
/// `weight_ih`, its lower ones `weight_hh`, each transposed and with the gates in a different order; `bias_hh` stays zero.
struct LazyWeights<Cell: RecurrentCell> where Cell.Element == Float {
  let numUnits: Int
  /// The gate of the cell for every block of columns of the kernel.
  private let gates: [Int]
  private let seed: UInt64
  private let makeCell: @Sendable (_ inputSize: Int, inout ParameterLayout.Builder) -> Cell
  private var made: (cell: Cell, parameters: ParameterBuffer<Float>)?

  init(
    numUnits: Int, gates: [Int], seed: UInt64,
    makeCell: @escaping @Sendable (Int, inout ParameterLayout.Builder) -> Cell
  ) {
    precondition(numUnits > 0, "a cell of \(numUnits) units")
    self.numUnits = numUnits
    self.gates = gates
    self.seed = seed
    self.makeCell = makeCell
  }

  /// The cell with its weights. The first call makes them: the kernel by Glorot's uniform rule over all its rows and
  /// columns, the bias zero, as in TensorFlow.
  mutating func cell(inputSize: Int, layer: Int) -> (cell: Cell, parameters: ParameterBuffer<Float>) {
    if let made {
      precondition(
        made.cell.inputSize == inputSize,
        "an input of width \(inputSize) for a cell whose weights were made for width \(made.cell.inputSize)")
      return made
    }
    let bound = (6 / Double(inputSize + numUnits + gates.count * numUnits)).squareRoot()
    var builder = ParameterLayout.Builder(initializeAllUniform: bound)
    let cell = makeCell(inputSize, &builder)
    // Layers with the same seed start with different weights.
    let layerSeed = seed &+ UInt64(layer) &* 0x9E37_79B9_7F4A_7C15
    let parameters = ParameterBuffer<Float>(builder.build(), seed: layerSeed)
    for bias in cell.parameters[2...] { parameters.elements(bias).update(repeating: 0) }
    parameters.didChange()
    made = (cell, parameters)
    return (cell, parameters)
  }

  /// Visits the number of every unit and gate: its column in TensorFlow's kernel and bias, and its row in the cell's weights.
  private func forEachUnit(_ body: (_ column: Int, _ row: Int) -> Void) {
    for (block, gate) in gates.enumerated() {
      for unit in 0..<numUnits { body(block * numUnits + unit, gate * numUnits + unit) }
    }
  }

  /// Kernel and bias in TensorFlow's form; nil before the weights are made.
  var tensors: (kernel: Tensor<Float>, bias: Tensor<Float>)? {
    guard let (cell, parameters) = made else { return nil }
    let (width, own) = (gates.count * numUnits, cell.parameters)
    var kernel = Tensor<Float>.zeros([cell.inputSize + numUnits, width])
    var bias = Tensor<Float>.zeros([width])
    let (input, state) = (parameters.matrix(own[0]), parameters.matrix(own[1]))
    forEachUnit { column, row in
      for index in 0..<cell.inputSize { kernel[index, column] = input[row, index] }
      for index in 0..<numUnits { kernel[cell.inputSize + index, column] = state[row, index] }
      bias[column] = parameters.elements(own[2])[row] + parameters.elements(own[3])[row]
    }
    return (kernel, bias)
  }

  /// Overwrites all weights by a kernel and a bias in TensorFlow's form.
  mutating func set(kernel: Tensor<Float>, bias: Tensor<Float>, layer: Int) {
    let width = gates.count * numUnits
    precondition(
      kernel.shape.count == 2 && kernel.shape[0] > numUnits && kernel.shape[1] == width,
      "a kernel of shape \(kernel.shape) for [inputSize + \(numUnits), \(width)]")
    precondition(bias.shape == [width], "a bias of shape \(bias.shape) for [\(width)]")
    let inputSize = kernel.shape[0] - numUnits
    let (cell, parameters) = cell(inputSize: inputSize, layer: layer)
    let own = cell.parameters
    let (input, state) = (parameters.matrix(own[0]), parameters.matrix(own[1]))
    forEachUnit { column, row in
      for index in 0..<inputSize { input[row, index] = kernel[index, column] }
      for index in 0..<numUnits { state[row, index] = kernel[inputSize + index, column] }
      parameters.elements(own[2])[row] = bias[column]
      parameters.elements(own[3])[row] = 0
    }
    parameters.didChange()
  }
}
