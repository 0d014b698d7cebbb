/// The distribution of the numbers in a tensor: counts in intervals of equal width, with the sums that TensorBoard
/// shows.
public struct ValueHistogram: Sendable, Equatable {
  /// The number of intervals.
  static let intervals = 30

  public let least: Double
  public let most: Double
  public let count: Int
  public let sum: Double
  public let sumOfSquares: Double
  /// The upper bound of each interval; the first interval starts at ``least``.
  public let bounds: [Double]
  public let counts: [Int]

  /// Counts the numbers, without NaN and infinities. Nil if no number is left.
  public init?(_ numbers: UnsafeBufferPointer<Float>) {
    var (least, most, count, sum, squares) = (Double.infinity, -Double.infinity, 0, 0.0, 0.0)
    for number in numbers where number.isFinite {
      let value = Double(number)
      least = min(least, value)
      most = max(most, value)
      sum += value
      squares += value * value
      count += 1
    }
    guard count > 0 else { return nil }
    (self.least, self.most, self.count, self.sum, sumOfSquares) = (least, most, count, sum, squares)
    guard least < most else {
      // All numbers are equal. They are counted in one interval, because an interval needs a width.
      (bounds, counts) = ([most], [count])
      return
    }
    let scale = Double(Self.intervals) / (most - least)
    var counts = [Int](repeating: 0, count: Self.intervals)
    for number in numbers where number.isFinite {
      counts[min(Self.intervals - 1, Int((Double(number) - least) * scale))] += 1
    }
    self.counts = counts
    bounds = (1...Self.intervals).map { $0 == Self.intervals ? most : least + Double($0) / scale }
  }
}
