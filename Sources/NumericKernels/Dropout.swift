// Dropout whose mask is a function of coordinates. The forward and backward passes compute it; it is never stored.

import CKernels

/// The coordinates that all rows of one dropout layer share in one step.
public struct DropoutKey: Sendable, Hashable {
  /// The seed of the run.
  public var seed: UInt64
  /// The training step.
  public var step: UInt64
  /// Distinguishes the dropout layers of a model.
  public var stream: UInt32

  public init(seed: UInt64, step: UInt64, stream: UInt32) {
    self.seed = seed
    self.step = step
    self.stream = stream
  }
}

/// The sample and the time step of each row of a packed block, which are the coordinates of its random numbers.
public struct RowCoordinates {
  /// Global sample index of each row.
  public let samples: UnsafePointer<UInt32>
  /// Time step of each row; nil if all rows of a sample have the same numbers.
  public let times: UnsafePointer<UInt32>?

  public init(samples: UnsafePointer<UInt32>, times: UnsafePointer<UInt32>?) {
    self.samples = samples
    self.times = times
  }

  /// The coordinates without those of the first `count` rows.
  public func dropFirst(_ count: Int) -> RowCoordinates {
    RowCoordinates(samples: samples + count, times: times.map { $0 + count })
  }

  /// The coordinates of numbers that are the same for all time steps of a sample.
  public var withoutTimes: RowCoordinates { RowCoordinates(samples: samples, times: nil) }
}

extension Scalar {
  /// Inverted dropout: y = x∘m, where m is 0 with probability p and 1/(1 − p) otherwise.
  ///
  /// N. Srivastava et al., "Dropout", JMLR 15, 2014. The backward pass is the same call on the gradient. The mask of an
  /// element is a function of the key, its row's coordinates and its column alone, so it doesn't depend on how the rows
  /// of a batch are distributed over ranks. NaN and infinities are preserved.
  ///
  /// - Parameters:
  ///   - y: overwritten; x itself, or a matrix that doesn't overlap it.
  ///   - rows: the coordinates. Without times, a sample has one mask for all its steps (variational dropout: Gal and
  ///     Ghahramani, NIPS 2016), which is the mask of time 0.
  ///   - rate: the probability p in 0..<1, rounded to a multiple of 1/65536. 0 copies x.
  public static func dropout(
    from x: MatrixView<Self>, to y: MatrixView<Self>, _ rows: RowCoordinates, _ key: DropoutKey, rate: Double
  ) {
    precondition(
      x.rows == y.rows && x.columns == y.columns,
      "dropout from [\(x.rows), \(x.columns)] to [\(y.rows), \(y.columns)]")
    precondition((0..<1).contains(rate), "dropout rate \(rate) is outside 0..<1")
    KernelThreads.split(x.rows, elements: x.count) { first, end in
      let part = rows.dropFirst(first)
      rnd_dropout_rows(
        kernelType,
        rnd_dropout(
          rows: end - first, units: x.columns, x: x.row(first), x_stride: x.stride, y: y.row(first),
          y_stride: y.stride, sample: part.samples, time: part.times, seed: key.seed, step: key.step,
          stream: key.stream, rate: rate))
    }
  }
}
