// Its own file: optimizers and norm share it.

import CKernels

/// A number type that an optimizer works on: Float for training, Double for checks.
public protocol OptimizerScalar: BinaryFloatingPoint, Sendable {
  /// The value that tells a kernel the type of its elements.
  static var elementType: rnd_element { get }
}

extension Float: OptimizerScalar {
  public static var elementType: rnd_element { rnd_f32 }
}

extension Double: OptimizerScalar {
  public static var elementType: rnd_element { rnd_f64 }
}

extension OptimizerScalar {
  /// One sweep of an update rule over the range of a buffer that the update names.
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
