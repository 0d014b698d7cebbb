import Foundation
import Testing

/// Collects the output of a snippet, in place of the standard library's `print`.
final class SnippetPrinter {
  private(set) var lines: [String] = []

  func callAsFunction(_ items: Any...) {
    lines.append(items.map { "\($0)" }.joined(separator: " "))
  }
}

/// The Swift blocks of a page of the documentation.
struct SnippetPage {
  let blocks: [String]

  /// - Parameter path: relative to the package.
  init(_ path: String) throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    blocks = page.components(separatedBy: "```swift\n").dropFirst().map {
      $0.components(separatedBy: "```")[0]
    }
  }

  /// The code without comments and white space, because the formatter breaks lines differently than the page.
  static func code(_ text: String) -> String {
    text.split(separator: "\n").map { $0.components(separatedBy: "//")[0].filter { !$0.isWhitespace } }
      .joined()
  }

  /// Expects lines to equal the comments after the `print` calls of a block.
  func expect(
    _ lines: [String], printedBy block: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let promised = blocks[block].split(separator: "\n").compactMap { line -> String? in
      let parts = line.components(separatedBy: ")  // ")
      return line.contains("print(") && parts.count == 2 ? parts[1] : nil
    }
    #expect(!promised.isEmpty && lines == promised, sourceLocation: sourceLocation)
  }
}
