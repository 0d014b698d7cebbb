import NumericKernels
import Parameters

/// The weights of one TensorFlow-style cell, made when the width of the input is known.
///
/// TensorFlow keeps one `kernel` [inputSize + numUnits, gates · numUnits], which the joined vector [input, state] is
/// multiplied with, and one `bias`. Inside they are the parameters of a ``RecurrentCell``: the kernel's upper rows are
/// `weight_ih`, its lower ones `weight_hh`, each transposed and in another order of gates; `bias_hh` stays zero.
struct LazyWeights<Cell: RecurrentCell> where Cell.Element == Float {
  let numUnits: Int
  /// For every block of columns of the kernel the gate of the cell it belongs to.
  let gates: [Int]
  let makeCell: @Sendable (_ inputSize: Int, inout ParameterLayout.Builder) -> Cell
  private(set) var made: (cell: Cell, parameters: ParameterBuffer<Float>)?

  init(
    numUnits: Int, gates: [Int],
    makeCell: @escaping @Sendable (Int, inout ParameterLayout.Builder) -> Cell
  ) {
    precondition(numUnits > 0, "a cell of \(numUnits) units")
    self.numUnits = numUnits
    self.gates = gates
    self.makeCell = makeCell
  }

  /// The cell with its weights. The first call makes them: the kernel by Glorot's uniform rule over all its rows and
  /// columns, the bias zero, as TensorFlow's variables begin.
  mutating func cell(
    inputSize: Int, seed: UInt64, layer: Int
  ) -> (cell: Cell, parameters: ParameterBuffer<Float>) {
    if let made {
      precondition(
        made.cell.inputSize == inputSize,
        "an input of width \(inputSize) for a cell whose weights were made for width \(made.cell.inputSize)")
      return made
    }
    let bound = (6 / Double(inputSize + numUnits + gates.count * numUnits)).squareRoot()
    var builder = ParameterLayout.Builder(initializeAllUniform: bound)
    let cell = makeCell(inputSize, &builder)
    // Layers of one seed begin with different weights.
    let layerSeed = seed &+ UInt64(layer) &* 0x9E37_79B9_7F4A_7C15
    let parameters = ParameterBuffer<Float>(builder.build(), seed: layerSeed)
    for bias in cell.parameters[2...] { parameters.elements(bias).update(repeating: 0) }
    parameters.didChange()
    made = (cell, parameters)
    return (cell, parameters)
  }

  /// Where TensorFlow's kernel and bias keep the number of row `unit` of a gate's weights.
  private func column(_ block: Int, _ unit: Int) -> Int { block * numUnits + unit }

  /// Kernel and bias in TensorFlow's form; nil before the weights are made.
  var tensors: (kernel: Tensor<Float>, bias: Tensor<Float>)? {
    guard let (cell, parameters) = made else { return nil }
    let width = gates.count * numUnits
    var kernel = Tensor<Float>.zeros([cell.inputSize + numUnits, width])
    var bias = Tensor<Float>.zeros([width])
    let (input, state) = (
      parameters.matrix(cell.parameters[0]), parameters.matrix(cell.parameters[1])
    )
    for (block, gate) in gates.enumerated() {
      for unit in 0..<numUnits {
        let row = gate * numUnits + unit
        for index in 0..<cell.inputSize { kernel[index, column(block, unit)] = input[row, index] }
        for index in 0..<numUnits {
          kernel[cell.inputSize + index, column(block, unit)] = state[row, index]
        }
        bias[column(block, unit)] =
          parameters.elements(cell.parameters[2])[row] + parameters.elements(cell.parameters[3])[row]
      }
    }
    return (kernel, bias)
  }

  /// Overwrites all weights by a kernel and a bias in TensorFlow's form.
  mutating func set(kernel: Tensor<Float>, bias: Tensor<Float>) {
    let width = gates.count * numUnits
    precondition(
      kernel.shape.count == 2 && kernel.shape[0] > numUnits && kernel.shape[1] == width,
      "a kernel of shape \(kernel.shape) for [inputSize + \(numUnits), \(width)]")
    precondition(bias.shape == [width], "a bias of shape \(bias.shape) for [\(width)]")
    let inputSize = kernel.shape[0] - numUnits
    let (cell, parameters) = cell(inputSize: inputSize, seed: 0, layer: 0)
    let (input, state) = (
      parameters.matrix(cell.parameters[0]), parameters.matrix(cell.parameters[1])
    )
    for (block, gate) in gates.enumerated() {
      for unit in 0..<numUnits {
        let row = gate * numUnits + unit
        for index in 0..<inputSize { input[row, index] = kernel[index, column(block, unit)] }
        for index in 0..<numUnits { state[row, index] = kernel[inputSize + index, column(block, unit)] }
        parameters.elements(cell.parameters[2])[row] = bias[column(block, unit)]
        parameters.elements(cell.parameters[3])[row] = 0
      }
    }
    parameters.didChange()
  }
}
