import Checkpoints
import RunLog
import Tasks

/// A folder with pictures of attention weights, `line-1.svg` and so on.
package struct AttentionFolder {
  private let path: String

  /// Creates the folder. Throws `FileFailure`.
  package init(_ path: String) throws {
    self.path = path
    try FileSystemOperations.standard.createDirectories(path)
  }

  /// Writes the picture of the output for a line. Does nothing for models without attention.
  package func draw(_ output: Prediction, of input: [UInt8], number: Int) throws {
    guard !output.attention.isEmpty else { return }
    try AttentionPicture(output, of: input).write(to: "\(path)/line-\(number).svg")
  }
}

extension AttentionPicture {
  /// The picture of the output for a line.
  fileprivate init(_ output: Prediction, of input: [UInt8]) {
    self.init(
      title: "\(Self.shortened(input)) → \(Self.shortened(output.lines.first ?? []))",
      outputTokens: output.attention.first?.outputLabels ?? [],
      panels: output.attention.enumerated().map { index, matrix in
        Panel(
          name: output.attention.count > 1 ? "source \(index + 1)" : "source", tokens: matrix.sourceLabels,
          weights: matrix.weights.flatMap { $0.map { Float($0) } })
      })
  }

  /// A line, shortened for a title.
  private static func shortened(_ line: [UInt8]) -> String {
    let text = String(decoding: line.map { $0 == UInt8(ascii: "\t") ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
    return text.count > 40 ? text.prefix(37) + "..." : text
  }
}
