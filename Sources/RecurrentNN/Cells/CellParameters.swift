import NumericKernels
import Parameters

/// The four parameters every cell has, named and shaped as PyTorch does.
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
  ///   - forgetGate: which of the gates is a forget gate.
  init(
    inputSize: Int, hiddenSize: Int, stateWidth: Int? = nil, gates: Int, forgetGate: Int? = nil,
    _ options: CellOptions, suffix: String, in builder: inout ParameterLayout.Builder
  ) {
    precondition(
      inputSize > 0 && hiddenSize > 0, "a cell of inputSize \(inputSize) and hiddenSize \(hiddenSize)")
    let (rows, stateWidth) = (gates * hiddenSize, stateWidth ?? hiddenSize)
    let first = options.initialization
    weightIH = builder.add(
      "weight_ih" + suffix, [rows, inputSize],
      first.weight(gates: gates, rows: hiddenSize, columns: inputSize, units: hiddenSize))
    weightHH = builder.add(
      "weight_hh" + suffix, [rows, stateWidth],
      first.recurrent(gates: gates, rows: hiddenSize, columns: stateWidth, units: hiddenSize))
    // The sum of both biases is what counts: the second one of a given forget bias is zero. With layer
    // normalization biases begin at zero, as those of normalization layers do.
    biasIH = builder.add(
      "bias_ih" + suffix, [rows],
      first.bias(
        gates: gates, units: hiddenSize, forgetGate: forgetGate, forget: options.forgetGateInit,
        zero: options.layerNorm))
    biasHH = builder.add(
      "bias_hh" + suffix, [rows],
      first.bias(
        gates: gates, units: hiddenSize, forgetGate: forgetGate,
        forget: options.forgetGateInit.map { _ in 0 },
        zero: options.layerNorm))
  }

  /// b_ih + b_hh, [1, gates], in arena memory.
  func summedBias<Element>(_ context: LayerContext<Element>) -> MatrixView<Element> {
    let bias = context.arena.matrix(1, biasIH.count)
    bias.copy(from: context.parameters.matrix(biasIH))
    bias.add(context.parameters.matrix(biasHH))
    return bias
  }

  /// Adds a gradient that both biases have in common.
  func addBiasGradient<Element>(_ gradient: MatrixView<Element>, to gradients: ParameterBuffer<Element>) {
    gradients.matrix(biasIH).add(gradient)
    gradients.matrix(biasHH).add(gradient)
  }
}
