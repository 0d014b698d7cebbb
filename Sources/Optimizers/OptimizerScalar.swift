import CKernels

/// A number type that an optimizer works on: Float for training, Double for checks.
///
/// The requirements lead to the kernels of CKernels; only Float and Double conform.
public protocol OptimizerScalar: BinaryFloatingPoint, Sendable {
  /// One sweep of the update rule `kind`; `first` and `second` are its moments, as far as it has them.
  static func sweep(
    _ kind: OptimizerSettings.Kind, parameters: UnsafeMutableBufferPointer<Self>,
    gradients: UnsafePointer<Self>?, first: UnsafeMutablePointer<Self>?, second: UnsafeMutablePointer<Self>?,
    update: rnd_update)

  static func sumOfSquares(_ values: UnsafeBufferPointer<Self>) -> Double

  static func indexOfFirstNonFinite(_ values: UnsafeBufferPointer<Self>) -> Int
}

extension Float: OptimizerScalar {
  public static func sweep(
    _ kind: OptimizerSettings.Kind, parameters: UnsafeMutableBufferPointer<Float>,
    gradients: UnsafePointer<Float>?, first: UnsafeMutablePointer<Float>?,
    second: UnsafeMutablePointer<Float>?,
    update: rnd_update
  ) {
    let (p, count) = (parameters.baseAddress, Int64(parameters.count))
    switch kind {
    case .sgd: rnd_sgd_f32(p, gradients, count, update)
    case .momentum: rnd_momentum_f32(p, gradients, first, count, update)
    case .nesterov: rnd_nesterov_f32(p, gradients, first, count, update)
    case .rmsprop: rnd_rmsprop_f32(p, gradients, first, count, update)
    case .adagrad: rnd_adagrad_f32(p, gradients, first, count, update)
    case .adam: rnd_adam_f32(p, gradients, first, second, count, update)
    case .adamw: rnd_adamw_f32(p, gradients, first, second, count, update)
    }
  }

  public static func sumOfSquares(_ values: UnsafeBufferPointer<Float>) -> Double {
    rnd_sum_of_squares_f32(values.baseAddress, Int64(values.count))
  }

  public static func indexOfFirstNonFinite(_ values: UnsafeBufferPointer<Float>) -> Int {
    Int(rnd_first_nonfinite_f32(values.baseAddress, Int64(values.count)))
  }
}

extension Double: OptimizerScalar {
  public static func sweep(
    _ kind: OptimizerSettings.Kind, parameters: UnsafeMutableBufferPointer<Double>,
    gradients: UnsafePointer<Double>?, first: UnsafeMutablePointer<Double>?,
    second: UnsafeMutablePointer<Double>?,
    update: rnd_update
  ) {
    let (p, count) = (parameters.baseAddress, Int64(parameters.count))
    switch kind {
    case .sgd: rnd_sgd_f64(p, gradients, count, update)
    case .momentum: rnd_momentum_f64(p, gradients, first, count, update)
    case .nesterov: rnd_nesterov_f64(p, gradients, first, count, update)
    case .rmsprop: rnd_rmsprop_f64(p, gradients, first, count, update)
    case .adagrad: rnd_adagrad_f64(p, gradients, first, count, update)
    case .adam: rnd_adam_f64(p, gradients, first, second, count, update)
    case .adamw: rnd_adamw_f64(p, gradients, first, second, count, update)
    }
  }

  public static func sumOfSquares(_ values: UnsafeBufferPointer<Double>) -> Double {
    rnd_sum_of_squares_f64(values.baseAddress, Int64(values.count))
  }

  public static func indexOfFirstNonFinite(_ values: UnsafeBufferPointer<Double>) -> Int {
    Int(rnd_first_nonfinite_f64(values.baseAddress, Int64(values.count)))
  }
}
