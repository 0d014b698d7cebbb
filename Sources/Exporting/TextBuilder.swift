// Separate file: the PyTorch and the C exporters build their texts with it.

/// Builds lines of generated source text, which are written as they will look. An expression may have several lines;
/// conditions and loops omit or repeat lines.
@resultBuilder
enum TextBuilder {
  static func buildExpression(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
  static func buildExpression(_ lines: [String]) -> [String] { lines }
  static func buildBlock(_ parts: [String]...) -> [String] { parts.flatMap { $0 } }
  static func buildOptional(_ lines: [String]?) -> [String] { lines ?? [] }
  static func buildEither(first lines: [String]) -> [String] { lines }
  static func buildEither(second lines: [String]) -> [String] { lines }
  static func buildArray(_ parts: [[String]]) -> [String] { parts.flatMap { $0 } }
}

/// The lines of a block.
func lines(@TextBuilder _ content: () -> [String]) -> [String] { content() }

/// The indented lines of a block; empty lines stay empty.
func indented(_ spaces: Int = 4, @TextBuilder _ content: () -> [String]) -> [String] {
  content().map { $0.isEmpty ? $0 : String(repeating: " ", count: spaces) + $0 }
}

extension Double {
  /// The number in the notation that Python, C and JSON share: `0.1`, `1e-05`, `3`.
  var literal: String { self == rounded() && magnitude < 1e15 ? String(Int(self)) : "\(self)" }
}
