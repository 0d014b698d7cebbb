import CKernels
import NumericKernels
import Parameters

/// An output layer of numbers, of their quantiles or of independent bits, with its loss, from z = W h + b:
///
///     numbers     y = z       L = Σ_k (y_k - t_k)²
///     quantiles   y = z       L = Σ_k Σ_q max(q (t_k - y_kq), (q - 1) (t_k - y_kq))
///     bits        p = σ(z)    L = -Σ_k t_k log p_k + (1 - t_k) log(1 - p_k)
///
/// Shapes: h [N, inputSize], `weight` [outputs, inputSize], `bias` [outputs], targets t [N, size], for bits in 0...1, with `outputs` =
/// `size`, times the number of levels q for quantiles, those of a number side by side. The squared error has no factor 1/2 and is
/// summed over the numbers of a row: the mean squared error of a number is the loss per row over `size`. The quantile loss is
/// that of Koenker & Bassett 1978. Bits are those of Boulanger-Lewandowski et al. 2012 for music, one per key.
public struct LinearOutput<Element: Scalar>: Sendable {
  public enum Kind: Sendable, Hashable {
    case numbers, bits
    /// The quantiles at these levels, each between 0 and 1.
    case quantiles([Double])

    /// Outputs for each number or bit.
    fileprivate var outputs: Int { if case .quantiles(let levels) = self { levels.count } else { 1 } }
  }

  public let kind: Kind
  private let linear: Linear<Element>

  /// Numbers or bits of a target.
  public var size: Int { linear.outputSize / kind.outputs }
  /// Outputs of a row.
  public var outputSize: Int { linear.outputSize }

  /// Adds `weight` and `bias` to a layout, drawn from U(±1/√inputSize) as torch.nn.Linear does.
  public init(_ kind: Kind = .numbers, inputSize: Int, size: Int, in builder: inout ParameterLayout.Builder) {
    self.kind = kind
    linear = Linear(inputSize: inputSize, outputSize: size * kind.outputs, in: &builder)
  }

  /// The loss summed over the rows: squared errors, quantile losses, or cross-entropy in nats.
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
      let z = context.arena.matrix(h.rows, outputSize)
      context.multiply(h, by: linear.weight, transposed: true, into: z)
      let arguments = rnd_output_loss(
        rows: h.rows, columns: outputSize, y: z.base, stride: z.stride,
        bias: context.parameters.pointer(linear.bias), target: targets.base, target_stride: targets.stride,
        with_gradient: dh != nil)
      let total =
        switch kind {
        case .numbers: rnd_squared_error(Element.kernelType, arguments)
        case .bits: rnd_sigmoid_cross_entropy(Element.kernelType, arguments)
        case .quantiles(let levels): quantileLoss(z, targets, levels, context)
        }
      linear.backward(h, preActivation: z, inputGradient: dh, into: gradients, context)
      return total
    }
  }

  /// Overwrites `z` with the gradient of the quantile loss, and returns the loss. At y = t the slope is that of y > t.
  private func quantileLoss(
    _ z: MatrixView<Element>, _ targets: MatrixView<Element>, _ levels: [Double],
    _ context: LayerContext<Element>
  ) -> Double {
    z.activate(.identity, bias: context.parameters.pointer(linear.bias))
    var total = 0.0
    for row in 0..<z.rows {
      for column in 0..<z.columns {
        let level = levels[column % levels.count]
        let error = Double(targets[row, column / levels.count]) - Double(z[row, column])
        let slope = error > 0 ? level : level - 1
        total += slope * error
        z[row, column] = Element(-slope)
      }
    }
    return total
  }

  /// Overwrites `values` [N, outputs] with y or p.
  public func predict(
    _ h: MatrixView<Element>, into values: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(h, by: linear.weight, transposed: true, into: values)
    values.activate(kind == .bits ? .sigmoid : .identity, bias: context.parameters.pointer(linear.bias))
  }
}
