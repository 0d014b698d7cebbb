import Foundation

/// The error of the lowest failing rank, thrown by `agree` on every rank.
public struct CollectiveFailure: Error, Sendable, Equatable, Codable, CustomStringConvertible, ExitCoded {
  /// The lowest rank that failed.
  public let rank: Int
  /// The host of that rank.
  public let host: String
  /// The exit code of its error, 1 unless the error is `ExitCoded`.
  public let exitCode: Int32
  /// The description of its error.
  public let message: String
  /// Whether all ranks failed with this message, or would have: then no rank is worth naming.
  public fileprivate(set) var isShared: Bool

  public var description: String { isShared ? message : "rank \(rank) on \(host): \(message)" }
}

/// Some ranks have different bytes than rank 0, but all must be equal.
public struct ReplicaMismatch: Error, Sendable, CustomStringConvertible, ExitCoded {
  /// The values that were compared, such as "the configuration".
  public let what: String
  /// The ranks that differ from rank 0, ascending.
  public let ranks: [Int]
  /// The number of ranks that were compared.
  public let worldSize: Int
  /// If texts were compared, the text of the first of ``ranks`` and the text of rank 0.
  var texts: (found: String, expected: String)?
  /// 78: the ranks were started or configured differently.
  public var exitCode: Int32 { 78 }

  public var description: String {
    let list = ranks.map(String.init).joined(separator: ", ")
    let difference = texts.map { ": \"\($0.found)\" instead of \"\($0.expected)\"" } ?? ""
    return "\(what) differs from rank 0's on rank \(list) (of \(worldSize))\(difference); "
      + "start all ranks with the same program, configuration and data"
  }
}

extension Communicator {
  /// Runs `body` on every rank and returns its value, or throws on all ranks if it threw on any (collective).
  ///
  /// An error on one rank thus becomes an error on all ranks, before any of them waits for a rank that has left. Throws
  /// the `CollectiveFailure` of the lowest failing rank, or an error of the communication itself.
  public func agree<Value>(_ body: () throws -> Value) throws -> Value {
    let outcome = Result { try body() }
    let failures = try allgather(encode(outcome)).map { report in
      try report.isEmpty ? nil : JSONDecoder().decode(CollectiveFailure.self, from: Data(report))
    }
    if var failure = failures.lazy.compactMap({ $0 }).first {
      failure.isShared = failures.allSatisfy { $0?.isShared == true && $0?.message == failure.message }
      throw failure
    }
    return try outcome.get()
  }

  /// Returns on every rank the bytes that `read` returns on rank 0, the only rank that calls it (collective).
  ///
  /// An error of `read` becomes a `CollectiveFailure` on every rank, which names no rank: the others would have read the
  /// same.
  public func readOnRank0(_ read: () throws -> [UInt8]) throws -> [UInt8] {
    do {
      let bytes = try agree { rank == 0 ? try read() : [] }
      return try allgather(bytes)[0]
    } catch var failure as CollectiveFailure {
      failure.isShared = true
      throw failure
    }
  }

  /// Throws `ReplicaMismatch` on every rank unless all ranks pass the same bytes (collective).
  public func allEqual(_ bytes: [UInt8], what: String) throws {
    let all = try allgather(bytes)
    let odd = all.indices.filter { all[$0] != all[0] }
    guard odd.isEmpty else { throw ReplicaMismatch(what: what, ranks: odd, worldSize: worldSize) }
  }

  /// Compares texts in the same way and shows them in the error.
  public func allEqual(text: String, what: String) throws {
    let all = try allgather(Array(text.utf8))
    let odd = all.indices.filter { all[$0] != all[0] }
    guard let first = odd.first else { return }
    func shown(_ rank: Int) -> String { String(decoding: all[rank], as: UTF8.self) }
    throw ReplicaMismatch(
      what: what, ranks: odd, worldSize: worldSize, texts: (found: shown(first), expected: shown(0)))
  }

  /// Returns the names of the hosts of all ranks, each once, in the order of the ranks (collective).
  public func hostNames() throws -> [String] {
    var names: [String] = []
    for bytes in try allgather(Array(hostName.utf8)) {
      let name = String(decoding: bytes, as: UTF8.self)
      if !names.contains(name) { names.append(name) }
    }
    return names
  }

  /// Returns the largest value of any rank (collective).
  public func largest(_ value: Double) throws -> Double {
    let all = try allgather(withUnsafeBytes(of: value.bitPattern.littleEndian, Array.init))
    return all.map { bytes in
      Double(bitPattern: bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }.max() ?? value
  }

  /// Returns the time that `body` takes on the slowest rank, in seconds, if all ranks begin together (collective).
  package func slowest(_ body: () throws -> Void) throws -> Double {
    try barrier()
    let started = ContinuousClock.now
    try body()
    return try largest((ContinuousClock.now - started) / .seconds(1))
  }

  /// Encodes success as no bytes, and failure as JSON.
  ///
  /// A failure that an inner `agree` has already attributed to a rank keeps that rank.
  private func encode<Value>(_ outcome: Result<Value, any Error>) throws -> [UInt8] {
    guard case .failure(let error) = outcome else { return [] }
    let failure =
      error as? CollectiveFailure
      ?? CollectiveFailure(
        rank: rank, host: hostName, exitCode: (error as? any ExitCoded)?.exitCode ?? 1, message: "\(error)",
        isShared: true)
    return Array(try JSONEncoder().encode(failure))
  }
}
