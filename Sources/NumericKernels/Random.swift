// Random numbers that are functions of their coordinates: (seed, purpose, step, stream, sample, index).
//
// No number depends on the rank, on the number of ranks, or on the numbers that were generated before it. Only the
// coordinates have to be saved in a checkpoint. CKernels/include/random_kernels.h documents the layout of Philox's
// counter, which is implemented once for all instruction sets.

import CKernels

/// The purpose of a random number. Numbers for different purposes are independent, even if their other coordinates are equal.
///
/// The raw values are words of the counter: changing one changes the results of runs with the same seed.
public enum RandomPurpose: UInt32, Sendable, Hashable, CaseIterable {
  case initialization = 1
  case shuffle = 2
  case dropout = 3
  case teacherForcing = 4
  case sampling = 5
  case generatedData = 6
  case augmentation = 7
}

/// The coordinates that all random numbers of one activity share in one step.
public struct RandomKey: Sendable, Hashable {
  /// The seed of the run.
  public var seed: UInt64
  public var purpose: RandomPurpose
  /// The training step, or the epoch for a shuffle; 0 if there is none.
  public var step: UInt64

  public init(seed: UInt64, purpose: RandomPurpose, step: UInt64 = 0) {
    self.seed = seed
    self.purpose = purpose
    self.step = step
  }

  /// The Philox key of one stream of this activity.
  func derived(stream: UInt32) -> UInt64 {
    rnd_derive_key(seed, step, purpose.rawValue, stream)
  }
}

/// Philox4x32-10: four random words from a 128-bit counter and a 64-bit key.
///
/// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
public func philox4x32(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
  var result = SIMD4<UInt32>()
  withUnsafeBytes(of: counter) { counter in
    withUnsafeBytes(of: key) { key in
      withUnsafeMutableBytes(of: &result) { result in
        rnd_philox4x32_10(
          counter.assumingMemoryBound(to: UInt32.self).baseAddress,
          key.assumingMemoryBound(to: UInt32.self).baseAddress,
          result.assumingMemoryBound(to: UInt32.self).baseAddress)
      }
    }
  }
  return result
}

// MARK: - Scalars

/// A generator of scalars for one (key, sample, stream): a value that can be copied, compared, and moved to any position.
public struct CounterRandom: RandomNumberGenerator, Sendable, Hashable {
  private let key: UInt64
  private let sample: UInt64

  /// The number of 32-bit words already generated; setting it moves the generator in constant time.
  public var position: UInt64 = 0

  /// - Parameters:
  ///   - sample: the global index of the sample (sentence, stream of a language model) to which the numbers belong.
  ///   - stream: distinguishes uses with the same purpose, for example layers or parameters.
  public init(key: RandomKey, sample: UInt64 = 0, stream: UInt32 = 0) {
    self.key = key.derived(stream: stream)
    self.sample = sample
  }

  /// The next 64 random bits, from an even position on; the lower half comes first.
  public mutating func next() -> UInt64 {
    position += position % 2
    let words = block(position / 4)
    defer { position += 2 }
    return position % 4 == 0 ? Self.join(words[0], words[1]) : Self.join(words[2], words[3])
  }

  /// A number from the uniform distribution on [0, 1), a multiple of 2⁻⁵³.
  public mutating func nextUniform() -> Double {
    Self.unit(next())
  }

  /// An integer from 0..<bound, each equally probable. Requires bound > 0.
  ///
  /// D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1), 2019, algorithm 5.
  public mutating func nextIndex(below bound: Int) -> Int {
    precondition(bound > 0, "nextIndex(below: \(bound)) needs a bound of at least 1")
    let range = UInt64(bound)
    var product = range.multipliedFullWidth(by: next())
    if product.low < range {
      let surplus = (0 &- range) % range
      while product.low < surplus {
        product = range.multipliedFullWidth(by: next())
      }
    }
    return Int(product.high)
  }

  /// Uniform number `index` of this generator, independent of its position: the result of the (index + 1)-th call of
  /// `nextUniform`, and element `index` of a `uniformFill` on [0, 1).
  public func uniform(at index: UInt64) -> Double {
    let words = block(index / 2)
    return Self.unit(index % 2 == 0 ? Self.join(words[0], words[1]) : Self.join(words[2], words[3]))
  }

  private func block(_ index: UInt64) -> SIMD4<UInt32> {
    philox4x32(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
        UInt32(truncatingIfNeeded: sample), UInt32(truncatingIfNeeded: sample >> 32)),
      key: SIMD2(UInt32(truncatingIfNeeded: key), UInt32(truncatingIfNeeded: key >> 32)))
  }

  private static func join(_ low: UInt32, _ high: UInt32) -> UInt64 { UInt64(low) | UInt64(high) << 32 }

  private static func unit(_ bits: UInt64) -> Double { Double(bits >> 11) * 0x1p-53 }
}

// MARK: - Permutations and fills

/// A permutation of 0..<count, each equally probable (Fisher and Yates' shuffle as in Knuth, TAOCP 2,
/// algorithm 3.4.2 P).
///
/// With the epoch as `key.step` it is the order of the data of an epoch, which every rank knows without communication.
public func permutation(count: Int, key: RandomKey, stream: UInt32 = 0) -> [Int] {
  precondition(count >= 0, "permutation of \(count) items: the count can't be negative")
  var random = CounterRandom(key: key, stream: stream)
  var order = Array(0..<count)
  for last in stride(from: count - 1, to: 0, by: -1) {
    order.swapAt(last, random.nextIndex(below: last + 1))
  }
  return order
}

extension Scalar {
  /// Overwrites a buffer with numbers from the uniform distribution on [low, high).
  ///
  /// Element i is low + (high − low)·u with u = `CounterRandom.uniform(at: i)`, computed in Double, so Float
  /// and Double buffers get the same numbers up to rounding (which may give `high` itself).
  public static func fillUniform(
    _ buffer: UnsafeMutableBufferPointer<Self>, low: Double, high: Double, key: RandomKey, sample: UInt64 = 0,
    stream: UInt32 = 0
  ) {
    rnd_uniform_fill(
      kernelType,
      rnd_fill(
        out: buffer.baseAddress, count: buffer.count, key: key.derived(stream: stream), sample: sample,
        first: low,
        second: high))
  }

  /// Overwrites a buffer with numbers from the normal distribution, computed in Double from the numbers of
  /// `fillUniform`.
  ///
  /// G. Box and M. Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29(2),
  /// 1958.
  public static func fillNormal(
    _ buffer: UnsafeMutableBufferPointer<Self>, mean: Double, standardDeviation: Double, key: RandomKey,
    sample: UInt64 = 0,
    stream: UInt32 = 0
  ) {
    rnd_normal_fill(
      kernelType,
      rnd_fill(
        out: buffer.baseAddress, count: buffer.count, key: key.derived(stream: stream), sample: sample,
        first: mean,
        second: standardDeviation))
  }
}
