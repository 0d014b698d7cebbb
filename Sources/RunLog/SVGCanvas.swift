import Checkpoints
import Foundation

/// Collects the elements of a self-contained SVG image: shapes and text, without scripts, links or style sheets.
///
/// The same calls give the same bytes. Lengths are in pixels at 100 %, and y increases downward.
struct SVGCanvas {
  enum Anchor: String { case start, middle, end }

  private(set) var body = ""

  /// A color, and a class that lets the style sheet of a page replace it, for example in dark mode: `#222222` has the
  /// class `ink-222222`.
  private static func ink(_ color: String, _ attribute: String) -> String {
    "\(attribute)=\"\(color)\" class=\"ink-\(color.dropFirst())\""
  }

  /// Adds one line of text, escaped. `y` is its baseline; `angle` rotates it around its anchor, in degrees.
  mutating func text(
    _ text: String, x: Double, y: Double, size: Double = 12, anchor: Anchor = .start, angle: Double = 0,
    isBold: Bool = false, color: String = "#222222"
  ) {
    let place =
      angle == 0
      ? "x=\"\(svgNumber(x))\" y=\"\(svgNumber(y))\""
      : "transform=\"translate(\(svgNumber(x)) \(svgNumber(y))) rotate(\(svgNumber(angle)))\""
    let weight = isBold ? " font-weight=\"bold\"" : ""
    body +=
      "<text \(place) font-size=\"\(svgNumber(size))\" text-anchor=\"\(anchor.rawValue)\"\(weight) "
      + "\(Self.ink(color, "fill"))>\(xmlEscaped(text))</text>\n"
  }

  /// Adds a filled rectangle. Browsers show `hint` under the pointer.
  mutating func rectangle(
    x: Double, y: Double, width: Double, height: Double, fill: String, hint: String? = nil
  ) {
    let shape =
      "<rect x=\"\(svgNumber(x))\" y=\"\(svgNumber(y))\" width=\"\(svgNumber(width))\" "
      + "height=\"\(svgNumber(height))\" \(Self.ink(fill, "fill"))"
    body += hint.map { "\(shape)><title>\(xmlEscaped($0))</title></rect>\n" } ?? "\(shape)/>\n"
  }

  /// Adds a group of shapes, whose edges are not smoothed, so that no lines show between neighbors. Browsers show `hint` when the
  /// pointer is over one of them.
  mutating func group(hint: String, _ draw: (inout SVGCanvas) -> Void) {
    body += "<g shape-rendering=\"crispEdges\"><title>\(xmlEscaped(hint))</title>\n"
    draw(&self)
    body += "</g>\n"
  }

  /// Adds the outline of an SVG path, such as `M0 0L5 5`.
  mutating func path(_ commands: String, color: String, width: Double = 1, dashes: String? = nil) {
    let dashes = dashes.map { " stroke-dasharray=\"\($0)\"" } ?? ""
    body +=
      "<path d=\"\(commands)\" fill=\"none\" \(Self.ink(color, "stroke")) stroke-width=\"\(svgNumber(width))\" "
      + "stroke-linejoin=\"round\"\(dashes)/>\n"
  }

  mutating func line(
    from start: (x: Double, y: Double), to end: (x: Double, y: Double), color: String, width: Double = 1,
    dashes: String? = nil
  ) {
    path(
      "M\(svgNumber(start.x)) \(svgNumber(start.y))L\(svgNumber(end.x)) \(svgNumber(end.y))", color: color,
      width: width, dashes: dashes)
  }

  mutating func circle(x: Double, y: Double, radius: Double, fill: String) {
    body +=
      "<circle cx=\"\(svgNumber(x))\" cy=\"\(svgNumber(y))\" r=\"\(svgNumber(radius))\" \(Self.ink(fill, "fill"))/>\n"
  }

  /// Adds a filled area that is translucent, so that the lines below it remain visible.
  mutating func area(_ commands: String, fill: String) {
    body += "<path d=\"\(commands)\" fill-opacity=\"0.18\" \(Self.ink(fill, "fill"))/>\n"
  }

  /// Returns the complete image on a white background. A screen reader reads `title`.
  func document(width: Double, height: Double, title: String) -> String {
    let (width, height) = (svgNumber(width.rounded(.up)), svgNumber(height.rounded(.up)))
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" role="img" font-family="sans-serif">
      <title>\(xmlEscaped(title))</title>
      <rect width="\(width)" height="\(height)" \(Self.ink("#ffffff", "fill"))/>
      \(body)</svg>

      """
  }
}

/// Returns an SVG file as a part of an HTML page, which has no XML declaration.
func withoutDeclaration(_ svg: String) -> String {
  svg.hasPrefix("<?xml") ? String(svg.drop { $0 != "\n" }.dropFirst()) : svg
}

/// Returns a coordinate with at most two decimals.
func svgNumber(_ number: Double) -> String {
  let hundredths = Int((number * 100).rounded())
  let (whole, rest) = hundredths.magnitude.quotientAndRemainder(dividingBy: 100)
  let sign = hundredths < 0 ? "-" : ""
  if rest == 0 { return "\(sign)\(whole)" }
  return rest % 10 == 0 ? "\(sign)\(whole).\(rest / 10)" : "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
}

/// Returns the text as XML or HTML content or attribute, on one line. Characters that XML forbids become U+FFFD.
package func xmlEscaped(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    case "'": result += "&#39;"
    case "\t", "\n", "\r": result += " "
    case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// Writes an image, and its directory if it doesn't exist; throws `FileFailure`.
func writeImage(_ svg: String, to path: String) throws {
  let directory = URL(fileURLWithPath: path).deletingLastPathComponent().path
  try FileSystemOperations.standard.createDirectories(directory)
  try DurableFile.write(Data(svg.utf8), to: path)
}
