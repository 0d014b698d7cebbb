import Metrics
import Testing

/// One corpus of metrics-spans.json.
struct GoldenSpans: Decodable, Sendable, CustomTestStringConvertible {
  struct Sentence: Decodable {
    var reference: [String]
    var predicted: [String]
  }

  struct Figures: Decodable {
    var correct: Int
    var predicted: Int
    var reference: Int
    var precision: Double
    var recall: Double
    var f1: Double
  }

  var name: String
  var sentences: [Sentence]
  var total: Figures
  var types: [String: Figures]
  /// Of the labels; conlleval only.
  var accuracy: Double?

  var testDescription: String { name }

  static func load() throws -> [GoldenSpans] { try golden("spans") }

  /// All labels, in the order in which they are met.
  var labels: [String] {
    var result: [String] = []
    for label in sentences.flatMap({ $0.reference + $0.predicted }) where !result.contains(label) {
      result.append(label)
    }
    return result
  }

  /// The sentences as ids of the labels.
  var ids: [(reference: [Int32], predicted: [Int32])] {
    let ids = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, Int32($0)) })
    return sentences.map { ($0.reference.compactMap { ids[$0] }, $0.predicted.compactMap { ids[$0] }) }
  }
}

@Suite struct SpanMarkTests {
  @Test(arguments: ["B-a", "I-a", "E-a", "L-a", "S-a", "U-a", "I-a-b", "B-"]) func marks(label: String) {
    #expect(SpanLabels.marksSpan(label))
  }

  @Test(arguments: ["O", ".", "O-a", "B", "NOUN", "X-a", "b-a", "", "-", "-a", "BI-a"])
  func marksNothing(label: String) {
    #expect(!SpanLabels.marksSpan(label))
  }
}

@Suite struct SpanTests {
  @Test func everySchemeIsThere() throws {
    #expect(try GoldenSpans.load().count == 7)
  }

  @Test(arguments: try GoldenSpans.load())
  func countsAreThoseOfTheScript(spans: GoldenSpans) throws {
    var report = SpanReport(labels: SpanLabels(spans.labels))
    for (reference, predicted) in spans.ids { report.add(predicted: predicted, reference: reference) }
    expect(report.total.spans, spans.total)
    if let accuracy = spans.accuracy { #expect(report.total.accuracy == accuracy) }
    let found = zip(report.labels.types, report.counts).filter { $1.predicted + $1.reference > 0 }
    #expect(found.map(\.0) == spans.types.keys.sorted())
    for (type, counts) in found { expect(counts, try #require(spans.types[type])) }
  }

  private func expect(_ counts: SpanCounts, _ expected: GoldenSpans.Figures) {
    #expect(counts.correct == expected.correct)
    #expect(counts.predicted == expected.predicted)
    #expect(counts.reference == expected.reference)
    #expect(counts.precision == expected.precision)
    #expect(counts.recall == expected.recall)
    #expect(counts.f1 == expected.f1)
  }

  /// Counting both sequences at once is the same as comparing the sets of their spans.
  @Test(arguments: try GoldenSpans.load())
  func countsAreThoseOfSetsOfSpans(spans: GoldenSpans) {
    let labels = SpanLabels(spans.labels)
    for (reference, predicted) in spans.ids {
      var tally = SpanTally()
      tally.add(predicted: predicted, reference: reference, labels: labels)
      let (found, expected) = (labels.spans(in: predicted), labels.spans(in: reference))
      #expect(tally.spans.predicted == found.count)
      #expect(tally.spans.reference == expected.count)
      #expect(tally.spans.correct == Set(found).intersection(expected).count)
    }
  }

  @Test(
    arguments: [
      ("B-X I-X O I-X", [("X", 0..<2), ("X", 3..<4)]),
      ("I-X I-X B-X I-X", [("X", 0..<2), ("X", 2..<4)]),
      ("I-X I-Y", [("X", 0..<1), ("Y", 1..<2)]),
      ("S-X S-X B-Y I-Y E-Y E-Y", [("X", 0..<1), ("X", 1..<2), ("Y", 2..<5), ("Y", 5..<6)]),
      ("U-X B-Y I-Y L-Y", [("X", 0..<1), ("Y", 1..<4)]),
      ("E-X B-X", [("X", 0..<1), ("X", 1..<2)]),
      ("B-a-b I-a-b I-b", [("a-b", 0..<2), ("b", 2..<3)]),
      ("O-X O", []),
    ] as [(String, [(String, Range<Int>)])])
  func spansOfLabels(text: String, expected: [(String, Range<Int>)]) {
    let names = text.split(separator: " ").map(String.init)
    let labels = SpanLabels(names)
    #expect(
      labels.spans(in: names.indices.map(Int32.init))
        == expected.map { SpanLabels.Span(type: $0, positions: $1) })
  }

  /// A label that isn't of a tagger's scheme has no type, and so ends a span by its type.
  @Test func otherLabels() {
    let labels = SpanLabels(["O", "B-X", "<pad>"])
    #expect(labels.types == ["", "X"])
    #expect(labels.spans(in: [0, 2, 2]) == [])
    #expect(labels.spans(in: [1, 2]).first == SpanLabels.Span(type: "X", positions: 0..<1))
  }

  @Test func typesDifferAsScalars() {
    #expect(SpanLabels(["B-\u{E9}", "I-e\u{301}"]).types.count == 2)
  }

  @Test func nothingFoundIsZero() {
    var tally = SpanTally()
    #expect(tally.f1 == 0 && tally.precision == 0 && tally.recall == 0)
    #expect(tally.accuracy.isNaN)
    tally.add(predicted: [], reference: [], labels: SpanLabels(["O"]))
    #expect(tally == SpanTally())
  }
}
