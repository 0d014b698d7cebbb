// Separate file: several suites share it.

import Configuration
import Tasks

/// Builds nodes like a YAML reader; each line of `settings` is `path: value` at its line number.
func layer(_ settings: [(String, String)], file: String = "a.yaml") -> ConfigurationNode {
  let source = ConfigurationSource.file(file)
  let entries = settings.enumerated().map { index, setting in
    ConfigurationNode.Entry(
      key: setting.0, origin: source.origin(line: index + 1, column: 1),
      value: ConfigurationNode(
        .scalar(text: setting.1, isQuoted: false),
        origin: source.origin(line: index + 1, column: setting.0.count + 3)))
  }
  return ConfigurationNode(.mapping(entries), origin: source.origin(line: 1, column: 1))
}

/// The configuration of `overrides` alone, with generated text.
func resolve(_ overrides: String...) throws -> ResolvedConfiguration {
  try RunConfiguration.resolve(layers: [], overrides: ["data.generator=dates"] + overrides)
}

/// The problems of `overrides`.
func issues(_ overrides: String..., layers: [ConfigurationNode] = []) -> [ConfigurationIssue] {
  do {
    _ = try RunConfiguration.resolve(layers: layers, overrides: ["data.generator=dates"] + overrides)
    return []
  } catch {
    return error.issues
  }
}
