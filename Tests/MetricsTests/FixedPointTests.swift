import Foundation
import Testing

@testable import Metrics

@Suite struct FixedPointTests {
  /// Ties, numbers whose product with 100 is rounded to a tie, signs, and numbers too large for decimals.
  @Test(arguments: [
    0, -0.0, 0.1, 0.125, 0.375, 1.005, 1.115, 0.285, 2.675, 0.995, 99.995, -3.14159, 0.004999, 1e12,
    12_345.678,
    0.5, 1.5, 2.5, 1e-300,
  ])
  func roundsAsPrintf(number: Double) {
    for decimals in 0...3 {
      #expect(fixedPoint(number, decimals: decimals) == String(format: "%.\(decimals)f", number))
    }
  }

  @Test func randomNumbersRoundAsPrintf() {
    var random = FixedRandom(seed: 9)
    for _ in 0..<2000 {
      // Multiples of 1/1000 lie near ties of two decimals.
      let number = Double(Int.random(in: -200_000...200_000, using: &random)) / 1000
      #expect(fixedPoint(number, decimals: 2) == String(format: "%.2f", number))
    }
  }

  @Test func numbersWithoutDecimals() {
    #expect(fixedPoint(1e300, decimals: 2) == "1e+300")
    #expect(fixedPoint(.nan, decimals: 2) == "nan")
    #expect(fixedPoint(.infinity, decimals: 2) == "inf")
  }
}
