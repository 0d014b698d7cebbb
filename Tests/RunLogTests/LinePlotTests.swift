import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import RunLog

@Suite("LinePlot")
struct LinePlotTests {
  private func plot(
    _ series: [LinePlot.Series], x: LinePlot.Scale = .linear, y: LinePlot.Scale = .linear
  ) -> LinePlot {
    LinePlot(title: "t", xLabel: "step", yLabel: "loss", xScale: x, yScale: y, series: series)
  }

  private func points(_ pairs: [(Double, Double)]) -> [LinePlot.Point] { pairs.map { .init(x: $0, y: $1) } }

  /// Returns the lines of the series, which are the paths without the color of an axis.
  private func lines(_ image: ImageElements) -> [ImageElements.Element] {
    let axes = ["#e4e4e4", "#f0f0f0", "#888888"]
    return image.named("path").filter { !axes.contains($0.attributes["stroke"] ?? "") }
  }

  /// Returns the coordinates of a path of straight lines.
  private func places(_ path: ImageElements.Element) -> [(x: Double, y: Double)] {
    (path.attributes["d"] ?? "").split { "ML".contains($0) }.map { pair in
      let numbers = pair.split(separator: " ").compactMap { Double($0) }
      return (numbers.first ?? .nan, numbers.last ?? .nan)
    }
  }

  @Test("each series has a line, one dot per point and its name in the legend")
  func series() throws {
    let image = try ImageElements(
      plot([
        .init("<a> & b", points([(0, 1), (5, 3), (10, 2)])), .init("second", points([(0, 3), (10, 1)])),
      ]).svg)
    let lines = lines(image)
    // Each series has a line in the plot and one in the legend.
    #expect(lines.count == 4)
    #expect(Set(lines.compactMap { $0.attributes["stroke"] }).count == 2)
    #expect(image.named("circle").count == 5)
    for text in ["t", "step", "loss", "<a> & b", "second"] { #expect(image.texts.contains(text), "\(text)") }
    let places = places(lines[0])
    #expect(places.count == 3)
    #expect(places[0].x < places[1].x && places[1].x < places[2].x)
    // Larger numbers are higher, and y increases downward.
    #expect(places[1].y < places[2].y && places[2].y < places[0].y)
    #expect(places[2].y - places[1].y == places[0].y - places[2].y)
  }

  @Test("points are at the ticks of their numbers")
  func ticks() throws {
    let image = try ImageElements(plot([.init("", points([(0, 10), (100, 20)]))]).svg)
    let line = try #require(lines(image).first)
    for (place, number) in [(0, "10"), (1, "20")] {
      let label = try #require(image.named("text").first { $0.text == number })
      #expect(abs(label.number("y") - 4 - places(line)[place].y) < 0.02)
    }
    let label = try #require(image.named("text").last { $0.text == "100" })
    #expect(abs(label.number("x") - places(line)[1].x) < 0.02)
  }

  @Test("points that can't be drawn interrupt the line, and a single point is a dot")
  func gaps() throws {
    let ys: [Double] = [1, 2, .nan, 3, .infinity, 4, 5, -.infinity, 6, 1e300]
    let image = try ImageElements(
      plot([.init("", ys.enumerated().map { .init(x: Double($0), y: $1) })]).svg)
    #expect(lines(image).map { places($0).count } == [2, 2])
    #expect(image.named("circle").count == 6)
    #expect(!image.texts.contains { $0.contains("nan") || $0.contains("inf") })
    let hidden = try ImageElements(plot([.init("", points([(.nan, 1), (1, .nan)]))]).svg)
    #expect(hidden.texts.contains("no points to show"))
    // Many points are drawn without dots, except a single one.
    let many = (0..<100).map { LinePlot.Point(x: Double($0), y: $0 == 98 ? .nan : 1) }
    let last = try ImageElements(plot([.init("", many)]).svg)
    #expect(last.named("circle").count == 1)
  }

  @Test("on logarithmic axes equal ratios are equal distances, and zero isn't drawn")
  func logarithmic() throws {
    let image = try ImageElements(
      plot(
        [.init("", points([(1, 1e-3), (10, 1e-2), (100, 1e-1), (1000, 0), (1000, -1)]))], x: .logarithmic,
        y: .logarithmic
      )
      .svg)
    let line = try #require(lines(image).first)
    let places = places(line)
    #expect(places.count == 3)
    #expect(abs((places[1].x - places[0].x) - (places[2].x - places[1].x)) < 0.03)
    #expect(abs((places[1].y - places[0].y) - (places[2].y - places[1].y)) < 0.03)
    for text in ["0.001", "0.01", "0.1", "10", "100"] { #expect(image.texts.contains(text), "\(text)") }
  }

  @Test("an empty chart has axes and a note", arguments: [LinePlot.Scale.linear, .logarithmic])
  func empty(scale: LinePlot.Scale) throws {
    for series in [[], [LinePlot.Series("a", [])]] {
      let image = try ImageElements(plot(series, x: scale, y: scale).svg)
      #expect(image.texts.contains("no points to show"))
      #expect(image.texts.contains("1") || image.texts.contains("1.0"))
    }
  }

  @Test("a long line is thinned without losing its peaks")
  func thinning() throws {
    var points = (0..<100_000).map { LinePlot.Point(x: Double($0), y: Double($0 % 7)) }
    points[54_321].y = 100
    points[23_456].y = -50
    let svg = plot([.init("", points)]).svg
    #expect(svg.utf8.count < 60_000)
    let line = try #require(lines(try ImageElements(svg)).first)
    let places = places(line)
    let axis = LineAxis(points.map(\.y), scale: .linear, extendsToTicks: true)
    let reach = (places.map(\.y).max() ?? 0) - (places.map(\.y).min() ?? 0)
    #expect(abs(reach - 320 * (axis.position(of: 100) - axis.position(of: -50))) < 0.02)
    #expect(zip(places, places.dropFirst()).allSatisfy { $0.x <= $1.x })
    // A line whose x values are not monotonic isn't thinned.
    let circle = (0..<5000).map { LinePlot.Point(x: cos(Double($0)), y: sin(Double($0))) }
    let whole = try #require(lines(try ImageElements(plot([.init("", circle)]).svg)).first)
    #expect(self.places(whole).count == 5000)
  }

  @Test("more series than colors differ in their dashes")
  func styles() throws {
    let many = (0..<20).map { LinePlot.Series("s\($0)", points([(0, Double($0)), (1, 0)])) }
    let styles = lines(try ImageElements(plot(many).svg)).map {
      "\($0.attributes["stroke"] ?? "") \($0.attributes["stroke-dasharray"] ?? "")"
    }
    #expect(styles.count == 40)
    #expect(Set(styles).count == 20)
  }

  @Test("a mean has an area from the least to the largest value, and the axis has room for it")
  func spread() throws {
    let image = try ImageElements(
      plot([.init("", [.init(x: 0, y: 5, spread: 4...9), .init(x: 1, y: 6, spread: 6...6)])]).svg)
    let area = try #require(image.named("path").first { $0.attributes["fill-opacity"] != nil })
    let line = try #require(lines(image).first { $0.attributes["fill-opacity"] == nil })
    let corners = places(
      .init(
        name: "", attributes: ["d": (area.attributes["d"] ?? "").replacing("Z", with: "")], text: "",
        parents: []))
    #expect(corners.count == 4)
    // The area extends up to 9, which is higher than 5, and down to 4.
    #expect(corners[0].y < places(line)[0].y && corners[3].y > places(line)[0].y)
    #expect(corners.allSatisfy { (0.0...400.0).contains($0.y) })
  }

  @Test("intervals have their labels and counts instead of ticks")
  func bins() throws {
    let bins = [LinePlot.Bin(x: 2, label: "1–3", count: 40), LinePlot.Bin(x: 5, label: "4–6", count: 7)]
    let chart = LinePlot(
      title: "", xLabel: "length", yLabel: "", series: [.init("", points([(2, 50), (5, 60)]))], bins: bins)
    let image = try ImageElements(chart.svg)
    for text in ["1–3", "n=40", "4–6", "n=7", "axis starts at 50"] {
      #expect(image.texts.contains(text), "\(text)")
    }
    #expect(!image.texts.contains("3.0") && !image.texts.contains("3"))
    // Labels that don't fit are left out.
    let many = (0..<200).map { LinePlot.Bin(x: Double($0), label: "\($0)", count: 1000) }
    let crowded = LinePlot(
      title: "", xLabel: "", yLabel: "", series: [.init("", points([(0, 0), (199, 1)]))], bins: many)
    #expect(try ImageElements(crowded.svg).texts.count < 60)
  }

  @Test("a chart says where its axis starts, unless that is zero")
  func axisNote() throws {
    func notes(_ values: [Double], _ scale: LinePlot.Scale = .linear) throws -> [String] {
      let series = LinePlot.Series("", points(values.enumerated().map { (Double($0.offset), $0.element) }))
      return try ImageElements(plot([series], y: scale).svg).texts.filter { $0.contains("axis") }
    }
    #expect(try notes([20, 25]) == ["axis starts at 20"])
    #expect(try notes([0, 25]).isEmpty && notes([-5, 25]).isEmpty)
    #expect(try notes([1, 25], .logarithmic) == ["logarithmic axis"])
  }

  @Test("the same content gives the same bytes, and writing replaces the file")
  func writing() throws {
    let chart = plot([.init("a", points([(0, 1), (1, 2)]))])
    let directory = try TemporaryDirectory()
    try chart.write(to: directory.file("charts/loss.svg"))
    try chart.write(to: directory.file("charts/loss.svg"))
    #expect(try directory.text("charts/loss.svg") == chart.svg)
    #expect(throws: FileFailure.self) { try chart.write(to: directory.file("charts")) }
  }
}

@Suite("LineAxis")
struct LineAxisTests {
  private func labels(
    _ values: [Double], _ scale: LinePlot.Scale = .linear, extendsToTicks: Bool = true
  ) -> [String] {
    LineAxis(values, scale: scale, extendsToTicks: extendsToTicks).ticks.map(\.label)
  }

  @Test("ticks are round numbers with as many decimals as necessary")
  func linear() {
    #expect(labels([0, 1]) == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"])
    #expect(labels([-3, 14]) == ["-5", "0", "5", "10", "15"])
    #expect(labels([0.0012, 0.0031]) == ["0.0010", "0.0015", "0.0020", "0.0025", "0.0030", "0.0035"])
    #expect(labels([0, 6e6]) == ["0", "1e6", "2e6", "3e6", "4e6", "5e6", "6e6"])
    #expect(labels([1, 9], extendsToTicks: false) == ["2", "4", "6", "8"])
    #expect(labels([0, 2e-7]).last == "2.0e-7")
  }

  @Test("logarithmic ticks are decades, parts of a few decades, or round numbers within one")
  func logarithmic() {
    #expect(labels([0.01, 1000], .logarithmic) == ["0.01", "0.1", "1", "10", "100", "1000"])
    #expect(labels([3, 120], .logarithmic) == ["5", "10", "20", "50", "100"])
    #expect(labels([100, 400], .logarithmic) == ["100", "150", "200", "250", "300", "350", "400"])
    let many = labels([1e-40, 1e40], .logarithmic)
    #expect(many.count >= 5 && many.count <= 10)
  }

  @Test(
    "an axis for any numbers has a few ticks in ascending order",
    arguments: [
      [], [0], [5], [-5], [1e100, -1e100], [1e16, 1e16 + 2], [1e-100, 2e-100], [1, 1 + 1e-15],
      [-1e-90, 1e90],
      [1e6, 1e6 + 0.5], [0, .leastNonzeroMagnitude],
      [-.leastNonzeroMagnitude, .leastNonzeroMagnitude], [1e-300, 2e-300], [-1e-300], [-1e-100, 5e-102],
    ] as [[Double]])
  func anyNumbers(values: [Double]) {
    for scale in [LinePlot.Scale.linear, .logarithmic] {
      let shown = values.filter { LineAxis.canShow($0, scale) }
      for extends in [false, true] {
        let axis = LineAxis(shown, scale: scale, extendsToTicks: extends)
        #expect(axis.ticks.count <= 12)
        #expect(zip(axis.ticks, axis.ticks.dropFirst()).allSatisfy { $0.value < $1.value })
        for value in shown {
          let position = axis.position(of: value)
          #expect(position >= -1e-9 && position <= 1 + 1e-9, "\(value) of \(shown) at \(position)")
        }
      }
    }
  }
}
