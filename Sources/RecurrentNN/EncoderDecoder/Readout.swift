import NumericKernels
import Parameters

/// The output vector r of every step, see ``DecoderReadout``. Parameters of the hidden form: `read.weight` [R, joined
/// width] over [s; c; y] in this order, `read.bias` [R].
struct Readout<Element: Scalar>: Sendable {
  private let hidden: (weight: Parameter, bias: Parameter)?
  /// Places of s, c and y in the joined vector.
  let outputColumns: Range<Int>
  let contextColumns: Range<Int>
  let inputColumns: Range<Int>

  init(
    _ shape: DecoderReadout, outputSize: Int, contextSize: Int, inputSize: Int,
    in builder: inout ParameterLayout.Builder
  ) {
    outputColumns = 0..<outputSize
    contextColumns = outputSize..<outputSize + (shape.withContext ? contextSize : 0)
    inputColumns = contextColumns.upperBound..<contextColumns.upperBound + (shape.withInput ? inputSize : 0)
    if case .hidden(let size, _, _) = shape {
      let joined = inputColumns.upperBound
      let initializer = Initializer.uniform(1 / Double(joined).squareRoot())
      hidden = (
        builder.add("read.weight", [size, joined], initializer), builder.add("read.bias", [size], initializer)
      )
    } else {
      hidden = nil
    }
  }

  /// Width of r.
  var size: Int { hidden?.bias.count ?? joinedSize }
  /// Width of [s; c; y].
  var joinedSize: Int { inputColumns.upperBound }
  /// True if r is s itself.
  var isOutput: Bool { hidden == nil && joinedSize == outputColumns.count }
  var parameters: [Parameter] { hidden.map { [$0.weight, $0.bias] } ?? [] }

  /// Overwrites `joined` with [s; c; y] and `r`; they are the same matrix in the direct form.
  func forward(
    _ s: MatrixView<Element>, context c: MatrixView<Element>, input y: MatrixView<Element>,
    joined: MatrixView<Element>, into r: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard !isOutput else { return }
    joined.columns(outputColumns).copy(from: s)
    if !contextColumns.isEmpty { joined.columns(contextColumns).copy(from: c) }
    if !inputColumns.isEmpty { joined.columns(inputColumns).copy(from: y) }
    guard let hidden else { return }
    context.multiply(joined, by: hidden.weight, transposed: true, into: r)
    Element.activateRows(
      r.base, r.stride, context.parameters.pointer(hidden.bias), r.rows, r.columns, .tanh)
  }

  /// Given r and its gradient (overwritten with that of what tanh was applied to), overwrites the gradient of the joined
  /// vectors, which in the direct form is the same matrix.
  func backward(
    _ r: MatrixView<Element>, gradient dr: MatrixView<Element>, joinedGradient: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let hidden else { return }
    Element.activateBackward(dr.base, dr.stride, r.base, r.stride, r.rows, r.columns, .tanh)
    context.multiply(dr, by: hidden.weight, transposed: false, into: joinedGradient)
  }

  /// Both of all rows at once: the gradient of the joined vectors replaces them, once that of the weights needs them no more.
  func backwardAll(
    _ r: MatrixView<Element>, gradient dr: MatrixView<Element>, replacing joined: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    guard let hidden else { return }
    Element.activateBackward(dr.base, dr.stride, r.base, r.stride, r.rows, r.columns, .tanh)
    finishBackward(joined: joined, gradient: dr, into: gradients, context)
    context.multiply(dr, by: hidden.weight, transposed: false, into: joined)
  }

  /// ADDS the gradients of the parameters, given those that `backward` left in `dr`, for all rows.
  func finishBackward(
    joined: MatrixView<Element>, gradient dr: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let hidden else { return }
    context.multiply(dr, joined, .left, into: gradients.matrix(hidden.weight), accumulate: true)
    Element.addColumnSums(dr.base, dr.stride, dr.rows, dr.columns, gradients.pointer(hidden.bias))
  }
}
