import Metrics
import Testing

/// Every tally is the same, bit for bit (of numbers up to rounding), whatever the number of ranks among which its examples were
/// divided.
@Suite struct ShardingTests {
  private static let examples = 60

  /// Example i is counted by rank i mod n; the sums are added as in the MPI library, rank by rank or in pairs.
  private func expectSame<Tally: MetricTally>(
    _ type: Tally.Type, _ examples: [Tally.Example], within tolerance: Double = 0
  ) {
    let examples = (0..<Self.examples).map { examples[$0 % examples.count] }
    let whole = Tally.of(examples)
    #expect(whole.sums.count == Tally.count)
    #expect(whole.sums != Tally().sums)
    let expected = whole.value
    func isSame(_ sums: [Double]) -> Bool {
      abs(Tally(sums: sums).value - expected) <= tolerance * abs(expected)
    }
    #expect(Tally(sums: whole.sums).value == expected, "there and back")
    #expect(Tally(sums: whole.sums).sums == whole.sums, "there and back")

    for ranks in [1, 2, 3, 4, 7, 60, 64] {
      let shards = (0..<ranks).map { rank in
        Tally.of(stride(from: rank, to: examples.count, by: ranks).map { examples[$0] })
      }
      var inOrder = [Double](repeating: 0, count: Tally.count)
      for shard in shards { inOrder = zip(inOrder, shard.sums).map(+) }
      #expect(isSame(inOrder), "\(type) of \(ranks) ranks")
      var parts = shards.map(\.sums)
      while parts.count > 1 {
        parts = stride(from: 0, to: parts.count, by: 2).map { first in
          first + 1 < parts.count ? zip(parts[first], parts[first + 1]).map(+) : parts[first]
        }
      }
      #expect(isSame(parts[0]), "\(type) of \(ranks) ranks, in pairs")
    }
  }

  @Test(arguments: Metric.all) func sumsOfShards(metric: Metric) throws {
    switch metric.measure {
    case .texts(let tally):
      let examples = try GoldenTexts.load().entries.map { TextExample($0) }
      func check<Tally: MetricTally<TextExample>>(_ tally: Tally) { expectSame(Tally.self, examples) }
      check(tally.init())
    case .labels(let tally), .spans(let tally):
      let examples = try GoldenSpans.load()[1].examples
      func check<Tally: MetricTally<LabelExample>>(_ tally: Tally) { expectSame(Tally.self, examples) }
      check(tally.init())
    case .numbers(let tally), .quantiles(let tally), .baseline(let tally):
      let examples = (0..<7).map { index in
        NumberExample(
          predicted: [Float(index) / 3, 1, 2, 3], reference: [0.1, Float(index)], levels: [0.1, 0.7],
          persistence: [0.3, 1], seasonalNaive: [4, Float(index) / 7])
      }
      func check<Tally: MetricTally<NumberExample>>(_ tally: Tally) {
        expectSame(Tally.self, examples, within: 1e-14)
      }
      check(tally.init())
    case .loss(let value), .probabilities(let value):
      // The evaluation pass adds the losses of the shards in a fixed order; a metric sees only the sum.
      #expect(value(MeanLoss(total: 6, targets: 3)).isFinite)
    }
  }

  /// The number of references follows from sums alone.
  @Test(arguments: [
    ([1, 1, 1], "1"), ([3, 3], "3"), ([1, 3, 2], "var"), ([2, 2, 2, 1], "var"), ([], "0"),
  ])
  func referencesOfSignatures(counts: [Int], expected: String) {
    let tally = BLEUTally.of(counts.map { TextExample("a", [String](repeating: "a", count: $0)) })
    #expect(
      tally.signature(ComparisonOptions(), version: "v")
        == "BLEU nrefs:\(expected)|case:mixed|eff:no|tok:13a|smooth:exp|version:v")
  }
}
