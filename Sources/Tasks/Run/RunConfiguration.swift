import Datasets
import Options
import RecurrentNN

/// All settings that determine the computation of a run, as read from YAML, presets and `key=value` overrides.
///
/// The options, their defaults and their constraints are defined in the modules that use them. `ConfigurationSchema`
/// gives each property its key; constraints that involve several of the parts below are in ConfigurationRules.swift.
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

  /// Whether the outputs can be compared with references: they are sequences for a source, or for a vector of their
  /// own.
  var comparesTexts: Bool {
    task.comparisons.contains(.texts) && (task.data != .generated || data.format == .npy)
  }

  /// The same configuration with absolute data paths, as saved in a run. Commands on the run then find the data from
  /// any working directory.
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

  /// The format that the names of the training files imply, if no format is set: lines for parallel files, or the
  /// format of the file extension.
  package var formatByName: DataFormat? {
    guard task.data != .stream, let train = data.train else { return nil }
    guard let file = train.file else { return .lines }
    let ending = file.split(separator: ".").last.map(String.init) ?? ""
    return DataFormat(rawValue: ending).flatMap { task.data.formats.contains($0) ? $0 : nil }
  }

  /// Whether a run of another configuration, started in the same directory, would hold out the same validation examples
  /// and train on the same remaining ones.
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
