import Metrics
import Testing

/// One sum of metrics-sums.json: bit patterns in hexadecimal, so that no reader rounds them.
struct GoldenSum: Decodable {
  var terms: [String]
  var sum: String

  static func number(_ bits: String) throws -> Double {
    Double(bitPattern: try #require(UInt64(bits, radix: 16)))
  }
}

@Suite struct ExactSumTests {
  @Test func sumsAreThoseOfPython() throws {
    let sums: [GoldenSum] = try golden("sums")
    #expect(sums.count == 41)
    for golden in sums {
      let terms = try golden.terms.map(GoldenSum.number)
      let expected = try GoldenSum.number(golden.sum)
      // -0 is 0 here.
      #expect(sum(terms) == expected, "\(terms)")
      #expect(sum(terms.reversed()) == expected, "\(terms)")
      #expect(sum(terms.map { -$0 }) == -expected, "\(terms)")
    }
  }

  private func sum(_ terms: [Double]) -> Double {
    var sum = ExactSum()
    for term in terms { sum.add(term) }
    return sum.value
  }

  @Test func sumsThatNoDoubleHolds() {
    let largest = Double.greatestFiniteMagnitude
    #expect(sum([largest, largest]) == .infinity)
    #expect(sum([-largest, -largest]) == -.infinity)
    #expect(sum([largest, largest, -largest]) == largest)
    // Half a unit of the last place rounds up to infinity, less than that doesn't.
    #expect(sum([largest, largest.ulp / 2]) == .infinity)
    #expect(sum([largest, (largest.ulp / 2).nextDown]) == largest)
  }

  @Test func termsThatAreNoNumbers() {
    #expect(sum([1, .nan]).isNaN)
    #expect(sum([1, .infinity, 2]) == .infinity)
    #expect(sum([-.infinity, 5]) == -.infinity)
    #expect(sum([-.infinity, .infinity]).isNaN)
    var sum = ExactSum()
    sum.add(.nan)
    #expect(ExactSum(sums: sum.sums).value.isNaN)
    #expect(ExactSum(sums: sum.sums) == sum)
  }

  @Test func equalSumsAreEqualWhateverTheirTerms() {
    var (a, b) = (ExactSum(), ExactSum())
    for _ in 0..<8 { a.add(0.125) }
    b.add(2)
    b.add(-1)
    #expect(a == b)
    #expect(a.sums == b.sums)
    b.add(.leastNonzeroMagnitude)
    #expect(a != b)
  }
}

@Suite struct RegressionErrorTests {
  @Test func meansOfErrors() {
    var (squares, absolutes) = (SquaredErrorTally(), AbsoluteErrorTally())
    squares.add(predictions: [1, 2, 3.5] as [Float], targets: [1, 4, 3] as [Float])
    squares.add(predictions: [-1], targets: [2])
    squares.add(prediction: 0, target: 0)
    absolutes.add(predictions: [1, 2, 3.5] as [Float], targets: [1, 4, 3] as [Float])
    absolutes.add(predictions: [-1], targets: [2])
    absolutes.add(prediction: 0, target: 0)
    #expect(squares.numbers == 5 && absolutes.numbers == 5)
    #expect(squares.sum == 13.25 && absolutes.sum == 5.5)
    #expect(squares.value == 13.25 / 5)
    #expect(squares.rootMeanSquare == (13.25 / 5).squareRoot())
    #expect(absolutes.value == 5.5 / 5)
  }

  @Test func nothingIsNoFigure() {
    #expect(SquaredErrorTally().value.isNaN)
    #expect(AbsoluteErrorTally().value.isNaN)
  }

  @Test func notANumberIsSeen() {
    var (squares, absolutes) = (SquaredErrorTally(), AbsoluteErrorTally())
    for prediction in [1, Double.nan, 3] {
      squares.add(prediction: prediction, target: 1)
      absolutes.add(prediction: prediction, target: 1)
    }
    #expect(squares.value.isNaN && absolutes.value.isNaN)
    #expect(SquaredErrorTally(sums: squares.sums).value.isNaN)
  }
}
