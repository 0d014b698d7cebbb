import Testing

@testable import Metrics

/// One corpus of metrics-spans.json.
struct GoldenSpans: Decodable, Sendable, CustomTestStringConvertible {
  struct Sentence: Decodable {
    var reference: [String]
    var predicted: [String]
  }

  struct Counts: Decodable {
    var correct: Int
    var predicted: Int
    var reference: Int
    var precision: Double
    var recall: Double
    var f1: Double
  }

  struct TypeCounts: Decodable {
    var correct: Int
    var predicted: Int
    var reference: Int
  }

  var name: String
  var sentences: [Sentence]
  var total: Counts
  /// By type of span.
  var types: [String: TypeCounts]
  /// The accuracy of the labels, which only conlleval reports.
  var accuracy: Double?

  var testDescription: String { name }

  static func load() throws -> [GoldenSpans] { try golden("metrics-spans") }

  /// All labels, in the order in which they first occur.
  var labels: [String] {
    var result: [String] = []
    for label in sentences.flatMap({ $0.reference + $0.predicted }) where !result.contains(label) {
      result.append(label)
    }
    return result
  }

  /// The sentences as ids of the labels.
  var examples: [LabelExample] {
    labelExamples(predicted: sentences.map(\.predicted), reference: sentences.map(\.reference), labels)
  }
}

/// Sentences of labels as ids.
private func labelExamples(
  predicted: [[String]], reference: [[String]], _ labels: [String]
) -> [LabelExample] {
  // Compared as bytes, because two ways to write an accented character are equal as String.
  let ids = Dictionary(uniqueKeysWithValues: labels.enumerated().map { (Array($1.utf8), Int32($0)) })
  let spans = SpanLabels(labels)
  return zip(predicted, reference).map { predicted, reference in
    LabelExample(
      predicted: predicted.compactMap { ids[Array($0.utf8)] },
      reference: reference.compactMap { ids[Array($0.utf8)] }, spans: spans)
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
    let tally = SpanTally.of(spans.examples)
    #expect(tally.counts.correct == spans.total.correct)
    #expect(tally.counts.predicted == spans.total.predicted)
    #expect(tally.counts.reference == spans.total.reference)
    #expect(tally.counts.precision == spans.total.precision)
    #expect(tally.counts.recall == spans.total.recall)
    #expect(tally.value == spans.total.f1)
    if let accuracy = spans.accuracy { #expect(AccuracyTally.of(spans.examples).value == accuracy) }
  }

  @Test(arguments: try GoldenSpans.load())
  func countsOfTypesAreThoseOfTheScript(spans: GoldenSpans) {
    let labels = SpanLabels(spans.labels)
    let shards = spans.examples.map { example in
      var counts = SpanCounts()
      counts.add(predicted: example.predicted, reference: example.reference, labels)
      return counts
    }
    let sum = shards.reduce(into: SpanCounts()) { $0 += $1 }
    let found = Dictionary(uniqueKeysWithValues: sum.byType.map { (labels.types[$0.key], $0.value) })
    let expected = spans.types.mapValues {
      ClassScore(correct: $0.correct, predicted: $0.predicted, reference: $0.reference)
    }
    #expect(found == expected)
    #expect(sum.total == SpanTally.of(spans.examples).counts)
  }

  /// 500 sentences with types of all scripts, combining marks and joiners, by seqeval.
  @Test func oddTypes() throws {
    let fuzz = try GoldenFuzz.load()
    let tags = fuzz.tags
    var labels: [[UInt8]] = []
    for label in (tags.references + tags.predictions).joined().map({ Array($0.utf8) })
    where !labels.contains(label) {
      labels.append(label)
    }
    let examples = labelExamples(
      predicted: tags.predictions, reference: tags.references,
      labels.map { String(decoding: $0, as: UTF8.self) })
    #expect(examples.count == 500 && tags.scores.count == 25)
    for (corpus, scores) in tags.scores.enumerated() {
      let tally = SpanTally.of(Array(examples[corpus * fuzz.corpusSize..<(corpus + 1) * fuzz.corpusSize]))
      for (value, expected) in zip([tally.counts.precision, tally.counts.recall, tally.value], scores) {
        #expect(abs(value - expected) < 1e-12, "corpus \(corpus)")
      }
    }
  }

  /// Counting both sequences at once is the same as comparing the sets of their spans.
  @Test(arguments: try GoldenSpans.load())
  func countsAreThoseOfSetsOfSpans(spans: GoldenSpans) {
    let labels = SpanLabels(spans.labels)
    for example in spans.examples {
      let tally = SpanTally.of([example])
      let found = labels.spans(in: example.predicted, spans.labels)
      let expected = labels.spans(in: example.reference, spans.labels)
      #expect(tally.counts.predicted == found.count)
      #expect(tally.counts.reference == expected.count)
      #expect(tally.counts.correct == Set(found).intersection(expected).count)
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
    let found = SpanLabels(names).spans(in: names.indices.map(Int32.init), names)
    #expect(found == expected.map { Span(type: $0, positions: $1) })
  }

  /// A label outside the tagging scheme has no type, so it ends a span because of its type.
  @Test func otherLabels() {
    let names = ["O", "B-X", "<pad>"]
    let labels = SpanLabels(names)
    #expect(labels.spans(in: [0, 2, 2], names) == [])
    #expect(labels.spans(in: [1, 2], names).first == Span(type: "X", positions: 0..<1))
  }

  @Test func typesDifferAsScalars() {
    let names = ["B-\u{E9}", "I-e\u{301}"]
    #expect(SpanLabels(names).spans(in: [0, 1], names).count == 2)
  }

  @Test func nothingFoundIsZero() {
    #expect(SpanTally().value == 0 && ClassScore().precision == 0 && ClassScore().recall == 0)
    let empty = LabelExample(predicted: [], reference: [], spans: SpanLabels(["O"]))
    #expect(SpanTally.of([empty]) == SpanTally())
  }
}

struct Span: Hashable {
  var type: String
  var positions: Range<Int>
}

extension SpanLabels {
  /// The spans in a sequence of label ids, in the order in which they begin.
  func spans(in sequence: [Int32], _ names: [String]) -> [Span] {
    var result: [Span] = []
    var begin: Int?
    var previous = Label.outside
    for position in 0...sequence.count {
      let label = label(at: position, of: sequence)
      let step = Step(from: previous, to: label)
      if step.ends, let start = begin {
        let type = names[Int(sequence[start])].split(separator: "-", maxSplits: 1).dropFirst().first ?? ""
        result.append(Span(type: String(type), positions: start..<position))
        begin = nil
      }
      if step.begins { begin = position }
      previous = label
    }
    return result
  }
}
