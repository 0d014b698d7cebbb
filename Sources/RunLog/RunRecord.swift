import Checkpoints
import Foundation

/// The content of `run.json`: the command, the hosts and the versions of a run, and its outcome.
public struct RunRecord: Codable, Sendable, Equatable {
  /// The state of a run.
  public enum Status: String, Codable, Sendable, CaseIterable {
    /// In progress, or killed before it could record its end.
    case running
    case finished
    /// Stopped by a signal; it can be resumed.
    case stopped
    case diverged
    case failed
  }

  /// A start of a run that was resumed later.
  public struct Start: Codable, Sendable, Equatable {
    public var commandLine: [String]
    public var ranks: Int
    public var started: Date
    /// Nil if the job was killed.
    public var ended: Date?

    public init(commandLine: [String], ranks: Int, started: Date, ended: Date? = nil) {
      (self.commandLine, self.ranks, self.started, self.ended) = (commandLine, ranks, started, ended)
    }
  }

  /// The versions by name, such as `rnn-dist`, `swift`, `open-mpi`.
  public var versions: [String: String]
  public var commandLine: [String]
  public var ranks: Int
  public var hosts: [String]
  public var seed: UInt64
  public var started: Date
  public var ended: Date?
  public var status: Status
  /// The reason for the end of the run, if there is one.
  public var message: String?
  /// The starts before this one, of a run that was resumed; nil: none.
  public var earlier: [Start]?

  /// All starts, the first one first.
  public var starts: [Start] {
    (earlier ?? []) + [Start(commandLine: commandLine, ranks: ranks, started: started, ended: ended)]
  }

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

  /// Writes the record to `path`, with times in ISO 8601 to the second.
  ///
  /// - Throws: `FileFailure`; the old record then still exists.
  public func write(to path: String) throws {
    let json: Data
    do { json = try Self.json(of: self) } catch {
      throw RunRecordFailure(path: path, problem: "can't be written as JSON: \(error)")
    }
    try DurableFile.write(json, to: path)
  }

  /// Encodes a record of a run for people: indented, with keys in snake case and a line feed at the end. Throws `EncodingError`.
  package static func json(of content: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return try encoder.encode(content) + Data("\n".utf8)
  }

  /// Reads a record.
  ///
  /// - Throws: `FileFailure` if it doesn't exist, `RunRecordFailure` if it isn't a run record.
  public init(contentsOf path: String) throws {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decodedRunFile(path, by: decoder, otherwise: "isn't a run record")
  }
}

/// Decodes a JSON file of a run, of at most 64 MiB.
///
/// - Parameter otherwise: the problem to report if the file has another content.
/// - Throws: `FileFailure`, `RunRecordFailure`.
package func decodedRunFile<Content: Decodable>(
  _ path: String, by decoder: JSONDecoder = JSONDecoder(), otherwise: String
) throws -> Content {
  guard let json = try DurableFile.read(path, limit: 64 << 20) else {
    throw RunRecordFailure(path: path, problem: "isn't a regular file of at most 64 MiB")
  }
  do { return try decoder.decode(Content.self, from: json) } catch {
    throw RunRecordFailure(path: path, problem: "\(otherwise): \(decodingProblem(error))")
  }
}

/// `run.json` isn't a run record.
public struct RunRecordFailure: Error, Sendable, Equatable, CustomStringConvertible {
  public let path: String
  public let problem: String

  package init(path: String, problem: String) { (self.path, self.problem) = (path, problem) }

  /// The exit code for bad data.
  public var exitCode: Int32 { 65 }

  public var description: String { "\(path) \(problem); move it away to continue without it" }
}
