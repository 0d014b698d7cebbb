import CKernels
import NumericKernels
import Parameters

/// Layer normalization of the gates' pre-activations (Ba et al. 2016, equations 20-22 and those of the GRU in its
/// supplement): input part and recurrent part each get mean 0, variance 1 and a learned gain.
///
///     a = α_x ∘ LN(W_ih x) + b_ih + α_h ∘ LN(W_hh h) + b_hh,   LN(v) = (v − mean v) / √(var v + 1e-5)
///
/// Mean and variance are taken over a block of gates: all gates of an LSTM; r and z together, and n, of a GRU. The
/// paper's shifts β are the cell's two biases. Parameters `norm_ih` and `norm_hh` [gates]: the gains, initially 1.
struct GateNormalization<Element: Scalar>: Sendable {
  let gainIH: Parameter
  let gainHH: Parameter
  /// The columns of each block.
  let blocks: [Range<Int>]

  var parameters: [Parameter] { [gainIH, gainHH] }

  /// Adds both gains to a layout.
  init(blocks: [Range<Int>], suffix: String, in builder: inout ParameterLayout.Builder) {
    let width = blocks[blocks.count - 1].upperBound
    self.blocks = blocks
    gainIH = builder.add("norm_ih" + suffix, [width], .constant(1), insists: true)
    gainHH = builder.add("norm_hh" + suffix, [width], .constant(1), insists: true)
  }

  /// The cache of a part for all rows: the normalized numbers and the factors that made their variance 1.
  struct Part {
    let gain: Parameter
    let normalized: MatrixView<Element>
    let scales: MatrixView<Element>
  }

  /// Both parts.
  struct Cache {
    let input: Part
    let state: Part
  }

  /// Summed gradients of the gains.
  struct Gradients {
    let input: MatrixView<Element>
    let state: MatrixView<Element>
  }

  func makeCache(_ layout: PackedLayout, _ context: LayerContext<Element>) -> Cache {
    let (N, width) = (layout.rowCount, gainIH.count)
    func part(_ gain: Parameter) -> Part {
      Part(
        gain: gain, normalized: context.arena.matrix(N, width), scales: context.arena.matrix(N, blocks.count))
    }
    return Cache(input: part(gainIH), state: part(gainHH))
  }

  func makeGradients(_ context: LayerContext<Element>) -> Gradients {
    Gradients(input: context.arena.zeros(1, gainIH.count), state: context.arena.zeros(1, gainHH.count))
  }

  /// Normalizes the products of some rows in place and applies the gain.
  func forward(_ part: Part, rows: Range<Int>, _ x: MatrixView<Element>, _ context: LayerContext<Element>) {
    let gain = context.parameters.pointer(part.gain)
    for (index, block) in blocks.enumerated() {
      rnd_layer_norm_forward(
        Element.kernelType,
        rnd_layer_norm(
          rows: x.rows, columns: block.count, x: x.base + block.lowerBound, stride: x.stride,
          gain: gain + block.lowerBound, bias: nil,
          normalized: part.normalized.row(rows.lowerBound) + block.lowerBound,
          normalized_stride: part.normalized.stride, scale: part.scales.row(rows.lowerBound) + index,
          scale_stride: part.scales.stride))
    }
  }

  /// Turns the gradients of the normalized products of some rows into those of the products, in place, and adds to the
  /// gradient of the gain.
  func backward(
    _ part: Part, rows: Range<Int>, _ d: MatrixView<Element>, gain dGain: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) {
    let gain = context.parameters.pointer(part.gain)
    for (index, block) in blocks.enumerated() {
      rnd_layer_norm_backward(
        Element.kernelType,
        rnd_layer_norm_gradient(
          rows: d.rows, columns: block.count, d: d.base + block.lowerBound, stride: d.stride,
          gain: gain + block.lowerBound, normalized: part.normalized.row(rows.lowerBound) + block.lowerBound,
          normalized_stride: part.normalized.stride, scale: part.scales.row(rows.lowerBound) + index,
          scale_stride: part.scales.stride, dgain: dGain.base + block.lowerBound, dbias: nil))
    }
  }

  /// Adds the summed gradients of the gains.
  func addGradients(_ sums: Gradients, to gradients: ParameterBuffer<Element>) {
    gradients.matrix(gainIH).add(sums.input)
    gradients.matrix(gainHH).add(sums.state)
  }
}
