import Communication
import Configuration
import Optimizers
import Tasks

/// The state that a run continues from, other than tensors. Its JSON is `state.json` of a checkpoint. Equal states give
/// equal bytes, so it contains no times, and facts about ranks only where bits depend on them.
package struct TrainingState: Codable, Equatable {
  package init() {}

  /// The number of finished steps, including skipped ones.
  package var step = 0
  /// The current epoch, from 0.
  var epoch = 0
  /// The number of finished microbatches in the current epoch.
  var microbatch = 0
  /// The number of microbatches since the start of the run, which is the step in the key of random numbers.
  var serial = 0
  /// The number of optimizer updates: t of Adam's bias correction.
  var optimizerUpdates = 0
  var tokens = 0
  var plateau = PlateauState()
  var bestMetric: Double?
  var bestLoss: Double?
  var bestStep: Int?
  var bestMetrics: [NamedMetric] = []
  /// The number of sources whose outputs these metrics compare, if there was a limit.
  var bestDecoded: Int?
  var evaluationsWithoutImprovement = 0
  var skippedInARow = 0
  /// Whether an evaluation is due before the next step. A signal may have interrupted it.
  var evaluationPending = false
  /// Whether the run is finished: by its last step or by early stopping.
  var isComplete = false
  var stoppedEarly = false
  /// The methods of matrix products with `training.products: tuned`, so that a resumed run has the same bits; nil:
  /// products follow the rule.
  var products: ProductChoices?
  /// The method of sums with `training.reduce_method: auto`, so that a run resumed on the same ranks has the same bits; nil: it was
  /// not measured, or all methods have the same bits.
  var measuredSums: MeasuredSums?
  /// The identity that a resumed run must match.
  var identity = RunIdentity()
}

/// The best evaluation so far. A checkpoint has its values as single members of the state.
struct BestEvaluation {
  /// The value of `evaluation.metric`, negated if higher values are better.
  var metric: Double?
  var loss: Double?
  var step: Int?
  var otherMetrics: [NamedMetric] = []
  /// The number of sources whose outputs the metrics compare, if there was a limit.
  var decoded: Int?
}

extension TrainingState {
  var best: BestEvaluation {
    get {
      BestEvaluation(
        metric: bestMetric, loss: bestLoss, step: bestStep, otherMetrics: bestMetrics, decoded: bestDecoded)
    }
    set {
      (bestMetric, bestLoss, bestStep) = (newValue.metric, newValue.loss, newValue.step)
      (bestMetrics, bestDecoded) = (newValue.otherMetrics, newValue.decoded)
    }
  }
}

/// A measured choice, and the ranks that it was made for.
struct MeasuredSums: Codable, Equatable {
  var method: SumMethod
  var ranks: Int
  var hosts: Int
}

/// A fingerprint of a run: its settings, its vocabulary and its data.
struct RunIdentity: Codable, Equatable {
  /// The settings, by key, that must be the same when the run resumes.
  var settings: [String: String] = [:]
  var data = ""

  init() {}

  init(_ configuration: RunConfiguration, dataDigest: UInt64) {
    for key in ConfigurationSchema.keys where ![.always, .whenResumed].contains(key.change) {
      settings[key.path] = key.text(of: configuration)
    }
    data = String(dataDigest, radix: 16)
  }

  /// Throws if `other`, from the checkpoint, belongs to another run.
  func requireSame(as other: RunIdentity) throws(TrainingFailure) {
    // An earlier version of this program, without some of the keys, trained as their defaults say.
    let defaults = ConfigurationSchema.keys.map { ($0.path, $0.defaultText) }
    let stored = other.settings.merging(defaults.filter { settings[$0.0] != nil }) { own, _ in own }
    let keys = Set(settings.keys).union(stored.keys).sorted()
    let changes = keys.filter { settings[$0] != stored[$0] }.map { key in
      SettingChange(key: key, stored: stored[key] ?? "absent", asked: settings[key] ?? "absent")
    }
    guard changes.isEmpty else {
      let free = ConfigurationSchema.keys.filter { [.always, .whenResumed].contains($0.change) }.map(\.path)
      throw .otherConfiguration(changes, free: free.filter { $0.hasPrefix("training.") })
    }
    if data != other.data { throw .otherData(what: "the text or its vocabulary") }
  }
}
