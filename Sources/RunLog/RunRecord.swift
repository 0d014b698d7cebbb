import Foundation

/// The content of `run.json`: who trained what, where, and how it ended.
public struct RunRecord: Codable, Sendable, Equatable {
  /// How a run stands.
  public enum Status: String, Codable, Sendable, CaseIterable {
    /// Going on, or killed without being able to say so.
    case running
    case finished
    /// By a signal; it can be resumed.
    case stopped
    case diverged
    case failed
  }

  /// By name, such as `rnn-dist`, `swift`, `open-mpi`.
  public var versions: [String: String]
  public var commandLine: [String]
  public var ranks: Int
  public var hosts: [String]
  public var seed: UInt64
  public var started: Date
  public var ended: Date?
  public var status: Status
  /// Why it ended, where there is something to say.
  public var message: String?

  public init(
    versions: [String: String], commandLine: [String], ranks: Int, hosts: [String], seed: UInt64,
    started: Date, ended: Date? = nil, status: Status = .running, message: String? = nil
  ) {
    self.versions = versions
    self.commandLine = commandLine
    self.ranks = ranks
    self.hosts = hosts
    self.seed = seed
    self.started = started
    self.ended = ended
    self.status = status
    self.message = message
  }

  private enum CodingKeys: String, CodingKey {
    case versions, ranks, hosts, seed, started, ended, status, message
    case commandLine = "command_line"
  }

  /// Writes the record in the place of what was at `path`, times to the second in ISO 8601.
  ///
  /// - Throws: `RunFileFailure`; the old record is then still there.
  public func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    let json: Data
    do { json = try encoder.encode(self) } catch {
      throw RunRecordFailure(path: path, problem: "can't be written as JSON: \(error)")
    }
    try replaceFile(at: path, with: json + Data("\n".utf8))
  }

  /// Reads a record.
  ///
  /// - Throws: `RunFileFailure` where there is none, `RunRecordFailure` where it isn't one.
  public init(contentsOf path: String) throws {
    let json = try Self.contents(of: path)
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do { self = try decoder.decode(RunRecord.self, from: json) } catch {
      throw RunRecordFailure(path: path, problem: "isn't a run record: \(error)")
    }
  }

  private static let largestFile = 16 << 20

  private static func contents(of path: String) throws -> Data {
    var status = stat()
    guard stat(path, &status) == 0 else { throw RunFileFailure(path: path, operation: .read, errno: errno) }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= largestFile else {
      throw RunRecordFailure(path: path, problem: "isn't a file of a credible size")
    }
    guard let contents = FileManager.default.contents(atPath: path) else {
      throw RunFileFailure(path: path, operation: .read, errno: EACCES)
    }
    return contents
  }
}

/// `run.json` isn't what was written.
public struct RunRecordFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  public let problem: String

  public init(path: String, problem: String) {
    self.path = path
    self.problem = problem
  }

  /// 65: bad data.
  public var exitCode: Int32 { 65 }

  public var description: String { "\(path) \(problem); move it away to go on without it" }
}
