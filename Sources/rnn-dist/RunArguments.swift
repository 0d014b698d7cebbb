import ArgumentParser
import Configuration
import Datasets
import RunLog
import Training

/// `RUN [--checkpoint best|last|STEP]`: the run a command reads, and which of its checkpoints.
struct RunArguments: ParsableArguments {
  @Argument(help: "Directory of the run.") var run: String
  @Option(
    help: ArgumentHelp(
      "Checkpoint: best (by validation; the last if none was scored), last, or a step.",
      valueName: "best|last|step"))
  var checkpoint: SavedModel.Choice = .best

  /// Loads the model, and warns of newer checkpoints that had to be passed over.
  ///
  /// Throws `RunDirectoryFailure`, `ConfigurationErrors`, and what `SavedModel` throws.
  func load(overrides: [String] = []) throws -> SavedModel {
    let paths = try RunPaths(existing: run)
    return try SavedModel(
      run: paths, configuration: try Self.configuration(of: paths, overrides: overrides), choice: checkpoint)
  }

  /// What a run's `config.yaml` says, with overrides of keys that its model doesn't depend on.
  static func configuration(of run: RunPaths, overrides: [String] = []) throws -> RunConfiguration {
    let resolved = try RunConfiguration.resolve(
      layers: [try YAMLReader.node(path: run.configuration)], overrides: overrides, requiringText: false)
    let issues = ConfigurationSchema.keys.filter { isFixed($0.path) }.compactMap {
      key -> ConfigurationIssue? in
      let origin = resolved.origin(of: key.path)
      guard case .override = origin else { return nil }
      return ConfigurationIssue(
        origin: origin, key: key.path,
        message: "the trained model depends on it; train another run to change it")
    }
    guard issues.isEmpty else { throw ConfigurationErrors(issues) }
    return resolved.configuration
  }

  /// Whether the weights or the vocabulary depend on a key.
  private static func isFixed(_ path: String) -> Bool {
    path.hasPrefix("model.")
      || ["task", "data.tokens", "data.lowercase", "data.min_count", "data.max_vocabulary"].contains(path)
  }
}

extension SavedModel {
  /// Says on standard error which newer checkpoints were passed over.
  func warnOfRejected() {
    for bad in rejected { Console.error("warning: skipped a checkpoint that does not verify: \(bad)") }
  }
}

extension SavedModel.Choice: ExpressibleByArgument {
  /// `best`, `last` or the number of a step.
  public init?(argument: String) {
    switch argument {
    case "best": self = .best
    case "last": self = .last
    default:
      guard let step = Int(argument), step >= 0 else { return nil }
      self = .step(step)
    }
  }

  public var defaultValueDescription: String {
    switch self {
    case .best: "best"
    case .last: "last"
    case .step(let step): "\(step)"
    }
  }
}

extension DataSplit: ExpressibleByArgument {}
