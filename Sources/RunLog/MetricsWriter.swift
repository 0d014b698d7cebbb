import Foundation

/// Writes `metrics.jsonl`: one JSON object a line, each on its way to the disk before the call returns.
///
/// To be used by one thread, that of the rank that reports.
public final class MetricsWriter {
  /// What was removed from a file that a resumed run goes on writing.
  public struct Dropped: Sendable, Equatable {
    /// Lines of steps after the one resumed from; they will be written again.
    public var laterLines: Int
    /// Lines that aren't JSON objects, such as one cut by a death in mid-write.
    public var tornLines: Int

    public init(laterLines: Int = 0, tornLines: Int = 0) {
      self.laterLines = laterLines
      self.tornLines = tornLines
    }
  }

  /// A longer line is none that this program wrote.
  public static let longestLine = 1 << 20

  /// What opening the file removed from it.
  public let dropped: Dropped
  private let file: RecordFile

  /// Opens the file for appending, creating it if needed.
  ///
  /// - Parameters:
  ///   - path: `metrics.jsonl` of the run.
  ///   - resumedStep: the step of the checkpoint that training goes on from; lines of later steps are removed
  ///     first, so that no step is there twice. nil leaves the lines as they are.
  ///   - write: the system's `write`; a test puts a failing one in its place.
  /// - Throws: `RunFileFailure`.
  public init(
    path: String, resumedStep: Int? = nil, write: @escaping WriteCall = Foundation.write
  ) throws {
    dropped = try resumedStep.map { try Self.rewind(path, to: $0) } ?? Dropped()
    file = try RecordFile(path: path, write: write)
  }

  /// Appends one line, its keys in the order given; NaN and infinities become `null`.
  ///
  /// - Throws: `RunFileFailure`. The line is then not in the file, which can go on being written.
  public func write(_ members: [JSONMember]) throws {
    try file.append(Array(JSONValue.object(members).text.utf8) + [Self.newline])
  }

  /// Appends one line, its keys in the order given: `write(["event": "train", "step": 3, "loss": .float(x)])`.
  ///
  /// - Throws: `RunFileFailure`. The line is then not in the file, which can go on being written.
  public func write(_ members: KeyValuePairs<String, JSONValue>) throws {
    try write(members.map { JSONMember($0.key, $0.value) })
  }

  /// Waits until everything written is on the disk; throws `RunFileFailure`.
  public func flush() throws { try file.flush() }

  // MARK: - Resuming

  private static let newline = UInt8(ascii: "\n")

  private struct StepOfLine: Decodable {
    var step: Int?
  }

  /// Removes the lines after a step, and those that are torn; the file is replaced in one step or left alone.
  private static func rewind(_ path: String, to step: Int) throws -> Dropped {
    let contents: Data
    do {
      contents = try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
    } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
      return Dropped()
    } catch {
      throw RunFileFailure(path: path, operation: .read, errno: systemErrorNumber(error))
    }
    var dropped = Dropped()
    var kept = Data()
    let decoder = JSONDecoder()
    var rest = contents[...]
    while !rest.isEmpty {
      let lineEnd = rest.firstIndex(of: newline)
      let line = rest[..<(lineEnd ?? rest.endIndex)]
      rest = rest[(lineEnd.map { $0 + 1 } ?? rest.endIndex)...]
      guard lineEnd != nil, line.count <= longestLine,
        let found = try? decoder.decode(StepOfLine.self, from: line)
      else {
        dropped.tornLines += 1
        continue
      }
      if let lineStep = found.step, lineStep > step {
        dropped.laterLines += 1
      } else {
        kept += line + [newline]
      }
    }
    if dropped != Dropped() { try replaceFile(at: path, with: kept) }
    return dropped
  }
}
