// Dropout whose mask is a function of coordinates: forward and backward compute it, nothing stores it.

import CKernels

/// The coordinates that all rows of one dropout layer have in common in one step.
public struct DropoutKey: Sendable, Hashable {
  /// The seed of the run.
  public var seed: UInt64
  /// The training step.
  public var step: UInt64
  /// Tells the dropout layers of a model apart.
  public var stream: UInt32

  public init(seed: UInt64, step: UInt64, stream: UInt32) {
    self.seed = seed
    self.step = step
    self.stream = stream
  }
}

/// Inverted dropout in place: x = x∘m, where m is 0 with probability p and 1/(1 − p) otherwise.
///
/// N. Srivastava et al., "Dropout", JMLR 15, 2014. The backward pass is the same call on the gradient. The
/// mask of an element is a function of (key, samples[row], times[row], unit) alone, so it doesn't depend on
/// how the rows of a batch are spread over ranks. NaN and infinities stay visible.
///
/// - Parameters:
///   - x: `rows` rows of `units` numbers, the first numbers of two rows `stride` apart (in elements).
///   - samples: the global index of each row's sample, `[rows]`.
///   - times: the time step of each row, `[rows]`; nil gives a sample one mask for all its steps (variational
///     dropout: Gal and Ghahramani, NIPS 2016), the mask of time 0.
///   - rate: the probability p in 0..<1, rounded to a multiple of 1/65536. 0 leaves x as it is.
public func applyDropout(
  _ x: UnsafeMutablePointer<Float>, stride: Int, rows: Int, units: Int, samples: UnsafePointer<UInt32>,
  times: UnsafePointer<UInt32>?, key: DropoutKey, rate: Double
) {
  checkDropout(rows: rows, units: units, strides: (stride, stride), rate: rate)
  rnd_dropout_rows_f32(
    x, Int64(stride), Int64(rows), Int64(units), samples, times, key.stream, key.stepLow, key.stepHigh,
    key.seed,
    rate)
}

/// The same for Double, with the same mask.
public func applyDropout(
  _ x: UnsafeMutablePointer<Double>, stride: Int, rows: Int, units: Int, samples: UnsafePointer<UInt32>,
  times: UnsafePointer<UInt32>?, key: DropoutKey, rate: Double
) {
  checkDropout(rows: rows, units: units, strides: (stride, stride), rate: rate)
  rnd_dropout_rows_f64(
    x, Int64(stride), Int64(rows), Int64(units), samples, times, key.stream, key.stepLow, key.stepHigh,
    key.seed,
    rate)
}

/// Inverted dropout from one block to another: y = x∘m. Overwrites y, which must not overlap x; otherwise as
/// the call that works in place.
public func applyDropout(
  from x: UnsafePointer<Float>, stride xStride: Int, to y: UnsafeMutablePointer<Float>, stride yStride: Int,
  rows: Int, units: Int, samples: UnsafePointer<UInt32>, times: UnsafePointer<UInt32>?, key: DropoutKey,
  rate: Double
) {
  checkDropout(rows: rows, units: units, strides: (xStride, yStride), rate: rate)
  rnd_dropout_rows_to_f32(
    y, Int64(yStride), x, Int64(xStride), Int64(rows), Int64(units), samples, times, key.stream, key.stepLow,
    key.stepHigh, key.seed, rate)
}

/// The same for Double, with the same mask.
public func applyDropout(
  from x: UnsafePointer<Double>, stride xStride: Int, to y: UnsafeMutablePointer<Double>, stride yStride: Int,
  rows: Int, units: Int, samples: UnsafePointer<UInt32>, times: UnsafePointer<UInt32>?, key: DropoutKey,
  rate: Double
) {
  checkDropout(rows: rows, units: units, strides: (xStride, yStride), rate: rate)
  rnd_dropout_rows_to_f64(
    y, Int64(yStride), x, Int64(xStride), Int64(rows), Int64(units), samples, times, key.stream, key.stepLow,
    key.stepHigh, key.seed, rate)
}

extension DropoutKey {
  fileprivate var stepLow: UInt32 { UInt32(truncatingIfNeeded: step) }
  fileprivate var stepHigh: UInt32 { UInt32(truncatingIfNeeded: step >> 32) }
}

private func checkDropout(rows: Int, units: Int, strides: (Int, Int), rate: Double) {
  precondition(rows >= 0 && units >= 0, "dropout on a block of \(rows) rows of \(units) units")
  precondition(
    rows <= 1 || min(strides.0, strides.1) >= units,
    "dropout: strides \(strides) are smaller than \(units) units")
  precondition((0..<1).contains(rate), "dropout rate \(rate) is outside 0..<1")
}
