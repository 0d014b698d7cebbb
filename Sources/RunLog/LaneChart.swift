/// A chart of lanes over time, one per rank, for example the time that each rank computes and communicates. Times are
/// relative to the start or to the end of a run, so the axis includes 0.
///
/// The same content gives the same bytes.
package struct LaneChart {
  /// A part of a lane.
  package struct Block {
    let start: Double
    let end: Double
    /// The share of the height of the lane for each kind, from the bottom to the top; the sum is at most 1.
    let shares: [Double]
    let hint: String

    /// - Parameter hint: the text that browsers show under the pointer.
    package init(start: Double, end: Double, shares: [Double], hint: String) {
      (self.start, self.end, self.shares, self.hint) = (start, end, shares, hint)
    }
  }

  /// A row of the chart.
  package struct Lane {
    let name: String
    let isEmphasized: Bool
    let blocks: [Block]

    /// - Parameter blocks: those with times beyond the bounds of an axis are left out.
    package init(name: String, isEmphasized: Bool = false, blocks: [Block]) {
      (self.name, self.isEmphasized) = (name, isEmphasized)
      self.blocks = blocks.filter { LineAxis.canShow($0.start, .linear) && LineAxis.canShow($0.end, .linear) }
    }
  }

  /// Moments of one kind, drawn as lines.
  package struct Marks {
    let name: String
    /// Whether the lines cross all lanes; otherwise they are short ones above the lanes.
    let crossesLanes: Bool
    let moments: [(time: Double, hint: String)]

    package init(name: String, crossesLanes: Bool, moments: [(time: Double, hint: String)]) {
      (self.name, self.crossesLanes, self.moments) = (name, crossesLanes, moments)
    }
  }

  private let title: String
  private let xLabel: String
  private let kinds: [String]
  private let lanes: [Lane]
  private let marks: [Marks]

  /// - Parameters:
  ///   - kinds: the names of the kinds that the lanes show, for the legend.
  ///   - marks: those without moments are left out.
  package init(title: String, xLabel: String, kinds: [String], lanes: [Lane], marks: [Marks] = []) {
    (self.title, self.xLabel, self.kinds, self.lanes) = (title, xLabel, kinds, lanes)
    self.marks = marks.filter { !$0.moments.isEmpty }
  }

  /// The chart as a part of an HTML page.
  package var element: String { withoutDeclaration(LaneDrawing(title, xLabel, kinds, lanes, marks).svg()) }
}

/// The layout of a chart of lanes.
private struct LaneDrawing {
  private static let margin = 16.0
  private static let titleSize = 15.0
  private static let labelSize = 12.0
  private static let tickSize = 11.0
  /// Pages show labels in this size.
  private static let largestLabel = 15.0
  private static let plotWidth = 600.0
  private static let rowHeight = 22.0
  private static let laneHeight = 18.0
  private static let markHeight = 9.0
  private static let quiet = "#555555"
  private static let ink = "#222222"
  private static let emphasis = "#d55e00"

  private let title: VisibleText
  private let xLabel: String
  private let kinds: [String]
  private let lanes: [LaneChart.Lane]
  private let marks: [LaneChart.Marks]
  private let axis: LineAxis
  /// The upper left corner of the lanes.
  private let left: Double
  private let top: Double

  init(
    _ title: String, _ xLabel: String, _ kinds: [String], _ lanes: [LaneChart.Lane],
    _ marks: [LaneChart.Marks]
  ) {
    (self.xLabel, self.kinds, self.lanes, self.marks) = (xLabel, kinds, lanes, marks)
    self.title = VisibleText(title, keepsSpaces: true)
    let times =
      lanes.flatMap { $0.blocks.flatMap { [$0.start, $0.end] } }
      + marks.flatMap { $0.moments.map { $0.time } }
    axis = LineAxis([0] + times, scale: .linear, extendsToTicks: false)
    let widestName = lanes.map { VisibleText($0.name, keepsSpaces: true).width }.max() ?? 0
    left = Self.margin + widestName * Self.largestLabel + 8
    top = Self.margin + Self.titleSize + 36 + (marks.contains { !$0.crossesLanes } ? Self.markHeight + 3 : 0)
  }

  private var right: Double { left + Self.plotWidth }
  private var bottom: Double { top + Double(lanes.count) * Self.rowHeight }

  private func place(_ time: Double) -> Double { left + axis.position(of: time) * Self.plotWidth }

  func svg() -> String {
    var canvas = SVGCanvas()
    canvas.text(
      title.text, x: Self.margin, y: Self.margin + Self.titleSize, size: Self.titleSize, isBold: true)
    let legendEnd = drawLegend(on: &canvas)
    for (row, lane) in lanes.enumerated() {
      draw(lane, y: top + Double(row) * Self.rowHeight, on: &canvas)
    }
    for marks in marks { draw(marks, on: &canvas) }
    drawAxis(on: &canvas)
    return canvas.document(
      width: max(right, legendEnd, Self.margin + title.width * Self.titleSize) + Self.margin,
      height: bottom + 52 + Self.margin / 2, title: title.text)
  }

  private func draw(_ lane: LaneChart.Lane, y: Double, on canvas: inout SVGCanvas) {
    canvas.text(
      lane.name, x: left - 8, y: y + 13, size: Self.labelSize, anchor: .end, isBold: lane.isEmphasized,
      color: lane.isEmphasized ? Self.emphasis : Self.ink)
    canvas.rectangle(x: left, y: y, width: Self.plotWidth, height: Self.laneHeight, fill: "#f0f0f0")
    for block in lane.blocks {
      let start = place(block.start)
      let width = max(1, place(block.end) - start)
      canvas.group(hint: block.hint) { canvas in
        var base = y + Self.laneHeight
        for (kind, share) in block.shares.enumerated() where share > 0 {
          base -= share * Self.laneHeight
          canvas.rectangle(
            x: start, y: base, width: width, height: share * Self.laneHeight, fill: LinePlot.colors[kind])
        }
      }
    }
  }

  /// Draws the lines of the moments; of those at the same pixel, the first one.
  private func draw(_ marks: LaneChart.Marks, on canvas: inout SVGCanvas) {
    var previous = -Double.infinity
    for (time, hint) in marks.moments {
      let x = place(time).rounded()
      guard x > previous else { continue }
      previous = x
      let start = marks.crossesLanes ? top - 3 : top - Self.markHeight - 3
      canvas.rectangle(
        x: x - 1, y: start, width: 2, height: marks.crossesLanes ? bottom - start : Self.markHeight,
        fill: marks.crossesLanes ? Self.ink : Self.quiet, hint: hint)
    }
  }

  private func drawAxis(on canvas: inout SVGCanvas) {
    canvas.line(from: (left, bottom), to: (right, bottom), color: "#888888")
    for tick in axis.ticks {
      let x = place(tick.value)
      canvas.line(from: (x, bottom), to: (x, bottom + 4), color: "#888888")
      canvas.text(tick.label, x: x, y: bottom + 17, size: Self.tickSize, anchor: .middle)
    }
    canvas.text(
      xLabel, x: (left + right) / 2, y: bottom + 40, size: Self.labelSize, anchor: .middle, color: Self.quiet)
  }

  /// Draws the names of the kinds and the marks in a line below the title; returns its right end.
  private func drawLegend(on canvas: inout SVGCanvas) -> Double {
    let y = Self.margin + Self.titleSize + 12
    var x = left
    func name(_ text: String) {
      canvas.text(text, x: x + 18, y: y + 11, size: Self.labelSize)
      x += 18 + VisibleText(text, keepsSpaces: true).width * Self.largestLabel + 16
    }
    for (kind, text) in kinds.enumerated() {
      canvas.rectangle(x: x, y: y, width: 12, height: 12, fill: LinePlot.colors[kind])
      name(text)
    }
    for marks in marks {
      canvas.rectangle(
        x: x + 5, y: marks.crossesLanes ? y - 2 : y + 2, width: 2,
        height: marks.crossesLanes ? 16 : Self.markHeight, fill: marks.crossesLanes ? Self.ink : Self.quiet)
      name(marks.name)
    }
    return x
  }
}
