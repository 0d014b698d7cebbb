import CKernels
import NumericKernels
import Parameters

/// An output layer of numbers: y = W h + b, with its squared error.
///
///     L = Σ_k (y_k - t_k)²
///
/// Shapes: h [N, inputSize], `weight` [size, inputSize], `bias` [size], targets t [N, size]. The loss has no factor 1/2,
/// and is summed over the numbers of a row: the mean squared error of a number is the loss per row over `size`.
public struct LinearOutput<Element: Scalar>: Sendable {
  private let linear: Linear<Element>

  public var inputSize: Int { linear.inputSize }
  public var size: Int { linear.outputSize }
  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] { [linear.weight, linear.bias] }

  /// Adds `weight` and `bias` to a layout, drawn from U(±1/√inputSize) as torch.nn.Linear does.
  public init(inputSize: Int, size: Int, in builder: inout ParameterLayout.Builder) {
    linear = Linear(inputSize: inputSize, outputSize: size, in: &builder)
  }

  /// The squared errors summed over numbers and rows.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - targets: [N, size].
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: those of weight and bias are ADDED here if given.
  public func loss(
    _ h: MatrixView<Element>, targets: MatrixView<Element>, gradient dh: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> Double {
    context.arena.scoped {
      let y = context.arena.matrix(h.rows, size)
      context.multiply(h, context.parameters.matrix(linear.weight), .right, into: y)
      let total = rnd_squared_error(
        Element.kernelType,
        rnd_output_loss(
          rows: h.rows, columns: size, y: y.base, stride: y.stride,
          bias: context.parameters.pointer(linear.bias), target: targets.base, target_stride: targets.stride,
          with_gradient: dh != nil))
      linear.backward(h, preActivation: y, inputGradient: dh, into: gradients, context)
      return total
    }
  }

  /// Overwrites `numbers` [N, size] with W h + b.
  public func numbers(
    _ h: MatrixView<Element>, into numbers: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    linear.forward(h, into: numbers, context.parameters)
  }
}

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
      let total = rnd_sigmoid_cross_entropy(
        Element.kernelType,
        rnd_output_loss(
          rows: h.rows, columns: bits, y: logits.base, stride: logits.stride,
          bias: context.parameters.pointer(linear.bias), target: targets.base, target_stride: targets.stride,
          with_gradient: dh != nil))
      linear.backward(h, preActivation: logits, inputGradient: dh, into: gradients, context)
      return total
    }
  }

  /// Overwrites `probabilities` [N, bits] with σ(W h + b).
  public func probabilities(
    _ h: MatrixView<Element>, into probabilities: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(h, context.parameters.matrix(linear.weight), .right, into: probabilities)
    probabilities.activate(.sigmoid, bias: context.parameters.pointer(linear.bias))
  }
}
