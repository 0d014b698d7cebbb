import Metrics
import Testing

/// Every tally is the same, bit for bit, whatever the number of ranks among which its entries were divided.
@Suite struct ShardingTests {
  private static let entries = 60

  /// Entry i is counted by rank i mod n; the sums are added as the MPI library would, rank by rank or in
  /// pairs.
  private func expectSame<Tally: MetricTally>(
    _ type: Tally.Type, _ what: (Tally) -> [Double], _ add: (inout Tally, Int) -> Void
  ) {
    var whole = Tally()
    for entry in 0..<Self.entries { add(&whole, entry) }
    #expect(whole.sums.count == Tally.count)
    #expect(whole.sums != Tally().sums)
    let expected = what(whole).map(\.bitPattern)
    #expect(what(Tally(sums: whole.sums)).map(\.bitPattern) == expected, "there and back")
    #expect(Tally(sums: whole.sums).sums == whole.sums, "there and back")

    for ranks in [1, 2, 3, 4, 7, 60, 64] {
      var shards = [Tally](repeating: Tally(), count: ranks)
      for entry in 0..<Self.entries { add(&shards[entry % ranks], entry) }
      var inOrder = [Double](repeating: 0, count: Tally.count)
      for shard in shards { inOrder = zip(inOrder, shard.sums).map(+) }
      #expect(what(Tally(sums: inOrder)).map(\.bitPattern) == expected, "\(type) of \(ranks) ranks")
      var parts = shards.map(\.sums)
      while parts.count > 1 {
        parts = stride(from: 0, to: parts.count, by: 2).map { first in
          first + 1 < parts.count ? zip(parts[first], parts[first + 1]).map(+) : parts[first]
        }
      }
      #expect(
        what(Tally(sums: parts[0])).map(\.bitPattern) == expected, "\(type) of \(ranks) ranks, in pairs")
      var merged = Tally()
      for shard in shards.reversed() { merged += shard }
      #expect(merged.sums == whole.sums, "\(type) of \(ranks) ranks, +=")
    }
  }

  @Test func counts() {
    expectSame(AccuracyTally.self, { [$0.value] }) { $0.add(correct: $1 % 3, of: 3) }
    expectSame(ExactMatchTally.self, { [$0.value] }) { $0.add(isMatch: $1 % 4 == 0) }
    expectSame(WordErrorTally.self, { [$0.value] }) { $0.add(isCorrect: $1 % 4 == 0) }
    expectSame(TokenErrorTally.self, { [$0.value] }) { tally, entry in
      tally.add(output: [1, 2, entry], references: [[1, 2], [entry, entry + 1, entry]])
    }
  }

  @Test func spans() throws {
    let spans = try GoldenSpans.load()[1]
    let (labels, sentences) = (SpanLabels(spans.labels), spans.ids)
    expectSame(SpanTally.self, { [$0.f1, $0.accuracy] }) { tally, entry in
      let sentence = sentences[entry % sentences.count]
      tally.add(predicted: sentence.predicted, reference: sentence.reference, labels: labels)
    }
    expectSame(SpanCounts.self, { [$0.f1] }) { tally, entry in
      var one = SpanTally()
      let sentence = sentences[entry % sentences.count]
      one.add(predicted: sentence.predicted, reference: sentence.reference, labels: labels)
      tally += one.spans
    }
  }

  @Test func spansByType() throws {
    let spans = try GoldenSpans.load()[1]
    let labels = SpanLabels(spans.labels)
    var (whole, first, second) = (
      SpanReport(labels: labels), SpanReport(labels: labels), SpanReport(labels: labels)
    )
    for (index, sentence) in spans.ids.enumerated() {
      whole.add(predicted: sentence.predicted, reference: sentence.reference)
      if index % 3 == 0 {
        first.add(predicted: sentence.predicted, reference: sentence.reference)
      } else {
        second.add(predicted: sentence.predicted, reference: sentence.reference)
      }
    }
    #expect(whole.counts.count == 3)
    #expect(SpanReport(labels: labels, sums: zip(first.sums, second.sums).map(+)) == whole)
  }

  @Test func texts() throws {
    let entries = try GoldenTexts.load().entries
    let bleu = BLEU()
    expectSame(BLEUTally.self, { [bleu.score($0).value] }) { tally, entry in
      tally += bleu.tally(hypothesis: entries[entry].hypothesis, references: entries[entry].references)
    }
    let chrf = CHRF(wordOrder: 2)
    expectSame(CHRFTally.self, { [chrf.score($0)] }) { tally, entry in
      tally += chrf.tally(hypothesis: entries[entry].hypothesis, references: entries[entry].references)
    }
  }

  /// The number of references is found from sums alone.
  @Test(arguments: [
    ([1, 1, 1], "1"), ([3, 3], "3"), ([1, 3, 2], "var"), ([2, 2, 2, 1], "var"), ([], "0"),
  ])
  func referencesOfSignatures(counts: [Int], expected: String) {
    let bleu = BLEU()
    var tally = BLEUTally()
    for count in counts {
      tally += bleu.tally(hypothesis: "a", references: [String](repeating: "a", count: count))
    }
    #expect(tally.entries == counts.count)
    #expect(
      bleu.signature(tally, version: "v")
        == "nrefs:\(expected)|case:mixed|eff:no|tok:13a|smooth:exp|version:v")
  }

  @Test func numbers() {
    var random = FixedRandom(seed: 4)
    let errors = (0..<Self.entries).map { _ in
      Double.random(in: -1...1, using: &random) * [1e-3, 1, 1e3][Int.random(in: 0..<3, using: &random)]
    }
    expectSame(SquaredErrorTally.self, { [$0.value, $0.sum] }) { $0.add(prediction: errors[$1], target: 0.1) }
    expectSame(AbsoluteErrorTally.self, { [$0.value, $0.sum] }) {
      $0.add(prediction: errors[$1], target: 0.1)
    }
    expectSame(ExactSum.self, { [$0.value] }) { $0.add(errors[$1]) }
    // Doubles added plainly do depend on the number of ranks: otherwise this test would show nothing.
    let plain = (1...7).map { ranks in
      (0..<ranks).reduce(0) { sum, rank in
        sum + stride(from: rank, to: errors.count, by: ranks).reduce(0) { $0 + errors[$1] * errors[$1] }
      }
    }
    #expect(Set(plain).count > 1)
  }
}
