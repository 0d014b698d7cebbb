/// One key: its dotted path, the property it sets, its values and its help.
public struct ConfigurationKey: Sendable {
  /// Dotted path, as in `model.hidden_size`.
  public let path: String
  /// What the values may be.
  public let expectation: String
  /// One line for a user.
  public let help: String
  /// The default as YAML text.
  public let defaultText: String
  /// The tasks that read it; any other refuses values that aren't the default.
  public let tasks: Set<RunConfiguration.Task>

  let choices: [String]
  let field: PartialKeyPath<RunConfiguration> & Sendable
  /// Sets the property from a node; false, and nothing set, when the node isn't what is expected.
  let read: @Sendable (ConfigurationNode, inout RunConfiguration) -> Bool
  /// Sets a named part of the property (`data.train.source`); nil where the property has no parts.
  let readPart: (@Sendable (String, ConfigurationNode, inout RunConfiguration) -> Bool)?
  /// The names of the parts.
  let partNames: [String]
  /// The property as YAML text.
  let write: @Sendable (RunConfiguration) -> String
  /// Gives the property its default.
  let reset: @Sendable (inout RunConfiguration) -> Void

  init<Value>(
    _ path: String, _ field: WritableKeyPath<RunConfiguration, Value> & Sendable,
    _ codec: ValueCodec<Value>, tasks: Set<RunConfiguration.Task> = .all, _ help: String
  ) {
    self.path = path
    self.expectation = codec.expectation
    self.help = help
    self.tasks = tasks
    self.choices = codec.choices
    self.field = field
    self.read = { node, configuration in
      guard let value = codec.read(node) else { return false }
      configuration[keyPath: field] = value
      return true
    }
    self.partNames = codec.partNames
    if let readPart = codec.readPart {
      self.readPart = { part, node, configuration in
        var value = configuration[keyPath: field]
        defer { configuration[keyPath: field] = value }
        return readPart(part, node, &value)
      }
    } else {
      self.readPart = nil
    }
    self.write = { codec.write($0[keyPath: field]) }
    self.defaultText = codec.write(RunConfiguration()[keyPath: field])
    self.reset = { $0[keyPath: field] = RunConfiguration()[keyPath: field] }
  }

  /// The names from the root to the key.
  var parts: [String] { path.split(separator: ".").map(String.init) }
}

extension Set<RunConfiguration.Task> {
  static let all = Set(RunConfiguration.Task.allCases)
  /// Everything but a stream of text.
  static let sequences: Set = [.tagger, .classifier, .generator, .seq2seq]
  /// Those that read a sequence from both ends if they like.
  static let readers: Set = [.tagger, .classifier, .seq2seq]
  /// Those that write a sequence.
  static let writers: Set = [.generator, .seq2seq]
}

/// The table of all keys. Reading, defaults, checks, `show`, suggestions and writing follow from it.
public enum ConfigurationSchema {
  /// Every key, in the order in which a configuration is written.
  public static let keys: [ConfigurationKey] =
    run + model + cellOptions + inputAndOutput + encoderDecoder + data + training + schedule + decoding
    + evaluation + log + checkpoint

  /// The path of the key that sets `field`.
  static func path(of field: PartialKeyPath<RunConfiguration>) -> String {
    let key = keys.first { $0.field == field }
    precondition(key != nil, "no key of the schema sets \(field)")
    return key?.path ?? ""
  }

  /// The key of which a path names a part, as `data.train.source` does, with the name of the part.
  static func partOwner(of path: String) -> (key: ConfigurationKey, part: String)? {
    guard let dot = path.lastIndex(of: "."), let key = keysByPath[String(path[..<dot])] else { return nil }
    let part = String(path[path.index(after: dot)...])
    return key.partNames.contains(part) ? (key, part) : nil
  }

  /// Whether a path is that of a value.
  static func hasValue(at path: String) -> Bool { keysByPath[path] != nil || partOwner(of: path) != nil }

  static let keysByPath = Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0) })

  /// The paths that hold keys and no value of their own: `model`, `training.schedule`.
  static let sections = Set(
    keys.flatMap { key in
      (1..<max(1, key.parts.count)).map { key.parts.prefix($0).joined(separator: ".") }
    })

  static let allPaths =
    keys.map(\.path) + keys.flatMap { key in key.partNames.map { "\(key.path).\($0)" } } + sections.sorted()
}
