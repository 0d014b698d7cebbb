import NumericKernels
import Parameters

/// The output vector r of every step, see ``DecoderReadout``. Parameters of the hidden form: `read.weight` [R, joined
/// width] over [s; c; y] in this order, `read.bias` [R].
struct Readout<Element: Scalar>: Sendable {
  private let hidden: (weight: Parameter, bias: Parameter)?
  /// The columns of s, c and y in the joined vector.
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

  /// Calls `body` for each of s, c and y that is used, with its columns.
  private func forEachOperand(
    _ s: MatrixView<Element>, _ c: MatrixView<Element>, _ y: MatrixView<Element>?,
    _ body: (MatrixView<Element>, Range<Int>) -> Void
  ) {
    body(s, outputColumns)
    if !contextColumns.isEmpty { body(c, contextColumns) }
    if !inputColumns.isEmpty, let y { body(y, inputColumns) }
  }

  /// Overwrites r. The hidden form multiplies s, c and y with their columns of the weight, without joining them.
  func forward(
    _ s: MatrixView<Element>, context c: MatrixView<Element>, input y: MatrixView<Element>?,
    into r: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard !isOutput else { return }
    guard let hidden else {
      return forEachOperand(s, c, y) { r.columns($1).copy(from: $0) }
    }
    forEachOperand(s, c, y) {
      context.multiply(
        $0, by: hidden.weight, columns: $1, transposed: true, into: r, accumulate: $1 != outputColumns)
    }
    r.activate(.tanh, bias: context.parameters.pointer(hidden.bias))
  }

  /// Given r and its gradient (overwritten with that of the pre-activation), overwrites the gradient of [s; c; y],
  /// which in the direct form is the same matrix.
  func backward(
    _ r: MatrixView<Element>, gradient dr: MatrixView<Element>, joinedGradient: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let hidden else { return }
    dr.activateBackward(.tanh, r)
    context.multiply(dr, by: hidden.weight, transposed: false, into: joinedGradient)
  }

  /// ADDS the gradients of the parameters, given those that `backward` left in `dr`, for all rows.
  func finishBackward(
    _ s: MatrixView<Element>, context c: MatrixView<Element>, input y: MatrixView<Element>?,
    gradient dr: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let hidden else { return }
    let weight = gradients.matrix(hidden.weight)
    forEachOperand(s, c, y) { context.multiply(dr, $0, .left, into: weight.columns($1), accumulate: true) }
    dr.addColumnSums(to: gradients.pointer(hidden.bias))
  }
}
