import NumericKernels
import Options
import Parameters

/// How the initial values of a cell's parameters are drawn.
public enum CellInitialization: String, OptionChoice {
  /// Everything from U(±1/√H), as torch.nn.LSTM, GRU and RNN do.
  case pytorch
  /// The weights of each gate from U(±√(6 / (fanIn + fanOut))) (Glorot & Bengio 2010), biases zero.
  case xavier
  /// As `xavier`, but the recurrent weights of each gate are a random orthogonal matrix (Saxe et al. 2013).
  case orthogonal

  /// The initializer of a weight [gates · rows, columns] in which every gate is a separate matrix.
  func weight(gates: Int, rows: Int, columns: Int, units: Int) -> Initializer {
    switch self {
    case .pytorch: .uniform(1 / Double(units).squareRoot())
    case .xavier, .orthogonal: .xavier(fanIn: columns, fanOut: rows)
    }
  }

  /// The initializer of the recurrent weight.
  func recurrent(gates: Int, rows: Int, columns: Int, units: Int) -> Initializer {
    self == .orthogonal
      ? .blocks(Array(repeating: .orthogonal, count: gates))
      : weight(gates: gates, rows: rows, columns: columns, units: units)
  }

  /// The initializer of a vector of biases or peepholes.
  func vector(units: Int) -> Initializer {
    switch self {
    case .pytorch: .uniform(1 / Double(units).squareRoot())
    case .xavier, .orthogonal: .constant(0)
    }
  }
}

/// The four parameters of a cell with a recurrent product, named and shaped as PyTorch does.
///
/// For G gates of H units and a hidden state of width P (H without a projection): `weight_ih` [G·H, inputSize],
/// `weight_hh` [G·H, P], `bias_ih` [G·H], `bias_hh` [G·H].
struct CellParameters {
  let weightIH: Parameter
  let weightHH: Parameter
  let biasIH: Parameter
  let biasHH: Parameter

  /// All four, in layout order.
  var all: [Parameter] { [weightIH, weightHH, biasIH, biasHH] }

  /// - Parameters:
  ///   - stateWidth: P; H if nil.
  ///   - forgetGate: the index of the forget gate, if there is one.
  init(
    _ setup: CellSetup, gates: Int, stateWidth: Int? = nil, forgetGate: Int? = nil,
    in builder: inout ParameterLayout.Builder
  ) {
    let (H, suffix, options) = (setup.hiddenSize, setup.suffix, setup.options)
    let (rows, P, first) = (gates * H, stateWidth ?? H, options.initialization)
    precondition(setup.inputSize > 0 && H > 0, "a cell of inputSize \(setup.inputSize) and hiddenSize \(H)")
    weightIH = builder.add(
      "weight_ih" + suffix, [rows, setup.inputSize],
      first.weight(gates: gates, rows: H, columns: setup.inputSize, units: H))
    weightHH = builder.add(
      "weight_hh" + suffix, [rows, P], first.recurrent(gates: gates, rows: H, columns: P, units: H))
    // With layer normalization, biases start at zero, like those of normalization layers.
    let plain = options.layerNorm ? .constant(0) : first.vector(units: H)
    func bias(forget: Double) -> Initializer {
      guard let forgetGate, options.forgetGateInit != nil else { return plain }
      return .blocks((0..<gates).map { $0 == forgetGate ? .constant(forget) : plain })
    }
    // Only the sum of both biases matters: if the forget bias is given, the second one is zero.
    biasIH = builder.add("bias_ih" + suffix, [rows], bias(forget: options.forgetGateInit ?? 0))
    biasHH = builder.add("bias_hh" + suffix, [rows], bias(forget: 0))
  }

  /// b_ih + b_hh, [1, gates], in arena memory.
  func summedBias<Element>(_ context: LayerContext<Element>) -> MatrixView<Element> {
    let bias = context.arena.matrix(1, biasIH.count)
    bias.copy(from: context.parameters.matrix(biasIH))
    bias.add(context.parameters.matrix(biasHH))
    return bias
  }

  /// Adds a gradient that both biases share.
  func addBiasGradient<Element>(_ gradient: MatrixView<Element>, to gradients: ParameterBuffer<Element>) {
    gradients.matrix(biasIH).add(gradient)
    gradients.matrix(biasHH).add(gradient)
  }
}

/// A cell that adds its recurrent product to the gates before anything else: gates = W_ih x + W_hh h + b. The gradients of all
/// its parameters are then those of one product and of one bias.
protocol SummedGatesCell: SteppedCell
where Cache == RecurrentCache<Element>, BackwardState == PackedMatrix<Element> {
  var weights: CellParameters { get }
}

extension SummedGatesCell {
  public var parameters: [Parameter] { weights.all }
  public var weightIH: Parameter { weights.weightIH }
  /// The sums over rows, those of the biases, are computed after the last step.
  public var hasIndependentRows: Bool { true }

  /// W_hh packed for the forward pass, with the sum of both biases.
  func recurrentCache(_ context: LayerContext<Element>) -> RecurrentCache<Element> {
    RecurrentCache(
      bias: weights.summedBias(context), weight: context.packed(weights.weightHH, transposed: true))
  }

  /// W_hh packed for the backward pass.
  public func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: RecurrentCache<Element>, _ context: LayerContext<Element>
  ) -> PackedMatrix<Element> {
    context.packed(weights.weightHH, transposed: false)
  }

  public func addGradients(
    _ pass: CellPass<Element>, _ cache: RecurrentCache<Element>, _ weight: PackedMatrix<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(
      pass.gates, pass.recurrentInputs(context), .left, into: gradients.matrix(weights.weightHH),
      accumulate: true)
    context.arena.scoped {
      let bias = context.arena.zeros(1, weights.biasIH.count)
      pass.gates.addColumnSums(to: bias.base)
      weights.addBiasGradient(bias, to: gradients)
    }
  }
}

/// The data of a cell that adds one recurrent product to its gates: W_hh, and the sum of both biases, [1, gates].
public struct RecurrentCache<Element: Scalar> {
  let bias: MatrixView<Element>
  let weight: PackedMatrix<Element>
}
