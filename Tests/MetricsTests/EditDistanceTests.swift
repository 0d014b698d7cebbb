import Testing

@testable import Metrics

@Suite struct EditDistanceTests {
  @Test func distancesAreThoseOfTheScript() throws {
    let edits: GoldenEdits = try golden("metrics-edits")
    #expect(edits.pairs.count == 32)
    for pair in edits.pairs {
      #expect(levenshteinDistance(pair.a, pair.b) == pair.distance)
      #expect(levenshteinDistance(pair.b, pair.a) == pair.distance)
    }
  }

  /// Compares with the whole table, for lengths around a 64-bit word and with few or many symbols.
  @Test(arguments: [2, 5, 1000])
  func distancesAreThoseOfTheTable(symbols: Int) {
    var random = FixedRandom(seed: UInt64(symbols))
    for _ in 0..<60 {
      let lengths = [0, 1, 2, 7, 62, 63, 64, 65, 66, 100, 127, 128, 129, 140]
      let a = row(length: lengths.randomElement(using: &random) ?? 0, symbols, &random)
      let b = row(length: lengths.randomElement(using: &random) ?? 0, symbols, &random)
      #expect(levenshteinDistance(a, b) == tableDistance(a, b))
    }
  }

  /// A long sequence with a few edits, whose equal ends are cut off before the table.
  @Test func distancesOfNearlyEqualSequences() {
    var random = FixedRandom(seed: 1)
    for edits in 0..<12 {
      let a = row(length: 300, 20, &random)
      var b = a
      for _ in 0..<edits {
        let position = Int.random(in: 0..<b.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: b.remove(at: position)
        case 1: b.insert(7, at: position)
        default: b[position] = 7
        }
      }
      #expect(levenshteinDistance(a, b) == tableDistance(a, b))
    }
  }

  @Test func tenThousandTokens() {
    let a = (0..<10_000).map { Int32($0) }
    // All symbols are different, so the shifted ones can be matched only by insertions and deletions.
    let b = (0..<1000).map { _ in Int32(-1) } + a.dropLast(1000)
    #expect(levenshteinDistance(a, b) == 2000)
    #expect(levenshteinDistance(a, a.map { $0 + 10_000 }) == 10_000)
  }

  private func row(length: Int, _ symbols: Int, _ random: inout FixedRandom) -> [Int] {
    (0..<length).map { _ in Int.random(in: 0..<symbols, using: &random) }
  }

  /// Levenshtein's recurrence, row by row.
  private func tableDistance(_ a: [Int], _ b: [Int]) -> Int {
    var above = Array(0...b.count)
    for (i, token) in a.enumerated() {
      var row = [i + 1]
      for (j, other) in b.enumerated() {
        row.append(min(row[j] + 1, above[j + 1] + 1, above[j] + (token == other ? 0 : 1)))
      }
      above = row
    }
    return above[b.count]
  }
}
