import Configuration
import Foundation
import RunLog
import Tasks
import TestSupport
import Testing

@testable import Reporting

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct ReportPageTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
  }

  // MARK: Runs

  private static let losses = [3.0, 2.5, 2.25]

  /// A run directory with all files that a report reads.
  private func makeRun(_ name: String, seed: Int = 1, layers: Int = 1, output: String = "2017-05-03") throws
    -> ReportedRun
  {
    let paths = RunPaths(root: folder.file(name))
    try FileManager.default.createDirectory(atPath: paths.root, withIntermediateDirectories: true)
    try RunRecord(
      versions: ["rnn-dist": "1"], commandLine: ["rnn-dist", "train", "--run-dir", "<runs>"], ranks: 2,
      hosts: ["a"], seed: UInt64(seed), started: Date(timeIntervalSince1970: 1_000_000),
      ended: Date(timeIntervalSince1970: 1_003_725), status: .finished, message: "completed"
    ).write(to: paths.record)
    let lines = Self.losses.enumerated().flatMap { index, loss in
      [
        """
        {"event":"train","step":\(index * 10),"epoch":0.5,"time":1,"loss":\(loss + Double(seed)),"gradient_norm":1,\
        "learning_rate":0.01,"tokens_per_second":1234,"communication_share":0.25}
        """,
        """
        {"event":"valid","step":\(index * 10),"epoch":0.5,"time":1,"loss":\(loss),"exact_match":0.\(index),\
        "tokens":100,"best":\(index == 1)}
        """,
      ]
    }
    try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: paths.metrics))
    for step in [0, 10, 20] {
      let attention = RunSamples.Attention(
        source: ["a", "<"], output: ["b", "<eos>"], weights: [[0.25, 0.75], [.nan, 1]])
      try RunSamples(
        step: step, epoch: 1,
        samples: [
          .init(sources: ["May 3, 2017"], output: output, expected: ["2017-05-03"], attention: [attention])
        ]
      ).write(to: paths)
    }
    return try read(name, seed: seed, layers: layers)
  }

  private func read(_ name: String, seed: Int = 1, layers: Int = 1) throws -> ReportedRun {
    var configuration = RunConfiguration()
    configuration.seed = seed
    configuration.model.network.layers = layers
    return ReportedRun(RunPaths(root: folder.file(name)), configuration: .success(configuration))
  }

  private func page(_ runs: [ReportedRun]) throws -> Page {
    try Page(ReportPage(runs, version: "1.2.3", date: Date(timeIntervalSince1970: 0)).html)
  }

  // MARK: Tests

  @Test func aRunHasAllSections() throws {
    let page = try page([try makeRun("run")])
    #expect(
      page.headings == [
        "Run run", "Runs", "Curves", "Metrics", "Settings", "Samples over time", "Speed and communication",
      ])
    for text in [
      "finished", "1:02:05", "2 on a", "training loss", "validation exact match, %", "10.00 %",
      "2017-05-03", "May 3, 2017", "<eos>", "1,234", "25.0 %",
    ] { #expect(page.texts.contains { $0.contains(text) }, "\(text)") }
    // The best evaluation is that of step 10, not the last.
    #expect(page.texts.contains("2.5000") && !page.texts.contains("2.2500"))
    #expect(page.problems.isEmpty)
  }

  @Test func textsAreEscapedAndNothingIsLoaded() throws {
    let evil = "<script>alert('1')</script><img src=x onerror=\"a\">&amp;"
    let run = try makeRun("a&b<i>", output: evil)
    let html = ReportPage([run], version: evil).html
    let page = try Page(html)
    #expect(!page.names.contains("script") && !page.names.contains("i"))
    #expect(!page.names.contains("link") && !page.names.contains("iframe"))
    #expect(page.texts.contains(evil) && page.texts.contains("Run a&b<i>"))
    let addresses = page.attributes.filter { ["src", "href", "xlink:href"].contains($0.name) }.map(\.value)
    #expect(addresses.allSatisfy { $0.hasPrefix("#") || $0.hasPrefix("data:") })
    #expect(!page.attributes.contains { $0.name.hasPrefix("on") })
  }

  /// The first command says what was trained; what it and the resumed runs took is added up.
  @Test func aResumedRunHasItsBeginning() throws {
    let paths = RunPaths(root: folder.file("run"))
    _ = try makeRun("run")
    var record = try RunRecord(contentsOf: paths.record)
    record.earlier = [
      .init(
        commandLine: ["first", "command"], ranks: 1, started: Date(timeIntervalSince1970: 0),
        ended: Date(timeIntervalSince1970: 60))
    ]
    try record.write(to: paths.record)
    let page = try page([read("run")])
    for text in ["first command", "1:03:05", "1970-01-01 00:00:00 UTC, resumed once"] {
      #expect(page.texts.contains(text), "\(text)")
    }
  }

  @Test func runsOfDifferentTasksHaveTheirOwnCharts() throws {
    _ = try makeRun("one")
    _ = try makeRun("two")
    let runs = [("one", TaskKind.tagger), ("two", .classifier)].map { name, task in
      var configuration = RunConfiguration()
      configuration.task = task
      return ReportedRun(RunPaths(root: folder.file(name)), configuration: .success(configuration))
    }
    let page = try page(runs)
    #expect(
      page.texts.contains("training loss (tagger)") && page.texts.contains("training loss (classifier)"))
    #expect(!page.texts.contains("training loss"))
    // The second run has the second color, though it is alone in its charts.
    #expect(ReportPlots(runs).learning.map { $0.series.map(\.style) }.contains([1]))
  }

  @Test func seedsBecomeOneLineWithTheirRange() throws {
    let runs = try [makeRun("first", seed: 1), makeRun("second", seed: 3), makeRun("other", layers: 2)]
    #expect(SeedGroups.of(runs.map(\.configuration)) == [[0, 1], [2]])
    let page = try page(runs)
    #expect(page.texts.contains("first (seeds 1, 3)"))
    #expect(page.attributes.contains { $0.name == "fill-opacity" })
    #expect(page.texts.contains { $0.contains("the range of their values") })
    let curve = SeedGroups.mean(of: [[.init(x: 0, y: 1), .init(x: 1, y: 5)], [.init(x: 0, y: 3)]])
    #expect(curve == [.init(x: 0, y: 2, spread: 1...3)])
  }

  @Test func differencesOfSettingsAreThoseAlone() throws {
    let two = try page([makeRun("one"), makeRun("two", layers: 3)])
    let section = try #require(two.sections["settings"])
    #expect(section.dropFirst().prefix(6) == ["key", "one", "two", "model.layers", "1", "3"])
    #expect(section.contains("All settings"))
    let same = try page([makeRun("three"), makeRun("four")])
    #expect(same.sections["settings"]?.contains("There are none.") == true)
  }

  @Test func damagedAndMissingPartsAreNamed() throws {
    _ = try makeRun("run")
    let paths = RunPaths(root: folder.file("run"))
    let metrics = try String(contentsOfFile: paths.metrics, encoding: .utf8)
    try Data((metrics + "{\"event\":\"train\",\"st").utf8).write(to: URL(fileURLWithPath: paths.metrics))
    try Data("no JSON".utf8).write(to: URL(fileURLWithPath: paths.record))
    try Data("{\"step\":1}".utf8).write(to: URL(fileURLWithPath: paths.samples(step: 10)))
    let run = ReportedRun(
      paths, configuration: .failure(ConfigurationUnavailable(name: "config.yaml", reason: .missing)))
    let damaged = try page([run])
    #expect(damaged.problems.count == 4)
    for text in ["config.yaml", "run.json", "1 line is not JSON", "step-10.json"] {
      #expect(damaged.problems.contains { $0.contains(text) }, "\(text)")
    }
    // Numbers of any size are shown.
    try Data(
      (metrics + "{\"event\":\"train\",\"step\":1e300,\"loss\":1e308,\"tokens_per_second\":1e300}\n").utf8
    )
    .write(to: URL(fileURLWithPath: paths.metrics))
    #expect(try !page([try read("run")]).texts.isEmpty)
    // The rest is shown.
    #expect(damaged.headings.contains("Curves") && damaged.headings.contains("Samples over time"))

    try FileManager.default.removeItem(atPath: paths.root)
    try FileManager.default.createDirectory(atPath: paths.root, withIntermediateDirectories: true)
    let empty = try page([try read("run")])
    #expect(empty.problems.count == 2)
    #expect(empty.headings == ["Run run", "Runs", "Settings"])
  }

  @Test func classesAreShownAndCompared() throws {
    func write(_ name: String, f1: Double) throws -> ReportedRun {
      _ = try makeRun(name)
      let json = """
        {"step":10,"classes":[
        {"name":"<A>","precision":0.5,"recall":1,"f1":\(f1),"examples":7,"predicted":2,"correct":1},
        {"name":"B","precision":0,"recall":0,"f1":0,"examples":3,"predicted":0,"correct":0}],
        "confusion":[{"reference":"B","predicted":"<A>","count":3},
        {"reference":"<never learned>","predicted":"<A>","count":9}],
        "spans":[{"name":"","precision":0.25,"recall":1,"f1":0.4,"examples":5,"predicted":4,"correct":1}]}
        """
      try Data(json.utf8).write(to: URL(fileURLWithPath: folder.file("\(name)/classes.json")))
      return try read(name)
    }
    let one = try write("one", f1: 0.6125)
    let section = try #require(try page([one]).sections["classes"])
    for text in ["(no type)", "25.00 %", "<A>", "61.25 %", "7", "<never learned>", "9"] {
      #expect(section.contains(text), "\(text)")
    }
    let both = try #require(try page([one, write("two", f1: 0.3)]).sections["classes"])
    #expect(both.contains("F1 of classes") && both.contains("61.25 %") && both.contains("30.00 %"))
    try Data("{}".utf8).write(to: URL(fileURLWithPath: folder.file("two/classes.json")))
    let damaged = try page([read("two")])
    #expect(damaged.sections["classes"] == nil)
    #expect(damaged.problems.contains { $0.contains("classes.json") && $0.contains("is missing") })
  }

  /// A run of two ranks from second 0 to 60 that was resumed at second 1,000,000.
  private func makeResumedRun(_ metrics: [String]) throws -> ReportedRun {
    _ = try makeRun("run")
    let paths = RunPaths(root: folder.file("run"))
    var record = try RunRecord(contentsOf: paths.record)
    record.earlier = [
      .init(
        commandLine: [], ranks: 2, started: Date(timeIntervalSince1970: 0),
        ended: Date(timeIntervalSince1970: 60))
    ]
    record.ended = Date(timeIntervalSince1970: 1_000_040)
    try record.write(to: paths.record)
    try Data(metrics.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: paths.metrics))
    return try read("run")
  }

  private static func step(_ step: Int, time: Double, shares: [Double]) -> String {
    "{\"event\":\"train\",\"step\":\(step),\"time\":\(time),\"loss\":1,\"communication_shares\":\(shares)}"
  }

  @Test func ranksHaveATimeline() throws {
    let page = try page([
      makeResumedRun([
        "{\"event\":\"memory\",\"time\":10}", Self.step(10, time: 20, shares: [0.25, 0.5]),
        "{\"event\":\"valid\",\"step\":10,\"time\":30}", Self.step(20, time: 40, shares: [0.25, 0.75]),
        "{\"event\":\"checkpoint\",\"step\":20,\"time\":45}", "{\"event\":\"memory\",\"time\":1000000}",
        Self.step(30, time: 1_000_010, shares: [0, 0.875]),
      ])
    ])
    for text in [
      "ranks over time", "time of the run, seconds", "rank 0", "rank 1", "communication",
      "rank 1, steps 1 to 10: 50.0 % communication", "rank 0, steps 11 to 20: 25.0 % communication",
      "rank 1, steps 21 to 30: 87.5 % communication", "checkpoint of step 20", "resumed",
    ] { #expect(page.texts.contains(text), "\(text)") }
    // The axis has 600 pixels for 70 seconds. Each span has 10 of them, without the start and the evaluation. There are three
    // spans with two colors for each rank, but rank 0 communicates in only two of them.
    let widths = page.attributes.filter { $0.name == "width" && $0.value == "85.71" }
    #expect(widths.count == 11)
  }

  @Test func oneRankHasNoTimeline() throws {
    let page = try page([makeResumedRun([Self.step(10, time: 20, shares: [])])])
    #expect(!page.texts.contains("ranks over time"))
  }

  @Test func aLongTimelineIsShortened() throws {
    let events = (1...10_000).map { Self.step($0, time: Double($0) / 200, shares: [0, $0 % 2 == 0 ? 0 : 1]) }
    let page = try page([makeResumedRun(events)])
    let hints = page.texts.filter { $0.hasPrefix("rank 1, step") }
    #expect((100...600).contains(hints.count))
    #expect(hints.first?.hasPrefix("rank 1, steps 1 to ") == true)
    #expect(hints.last?.contains("10000: ") == true)
    let shares = hints.compactMap { $0.split(separator: " ").suffix(3).first.flatMap { Double($0) } }
    #expect(shares.count == hints.count && shares.dropLast().allSatisfy { (40...60).contains($0) })
  }

  /// The clock of a host can be set back between two starts.
  @Test func startsInAnyOrderAreShown() throws {
    _ = try makeResumedRun([Self.step(1, time: 1, shares: [0, 0])])
    let paths = RunPaths(root: folder.file("run"))
    var record = try RunRecord(contentsOf: paths.record)
    record.started = Date(timeIntervalSince1970: -10)
    record.ended = Date(timeIntervalSince1970: -20)
    try record.write(to: paths.record)
    #expect(try page([read("run")]).texts.contains("0:01:11"))
  }

  @Test func aFlightRecordIsATimeline() throws {
    _ = try makeRun("run")
    let record = """
      {"message":"rank 1 of 2 <gone>","culprits":[1],"step":7,"ranks":[
      {"rank":0,"host":"a","process":"sleeping","sequence":2,"step":7,"records":[
      {"sequence":1,"operation":"sum of Float","bytes":8,"phase":"step","step":6,"age":2.0,"seconds":0.5},
      {"sequence":2,"operation":"barrier","bytes":0,"phase":"step","step":7,"age":1.0}]},
      {"rank":1,"host":"a","process":"gone","sequence":1,"records":[]}]}
      """
    try Data(record.utf8).write(to: URL(fileURLWithPath: folder.file("run/flight-record.json")))
    let page = try page([try read("run")])
    #expect(page.headings.last == "run" && page.problems.isEmpty)
    #expect(page.texts.contains("rank 1 of 2 <gone>") && page.texts.contains("rank 1 ✗"))
    #expect(page.texts.contains("sum of Float, 8 bytes, step 6, step: 0.5000 s"))
    #expect(page.texts.contains("barrier, 0 bytes, step 7, step: not finished"))
  }
}

/// A page, read by a strict XML parser.
private struct Page {
  private(set) var names: Set<String> = []
  private(set) var attributes: [(name: String, value: String)] = []
  /// The text of every element, without that of nested elements.
  private(set) var texts: [String] = []
  private(set) var headings: [String] = []
  /// The items of the list of problems.
  private(set) var problems: [String] = []
  /// The texts in each section by its id.
  private(set) var sections: [String: [String]] = [:]

  init(_ html: String) throws {
    let parser = XMLParser(data: Data(html.utf8))
    let reader = Reader()
    parser.delegate = reader
    try #require(parser.parse(), "\(String(describing: parser.parserError)) at line \(parser.lineNumber)")
    self = reader.page
  }

  private init() {}

  private final class Reader: NSObject, XMLParserDelegate {
    var page = Page()
    private var open: [(name: String, id: String?, text: String)] = []

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String] = [:]
    ) {
      page.names.insert(name)
      page.attributes += attributes.map { ($0.key, $0.value) }
      open.append((name, attributes["id"], ""))
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) { open[open.count - 1].text += text }

    func parser(
      _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
    ) {
      let text = open.removeLast().text.trimmingCharacters(in: .whitespacesAndNewlines)
      if ["h1", "h2", "h3"].contains(name) { page.headings.append(text) }
      if name == "li" { page.problems.append(text) }
      guard !text.isEmpty else { return }
      page.texts.append(text)
      if let section = open.last(where: { $0.name == "section" })?.id {
        page.sections[section, default: []].append(text)
      }
    }
  }
}
