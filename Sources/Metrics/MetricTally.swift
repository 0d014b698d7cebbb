/// The sufficient statistics of a metric: what each rank counts on its shard and what is added over the
/// ranks.
///
/// A metric of a whole corpus is a function of sums, never a mean of the shards' metrics. Every sum here is
/// an integer below 2^53, which a Double holds exactly, so adding them in any order and in any grouping gives
/// the same bits: the metric does not depend on the number of ranks.
///
///     var tally = BLEUTally()
///     for entry in shard { tally += bleu.tally(hypothesis: …, references: …) }
///     var sums = tally.sums            // [Double], to be added over all ranks
///     let all = BLEUTally(sums: sums)
public protocol MetricTally: Sendable {
  /// Nothing counted yet.
  init()
  /// How many sums there are: the same on every rank.
  static var count: Int { get }
  /// The sums, to be added element by element to those of other ranks; `init(sums:)` gives the tally back.
  var sums: [Double] { get }
  /// The tally with these sums: `count` of them, such as `sums` gives, or such as adding some of these gives.
  init(sums: [Double])
  /// Adds what the other tally has counted.
  static func += (tally: inout Self, other: Self)
}

extension MetricTally {
  public static func += (tally: inout Self, other: Self) {
    tally = Self(sums: zip(tally.sums, other.sums).map(+))
  }
}

/// The sums of a tally as the integers that they are.
///
/// Sums of another length, or with fractions, are no tally's: they were mixed up or divided on their way.
func integers(_ sums: [Double], of tally: (some MetricTally).Type) -> [Int] {
  precondition(sums.count == tally.count, "\(tally) has \(tally.count) sums, not \(sums.count)")
  return sums.indices.map { index in
    guard let integer = Int(exactly: sums[index]) else {
      preconditionFailure("sum \(index) of \(tally) is an integer, not \(sums[index])")
    }
    return integer
  }
}

/// numerator / denominator as a share, NaN where nothing was counted: no figure is not the figure 0.
func share(_ numerator: Int, of denominator: Int) -> Double { Double(numerator) / Double(denominator) }
