import Tasks

/// A checked configuration and the origin of each of its values.
public struct ResolvedConfiguration: Sendable, Equatable {
  public let configuration: RunConfiguration
  /// The origins by dotted path; keys with their default values are absent.
  private let origins: [String: Origin]

  init(configuration: RunConfiguration, origins: [String: Origin]) {
    self.configuration = configuration
    self.origins = origins
  }

  /// Returns the origin of the value of a key, given its dotted path.
  public func origin(of path: String) -> Origin {
    origins[path] ?? .defaultValue
  }

  /// One line per key: `model.layers: 2   # origin`.
  public func show() -> [String] {
    let settings = configuration.settings.map { "\($0.key): \($0.value)" }
    return zip(settings, ConfigurationSchema.keys).map { setting, key in
      padded(setting, to: 40) + "  # \(origin(of: key.path))"
    }
  }
}

extension RunConfiguration {
  /// Every key with its value as text.
  public var settings: [(key: String, value: String)] {
    ConfigurationSchema.keys.map { ($0.path, $0.write(self)) }
  }

  /// A YAML text with every key that resolves to the same configuration when it is read. Equal configurations give the
  /// same bytes, so that ranks can compare them. `commented` adds the help of each key.
  public func yaml(commented: Bool) -> String {
    var lines: [String] = []
    var openSections: [String] = []
    for key in ConfigurationSchema.keys {
      let sections = key.parts.dropLast()
      let shared = zip(openSections, sections).prefix { $0 == $1 }.count
      for depth in shared..<sections.count {
        lines.append(indent(depth) + sections[depth] + ":")
      }
      openSections = Array(sections)
      let setting = indent(sections.count) + key.parts[sections.count] + ": " + key.write(self)
      let comment = "# \(key.help) [\(key.expectation); default \(key.defaultText)]"
      lines.append(commented ? padded(setting, to: 32) + "  " + comment : setting)
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

private func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }

private func padded(_ text: String, to width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
