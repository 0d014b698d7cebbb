import NumericKernels
import Parameters

/// How a model's last layer spreads probability over a vocabulary.
public enum VocabularyOutput<Element: Scalar>: Sendable {
  case softmax(SoftmaxOutput<Element>)
  case adaptive(AdaptiveSoftmaxOutput<Element>)

  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] {
    switch self {
    case .softmax(let output): output.parameters
    case .adaptive(let output): output.parameters
    }
  }

  /// Cross-entropy summed over the rows, nats; shapes and gradients as in
  /// ``SoftmaxOutput/loss(_:targets:smoothing:gradient:into:_:)``. An adaptive softmax knows no label smoothing.
  public func loss(
    _ h: MatrixView<Element>, targets: UnsafePointer<Int32>, smoothing: Double,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    switch self {
    case .softmax(let output):
      return output.loss(
        h, targets: targets, smoothing: smoothing, gradient: dh, into: gradients, context)
    case .adaptive(let output):
      precondition(smoothing == 0, "label smoothing of \(smoothing) with an adaptive softmax")
      return output.loss(h, targets: targets, gradient: dh, into: gradients, context)
    }
  }

  /// Overwrites `logits` [N, V] with numbers whose softmax is the distribution.
  public func logits(
    _ h: MatrixView<Element>, into logits: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    switch self {
    case .softmax(let output): output.logits(h, into: logits, context)
    case .adaptive(let output): output.logits(h, into: logits, context)
    }
  }
}
