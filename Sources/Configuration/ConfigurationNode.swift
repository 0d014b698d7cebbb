/// A parsed configuration text: a tree of mappings, sequences and scalars, each with its origin.
///
/// This module never reads YAML; the program does, and builds these nodes.
public struct ConfigurationNode: Sendable, Equatable {
  /// A `key: value` pair of a mapping.
  public struct Entry: Sendable, Equatable {
    public let key: String
    /// The position of the key; the value has its own origin.
    public let origin: Origin
    public let value: ConfigurationNode

    public init(key: String, origin: Origin, value: ConfigurationNode) {
      self.key = key
      self.origin = origin
      self.value = value
    }
  }

  /// The content of a node. A quoted scalar is text, whatever it looks like: `"5"` isn't a number.
  public enum Content: Sendable, Equatable {
    case mapping([Entry])
    case sequence([ConfigurationNode])
    case scalar(text: String, isQuoted: Bool)
  }

  public let content: Content
  public let origin: Origin

  public init(_ content: Content, origin: Origin) {
    self.content = content
    self.origin = origin
  }

  /// Whether the value is one of YAML's notations for null: an empty value, `~`, `null`.
  var isNull: Bool {
    guard case .scalar(let text, isQuoted: false) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// The kind of node, for messages: `a list`, `"abc"`.
  var summary: String {
    switch content {
    case .mapping: "a section"
    case .sequence: "a list"
    case .scalar(let text, let isQuoted):
      isNull ? "nothing" : (isQuoted ? "the quoted text " : "") + "\"\(shortened(text))\""
    }
  }
}

/// The beginning of a text, in one line: a whole file that is not a configuration can be one value or one key of YAML.
func shortened(_ text: String) -> String {
  let limit = 60
  let line = text.prefix { !$0.isNewline }
  return line.count == text.count && text.count <= limit ? text : line.prefix(limit) + "…"
}

/// The origin of a value of the configuration.
public enum Origin: Sendable, Hashable, CustomStringConvertible {
  /// A file; line and column are counted from 1.
  case file(String, line: Int, column: Int)
  /// A preset built into the program; line and column are counted from 1.
  case preset(String, line: Int, column: Int)
  /// A `key=value` argument on the command line.
  case override(String)
  /// The default of the key, because the key was not set.
  case defaultValue

  public var description: String {
    switch self {
    case .file(let path, let line, let column): "\(path):\(line):\(column)"
    case .preset(let name, let line, let column): "preset \(name):\(line):\(column)"
    case .override(let text): "override \(text)"
    case .defaultValue: "default"
    }
  }
}

extension Origin {
  /// The precedence: a later source overrides an earlier one.
  var order: Int {
    switch self {
    case .defaultValue: 0
    case .preset: 1
    case .file: 2
    case .override: 3
    }
  }
}

/// The source of the text that nodes are parsed from, without a position.
public enum ConfigurationSource: Sendable, Hashable {
  case file(String)
  case preset(String)

  /// The configuration that a name refers to: the preset of this name, otherwise a file.
  public init(name: String) { self = Presets.names.contains(name) ? .preset(name) : .file(name) }

  /// The origin at `line` and `column` of this text, both counted from 1.
  public func origin(line: Int, column: Int) -> Origin {
    switch self {
    case .file(let path): .file(path, line: line, column: column)
    case .preset(let name): .preset(name, line: line, column: column)
    }
  }
}
