import Configuration
import Foundation
import Metrics
import RunLog
import Tasks

/// A report of some runs as one HTML page: curves, settings, metrics, samples, speed. It needs no network and no script, and
/// follows the light or dark mode of the reader.
public struct ReportPage {
  private let runs: [ReportedRun]
  private let plots: ReportPlots
  private let version: String
  private let date: Date

  /// - Parameter version: the version of the program, for the last line.
  public init(_ runs: [ReportedRun], version: String, date: Date = Date()) {
    var runs = runs
    runs.makeNamesUnique()
    self.runs = runs
    (self.version, self.date) = (version, date)
    plots = ReportPlots(runs)
  }

  /// The page as UTF-8 text.
  public var html: String {
    let sections = self.sections.filter { !$0.content.markup.isEmpty }
    let title = runs.count == 1 ? "Run \(runs[0].name)" : "\(runs.count) runs"
    let links: [HTML] = sections.map { "<a href=\"#\($0.id)\">\($0.title)</a>\n" }
    let style = HTML(markup: String(decoding: PackageResources.report_css, as: UTF8.self))
    let body: [HTML] = sections.map {
      "<section id=\"\($0.id)\">\n<h2>\($0.title)</h2>\n\($0.content)</section>\n"
    }
    let page: HTML = """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"/>
      <title>\(title)</title>
      <style>
      \(style)</style>
      </head>
      <body>
      <header>
      <h1>\(title)</h1>
      <nav>\(links)</nav>
      </header>
      \(problems)\(body)<footer><p class="quiet">rnn-dist \(version), \(Self.text(of: date))</p></footer>
      </body>
      </html>

      """
    return page.markup
  }

  private struct Section {
    let id: String
    let title: String
    let content: HTML
  }

  private var sections: [Section] {
    [
      Section(id: "runs", title: "Runs", content: overview),
      Section(id: "curves", title: "Curves", content: charts(plots.learning.map(\.element), note: meansNote)),
      Section(id: "metrics", title: "Metrics", content: metrics),
      Section(id: "classes", title: "Classes", content: ClassSection(runs).content),
      Section(
        id: "settings", title: runs.count > 1 ? "Differences of settings" : "Settings", content: settings),
      Section(id: "samples", title: "Samples over time", content: samples),
      Section(id: "speed", title: "Speed and communication", content: speed),
      Section(id: "end", title: "Ranks before the end", content: ends),
    ]
  }

  // MARK: Parts that are missing

  private var problems: HTML {
    let items: [HTML] = runs.flatMap { run in run.problems.map { "<li><b>\(run.name)</b>: \($0)</li>\n" } }
    guard !items.isEmpty else { return "" }
    return """
      <div class="problems" role="note"><p>Parts of these runs are missing or damaged, and are left out below:</p>
      <ul>\(items)</ul></div>

      """
  }

  // MARK: Overview

  private var overview: HTML {
    let head: [HTML] = ["run", "status", "task", "steps", "started", "duration", "ranks", "seed", "command"]
    let rows: [[HTML]] = runs.map { run in
      let record = run.record
      let status: HTML =
        record.map { record in
          let name = record.status.rawValue
          let isRunning = record.status == .running && !run.paths.isBeingTrained
          let message = record.status == .finished && record.message == "completed" ? nil : record.message
          let note = isRunning ? " (or killed)" : message.map { ": \($0)" } ?? ""
          return "<span class=\"\(name)\">\(name)\(note)</span>"
        } ?? "unknown"
      return [
        "\(run.name)", status, "\(run.configuration?.task.name ?? "–")",
        "\(run.history?.lastStep.map(Self.grouped) ?? "–")",
        "\(record?.starts.first.map { Self.text(of: $0.started) } ?? "–")\(Self.resumptions(record))",
        "\(run.duration.map(Self.duration) ?? "–")",
        "\(record.map { "\($0.ranks) on \($0.hosts.joined(separator: ", "))" } ?? "–")",
        "\(record.map { "\($0.seed)" } ?? "–")",
        "<code>\(record?.starts.first.map { $0.commandLine.joined(separator: " ") } ?? "–")</code>",
      ]
    }
    return .table(head, rows)
  }

  private static func resumptions(_ record: RunRecord?) -> String {
    guard let count = record?.earlier?.count, count > 0 else { return "" }
    return ", resumed \(count == 1 ? "once" : "\(count) times")"
  }

  // MARK: Curves

  private func charts(_ elements: [String], note: String?) -> HTML {
    guard !elements.isEmpty else { return "" }
    let charts: [HTML] = elements.map { "<div class=\"chart\">\(HTML(markup: $0))</div>\n" }
    let paragraph: HTML = note.map { "<p class=\"quiet\">\($0)</p>\n" } ?? ""
    return "\(paragraph)<div class=\"charts\">\n\(charts)</div>\n"
  }

  private var meansNote: String? {
    plots.hasMeans
      ? "Runs that differ in nothing but their seed are one line: the mean, with the range of their values around it."
      : nil
  }

  // MARK: Metrics

  private var metrics: HTML {
    let best = runs.map { $0.history?.bestEvaluation }
    guard best.contains(where: { $0 != nil }) else { return "" }
    let known = Set(best.flatMap { $0?.numbers.keys.map { $0 } ?? [] }).subtracting(["epoch"])
    let names =
      Metric.all.map(\.name).filter(known.contains) + known.subtracting(Metric.all.map(\.name)).sorted()
    var rows: [[HTML]] = [
      ["best evaluation at step"] + best.map { event -> HTML in "\(event?.step.map(Self.grouped) ?? "–")" }
    ]
    rows += names.map { name in
      ["\(Metric(rawValue: name)?.label ?? name.replacing("_", with: " "))"]
        + best.map { event -> HTML in "\(event?.numbers[name].map { Self.number(name, $0) } ?? "–")" }
    }
    return .table(["validation"] + runs.map { run -> HTML in "\(run.name)" }, rows, isNumeric: true)
  }

  /// Formats a metric in its usual unit, and any other number as a count.
  private static func number(_ name: String, _ value: Double) -> String {
    if let metric = Metric(rawValue: name) { return metric.text(value) }
    return value == value.rounded() && abs(value) < 1e15
      ? grouped(Int(value)) : String(format: "%.6g", value)
  }

  // MARK: Settings

  private var settings: HTML {
    let known = runs.filter { $0.configuration != nil }
    guard let first = known.first else { return "" }
    func table(_ keys: [String], marks: Bool) -> HTML {
      let values = known.map { Dictionary(uniqueKeysWithValues: $0.settings.map { ($0.key, $0.value) }) }
      let rows: [[HTML]] = keys.map { key in
        ["<code>\(key)</code>"]
          + values.map { own -> HTML in
            let isOther = marks && own[key] != values[0][key]
            return isOther ? "<code><mark>\(own[key] ?? "")</mark></code>" : "<code>\(own[key] ?? "")</code>"
          }
      }
      let head: [HTML] = ["key"] + known.map { run -> HTML in "\(run.name)" }
      return .table(head, rows)
    }
    let keys = first.settings.map(\.key)
    let all: HTML = "<details><summary>All settings</summary>\n\(table(keys, marks: true))</details>\n"
    guard known.count > 1 else { return all }
    let values = known.map { $0.settings.map(\.value) }
    let different = keys.indices.filter { index in values.contains { $0[index] != values[0][index] } }.map {
      keys[$0]
    }
    let differences: HTML = different.isEmpty ? "<p>There are none.</p>\n" : table(different, marks: true)
    return differences + all
  }

  // MARK: Samples

  /// The largest number of steps whose samples are shown: the first, the last and some between them.
  private static let mostSteps = 8
  private static let mostAttentionSteps = 4

  private var samples: HTML {
    let parts: [HTML] = runs.map { run in
      let content = run.samples.isEmpty ? pictures(run) : samples(of: run)
      guard !content.markup.isEmpty else { return "" }
      return runs.count > 1 ? "<h3>\(run.name)</h3>\n\(content)" : content
    }
    return parts.reduce("", +)
  }

  private func samples(of run: ReportedRun) -> HTML {
    let count = run.samples.map(\.samples.count).max() ?? 0
    let parts: [HTML] = (0..<count).map { index in
      let all = run.samples.compactMap { file in
        index < file.samples.count ? (step: file.step, sample: file.samples[index]) : nil
      }
      guard let last = all.last?.sample else { return "" }
      let sources: [HTML] = last.sources.map { "<p class=\"text\">\($0)</p>\n" }
      let expected: HTML =
        last.expected.isEmpty
        ? ""
        : "<p class=\"quiet\">expected: <span class=\"text\">\(last.expected.joined(separator: " | "))</span></p>\n"
      let rows: [[HTML]] = Self.spread(all, most: Self.mostSteps).map { step, sample in
        let isWrong =
          !sample.expected.isEmpty && !sample.expected.contains { $0.utf8.elementsEqual(sample.output.utf8) }
        return [
          "\(Self.grouped(step))",
          isWrong
            ? "<span class=\"text wrong\">\(sample.output)</span>"
            : "<span class=\"text\">\(sample.output)</span>",
        ]
      }
      var part = sources.reduce("", +)
      part += expected
      part += HTML.table(["step", "output"], rows)
      part += attention(all)
      return part
    }
    return parts.reduce("", +)
  }

  private func attention(_ all: [(step: Int, sample: RunSamples.Sample)]) -> HTML {
    let drawn = all.filter { !$0.sample.attention.isEmpty && $0.sample.attention.allSatisfy(\.isComplete) }
    let elements: [HTML] = Self.spread(drawn, most: Self.mostAttentionSteps).map { step, sample in
      let picture = AttentionPicture(
        title: String(sample.output.prefix(60)), outputTokens: sample.attention[0].output,
        panels: sample.attention.enumerated().map { number, matrix in
          AttentionPicture.Panel(
            name: sample.attention.count > 1 ? "source \(number + 1)" : "source", tokens: matrix.source,
            weights: matrix.weights.flatMap { $0 })
        })
      return """
        <div><p class="quiet">step \(Self.grouped(step))</p>
        <div class="attention">\(HTML(markup: picture.element))</div></div>

        """
    }
    return elements.isEmpty ? "" : "<div class=\"over-time\">\(elements)</div>\n"
  }

  /// The pictures of a run without recorded samples. Embedded as images, they can't run scripts, whatever they contain.
  private func pictures(_ run: ReportedRun) -> HTML {
    let elements: [HTML] = run.pictures.map { name, svg in
      """
      <div><p class="quiet">\(name)</p>
      <div class="attention"><img alt="attention" src="data:image/svg+xml;base64,\(svg.base64EncodedString())"/></div></div>

      """
    }
    return elements.isEmpty ? "" : "<div class=\"over-time\">\(elements)</div>\n"
  }

  /// Returns at most `most` elements, including the first and the last.
  private static func spread<Element>(_ all: [Element], most: Int) -> [Element] {
    guard all.count > most else { return all }
    return (0..<most).map { all[$0 * (all.count - 1) / (most - 1)] }
  }

  // MARK: Speed

  private var speed: HTML {
    let plots = charts(plots.speed.map(\.element), note: meansNote) + timelines
    guard runs.contains(where: { $0.history?.events("train").isEmpty == false }) else { return plots }
    let rows: [[HTML]] = runs.map { run in
      let history = run.history
      func median(_ name: String) -> Double? {
        let values = (history?.curve("train", name) ?? []).map(\.value).sorted()
        return values.isEmpty ? nil : values[values.count / 2]
      }
      let finished = history?.events("finished").last
      return [
        "\(run.name)", "\(median("tokens_per_second").map(Self.whole) ?? "–")",
        "\(median("communication_share").map { String(format: "%.1f %%", 100 * $0) } ?? "–")",
        "\(finished?.numbers["peak_resident_mib"].map { Self.whole($0) + " MiB" } ?? "–")",
        "\(history.map { Self.grouped($0.events("skipped").count) } ?? "–")",
        "\(history.map { Self.grouped($0.events("checkpoint").count) } ?? "–")",
      ]
    }
    return .table(
      [
        "run", "tokens/s (median)", "communication (median)", "peak memory of rank 0", "skipped updates",
        "checkpoints",
      ], rows, isNumeric: true) + plots
  }

  // MARK: Ranks over time

  private var timelines: HTML {
    let elements = runs.compactMap { run in
      let name = runs.count > 1 ? " of \(run.name)" : ""
      return RankTimeline(run)?.chart(title: "ranks\(name) over time").element
    }
    return charts(
      elements,
      note:
        "Each lane is a rank. The colors divide its height as computing and communication divided the time of its steps; it is empty during start-up, evaluations and saves."
    )
  }

  private var ends: HTML {
    let parts: [HTML] = runs.map { run in
      guard let record = run.flightRecord else { return "" }
      let chart = record.chart(title: "last collectives of every rank")?.element
      return "<h3>\(run.name)</h3>\n<p>\(record.message)</p>\n\(charts(chart.map { [$0] } ?? [], note: nil))"
    }
    return parts.reduce("", +)
  }

  // MARK: Texts

  private static func text(of date: Date) -> String {
    let text = date.formatted(.iso8601.dateSeparator(.dash).timeSeparator(.colon).dateTimeSeparator(.space))
    return text.replacing("Z", with: "") + " UTC"
  }

  /// Formats 3725 seconds as `1:02:05`.
  private static func duration(_ seconds: Double) -> String {
    guard seconds >= 0, seconds < 1e9 else { return "?" }
    let total = Int(seconds.rounded())
    return String(format: "%d:%02d:%02d", total / 3600, total / 60 % 60, total % 60)
  }

  /// Formats a number without decimals. A damaged file may contain any number.
  private static func whole(_ number: Double) -> String {
    abs(number) < 1e15 ? grouped(Int(number)) : String(format: "%.3g", number)
  }

  /// Formats 1234567 as `1,234,567`.
  private static func grouped(_ number: Int) -> String {
    number.formatted(.number.locale(Locale(identifier: "en_US")))
  }
}
