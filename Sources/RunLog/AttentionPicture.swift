/// The attention weights of a decoder: each output token is a row, each source token a column, and the shade of a cell
/// shows the weight.
///
///     let panel = AttentionPicture.Panel(name: "source", tokens: ["May", "2017"], weights: […])
///     try AttentionPicture(title: "step 2000", outputTokens: ["2017", "-", "05"], panels: [panel])
///       .write(to: "\(paths.attention)/step-2000-1.svg")
///
/// The same content gives the same bytes. Only the start of long sequences is drawn, with a note that says so.
public struct AttentionPicture: Sendable, Equatable {
  /// The weights for one source.
  public struct Panel: Sendable, Equatable {
    /// The caption above the columns, such as `source`, `text` or `question`.
    public let name: String
    public let tokens: [String]
    /// `[output tokens, tokens]`, row by row. Weights outside 0 ... 1 are drawn like the nearer bound. NaN has its own
    /// mark.
    public let weights: [Float]

    public init(name: String, tokens: [String], weights: [Float]) {
      self.name = name
      self.tokens = tokens
      self.weights = weights
    }
  }

  /// The largest number of tokens drawn for a sequence.
  public static let mostTokens = 200

  public let title: String
  public let outputTokens: [String]
  /// The panels from left to right. All have the same rows.
  public let panels: [Panel]

  /// Creates a picture of one or more sources, side by side.
  public init(title: String, outputTokens: [String], panels: [Panel]) {
    for panel in panels {
      precondition(
        panel.weights.count == outputTokens.count * panel.tokens.count,
        "\(outputTokens.count) output tokens and \(panel.tokens.count) tokens of \(panel.name) have "
          + "\(outputTokens.count * panel.tokens.count) weights, not \(panel.weights.count)")
    }
    self.title = title
    self.outputTokens = outputTokens
    self.panels = panels
  }

  /// The picture as a self-contained SVG file.
  public var svg: String { AttentionDrawing(self).svg() }

  /// The picture as a part of an HTML page.
  public var element: String { withoutDeclaration(svg) }

  /// Writes the picture, and its directory if it doesn't exist, and replaces the file at `path`.
  ///
  /// - Throws: `FileFailure`; the old file then still exists.
  public func write(to path: String) throws { try writeImage(svg, to: path) }
}

/// The layout of an attention picture.
private struct AttentionDrawing {
  private static let margin = 16.0
  private static let titleSize = 15.0
  /// The maximum width of a label in units of its font size.
  private static let widestLabel = 14.0
  /// The angle in degrees of column labels that don't fit above their columns.
  private static let lean = 55.0
  private static let gap = 28.0
  private static let quiet = "#666666"

  private let picture: AttentionPicture
  private let rowLabels: [VisibleText]
  private let columnLabels: [[VisibleText]]
  private let cell: Double
  private let labelSize: Double
  private let columnsLean: Bool
  /// The upper left corner of the cells of the first panel.
  private let left: Double
  private let top: Double

  init(_ picture: AttentionPicture) {
    self.picture = picture
    let most = AttentionPicture.mostTokens
    func labels(_ tokens: [String]) -> [VisibleText] {
      tokens.prefix(most).map { VisibleText($0, most: Self.widestLabel) }
    }
    let (rowLabels, columnLabels) = (labels(picture.outputTokens), picture.panels.map { labels($0.tokens) })
    (self.rowLabels, self.columnLabels) = (rowLabels, columnLabels)

    let longest = max(rowLabels.count, columnLabels.map(\.count).max() ?? 0)
    let cell = longest <= 40 ? 24.0 : longest <= 80 ? 18.0 : 14.0
    let labelSize = (cell * 0.56).rounded()
    let widestColumn = columnLabels.joined().map(\.width).max() ?? 0
    columnsLean = widestColumn * labelSize > cell
    (self.cell, self.labelSize) = (cell, labelSize)

    let widestRow = max(rowLabels.map(\.width).max() ?? 0, 4)
    left = Self.margin + widestRow * labelSize + 10
    let labelHeight = columnsLean ? (widestColumn + 0.8) * labelSize * 0.82 : labelSize
    top = Self.margin + Self.titleSize + 14 + Self.captionHeight + labelHeight + 12
  }

  private static let captionHeight = 20.0

  // MARK: - The picture

  func svg() -> String {
    var canvas = SVGCanvas()
    let title = VisibleText(picture.title, keepsSpaces: true)
    canvas.text(
      title.text, x: Self.margin, y: Self.margin + Self.titleSize, size: Self.titleSize, isBold: true)
    var right = Self.margin + title.width * Self.titleSize
    var bottom = top

    if rowLabels.isEmpty || columnLabels.allSatisfy(\.isEmpty) {
      bottom = Self.margin + Self.titleSize + 32
      canvas.text("no weights to show", x: Self.margin, y: bottom, color: Self.quiet)
      right = max(right, 200)
    } else {
      drawRowLabels(on: &canvas)
      var x = left
      for index in picture.panels.indices {
        x = drawPanel(index, at: x, on: &canvas) + Self.gap
      }
      let legendBottom = drawLegend(at: x, on: &canvas)
      right = max(right, x + 112)
      bottom = max(top + Double(rowLabels.count) * cell, legendBottom)
      if let note = omission {
        bottom += 22
        canvas.text(note, x: Self.margin, y: bottom, size: 11, color: Self.quiet)
        right = max(right, Self.margin + VisibleText(note, keepsSpaces: true).width * 11)
      }
    }
    return canvas.document(width: right + Self.margin, height: bottom + Self.margin, title: title.text)
  }

  /// The note if not all tokens are drawn.
  private var omission: String? {
    let most = AttentionPicture.mostTokens
    let cut =
      [("output", picture.outputTokens.count)].filter { $0.1 > most }
      + picture.panels.map { ($0.name, $0.tokens.count) }.filter { $0.1 > most }
    guard !cut.isEmpty else { return nil }
    let counts = cut.map { "\($0.1) of \(VisibleText($0.0, most: 20, keepsSpaces: true).text)" }
    return "the first \(most) tokens are drawn, there are \(counts.joined(separator: " and "))"
  }

  private func drawRowLabels(on canvas: inout SVGCanvas) {
    let baseline = (cell + labelSize * 0.72) / 2
    for (row, label) in rowLabels.enumerated() {
      canvas.text(
        label.text, x: left - 7, y: top + Double(row) * cell + baseline, size: labelSize, anchor: .end)
    }
    canvas.text("output ↓", x: left - 7, y: top - 8, size: 11, anchor: .end, color: Self.quiet)
  }

  // MARK: - A panel

  /// Draws the cells and labels of one source; returns its right edge.
  private func drawPanel(_ index: Int, at x: Double, on canvas: inout SVGCanvas) -> Double {
    let panel = picture.panels[index]
    let labels = columnLabels[index]
    let caption = VisibleText(panel.name, most: 40, keepsSpaces: true)
    let captionBaseline = Self.margin + Self.titleSize + 14 + 11
    canvas.text("\(caption.text) →", x: x, y: captionBaseline, size: 11, color: Self.quiet)

    var right = max(x + Double(labels.count) * cell, x + (caption.width + 2) * 11)
    for (column, label) in labels.enumerated() {
      let center = x + (Double(column) + 0.5) * cell
      if columnsLean {
        canvas.text(label.text, x: center + labelSize * 0.3, y: top - 6, size: labelSize, angle: -Self.lean)
        right = max(right, center + (label.width + 0.3) * labelSize * 0.58)
      } else {
        canvas.text(label.text, x: center, y: top - 7, size: labelSize, anchor: .middle)
      }
    }

    for row in rowLabels.indices {
      for column in labels.indices {
        let weight = panel.weights[row * panel.tokens.count + column]
        let (cellX, cellY) = (x + Double(column) * cell, top + Double(row) * cell)
        drawCell(
          weight, x: cellX, y: cellY, hint: "\(rowLabels[row].text) ← \(labels[column].text): \(weight)",
          on: &canvas)
      }
    }
    drawGrid(at: x, columns: labels.count, on: &canvas)
    return right
  }

  private func drawCell(_ weight: Float, x: Double, y: Double, hint: String, on canvas: inout SVGCanvas) {
    if weight.isNaN {
      canvas.rectangle(x: x, y: y, width: cell, height: cell, fill: Self.nanFill, hint: hint)
      canvas.path(Self.cross(x: x, y: y, size: cell), color: Self.nanColor)
      return
    }
    let fill = Shade.color(of: Double(weight))
    // White cells are left out. They are most of the cells, and the background is white.
    guard fill != Shade.white else { return }
    canvas.rectangle(x: x, y: y, width: cell, height: cell, fill: fill, hint: hint)
  }

  private static let nanFill = "#fbe3d6"
  private static let nanColor = "#c8500a"

  private static func cross(x: Double, y: Double, size: Double) -> String {
    let (near, far) = (size * 0.3, size * 0.7)
    return "M\(svgNumber(x + near)) \(svgNumber(y + near))L\(svgNumber(x + far)) \(svgNumber(y + far))"
      + "M\(svgNumber(x + far)) \(svgNumber(y + near))L\(svgNumber(x + near)) \(svgNumber(y + far))"
  }

  /// Draws the lines between the cells. Every fifth line is darker, so that rows and columns are easier to follow.
  private func drawGrid(at x: Double, columns: Int, on canvas: inout SVGCanvas) {
    let (right, bottom) = (x + Double(columns) * cell, top + Double(rowLabels.count) * cell)
    var (thin, thick) = ("", "")
    for row in 0...rowLabels.count {
      let y = svgNumber(top + Double(row) * cell)
      let line = "M\(svgNumber(x)) \(y)L\(svgNumber(right)) \(y)"
      if row % 5 == 0 || row == rowLabels.count { thick += line } else { thin += line }
    }
    for column in 0...columns {
      let position = svgNumber(x + Double(column) * cell)
      let line = "M\(position) \(svgNumber(top))L\(position) \(svgNumber(bottom))"
      if column % 5 == 0 || column == columns { thick += line } else { thin += line }
    }
    if !thin.isEmpty { canvas.path(thin, color: "#e4e4e4", width: 0.75) }
    canvas.path(thick, color: "#bdbdbd", width: 0.75)
  }

  // MARK: - Legend

  /// Draws the scale of shades, and the mark for NaN if there is one; returns the lower edge.
  private func drawLegend(at x: Double, on canvas: inout SVGCanvas) -> Double {
    let (steps, height, width) = (20, 120.0, 14.0)
    canvas.text("weight", x: x, y: top - 8, size: 11, color: Self.quiet)
    for step in 0..<steps {
      let share = (Double(step) + 0.5) / Double(steps)
      canvas.rectangle(
        x: x, y: top + height * (1 - Double(step + 1) / Double(steps)), width: width,
        height: height / Double(steps) + (step == 0 ? 0 : 0.5), fill: Shade.color(of: share))
    }
    canvas.path(
      "M\(svgNumber(x)) \(svgNumber(top))h\(svgNumber(width))v\(svgNumber(height))h-\(svgNumber(width))z",
      color: "#bdbdbd", width: 0.75)
    for (share, label) in [(0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")] {
      let y = top + height * (1 - share)
      canvas.line(from: (x + width, y), to: (x + width + 4, y), color: "#888888", width: 0.75)
      canvas.text(label, x: x + width + 8, y: y + 4, size: 11)
    }
    guard picture.panels.contains(where: { $0.weights.contains(where: \.isNaN) }) else {
      return top + height + 6
    }
    let y = top + height + 16
    canvas.rectangle(x: x, y: y, width: width, height: width, fill: Self.nanFill)
    canvas.path(Self.cross(x: x, y: y, size: width), color: Self.nanColor)
    canvas.text("not a number", x: x + width + 8, y: y + 11, size: 11)
    return y + width + 6
  }
}

/// The colors of weights, from white to dark blue. They work in print and for color-blind readers.
enum Shade {
  static let white = "#ffffff"

  /// Red, green and blue at 0, 1/4, 1/2, 3/4 and 1, with linear interpolation between them.
  private static let anchors: [(Double, Double, Double)] = [
    (255, 255, 255), (158, 198, 234), (84, 146, 206), (33, 88, 160), (9, 38, 92),
  ]

  /// Returns the color of a weight as `#rrggbb`. A weight outside 0 ... 1 has the color of the nearer bound.
  static func color(of weight: Double) -> String {
    "#" + channels(of: weight).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// Returns red, green and blue of that color, 0 to 255.
  static func channels(of weight: Double) -> [Int] {
    let position = min(max(weight, 0), 1) * Double(anchors.count - 1)
    let lower = min(Int(position), anchors.count - 2)
    let (a, b, share) = (anchors[lower], anchors[lower + 1], position - Double(lower))
    return [(a.0, b.0), (a.1, b.1), (a.2, b.2)].map { Int(($0 + ($1 - $0) * share).rounded()) }
  }
}
