import Metrics
import Testing

@Suite struct MetricListTests {
  @Test func namesAreDifferentAndFoundAgain() {
    #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
    for metric in Metric.all {
      #expect(Metric(rawValue: metric.name) == metric)
      #expect(!metric.label.isEmpty && !metric.definition.isEmpty)
    }
    #expect(Metric(rawValue: "ter") == nil)
  }

  @Test func valuesOfTheLoss() throws {
    let mean = MeanLoss(total: 6, targets: 3)
    func value(_ metric: Metric) throws -> Double {
      switch metric.measure {
      case .loss(let value), .probabilities(let value): value(mean)
      case .numbers, .quantiles, .baseline, .labels, .spans, .texts: try #require(nil as Double?)
      }
    }
    #expect(try value(.loss) == 2)
    #expect(isClose(try value(.perplexity), 7.38905609893065))
  }

  @Test func errorsOfNumbers() {
    let group = MetricGroup<NumberExample>.numbers
    let sums = group.sums(of: [
      NumberExample(predicted: [1, -2], reference: [3, -2.5]), NumberExample(predicted: [0], reference: [1]),
    ])
    let values = Dictionary(uniqueKeysWithValues: group.values(of: sums).map { ($0.metric, $0.value) })
    #expect(values[.mse] == (4 + 0.25 + 1) / 3.0)
    #expect(values[.mae] == (2 + 0.5 + 1) / 3.0)
    #expect(values[.quantileLoss]?.isNaN == true && values[.persistenceError]?.isNaN == true)
  }

  @Test func quantilesAndForecastsWithoutAModel() {
    let example = NumberExample(
      predicted: [0, 2, 4, 1, 1, 1], reference: [3, 1], levels: [0.2, 0.5, 0.9], persistence: [2, 2],
      seasonalNaive: [3, 0])
    let group = MetricGroup<NumberExample>.numbers
    let values = Dictionary(
      uniqueKeysWithValues: group.values(of: group.sums(of: [example])).map { ($0.metric, $0.value) })
    // The medians are 2 and 1.
    #expect(values[.mae] == 0.5 && values[.mse] == 0.5)
    #expect(isClose(values[.quantileLoss] ?? 0, (0.2 * 3 + 0.5 * 1 + 0.1 * 1) / 6))
    #expect(values[.persistenceError] == 1 && values[.seasonalNaiveError] == 0.5)
  }

  /// All metrics of a kind come from one array of sums, in the order of the list.
  @Test func groupsKeepTheirSumsApart() throws {
    let texts = MetricGroup<TextExample>.texts
    let examples = try GoldenTexts.load().entries.map { TextExample($0) }
    let halves = [examples.prefix(50), examples.suffix(50)].map { texts.sums(of: Array($0)) }
    let sums = zip(halves[0], halves[1]).map(+)
    #expect(sums == texts.sums(of: examples))
    let values = texts.values(of: sums)
    #expect(values.map(\.metric) == Metric.all.filter(\.comparesTexts))
    let found = Dictionary(uniqueKeysWithValues: values.map { ($0.metric, $0.value) })
    #expect(found[.bleu] == BLEUTally.of(examples).value)
    #expect(found[.wordErrorRate] == EditTally<Words>.of(examples).value)
    #expect(found[.exactMatch] == ExactMatchTally.of(examples).value)
    #expect(texts.signatures(of: sums, ComparisonOptions(), version: "v").count == 3)
    #expect(texts.sums(of: []).allSatisfy { $0 == 0 } && texts.sums(of: []).count == sums.count)
  }

  @Test func spansAreForLabelsThatMarkThem() throws {
    func metrics(markSpans: Bool) -> [Metric] {
      let group = MetricGroup.labels(markSpans: markSpans)
      return group.values(of: group.sums(of: [])).map(\.metric)
    }
    #expect(metrics(markSpans: false) == [.accuracy])
    #expect(metrics(markSpans: true) == [.accuracy, .f1])
  }
}
