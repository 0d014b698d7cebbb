import Foundation

/// A small line chart, for example of learning curves or of a metric by source length.
///
///     try LinePlot(
///       title: "loss", xLabel: "step", yLabel: "nats per token", yScale: .logarithmic,
///       series: [LinePlot.Series("training", losses), LinePlot.Series("validation", validation)]
///     ).write(to: paths.file("loss.svg"))
///
/// The same content gives the same bytes.
public struct LinePlot: Sendable, Equatable {
  public struct Point: Sendable, Equatable {
    public var x: Double
    public var y: Double
    /// The smallest and the largest of the numbers whose mean is `y`; nil if `y` is not a mean.
    public var spread: ClosedRange<Double>?

    public init(x: Double, y: Double, spread: ClosedRange<Double>? = nil) {
      (self.x, self.y, self.spread) = (x, y, spread)
    }
  }

  /// An interval of the horizontal axis, such as a group of lengths.
  public struct Bin: Sendable, Equatable {
    /// The middle of the interval.
    public var x: Double
    public var label: String
    /// The number of examples in it.
    public var count: Int

    public init(x: Double, label: String, count: Int) { (self.x, self.label, self.count) = (x, label, count) }
  }

  /// A line with a name.
  public struct Series: Sendable, Equatable {
    public let name: String
    /// The points in the order of the line. Points that can't be drawn interrupt it: those with a NaN, an infinity or,
    /// on a logarithmic axis, a number that isn't positive.
    public let points: [Point]
    /// The number of its color and dashes, for a line that should look the same in several charts; nil: its place.
    public let style: Int?

    public init(_ name: String, _ points: [Point], style: Int? = nil) {
      self.name = name
      self.points = points
      self.style = style
    }
  }

  public enum Scale: Sendable, Equatable { case linear, logarithmic }

  /// Colors that color-blind readers can distinguish (Okabe and Ito 2008), without yellow.
  static let colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]

  public let title: String
  public let xLabel: String
  public let yLabel: String
  public let xScale: Scale
  public let yScale: Scale
  public let series: [Series]
  /// The intervals that the horizontal axis shows with their counts, instead of ticks.
  public let bins: [Bin]

  public init(
    title: String, xLabel: String, yLabel: String, xScale: Scale = .linear, yScale: Scale = .linear,
    series: [Series], bins: [Bin] = []
  ) {
    self.bins = bins
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.xScale = xScale
    self.yScale = yScale
    self.series = series
  }

  /// The chart as a self-contained SVG file.
  public var svg: String { LineDrawing(self).svg() }

  /// The chart as a part of an HTML page.
  public var element: String { withoutDeclaration(svg) }

  /// Writes the chart, and its directory if it doesn't exist, and replaces the file at `path`.
  ///
  /// - Throws: `FileFailure`; the old file then still exists.
  public func write(to path: String) throws { try writeImage(svg, to: path) }
}

/// The layout of a line chart.
private struct LineDrawing {
  private static let margin = 16.0
  private static let titleSize = 15.0
  private static let labelSize = 12.0
  private static let tickSize = 11.0
  private static let plotWidth = 560.0
  private static let plotHeight = 320.0
  private static let quiet = "#555555"
  /// The largest number of points that are drawn as dots; more dots would hide the line.
  private static let mostDots = 40
  /// Lines beyond the number of colors differ in their dashes.
  private static let dashes: [String?] = [nil, "7 3", "2 3", "9 3 2 3"]

  private let plot: LinePlot
  private let xAxis: LineAxis
  private let yAxis: LineAxis
  /// The pieces of the line of each series.
  private let pieces: [[[LinePlot.Point]]]
  /// The upper left corner of the plot area.
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
    let bounds = points.flatMap { [$0.y] + ($0.spread.map { [$0.lowerBound, $0.upperBound] } ?? []) }
    xAxis = LineAxis(points.map(\.x) + plot.bins.map(\.x), scale: plot.xScale, extendsToTicks: false)
    yAxis = LineAxis(
      bounds.filter { LineAxis.canShow($0, plot.yScale) }, scale: plot.yScale, extendsToTicks: true)
    let widestTick = yAxis.ticks.map { VisibleText($0.label).width }.max() ?? 0
    left = Self.margin + Self.labelSize + 12 + widestTick * Self.tickSize + 8
    top = Self.margin + Self.titleSize + 30
  }

  private var right: Double { left + Self.plotWidth }
  private var bottom: Double { top + Self.plotHeight }

  private func place(_ point: LinePlot.Point) -> (x: Double, y: Double) {
    (
      left + xAxis.position(of: point.x) * Self.plotWidth,
      bottom - yAxis.position(of: point.y) * Self.plotHeight
    )
  }

  // MARK: - The chart

  func svg() -> String {
    var canvas = SVGCanvas()
    let title = VisibleText(plot.title, keepsSpaces: true)
    canvas.text(
      title.text, x: Self.margin, y: Self.margin + Self.titleSize, size: Self.titleSize, isBold: true)
    if let axisNote {
      canvas.text(
        axisNote, x: left, y: top - 9, size: Self.tickSize, color: Self.quiet)
    }
    drawAxes(on: &canvas)
    for index in plot.series.indices { drawSeries(index, on: &canvas) }
    if pieces.allSatisfy(\.isEmpty) {
      canvas.text(
        "no points to show", x: (left + right) / 2, y: (top + bottom) / 2, anchor: .middle, color: Self.quiet)
    }
    let legend = drawLegend(on: &canvas)
    return canvas.document(
      width: max(legend.right, Self.margin + title.width * Self.titleSize) + Self.margin,
      height: max(bottom + (plot.bins.isEmpty ? 52 : 66), legend.bottom) + Self.margin / 2, title: title.text)
  }

  private func drawAxes(on canvas: inout SVGCanvas) {
    for tick in yAxis.ticks {
      let y = place(.init(x: 1, y: tick.value)).y
      canvas.line(from: (left, y), to: (right, y), color: "#e4e4e4")
      canvas.text(tick.label, x: left - 7, y: y + 4, size: Self.tickSize, anchor: .end)
    }
    if plot.bins.isEmpty { drawTicks(on: &canvas) } else { drawBins(on: &canvas) }
    canvas.path(
      "M\(svgNumber(left)) \(svgNumber(top))V\(svgNumber(bottom))H\(svgNumber(right))", color: "#888888")
    let (xLabel, yLabel) =
      (
        VisibleText(plot.xLabel, most: 60, keepsSpaces: true),
        VisibleText(plot.yLabel, most: 36, keepsSpaces: true)
      )
    canvas.text(
      xLabel.text, x: (left + right) / 2, y: bottom + 40 + (plot.bins.isEmpty ? 0 : 14), size: Self.labelSize,
      anchor: .middle, color: Self.quiet)
    canvas.text(
      yLabel.text, x: Self.margin + Self.labelSize, y: (top + bottom) / 2, size: Self.labelSize,
      anchor: .middle, angle: -90, color: Self.quiet)
  }

  private func drawTicks(on canvas: inout SVGCanvas) {
    for tick in xAxis.ticks {
      let x = place(.init(x: tick.value, y: 1)).x
      canvas.line(from: (x, top), to: (x, bottom), color: "#f0f0f0")
      canvas.line(from: (x, bottom), to: (x, bottom + 4), color: "#888888")
      canvas.text(tick.label, x: x, y: bottom + 17, size: Self.tickSize, anchor: .middle)
    }
  }

  /// Draws the labels and the counts of as many intervals as fit.
  private func drawBins(on canvas: inout SVGCanvas) {
    var end = -Double.infinity
    for bin in plot.bins {
      let x = place(.init(x: bin.x, y: 1)).x
      canvas.line(from: (x, top), to: (x, bottom), color: "#f0f0f0")
      canvas.line(from: (x, bottom), to: (x, bottom + 4), color: "#888888")
      let count = "n=\(bin.count)"
      let half = max(VisibleText(bin.label).width, VisibleText(count).width) * Self.tickSize / 2
      guard x - half > end + 4 else { continue }
      end = x + half
      canvas.text(bin.label, x: x, y: bottom + 17, size: Self.tickSize, anchor: .middle)
      canvas.text(count, x: x, y: bottom + 31, size: Self.tickSize, anchor: .middle, color: Self.quiet)
    }
  }

  /// The note that gives the start of the vertical axis, if it is not zero and a reader could mistake differences for
  /// ratios.
  private var axisNote: String? {
    guard plot.yScale == .linear, !pieces.allSatisfy(\.isEmpty), let first = yAxis.ticks.first,
      first.value > 0
    else { return plot.yScale == .logarithmic ? "logarithmic axis" : nil }
    return "axis starts at \(first.label)"
  }

  // MARK: - Lines

  private func drawSeries(_ index: Int, on canvas: inout SVGCanvas) {
    let (color, dashes) = style(index)
    let hasDots = plot.series[index].points.count <= Self.mostDots
    for piece in pieces[index] {
      drawSpread(piece, color, on: &canvas)
      let places = Self.thinned(piece.map(place))
      if places.count > 1 {
        let commands = places.enumerated().map { number, place in
          "\(number == 0 ? "M" : "L")\(svgNumber(place.x)) \(svgNumber(place.y))"
        }
        canvas.path(commands.joined(), color: color, width: hasDots ? 1.75 : 1.25, dashes: dashes)
      }
      // A single point has no line, so it is always drawn as a dot.
      if hasDots || places.count == 1 {
        for place in places { canvas.circle(x: place.x, y: place.y, radius: 2.75, fill: color) }
      }
    }
  }

  /// Fills the area between the smallest and the largest number of each point.
  private func drawSpread(_ piece: [LinePlot.Point], _ color: String, on canvas: inout SVGCanvas) {
    let bounds = piece.compactMap { point in
      point.spread.map { (point.x, $0.lowerBound, $0.upperBound) }
    }.filter { LineAxis.canShow($0.1, plot.yScale) && LineAxis.canShow($0.2, plot.yScale) }
    guard bounds.count > 1 else { return }
    let outline =
      bounds.map { LinePlot.Point(x: $0.0, y: $0.2) }
      + bounds.reversed().map { LinePlot.Point(x: $0.0, y: $0.1) }
    let commands = outline.map(place).enumerated().map { number, place in
      "\(number == 0 ? "M" : "L")\(svgNumber(place.x)) \(svgNumber(place.y))"
    }
    canvas.area(commands.joined() + "Z", fill: color)
  }

  private func style(_ index: Int) -> (color: String, dashes: String?) {
    let number = plot.series[index].style ?? index
    return (
      LinePlot.colors[number % LinePlot.colors.count],
      Self.dashes[number / LinePlot.colors.count % Self.dashes.count]
    )
  }

  /// Returns, for each column of pixels, only the first, the lowest, the highest and the last point.
  ///
  /// The line looks the same, even with a single peak, and the file stays small even for a million steps. A line that
  /// is short or that goes backward is returned as it is.
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

  /// Draws the names of the series next to the plot; returns the right and lower edges.
  private func drawLegend(on canvas: inout SVGCanvas) -> (right: Double, bottom: Double) {
    let named = plot.series.indices.filter { !plot.series[$0].name.isEmpty }
    guard !named.isEmpty else { return (right + Self.margin, bottom) }
    var reach = 0.0
    for (row, index) in named.enumerated() {
      let y = top + 8 + Double(row) * 20
      let (color, dashes) = style(index)
      let name = VisibleText(plot.series[index].name, most: 32, keepsSpaces: true)
      canvas.line(from: (right + 18, y), to: (right + 44, y), color: color, width: 2, dashes: dashes)
      canvas.text(name.text, x: right + 51, y: y + 4, size: Self.labelSize)
      reach = max(reach, name.width * Self.labelSize)
    }
    return (right + 51 + reach, top + Double(named.count) * 20)
  }
}

/// One axis of a chart: its range and its ticks.
struct LineAxis {
  struct Tick: Equatable {
    let value: Double
    let label: String
  }

  let ticks: [Tick]
  private let scale: LinePlot.Scale
  /// Both ends of the range; their logarithms on a logarithmic axis.
  private let lower: Double
  private let upper: Double

  /// Whether a number is within the bounds of an axis. Beyond them, differences and steps would overflow.
  static func canShow(_ number: Double, _ scale: LinePlot.Scale) -> Bool {
    abs(number) <= 1e100 && (scale == .linear || number >= 1e-100)
  }

  /// Creates an axis for numbers that it can show. If there are no numbers, the axis is 0 ... 1, or 1 ... 10 if it is
  /// logarithmic.
  ///
  /// - Parameters:
  ///   - values: the numbers to show.
  ///   - extendsToTicks: whether the axis starts and ends at ticks, as a vertical axis should, and not at the data.
  init(_ values: [Double], scale: LinePlot.Scale, extendsToTicks: Bool) {
    self.scale = scale
    let isLinear = scale == .linear
    var least = values.min() ?? (isLinear ? 0 : 1)
    var most = values.max() ?? (isLinear ? 1 : 10)
    // A range of equal numbers is widened, so that the ticks differ from each other. Steps of a range around zero that is too small
    // would be rounded to zero.
    if most - least <= max(abs(most) * 1e-9, 1e-101) {
      let room = abs(least) < 1e-100 ? 1 : abs(least) * (isLinear ? 0.1 : 0.5)
      (least, most) = (least - room, most + room)
    }
    if isLinear {
      let step = Self.step(across: most - least)
      if extendsToTicks {
        (least, most) = ((least / step).rounded(.down) * step, (most / step).rounded(.up) * step)
      }
      (lower, upper) = (least, most)
      ticks = Self.linearTicks(least, most, step)
    } else {
      let ticks = Self.logarithmicTicks(least, most)
      if extendsToTicks {
        // The next tick may be a decade away, so the range extends only a little beyond the data.
        let margin = (log10(most) - log10(least)) * 0.04
        (lower, upper) = (log10(least) - margin, log10(most) + margin)
      } else {
        (lower, upper) = (log10(least), log10(most))
      }
      self.ticks = ticks
    }
  }

  /// Returns the position of a number, 0 at the start of the axis and 1 at its end.
  func position(of number: Double) -> Double {
    ((scale == .linear ? number : log10(number)) - lower) / (upper - lower)
  }

  // MARK: - Ticks

  /// Returns the distance between ticks that gives about six of them: 1, 2 or 5 times a power of ten.
  private static func step(across range: Double) -> Double {
    let rough = range / 6
    let power = pow(10, floor(log10(rough)))
    return [1, 2, 5].map { $0 * power }.first { $0 >= rough * 0.999 } ?? 10 * power
  }

  private static func linearTicks(_ least: Double, _ most: Double, _ step: Double) -> [Tick] {
    // Multiplies instead of adding, so that rounding errors don't accumulate.
    let first = (least / step - 1e-6).rounded(.up)
    let last = (most / step + 1e-6).rounded(.down)
    guard first <= last else { return [] }
    return stride(from: first, through: last, by: 1).map {
      Tick(value: $0 * step, label: label($0 * step, step: step))
    }
  }

  /// Returns powers of ten, and for a short range also 2 and 5 times them. A range within one decade has linear ticks.
  private static func logarithmicTicks(_ least: Double, _ most: Double) -> [Tick] {
    let decades = log10(most / least)
    if decades < 1 { return linearTicks(least, most, step(across: most - least)) }
    let factors: [Double] = decades <= 3 ? [1, 2, 5] : [1]
    let first = Int(floor(log10(least)))
    let last = Int(ceil(log10(most)))
    let spacing = max(1, Int((decades / 8).rounded(.up)))
    var ticks: [Tick] = []
    for exponent in stride(from: first, through: last, by: 1) where exponent % spacing == 0 {
      for factor in factors {
        let value = factor * pow(10, Double(exponent))
        guard value >= least * 0.999, value <= most * 1.001 else { continue }
        ticks.append(Tick(value: value, label: label(value, step: value)))
      }
    }
    return ticks
  }

  /// Returns a number with the number of decimals that the step requires. Very large and very small numbers have an
  /// exponent.
  private static func label(_ value: Double, step: Double) -> String {
    if abs(value) < step * 1e-6 { return "0" }
    let decimals = max(0, -Int(floor(log10(step) + 1e-9)))
    if abs(value) >= 1e6 || decimals > 4 {
      let exponent = Int(floor(log10(abs(value)) + 1e-9))
      let digits = max(0, exponent - Int(floor(log10(step) + 1e-9)))
      return String(format: "%.\(min(digits, 6))fe%d", value / pow(10, Double(exponent)), exponent)
    }
    return String(format: "%.\(decimals)f", value)
  }
}
