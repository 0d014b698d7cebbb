import CKernels

/// Kernels of the output layers other than softmax, for every ``Scalar``. What is added to and what is overwritten is
/// said in the headers of CKernels.
public protocol OutputKernels {
  /// Independent bits: Σ of the cross-entropy of σ(logits + bias), nats; logits become their gradient if wanted.
  static func sigmoidCrossEntropy(
    _ logits: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>,
    _ targets: UnsafePointer<Self>, _ targetStride: Int, _ rows: Int, _ bits: Int, _ withGradient: Bool
  ) -> Double
  /// Σ (y + bias - target)²; y becomes its gradient if wanted.
  static func squaredError(
    _ y: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>,
    _ targets: UnsafePointer<Self>,
    _ targetStride: Int, _ rows: Int, _ columns: Int, _ withGradient: Bool
  ) -> Double
  /// The column of each row's largest value, the first of equals.
  static func argmaxRows(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ index: UnsafeMutablePointer<Int32>
  )
}

extension Float: OutputKernels {
  public static func sigmoidCrossEntropy(
    _ logits: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>,
    _ targets: UnsafePointer<Self>, _ targetStride: Int, _ rows: Int, _ bits: Int, _ withGradient: Bool
  ) -> Double {
    rnd_sigmoid_cross_entropy_f32(
      logits, Int64(stride), bias, targets, Int64(targetStride), Int64(rows), Int64(bits),
      withGradient ? 1 : 0)
  }

  public static func squaredError(
    _ y: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>,
    _ targets: UnsafePointer<Self>,
    _ targetStride: Int, _ rows: Int, _ columns: Int, _ withGradient: Bool
  ) -> Double {
    rnd_squared_error_f32(
      y, Int64(stride), bias, targets, Int64(targetStride), Int64(rows), Int64(columns), withGradient ? 1 : 0)
  }

  public static func argmaxRows(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ index: UnsafeMutablePointer<Int32>
  ) {
    rnd_argmax_rows_f32(x, Int64(stride), Int64(rows), Int64(columns), index)
  }
}

extension Double: OutputKernels {
  public static func sigmoidCrossEntropy(
    _ logits: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>,
    _ targets: UnsafePointer<Self>, _ targetStride: Int, _ rows: Int, _ bits: Int, _ withGradient: Bool
  ) -> Double {
    rnd_sigmoid_cross_entropy_f64(
      logits, Int64(stride), bias, targets, Int64(targetStride), Int64(rows), Int64(bits),
      withGradient ? 1 : 0)
  }

  public static func squaredError(
    _ y: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>,
    _ targets: UnsafePointer<Self>,
    _ targetStride: Int, _ rows: Int, _ columns: Int, _ withGradient: Bool
  ) -> Double {
    rnd_squared_error_f64(
      y, Int64(stride), bias, targets, Int64(targetStride), Int64(rows), Int64(columns), withGradient ? 1 : 0)
  }

  public static func argmaxRows(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ index: UnsafeMutablePointer<Int32>
  ) {
    rnd_argmax_rows_f64(x, Int64(stride), Int64(rows), Int64(columns), index)
  }
}
