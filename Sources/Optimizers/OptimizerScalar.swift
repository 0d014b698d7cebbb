// Separate file: the optimizers and the norm share it.

import CKernels

/// A number type that an optimizer works on: Float for training, Double for checks.
public protocol OptimizerScalar: BinaryFloatingPoint, Sendable {
  /// The constant that tells a kernel the type of its elements.
  static var elementType: rnd_element { get }
}

extension Float: OptimizerScalar {
  public static var elementType: rnd_element { rnd_f32 }
}

extension Double: OptimizerScalar {
  public static var elementType: rnd_element { rnd_f64 }
}

extension OptimizerScalar {
  /// Applies an update rule to the range that the update names.
  static func sweep(_ kind: OptimizerSettings.Kind, _ update: rnd_update) {
    switch kind {
    case .sgd: rnd_sgd(elementType, update)
    case .momentum: rnd_momentum(elementType, update)
    case .nesterov: rnd_nesterov(elementType, update)
    case .rmsprop: rnd_rmsprop(elementType, update)
    case .adagrad: rnd_adagrad(elementType, update)
    case .adam: rnd_adam(elementType, update)
    case .adamw: rnd_adamw(elementType, update)
    }
  }

  static func sumOfSquares(_ values: UnsafeBufferPointer<Self>) -> Double {
    rnd_sum_of_squares(elementType, rnd_buffer(count: values.count, x: values.baseAddress))
  }

  static func indexOfFirstNonFinite(_ values: UnsafeBufferPointer<Self>) -> Int {
    rnd_first_nonfinite(elementType, rnd_buffer(count: values.count, x: values.baseAddress))
  }
}

// MARK: - Norm and clipping

/// The Euclidean norm √Σx² of a flat buffer, summed in Double in a fixed order, with the same bits on every machine.
///
/// A NaN or an infinity anywhere makes it NaN or infinite.
public func gradientNorm<S: OptimizerScalar>(_ gradients: UnsafeBufferPointer<S>) -> Double {
  S.sumOfSquares(gradients).squareRoot()
}

/// The norm of the elements within `spans`, summed span after span. All other elements must be zero.
public func gradientNorm<S: OptimizerScalar>(
  _ gradients: UnsafeBufferPointer<S>, in spans: [Range<Int>]
) -> Double {
  spans.reduce(0) { $0 + S.sumOfSquares(.init(rebasing: gradients[$1])) }.squareRoot()
}

/// The factor that scales a gradient of norm `norm` to at most `maximum`: min(1, maximum / (norm + 1e-6)).
///
/// R. Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1, with the 1e-6
/// of torch.nn.utils.clip_grad_norm_.
/// - Parameter maximum: 0 or less turns clipping off.
/// - Returns: a factor in (0, 1]; NaN for a norm that is NaN.
public func clipFactor(norm: Double, maximum: Double) -> Double {
  guard maximum > 0 else { return 1 }
  let factor = maximum / (norm + 1e-6)
  return factor >= 1 ? 1 : factor
}

/// The index of the first NaN or infinity of a flat buffer, or nil if all numbers are finite.
public func firstNonFinite<S: OptimizerScalar>(_ values: UnsafeBufferPointer<S>) -> Int? {
  let index = S.indexOfFirstNonFinite(values)
  return index < 0 ? nil : index
}
