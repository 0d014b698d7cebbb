import Datasets
import Options
import RecurrentNN

/// Everything that decides what a run computes, as read from YAML, presets and `key=value` overrides.
///
/// The options, their defaults and their constraints are those of the modules that use them. `ConfigurationSchema` gives
/// each property its key; constraints that involve several of the parts below are in ConfigurationRules.swift.
public struct RunConfiguration: Options {
  /// What the network learns.
  public enum Task: String, OptionChoice {
    /// The next token of a text (N-N).
    case languageModel = "language-model"
    /// A label, bits or numbers for every step of a sequence (N-N).
    case tagger
    /// A class or numbers for a whole sequence (N-1).
    case classifier
    /// A sequence from a class or a vector (1-N).
    case generator
    /// A sequence from one or two sequences (N-M).
    case seq2seq
  }

  public var task = Task.languageModel
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
  var comparesTexts: Bool { task == .seq2seq || task == .generator && data.format == .npy }

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
