import NumericKernels
import Parameters

/// The four parameters every cell has, named, shaped and initialised as PyTorch does.
///
/// For G gates: `weight_ih` [G·H, inputSize], `weight_hh` [G·H, H], `bias_ih` [G·H], `bias_hh` [G·H], all
/// from U(±1/√H).
struct CellParameters {
  let weightIH: Parameter
  let weightHH: Parameter
  let biasIH: Parameter
  let biasHH: Parameter

  /// All four, in layout order.
  var all: [Parameter] { [weightIH, weightHH, biasIH, biasHH] }

  init(
    inputSize: Int, hiddenSize: Int, gates: Int, suffix: String, in builder: inout ParameterLayout.Builder
  ) {
    precondition(
      inputSize > 0 && hiddenSize > 0, "a cell of inputSize \(inputSize) and hiddenSize \(hiddenSize)")
    let rows = gates * hiddenSize
    let initializer = Initializer.uniform(1 / Double(hiddenSize).squareRoot())
    weightIH = builder.add("weight_ih" + suffix, [rows, inputSize], initializer)
    weightHH = builder.add("weight_hh" + suffix, [rows, hiddenSize], initializer)
    biasIH = builder.add("bias_ih" + suffix, [rows], initializer)
    biasHH = builder.add("bias_hh" + suffix, [rows], initializer)
  }
}

extension CellParameters {
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

extension PackedLayout {
  /// Slabs of a state for all steps, [batchSize + rowCount, H], the first holding the initial state.
  func slabs<Element>(from initial: MatrixView<Element>, _ arena: Arena<Element>) -> MatrixView<Element> {
    let slabs = arena.matrix(batchSize + rowCount, initial.columns)
    slabs.rows(0..<batchSize).copy(from: initial)
    return slabs
  }
}

extension MatrixView {
  /// The matrix itself if its rows lie without gaps, as the cell kernels want them, or else a copy.
  func contiguous(_ arena: Arena<Element>) -> MatrixView {
    if isContiguous { return self }
    let copy = arena.matrix(rows, columns)
    copy.copy(from: self)
    return copy
  }
}
