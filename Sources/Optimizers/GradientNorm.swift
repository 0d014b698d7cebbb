// Separate file: a step computes the norm and clips before it updates.

import CKernels
import NumericKernels

/// The Euclidean norm √Σx² of a flat buffer, summed in Double in a fixed order, with the same bits on every machine.
///
/// A NaN or an infinity anywhere makes it NaN or infinite.
public func gradientNorm<S: Scalar>(_ gradients: UnsafeBufferPointer<S>) -> Double {
  sumOfSquares(gradients).squareRoot()
}

/// The norm of the elements within `spans`, summed span after span. All other elements must be zero.
public func gradientNorm<S: Scalar>(
  _ gradients: UnsafeBufferPointer<S>, in spans: [Range<Int>]
) -> Double {
  spans.reduce(0) { $0 + sumOfSquares(UnsafeBufferPointer(rebasing: gradients[$1])) }.squareRoot()
}

private func sumOfSquares<S: Scalar>(_ values: UnsafeBufferPointer<S>) -> Double {
  rnd_sum_of_squares(S.kernelType, rnd_numbers(count: values.count, x: values.baseAddress))
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
public func firstNonFinite<S: Scalar>(_ values: UnsafeBufferPointer<S>) -> Int? {
  let index = rnd_first_nonfinite(S.kernelType, rnd_numbers(count: values.count, x: values.baseAddress))
  return index < 0 ? nil : index
}
