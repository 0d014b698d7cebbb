import RunLog

/// Pieces of HTML. Texts are escaped here and only here; only ``HTML/init(markup:)`` accepts markup.
struct HTML: ExpressibleByStringInterpolation, CustomStringConvertible {
  private(set) var markup: String

  var description: String { markup }

  /// Creates a piece from markup written by this program.
  init(markup: String) { self.markup = markup }

  /// Creates a piece from a text, in which all special characters and line ends are escaped.
  init(text: String) {
    markup = text.split(separator: "\n", omittingEmptySubsequences: false).map { xmlEscaped(String($0)) }
      .joined(separator: "\n")
  }

  init(stringLiteral value: String) { markup = value }

  init(stringInterpolation: Interpolation) { markup = stringInterpolation.markup }

  /// Literal parts are markup, interpolated strings are texts, and interpolated pieces are inserted unchanged.
  struct Interpolation: StringInterpolationProtocol {
    fileprivate var markup = ""

    init(literalCapacity: Int, interpolationCount: Int) { markup.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ literal: String) { markup += literal }
    mutating func appendInterpolation(_ text: String) { markup += HTML(text: text).markup }
    mutating func appendInterpolation(_ number: Int) { markup += "\(number)" }
    mutating func appendInterpolation(_ piece: HTML) { markup += piece.markup }
    mutating func appendInterpolation(_ pieces: [HTML]) { for piece in pieces { markup += piece.markup } }
  }

  static func + (first: HTML, second: HTML) -> HTML { HTML(markup: first.markup + second.markup) }
  static func += (first: inout HTML, second: HTML) { first.markup += second.markup }

  /// A table whose first column contains the names of its rows.
  static func table(_ head: [HTML], _ rows: [[HTML]], isNumeric: Bool = false) -> HTML {
    let columns: [HTML] = head.map { "<th scope=\"col\">\($0)</th>" }
    let lines: [HTML] = rows.map { row in
      let cells: [HTML] = row.enumerated().map {
        $0.offset == 0 ? "<th scope=\"row\">\($0.element)</th>" : "<td>\($0.element)</td>"
      }
      return "<tr>\(cells)</tr>\n"
    }
    let kind: HTML = isNumeric ? " class=\"numbers\"" : ""
    return
      "<div class=\"scroll\"><table\(kind)><thead><tr>\(columns)</tr></thead>\n<tbody>\(lines)</tbody></table></div>\n"
  }
}
