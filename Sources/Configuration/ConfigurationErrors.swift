import Communication

/// A problem in a configuration.
public struct ConfigurationIssue: Sendable, Equatable, CustomStringConvertible {
  /// The position in the text.
  public let origin: Origin
  /// Dotted path of the key; empty for the text as a whole.
  public let key: String
  /// The problem and its remedy.
  public let message: String
  /// The known key or value nearest to an unknown one.
  public let suggestion: String?

  public init(origin: Origin, key: String, message: String, suggestion: String? = nil) {
    self.origin = origin
    self.key = key
    self.message = message
    self.suggestion = suggestion
  }

  public var description: String {
    let place = origin == .defaultValue ? "" : "\(origin): "
    let hint = suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
    return place + (key.isEmpty ? "" : "\(shortened(key)): ") + message + hint
  }
}

/// All problems of a configuration, reported together.
public struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  public let issues: [ConfigurationIssue]

  public init(_ issues: [ConfigurationIssue]) {
    self.issues = issues
  }

  /// The program's exit code for a wrong configuration.
  public var exitCode: Int32 { 78 }

  public var description: String { issues.map(\.description).joined(separator: "\n") }
}

/// A configuration whose text couldn't be read.
public struct ConfigurationUnavailable: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  /// The reason why there is no text.
  public enum Reason: Sendable, Equatable {
    /// Neither a file nor a preset has this name.
    case missing
    /// The name is that of a directory, perhaps of a run.
    case directory
    /// The file exists but can't be read. The value is the message of the system.
    case unreadable(String)
    /// The settings of a run are lost.
    case empty
  }

  /// The name in the form that the user typed.
  public let name: String
  public let reason: Reason

  public init(name: String, reason: Reason) {
    self.name = name
    self.reason = reason
  }

  /// 66 if there is no such file, 65 if it is empty, 74 if it can't be read.
  public var exitCode: Int32 {
    switch reason {
    case .missing, .directory: 66
    case .empty: 65
    case .unreadable: 74
    }
  }

  public var description: String {
    switch reason {
    case .missing where ConfigurationSchema.hasValue(at: name):
      return "\"\(name)\" is a key: write its value behind it, \(name)=VALUE"
    case .missing where name.contains("/") || name.hasSuffix(".yaml"):
      return "\(name): no such configuration file"
    case .missing:
      let nearest = nearestName(to: name, among: Presets.names)
      return "no configuration file and no preset is called \"\(name)\""
        + (nearest.map { "; did you mean \"\($0)\"?" } ?? "")
        + " (presets: \(Presets.names.joined(separator: ", ")))"
    case .directory:
      let folder = name.count > 1 && name.hasSuffix("/") ? String(name.dropLast()) : name
      return
        "\(folder): is a directory; name a file in it, such as \(folder)/config.yaml of a run, or continue that run "
        + "with --run-dir \(folder) --resume"
    case .unreadable(let reason):
      return "\(name): \(reason); check that it is a readable text file"
    case .empty:
      return "\(name) is empty; restore it from a copy of the run"
    }
  }
}
