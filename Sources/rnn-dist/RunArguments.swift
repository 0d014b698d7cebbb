import ArgumentParser
import Checkpoints
import Communication
import Configuration
import Datasets
import NumericKernels
import RunLog
import Tasks
import Inference

/// `[--ensemble RUN …]`, for commands that decode with an encoder-decoder.
struct EnsembleArguments: ParsableArguments {
  @Option(
    name: .customLong("ensemble"),
    help: ArgumentHelp(
      "seq2seq: add the model of this run to the ensemble; it must have the same vocabularies. Can be repeated.",
      valueName: "run"))
  var runs: [String] = []
}

/// `[--precision fp32|bf16|int8]`, for commands that compute with a saved model.
struct PrecisionArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Precision of matrix products: fp32, bf16, or int8 for weights of eight bits (default: the run's training.precision).",
      valueName: "fp32|bf16|int8"))
  var precision: ProductPrecision?
}

/// `RUN [--checkpoint best|last|STEP|average-N]`: the run that a command reads, and the checkpoint to use.
struct RunArguments: ParsableArguments {
  @Argument(help: "Directory of the run.", completion: .custom { _, _, prefix in Completions.runs(prefix) })
  var run: String
  @Option(
    help: ArgumentHelp(
      "Checkpoint to use: best (by validation; the last if none was evaluated), last, a step, or average-N for the mean of the newest N.",
      valueName: "best|last|step|average-N"))
  var checkpoint: CheckpointChoice = .best

  /// Loads the model of a run of any task. With a communicator, rank 0 reads the configurations for all ranks,
  /// including those of the ensemble members (collective).
  ///
  /// Throws `RunDirectoryFailure`, `ConfigurationErrors`, and the errors of ``SavedModel``.
  ///
  /// - Parameters:
  ///   - evaluates: whether the command reads held-out data of the run; if not, the settings of evaluation are refused.
  ///   - ensemble: runs whose models form an ensemble with it.
  ///   - precision: of matrix products; nil: that of the run.
  func load(
    overrides: [String] = [], evaluates: Bool = false, ensemble: [String] = [],
    precision: ProductPrecision? = nil, on communicator: (any Communicator)? = nil
  ) throws -> SavedModel {
    let stored = try ([run] + ensemble).map { path in
      func read() throws -> [UInt8] { try Self.storedText(of: RunPaths(existing: path)) }
      return (path: path, text: try communicator?.readOnRank0(read) ?? read())
    }
    func joined() throws -> SavedModel {
      let saved = try load(stored[0], overrides, precision, evaluates: evaluates)
      guard ensemble.isEmpty || saved.encoding.stream == nil else {
        throw ValidationError("--ensemble is for encoder-decoders")
      }
      for member in stored.dropFirst() { try saved.join(load(member, [], precision), path: member.path) }
      return saved
    }
    return try communicator?.agree(joined) ?? joined()
  }

  private func load(
    _ stored: (path: String, text: [UInt8]), _ overrides: [String], _ precision: ProductPrecision?,
    evaluates: Bool = false
  ) throws -> SavedModel {
    let paths = try RunPaths(existing: stored.path)
    var configuration = try Self.configuration(
      of: paths, stored.text, overrides: overrides, evaluates: evaluates)
    configuration.training.precision = precision ?? configuration.training.precision
    return try SavedModel(run: paths, configuration: configuration, choice: checkpoint)
  }

  /// Reads the configuration of a run.
  static func configuration(of run: RunPaths) throws -> RunConfiguration {
    try configuration(of: run, storedText(of: run), overrides: [])
  }

  private static func storedText(of run: RunPaths) throws -> [UInt8] {
    try YAMLReader.contents(ofRun: run.configuration)
  }

  /// Parses the text of a run's `config.yaml` and applies overrides of keys that the model doesn't depend on.
  private static func configuration(
    of run: RunPaths, _ stored: [UInt8], overrides: [String], evaluates: Bool = false
  ) throws -> RunConfiguration {
    let layers = [try YAMLReader.node(bytes: stored, source: .file(run.configuration))]
    func resolve(_ overrides: [String]) throws -> RunConfiguration {
      try RunConfiguration.resolve(
        layers: layers, overrides: overrides, requiringText: false
      ).configuration
    }
    let stored = try resolve([])
    // Keys that can't change at all are reported first, whether or not the new value is compatible with the other
    // settings.
    let issues = overrides.compactMap { issue(of: $0, stored, evaluates: evaluates) }
    guard issues.isEmpty else { throw ConfigurationErrors(issues) }
    return try resolve(overrides)
  }

  private static func issue(
    of override: String, _ stored: RunConfiguration, evaluates: Bool
  ) -> ConfigurationIssue? {
    let name = String(override.prefix { $0 != "=" })
    func issue(_ key: String, _ message: String) -> ConfigurationIssue {
      ConfigurationIssue(origin: .override(override), key: key, message: message)
    }
    guard !changesLayout(name, stored) else { return issue("data.train", modelDepends) }
    guard let key = ConfigurationSchema.keysByPath[name] ?? ConfigurationSchema.partOwner(of: name)?.key
    else {
      return nil
    }
    if key.change == .never { return issue(name, modelDepends) }
    if key.change == .whenResumed || key.change == .inTraining {
      return issue(name, "only training reads it; leave it out")
    }
    return key.isForEvaluation && !evaluates
      ? issue(name, "only train and evaluate read it; leave it out") : nil
  }

  private static let modelDepends = "the trained model depends on it; train another run to change it"

  /// Whether an override would change the number of files of sequence data: one, several or none. The paths may change,
  /// but the number determines how a line is read.
  private static func changesLayout(_ name: String, _ stored: RunConfiguration) -> Bool {
    guard stored.task.data != .stream else { return false }
    if name == "data.train" { return stored.data.train?.file == nil }
    let part = DataPart.files.first { name == "data.train.\($0.rawValue)" }
    return part.map { stored.data.train?.parts[$0] == nil } ?? false
  }
}

extension RunArguments {
  /// Warns on standard error if the loaded model is not exactly the requested one.
  func warn(of loaded: SavedModel) {
    for bad in loaded.rejected {
      Console.error("warning: skipped a checkpoint that does not verify: \(bad)")
    }
    let count = loaded.averagedSteps.count
    if case .average(let wanted) = checkpoint, count < wanted {
      Console.error(
        "warning: --checkpoint average-\(wanted): the run still has \(count), so this is the mean of \(count); "
          + "checkpoint.keep sets the number that a run keeps")
    }
  }
}

extension CheckpointChoice: ExpressibleByArgument {
  /// Parses `best`, `last`, the number of a step, or `average-N`.
  public init?(argument: String) {
    switch argument {
    case "best": self = .best
    case "last": self = .last
    default:
      if argument.hasPrefix("average-") {
        guard let count = Int(argument.dropFirst("average-".count)), count > 0 else { return nil }
        self = .average(count)
        return
      }
      guard let step = Int(argument), step >= 0 else { return nil }
      self = .step(step)
    }
  }

  public var defaultValueDescription: String {
    switch self {
    case .best: "best"
    case .last: "last"
    case .step(let step): "\(step)"
    case .average(let count): "average-\(count)"
    }
  }
}

extension DataSplit: ExpressibleByArgument {}
