/// What a decoder looked at while it wrote: for each output token (a row) the weight of each source token (a
/// column) as the shade of a cell.
///
///     try AttentionPicture(
///       title: "step 2000", outputTokens: ["2017", "-", "05"], sourceTokens: ["May", "2017"], weights: […]
///     ).write(to: "\(paths.attention)/step-2000-1.svg")
///
/// The same content gives the same bytes. Of long sequences only the beginning is drawn, and the picture says
/// so.
public struct AttentionPicture: Sendable, Equatable {
  /// One source, with the weights that it got.
  public struct Panel: Sendable, Equatable {
    /// What stands above the columns: `source`, `text`, `question`.
    public let name: String
    public let tokens: [String]
    /// `[output tokens, tokens]`, row by row, each in 0 ... 1: what lies outside is drawn as the nearer end.
    /// NaN is drawn as what it is.
    public let weights: [Float]

    public init(name: String, tokens: [String], weights: [Float]) {
      self.name = name
      self.tokens = tokens
      self.weights = weights
    }
  }

  /// So many tokens of each sequence are drawn at most.
  public static let mostTokens = 200

  public let title: String
  public let outputTokens: [String]
  /// From left to right, with the rows in common.
  public let panels: [Panel]

  /// A picture of one or several sources, side by side.
  public init(title: String, outputTokens: [String], panels: [Panel]) {
    for panel in panels {
      precondition(
        panel.weights.count == outputTokens.count * panel.tokens.count,
        "\(outputTokens.count) output tokens and \(panel.tokens.count) of \(panel.name) have "
          + "\(outputTokens.count * panel.tokens.count) weights, not \(panel.weights.count)")
    }
    self.title = title
    self.outputTokens = outputTokens
    self.panels = panels
  }

  /// A picture of one source; weights `[output tokens, source tokens]`, row by row.
  public init(title: String, outputTokens: [String], sourceTokens: [String], weights: [Float]) {
    self.init(
      title: title, outputTokens: outputTokens,
      panels: [Panel(name: "source", tokens: sourceTokens, weights: weights)])
  }

  /// The picture as an SVG file that needs no other.
  public var svg: String { AttentionDrawing(self).svg() }

  /// Writes the picture in the place of what was at `path`, making its directory where there is none.
  ///
  /// - Throws: `RunFileFailure`; what was at `path` is then still there.
  public func write(to path: String) throws { try writeImage(svg, to: path) }
}
