/// Where everything of a line chart goes.
struct LineDrawing {
  private static let margin = 16.0
  private static let titleSize = 15.0
  private static let labelSize = 12.0
  private static let tickSize = 11.0
  private static let plotWidth = 560.0
  private static let plotHeight = 320.0
  private static let quiet = "#555555"
  /// With more points than this, dots would hide the line.
  private static let mostDots = 40
  /// Colors that color-blind readers tell apart (Okabe and Ito 2008), without the yellow.
  private static let colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
  /// After the colors have been used once, lines differ in their dashes.
  private static let dashes: [String?] = [nil, "7 3", "2 3", "9 3 2 3"]

  private let plot: LinePlot
  private let xAxis: LineAxis
  private let yAxis: LineAxis
  /// Of each series, the pieces of its line.
  private let pieces: [[[LinePlot.Point]]]
  /// The upper left corner of the plot's area.
  private let left: Double
  private let top: Double

  init(_ plot: LinePlot) {
    self.plot = plot
    pieces = plot.series.map { series in
      series.points.split {
        !LineAxis.canShow($0.x, plot.xScale) || !LineAxis.canShow($0.y, plot.yScale)
      }.map(Array.init)
    }
    let points = pieces.joined().joined()
    xAxis = LineAxis(points.map(\.x), scale: plot.xScale, extendsToTicks: false)
    yAxis = LineAxis(points.map(\.y), scale: plot.yScale, extendsToTicks: true)
    let widestTick = yAxis.ticks.map { VisibleText($0.label).width }.max() ?? 0
    left = Self.margin + Self.labelSize + 12 + widestTick * Self.tickSize + 8
    top = Self.margin + Self.titleSize + 18
  }

  private var right: Double { left + Self.plotWidth }
  private var bottom: Double { top + Self.plotHeight }

  private func place(_ point: LinePlot.Point) -> (x: Double, y: Double) {
    (
      left + xAxis.position(of: point.x) * Self.plotWidth,
      bottom - yAxis.position(of: point.y) * Self.plotHeight
    )
  }

  // MARK: - The whole

  func svg() -> String {
    var canvas = SVGCanvas()
    let title = VisibleText(plot.title, keepsSpaces: true)
    canvas.text(
      title.text, x: Self.margin, y: Self.margin + Self.titleSize, size: Self.titleSize, isBold: true)
    drawAxes(on: &canvas)
    for index in plot.series.indices { drawSeries(index, on: &canvas) }
    if pieces.allSatisfy(\.isEmpty) {
      canvas.text(
        "no points to show", x: (left + right) / 2, y: (top + bottom) / 2, anchor: .middle, color: Self.quiet)
    }
    let legend = drawLegend(on: &canvas)
    return canvas.document(
      width: max(legend.right, Self.margin + title.width * Self.titleSize) + Self.margin,
      height: max(bottom + 52, legend.bottom) + Self.margin / 2, title: title.text)
  }

  private func drawAxes(on canvas: inout SVGCanvas) {
    for tick in yAxis.ticks {
      let y = place(.init(x: 1, y: tick.value)).y
      canvas.line(from: (left, y), to: (right, y), color: "#e4e4e4")
      canvas.text(tick.label, x: left - 7, y: y + 4, size: Self.tickSize, anchor: .end)
    }
    for tick in xAxis.ticks {
      let x = place(.init(x: tick.value, y: 1)).x
      canvas.line(from: (x, top), to: (x, bottom), color: "#f0f0f0")
      canvas.line(from: (x, bottom), to: (x, bottom + 4), color: "#888888")
      canvas.text(tick.label, x: x, y: bottom + 17, size: Self.tickSize, anchor: .middle)
    }
    canvas.path(
      "M\(svgNumber(left)) \(svgNumber(top))V\(svgNumber(bottom))H\(svgNumber(right))", color: "#888888")
    let (xLabel, yLabel) =
      (
        VisibleText(plot.xLabel, most: 60, keepsSpaces: true),
        VisibleText(plot.yLabel, most: 36, keepsSpaces: true)
      )
    canvas.text(
      xLabel.text, x: (left + right) / 2, y: bottom + 40, size: Self.labelSize, anchor: .middle,
      color: Self.quiet)
    canvas.text(
      yLabel.text, x: Self.margin + Self.labelSize, y: (top + bottom) / 2, size: Self.labelSize,
      anchor: .middle, angle: -90, color: Self.quiet)
  }

  // MARK: - Lines

  private func drawSeries(_ index: Int, on canvas: inout SVGCanvas) {
    let (color, dashes) = style(index)
    let hasDots = plot.series[index].points.count <= Self.mostDots
    for piece in pieces[index] {
      let places = Self.thinned(piece.map(place))
      if places.count > 1 {
        let commands = places.enumerated().map { number, place in
          "\(number == 0 ? "M" : "L")\(svgNumber(place.x)) \(svgNumber(place.y))"
        }
        canvas.path(commands.joined(), color: color, width: hasDots ? 1.75 : 1.25, dashes: dashes)
      }
      // A point without neighbours is no line and must be seen all the same.
      if hasDots || places.count == 1 {
        for place in places { canvas.circle(x: place.x, y: place.y, radius: 2.75, fill: color) }
      }
    }
  }

  private func style(_ index: Int) -> (color: String, dashes: String?) {
    (
      Self.colors[index % Self.colors.count],
      Self.dashes[index / Self.colors.count % Self.dashes.count]
    )
  }

  /// Of the points that fall on the same column of pixels, the first, the lowest, the highest and the last:
  /// the line looks the same, a single peak included, and a chart of a million steps is a small file.
  ///
  /// A line that isn't long, or that goes backwards, stays as it is.
  private static func thinned(_ places: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    guard places.count > Int(4 * plotWidth), zip(places, places.dropFirst()).allSatisfy({ $0.x <= $1.x })
    else {
      return places
    }
    var result: [(x: Double, y: Double)] = []
    var start = 0
    while start < places.count {
      var (end, lowest, highest) = (start, start, start)
      while end < places.count, places[end].x.rounded(.down) == places[start].x.rounded(.down) {
        if places[end].y < places[lowest].y { lowest = end }
        if places[end].y > places[highest].y { highest = end }
        end += 1
      }
      result += Set([start, lowest, highest, end - 1]).sorted().map { places[$0] }
      start = end
    }
    return result
  }

  // MARK: - Legend

  /// Draws the names beside the plot; returns how far they reach.
  private func drawLegend(on canvas: inout SVGCanvas) -> (right: Double, bottom: Double) {
    let named = plot.series.indices.filter { !plot.series[$0].name.isEmpty }
    guard !named.isEmpty else { return (right + Self.margin, bottom) }
    var reach = 0.0
    for (row, index) in named.enumerated() {
      let y = top + 8 + Double(row) * 20
      let (color, dashes) = style(index)
      let name = VisibleText(plot.series[index].name, most: 26, keepsSpaces: true)
      canvas.line(from: (right + 18, y), to: (right + 44, y), color: color, width: 2, dashes: dashes)
      canvas.text(name.text, x: right + 51, y: y + 4, size: Self.labelSize)
      reach = max(reach, name.width * Self.labelSize)
    }
    return (right + 51 + reach, top + Double(named.count) * 20)
  }
}
