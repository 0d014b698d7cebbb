import NumericKernels
import Parameters

/// An output layer of independent bits: p_k = σ(W h + b)_k, with its cross-entropy (Boulanger-Lewandowski et al. 2012 for
/// music, one bit a key).
///
///     L = -Σ_k t_k log p_k + (1 - t_k) log(1 - p_k)
///
/// Shapes: h [N, inputSize], `weight` [bits, inputSize], `bias` [bits], targets t [N, bits] in 0...1.
public struct BernoulliOutput<Element: Scalar>: Sendable {
  private let linear: Linear<Element>

  public var inputSize: Int { linear.inputSize }
  public var bits: Int { linear.outputSize }
  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] { [linear.weight, linear.bias] }

  /// Adds `weight` and `bias` to a layout, drawn from U(±1/√inputSize) as torch.nn.Linear does.
  public init(inputSize: Int, bits: Int, in builder: inout ParameterLayout.Builder) {
    linear = Linear(inputSize: inputSize, outputSize: bits, in: &builder)
  }

  /// The cross-entropy summed over bits and rows, nats.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - targets: [N, bits]; rows that begin with a number below zero count for nothing.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: those of weight and bias are ADDED here if given.
  public func loss(
    _ h: MatrixView<Element>, targets: MatrixView<Element>, gradient dh: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> Double {
    context.arena.scoped {
      let logits = context.arena.matrix(h.rows, bits)
      context.multiply(h, context.parameters.matrix(linear.weight), .right, into: logits)
      let total = Element.sigmoidCrossEntropy(
        logits.base, logits.stride, context.parameters.pointer(linear.bias), targets.base, targets.stride,
        h.rows, bits, dh != nil)
      linear.backward(h, preActivation: logits, inputGradient: dh, into: gradients, context)
      return total
    }
  }

  /// Overwrites `probabilities` [N, bits] with σ(W h + b).
  public func probabilities(
    _ h: MatrixView<Element>, into probabilities: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(h, context.parameters.matrix(linear.weight), .right, into: probabilities)
    Element.activateRows(
      probabilities.base, probabilities.stride, context.parameters.pointer(linear.bias), h.rows, bits,
      .sigmoid)
  }
}

extension Linear {
  /// The backward pass from the gradient of the pre-activation [N, outputSize]: dh = dz W, overwritten; dW += dzᵀ h;
  /// db += Σ dz. Nothing is done without `dh` and `gradients`.
  func backward(
    _ h: MatrixView<Element>, preActivation dz: MatrixView<Element>, inputGradient dh: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) {
    if let dh { context.multiply(dz, context.parameters.matrix(weight), into: dh) }
    guard let gradients else { return }
    context.multiply(dz, h, .left, into: gradients.matrix(weight), accumulate: true)
    Element.addColumnSums(dz.base, dz.stride, dz.rows, dz.columns, gradients.pointer(bias))
  }
}
