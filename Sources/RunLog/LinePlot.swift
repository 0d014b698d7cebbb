/// A small line chart: learning curves, a metric by the length of the source.
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

    public init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }
  }

  /// A line with a name.
  public struct Series: Sendable, Equatable {
    public let name: String
    /// In the order in which the line goes through them. A point that can't be drawn, with a NaN, an infinity
    /// or, on a logarithmic axis, a number that isn't above 0, interrupts the line.
    public let points: [Point]

    public init(_ name: String, _ points: [Point]) {
      self.name = name
      self.points = points
    }
  }

  public enum Scale: Sendable, Equatable { case linear, logarithmic }

  public let title: String
  public let xLabel: String
  public let yLabel: String
  public let xScale: Scale
  public let yScale: Scale
  public let series: [Series]

  public init(
    title: String, xLabel: String, yLabel: String, xScale: Scale = .linear, yScale: Scale = .linear,
    series: [Series]
  ) {
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.xScale = xScale
    self.yScale = yScale
    self.series = series
  }

  /// The chart as an SVG file that needs no other.
  public var svg: String { LineDrawing(self).svg() }

  /// Writes the chart in the place of what was at `path`, making its directory where there is none.
  ///
  /// - Throws: `RunFileFailure`; what was at `path` is then still there.
  public func write(to path: String) throws { try writeImage(svg, to: path) }
}
