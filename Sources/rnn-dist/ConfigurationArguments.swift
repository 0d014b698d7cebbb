import ArgumentParser
import Communication
import Configuration
import Foundation
import RunLog
import Tasks

/// `[CONFIG] [key.path=value …]`: a YAML file or a preset, and overrides.
struct ConfigurationArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "A YAML file or the name of a preset, then overrides such as model.layers=2.",
      valueName: "config | key.path=value"),
    completion: .custom { _, _, prefix in Completions.configuration(prefix) })
  var words: [String] = []

  /// The configuration file or preset, if one is named.
  var source: String? { words.first.flatMap { $0.contains("=") ? nil : $0 } }

  /// The overrides. A second word without `=` is rejected when they are resolved.
  var overrides: [String] { Array(source == nil ? words[...] : words.dropFirst()) }

  /// Reads and checks the configuration. Throws `ConfigurationErrors` with all problems.
  func resolve(requiringText: Bool) throws -> ResolvedConfiguration {
    try RunConfiguration.resolve(
      layers: [try YAMLReader.node(named: source ?? "default")], overrides: overrides,
      requiringText: requiringText)
  }

  /// The configuration that `train` starts with. To resume a run without naming a configuration, it is the one stored
  /// in the run.
  ///
  /// Rank 0 reads the file, so that other hosts need not see its disk (collective). All ranks must have the same
  /// arguments.
  func resolve(resuming runDirectory: String?, on communicator: any Communicator) throws -> RunConfiguration {
    let stored = runDirectory.map { RunPaths(root: $0).configuration }
    let usesStored = stored.map { source == nil || isSameFile($0, source ?? "") } ?? false
    let text = ConfigurationSource(name: (usesStored ? stored : source) ?? "default")
    let bytes = try communicator.readOnRank0 {
      if let runDirectory, case .file(let path) = text, source == nil,
        !FileManager.default.fileExists(atPath: path)
      {
        throw RunDirectoryFailure(path: runDirectory, reason: .nothingToResume)
      }
      if usesStored, let stored { return try YAMLReader.contents(ofRun: stored) }
      return try YAMLReader.contents(of: text)
    }
    return try communicator.agree {
      try RunConfiguration.resolve(
        layers: [try YAMLReader.node(bytes: bytes, source: text)], overrides: overrides
      ).configuration
    }
  }

  private func isSameFile(_ first: String, _ second: String) -> Bool {
    URL(fileURLWithPath: first) == URL(fileURLWithPath: second)
  }
}
