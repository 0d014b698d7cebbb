// Its own file: all checks share it.

/// One property of this machine or job, with a verdict.
public struct Finding: Sendable, Equatable {
  public enum Verdict: String, Sendable, Codable {
    case ok
    /// It works, but slower or with less safety than it could.
    case warning
    /// Training will fail or give no protection against data loss.
    case problem
  }

  /// The property that was examined, such as `cores`.
  public var name: String
  public var verdict: Verdict
  /// The observation.
  public var found: String
  /// The remedy; nil if none is needed.
  public var cure: String?

  public init(_ name: String, _ verdict: Verdict, _ found: String, cure: String? = nil) {
    self.name = name
    self.verdict = verdict
    self.found = found
    self.cure = cure
  }
}
