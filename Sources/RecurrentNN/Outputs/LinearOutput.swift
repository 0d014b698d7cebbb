import CKernels
import NumericKernels
import Parameters

/// An output layer of numbers or of independent bits, with its loss, from z = W h + b:
///
///     numbers   y = z       L = Σ_k (y_k - t_k)²
///     bits      p = σ(z)    L = -Σ_k t_k log p_k + (1 - t_k) log(1 - p_k)
///
/// Shapes: h [N, inputSize], `weight` [size, inputSize], `bias` [size], targets t [N, size], for bits in 0...1. The squared
/// error has no factor 1/2 and is summed over the numbers of a row: the mean squared error of a number is the loss per row
/// over `size`. Bits are those of Boulanger-Lewandowski et al. 2012 for music, one per key.
public struct LinearOutput<Element: Scalar>: Sendable {
  public enum Kind: Sendable, Hashable {
    case numbers, bits
  }

  public let kind: Kind
  private let linear: Linear<Element>

  public var inputSize: Int { linear.inputSize }
  public var size: Int { linear.outputSize }
  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] { [linear.weight, linear.bias] }

  /// Adds `weight` and `bias` to a layout, drawn from U(±1/√inputSize) as torch.nn.Linear does.
  public init(
    _ kind: Kind = .numbers, inputSize: Int, size: Int, in builder: inout ParameterLayout.Builder
  ) {
    self.kind = kind
    linear = Linear(inputSize: inputSize, outputSize: size, in: &builder)
  }

  /// The loss summed over the rows: squared errors, or cross-entropy in nats.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - targets: [N, size]. Rows of bits that begin with a number below zero are skipped.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: the gradients of weight and bias are ADDED here if given.
  public func loss(
    _ h: MatrixView<Element>, targets: MatrixView<Element>, gradient dh: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> Double {
    context.arena.scoped {
      // z, and after the kernel its gradient.
      let z = context.arena.matrix(h.rows, size)
      context.multiply(h, by: linear.weight, transposed: true, into: z)
      let arguments = rnd_output_loss(
        rows: h.rows, columns: size, y: z.base, stride: z.stride,
        bias: context.parameters.pointer(linear.bias), target: targets.base, target_stride: targets.stride,
        with_gradient: dh != nil)
      let total =
        switch kind {
        case .numbers: rnd_squared_error(Element.kernelType, arguments)
        case .bits: rnd_sigmoid_cross_entropy(Element.kernelType, arguments)
        }
      linear.backward(h, preActivation: z, inputGradient: dh, into: gradients, context)
      return total
    }
  }

  /// Overwrites `values` [N, size] with y or p.
  public func predict(
    _ h: MatrixView<Element>, into values: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(h, by: linear.weight, transposed: true, into: values)
    values.activate(kind == .bits ? .sigmoid : .identity, bias: context.parameters.pointer(linear.bias))
  }
}
