/// A sum of Doubles without rounding error, so that it doesn't depend on the order or grouping of its terms.
///
/// Kulisch's long accumulator: a fixed-point number wide enough for every Double, from 2^-1074 up, in digits
/// of 32 bits. The digits are integers, so adding the digits of several ranks as Doubles is exact as well:
/// the sum over 1, 2 or 1,000 ranks is the same bits, which a sum of rounded partial sums would not be.
public struct ExactSum: MetricTally, Equatable {
  /// Enough for the largest Double; the topmost digit, which is signed, has room for 2^35 of them.
  private static let digitCount = 66
  private static let digitMask: Int64 = 0xFFFF_FFFF
  /// The exponent of the lowest digit's lowest bit.
  private static let lowestExponent = -1074

  private var digits = [Int64](repeating: 0, count: digitCount)
  /// Terms that are no numbers, in the order of `nonFinite`.
  private var nonFinite = NonFinite()
  /// Terms added since the digits were last carried.
  private var pending = 0

  private struct NonFinite: Equatable { var (nan, positive, negative) = (0, 0, 0) }

  public init() {}

  /// Adds a term; a NaN makes the value NaN, an infinity makes it infinite.
  public mutating func add(_ term: Double) {
    guard term.isFinite else {
      if term.isNaN {
        nonFinite.nan += 1
      } else if term > 0 {
        nonFinite.positive += 1
      } else {
        nonFinite.negative += 1
      }
      return
    }
    // term = ± fraction · 2^position, position counted from the lowest bit of the lowest digit.
    let bits = term.bitPattern
    let biased = Int((bits >> 52) & 0x7FF)
    let fraction = (bits & 0xF_FFFF_FFFF_FFFF) | (biased > 0 ? 1 << 52 : 0)
    let (digit, shift) = max(0, biased - 1).quotientAndRemainder(dividingBy: 32)
    let low = (fraction & 0xFFFF_FFFF) << UInt64(shift)
    let high = (fraction >> 32) << UInt64(shift)
    let sign: Int64 = term < 0 ? -1 : 1
    digits[digit] += sign * (Int64(bitPattern: low) & Self.digitMask)
    digits[digit + 1] += sign * (Int64(bitPattern: low >> 32) + (Int64(bitPattern: high) & Self.digitMask))
    digits[digit + 2] += sign * Int64(bitPattern: high >> 32)
    pending += 1
    if pending == 1 << 29 { carry() }
  }

  /// Brings every digit but the topmost into 0 ..< 2^32: the one form of each sum.
  private mutating func carry() {
    for digit in 0..<Self.digitCount - 1 {
      digits[digit + 1] += digits[digit] >> 32
      digits[digit] &= Self.digitMask
    }
    pending = 0
  }

  private var carried: ExactSum {
    var result = self
    result.carry()
    return result
  }

  /// The sum, rounded once to the nearest Double (to even where two are equally near).
  public var value: Double {
    if nonFinite.nan > 0 || (nonFinite.positive > 0 && nonFinite.negative > 0) { return .nan }
    if nonFinite.positive > 0 { return .infinity }
    if nonFinite.negative > 0 { return -.infinity }
    var sum = carried
    let isNegative = sum.digits[Self.digitCount - 1] < 0
    if isNegative {
      sum.digits = sum.digits.map { -$0 }
      sum.carry()
    }
    let magnitude = sum.roundedMagnitude
    return isNegative ? -magnitude : magnitude
  }

  /// The value of carried digits, none of which is negative.
  private var roundedMagnitude: Double {
    guard var digit = digits.lastIndex(where: { $0 != 0 }) else { return 0 }
    // The 64 leading bits; whatever is below them counts only as being there, in the lowest bit, which is far
    // below what a Double holds and so decides nothing but ties.
    var leading = UInt64(digits[digit])
    var exponent = digit * 32
    var isAnythingBelow = false
    while digit > 0, leading.leadingZeroBitCount > 0 {
      digit -= 1
      let taken = min(32, leading.leadingZeroBitCount)
      let next = UInt64(digits[digit])
      leading = (leading << UInt64(taken)) | (next >> UInt64(32 - taken))
      isAnythingBelow = next & ((1 << UInt64(32 - taken)) - 1) != 0
      exponent -= taken
    }
    isAnythingBelow = isAnythingBelow || digits[..<digit].contains { $0 != 0 }
    let significand = Double(leading | (isAnythingBelow ? 1 : 0))
    return Double(sign: .plus, exponent: exponent + Self.lowestExponent, significand: significand)
  }

  public static func == (a: ExactSum, b: ExactSum) -> Bool {
    a.nonFinite == b.nonFinite && a.carried.digits == b.carried.digits
  }

  // MARK: MetricTally

  /// The digits, and how many terms were no numbers.
  public static let count = digitCount + 3

  public var sums: [Double] {
    carried.digits.map(Double.init)
      + [nonFinite.nan, nonFinite.positive, nonFinite.negative].map(Double.init)
  }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    digits = values.prefix(Self.digitCount).map(Int64.init)
    let others = values.suffix(3)
    nonFinite.nan = others[Self.digitCount]
    nonFinite.positive = others[Self.digitCount + 1]
    nonFinite.negative = others[Self.digitCount + 2]
    carry()
  }
}
