import Checkpoints
import Communication
import Datasets
import Metrics
import Options
import RecurrentNN
import RunLog

/// A setting whose value differs from that at the start of the run.
public struct SettingChange: Sendable, Equatable, CustomStringConvertible {
  public var key: String
  public var stored: String
  public var asked: String

  public init(key: String, stored: String, asked: String) {
    (self.key, self.stored, self.asked) = (key, stored, asked)
  }

  public var description: String { "\(key) was \(stored), now it is \(asked)" }
}

/// The reasons why a run can't continue, other than errors of its data, files or ranks.
public enum TrainingFailure: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  /// The gradient was not finite for too many steps in a row.
  case diverged(step: Int, inARow: Int, parameters: [String])
  /// The validation loss is not finite.
  case validationNotFinite(step: Int)
  /// The run to resume was made with different settings.
  /// `free`: the keys of training that may change.
  case otherConfiguration([SettingChange], free: [String])
  /// The run to resume was made with a different vocabulary or different data.
  case otherData(what: String)
  /// The data have no targets.
  case nothingToPredict(String)
  /// The metric that selects the best checkpoint is not available for these data.
  case metricMissing(Metric, available: [Metric])
  /// The settings do not fit the data.
  case unfittingData(String)
  /// A checkpoint does not fit this model.
  case unfittingCheckpoint(path: String, problem: String)
  /// The checkpoint to resume from has no state of a training run, because its weights were imported.
  case onlyWeights(path: String)
  /// Reproducible mode does not allow this number of ranks.
  case unevenRanks(Int)
  /// The last checkpoint could not be written.
  case notSaved(String)
  /// The model needs more memory, in bytes, than the machine has.
  case tooLarge(parameters: Int, bytes: Int, memory: Int)
  /// A file of the run directory that a command needs is missing or damaged.
  case unusableRun(path: String, problem: String)

  public var exitCode: Int32 {
    switch self {
    case .diverged, .validationNotFinite: ExitCode.diverged
    case .otherConfiguration, .unevenRanks, .tooLarge, .metricMissing: ExitCode.configuration
    case .otherData, .unfittingCheckpoint, .onlyWeights, .unusableRun, .unfittingData, .nothingToPredict:
      ExitCode.badData
    case .notSaved: ExitCode.readWriteFailed
    }
  }

  public var description: String {
    switch self {
    case .diverged(let step, let inARow, let parameters):
      """
      the gradient was not finite \(inARow) times in a row up to step \(step), in \
      \(parameters.joined(separator: ", ")): training has diverged. Start again, with a lower \
      training.learning_rate or with training.clip_norm (such as 1) and --overwrite or another --run-dir
      """
    case .validationNotFinite(let step):
      "the validation loss is not finite at step \(step): training has diverged. Lower training.learning_rate"
    case .otherConfiguration(let changes, let free):
      """
      the run was started with other settings: \(changes.map { "\($0)" }.joined(separator: "; ")). Resume it with the same \
      settings, or without naming a configuration; only \(free.joined(separator: ", ")), and the settings of evaluation (except \
      its metric), decoding, log and checkpoint may change
      """
    case .otherData(let what):
      "\(what) is not the one this run was started with: restore the data, or start a new run"
    case .nothingToPredict(let data):
      "\(data): there is nothing to predict in any sequence (labels missing from the training data, or pieces of one step)"
    case .metricMissing(let metric, let available):
      """
      evaluation.metric: \(metric.name) is not available for these data (f1 needs tags such as B-name and I-name); choose \
      among \(available.map(\.name).joined(separator: ", "))
      """
    case .unfittingData(let problem):
      problem
    case .unfittingCheckpoint(let path, let problem):
      "\(path) \(problem): it belongs to another model"
    case .onlyWeights(let path):
      "\(path) holds weights but no state of training, as an imported run does: start a new run from them with --init-from"
    case .unevenRanks(let ranks):
      """
      training.reproducible needs 1, 2, 4 or 8 ranks, not \(ranks): its sums follow a fixed binary tree over \
      \(ShardPlan.reproducibleShards) parts of the batch
      """
    case .notSaved(let why):
      "the run could not be saved: \(why)"
    case .tooLarge(let parameters, let bytes, let memory):
      """
      the model has \(Self.number(parameters)) parameters, which take at least \(Self.gibibytes(bytes)) GiB with what \
      training keeps of each, and a rank of this machine may use \(Self.gibibytes(memory)): lower model.hidden_size, model.layers, \
      model.embedding_size or data.max_vocabulary
      """
    case .unusableRun(let path, let problem):
      "\(path) \(problem)"
    }
  }

  private static func number(_ value: Int) -> String { value == .max ? "more than 10^18" : "\(value)" }

  /// Rounds to a tenth of a gibibyte.
  private static func gibibytes(_ bytes: Int) -> String {
    bytes == .max ? "8,000,000,000" : "\((Double(bytes) / Double(1 << 30) * 10).rounded() / 10)"
  }
}

/// The exit codes of the program, as documented in the README.
public enum ExitCode {
  public static let done: Int32 = 0
  public static let `internal`: Int32 = 1
  public static let diverged: Int32 = 3
  public static let usage: Int32 = 64
  public static let badData: Int32 = 65
  public static let inputMissing: Int32 = 66
  public static let cannotCreate: Int32 = 73
  public static let readWriteFailed: Int32 = 74
  /// Stopped by a signal; `--resume` continues the run.
  public static let stopped: Int32 = 75
  public static let configuration: Int32 = 78

  /// The exit code of an error; 1 if the error has none of its own.
  public static func code(of error: any Error) -> Int32 {
    (error as? any ExitCoded)?.exitCode ?? Self.internal
  }
}

// The lower targets don't know each other but define their exit codes, so the conformance to the protocol is declared
// here.
extension CheckpointFailure: ExitCoded {}
extension SafetensorsFailure: ExitCoded {}
extension NoValidCheckpoint: ExitCoded {}
extension FileFailure: ExitCoded {}
extension OptionError: ExitCoded {
  public var exitCode: Int32 { ExitCode.configuration }
}
extension DataError: ExitCoded {}
extension RunDirectoryFailure: ExitCoded {}
extension RunRecordFailure: ExitCoded {}
