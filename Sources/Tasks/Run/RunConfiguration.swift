import Datasets
import Options
import RecurrentNN

/// Everything that decides what a run computes, as read from YAML, presets and `key=value` overrides.
///
/// The options, their defaults and their constraints are those of the modules that use them. `ConfigurationSchema` gives
/// each property its key; constraints that involve several of the parts below are in ConfigurationRules.swift.
public struct RunConfiguration: Options {
  /// The task that the network learns.
  public var task = TaskKind.languageModel
  public var seed = 1
  public var model = ModelOptions()
  public var data = DataOptions()
  public var training = TrainingConfiguration()
  public var decoding = DecodingOptions()
  public var evaluation = EvaluationConfiguration()
  public var log = LogConfiguration()
  public var checkpoint = CheckpointConfiguration()

  public init() {}

  /// Whether what the model writes can be right or wrong: a sequence for a source, or for a vector of its own.
  var comparesTexts: Bool {
    task.comparisons.contains(.texts) && (task.data != .generated || data.format == .npy)
  }

  /// The same configuration with absolute paths of data, as a run stores it: a command on the run then finds the data in
  /// whatever directory it is started.
  public func withAbsolutePaths(in directory: String) -> RunConfiguration {
    var configuration = self
    for property in [\DataOptions.train, \.valid, \.test] {
      configuration.data[keyPath: property] = data[keyPath: property]?.absolute(in: directory)
    }
    for property in [\DataOptions.vocabulary, \.targetVocabulary, \.embeddings] {
      configuration.data[keyPath: property] = data[keyPath: property].flatMap {
        DataPath(file: $0).absolute(in: directory).file
      }
    }
    return configuration
  }

  /// The format that the training data have by the way they are named, where nothing else says it: lines for parallel files,
  /// or the ending of a file.
  package var formatByName: DataFormat? {
    guard task.data != .stream, let train = data.train else { return nil }
    guard let file = train.file else { return .lines }
    let ending = file.split(separator: ".").last.map(String.init) ?? ""
    return DataFormat(rawValue: ending).flatMap { task.data.formats.contains($0) ? $0 : nil }
  }

  /// Whether a run of another configuration, started in the same folder, keeps the same examples for validation and trains on
  /// the same others.
  public func holdsOutTheSame(as other: RunConfiguration) -> Bool {
    let (mine, theirs) = (data, other.data)
    guard mine.train == theirs.train, mine.valid == theirs.valid else { return false }
    if mine.train == nil {
      guard mine.generator == theirs.generator, mine.generatedSize == theirs.generatedSize, seed == other.seed
      else { return false }
    }
    return mine.valid != nil || mine.validFraction == theirs.validFraction
  }
}
