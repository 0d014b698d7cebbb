// Separate file: all checks share it.

/// A property of this machine or job, with an assessment.
public struct Finding: Sendable, Equatable {
  public enum Verdict: String, Sendable, Codable {
    case ok
    /// The property works, but slower or less safely than it could.
    case warning
    /// Training will fail, or it won't be protected against data loss.
    case problem
  }

  /// The name of the examined property, such as `cores`.
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
