import Checkpoints
import Foundation

/// Writes `metrics.jsonl`, one JSON object per line. Each line is passed to the system before the call returns.
///
/// Only the reporting rank has a writer, and it uses the writer from one thread.
public final class MetricsWriter {
  /// The length of the longest line that this program writes.
  static let longestLine = 1 << 20

  private let file: RecordFile

  /// Opens the file for appending, creating it if needed.
  ///
  /// - Parameters:
  ///   - path: `metrics.jsonl` of the run.
  ///   - resumedStep: the step of the checkpoint from which training continues. Lines of later steps are removed, so that
  ///     no step occurs twice. Nil keeps all lines.
  ///   - write: the `write` function of the system; a test may pass one that fails.
  /// - Throws: `FileFailure`.
  public init(
    path: String, resumedStep: Int? = nil, write: @escaping WriteCall = Foundation.write
  ) throws {
    if let resumedStep { try Self.rewind(path, to: resumedStep) }
    file = try RecordFile(path: path, write: write)
  }

  /// Appends one line with its keys in the given order. NaN and infinities become `null`.
  ///
  /// - Throws: `FileFailure`. The line is then not in the file, and later lines can still be written.
  public func write(_ members: [JSONMember]) throws {
    try file.append(Array(JSONValue.object(members).text.utf8) + [Self.newline])
  }

  /// Waits until all lines are on the disk; throws `FileFailure`.
  public func flush() throws { try file.flush() }

  // MARK: - Resuming

  private static let newline = UInt8(ascii: "\n")

  private struct StepOfLine: Decodable {
    var step: Int?
  }

  /// Removes the lines of later steps, which will be written again, and an incomplete line at the end, left by a
  /// process that died.
  ///
  /// The file is replaced atomically, or not changed.
  private static func rewind(_ path: String, to step: Int) throws {
    let contents: Data
    do {
      contents = try DurableFile.read(path, limit: .max) ?? Data()
    } catch let failure as FileFailure where failure.operation == .open && failure.errno == ENOENT {
      return
    }
    var kept = Data()
    let decoder = JSONDecoder()
    var rest = contents[...]
    while !rest.isEmpty {
      let lineEnd = rest.firstIndex(of: newline)
      let line = rest[..<(lineEnd ?? rest.endIndex)]
      rest = rest[(lineEnd.map { $0 + 1 } ?? rest.endIndex)...]
      guard lineEnd != nil, line.count <= longestLine,
        let found = try? decoder.decode(StepOfLine.self, from: line), found.step ?? 0 <= step
      else { continue }
      kept += line + [newline]
    }
    if kept.count < contents.count { try DurableFile.write(kept, to: path) }
  }
}
