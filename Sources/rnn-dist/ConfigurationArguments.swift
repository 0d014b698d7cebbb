import ArgumentParser
import Configuration

/// `[CONFIG] [key.path=value …]`: a YAML file or a preset, and overrides.
struct ConfigurationArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A YAML file or the name of a preset, then overrides such as model.layers=2.",
      valueName: "config | key.path=value"))
  var words: [String] = []

  /// The configuration file or preset, if one is named.
  var source: String? { words.first.flatMap { $0.contains("=") ? nil : $0 } }

  /// The overrides; a second word without `=` is refused when they are resolved.
  var overrides: [String] { Array(source == nil ? words[...] : words.dropFirst()) }

  /// Reads and checks. Throws `ConfigurationErrors` with everything that is wrong.
  func resolve(requiringText: Bool = true) throws -> ResolvedConfiguration {
    try RunConfiguration.resolve(
      layers: [try YAMLReader.node(named: source ?? "default")], overrides: overrides,
      requiringText: requiringText)
  }

  /// The same on top of what a run has stored.
  func resolve(stored path: String) throws -> ResolvedConfiguration {
    try RunConfiguration.resolve(
      layers: [try YAMLReader.node(path: path)], overrides: overrides)
  }
}
