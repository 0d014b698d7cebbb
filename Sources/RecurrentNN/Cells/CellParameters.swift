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

extension MatrixView {
  /// The matrix itself if its rows lie without gaps, as the cell kernels want them, or else a copy.
  func contiguous(_ arena: Arena<Element>) -> MatrixView {
    if isContiguous { return self }
    let copy = arena.matrix(rows, columns)
    copy.copy(from: self)
    return copy
  }
}
