import Configuration
import Optimizers
import Tasks

/// Everything besides tensors that a run continues from. Its JSON is `state.json` of a checkpoint. The same state gives the
/// same bytes, so it holds no times and nothing about ranks.
package struct TrainingState: Codable, Equatable {
  package init() {}

  /// Steps done, including skipped ones.
  var step = 0
  /// The current epoch, from 0.
  var epoch = 0
  /// Microbatches of the current epoch that are done.
  var microbatch = 0
  /// The number of microbatches since the start of the run, which is the step in the key of random numbers.
  var serial = 0
  /// Updates of the optimizer: t of Adam's bias correction.
  var optimizerUpdates = 0
  var tokens = 0
  var plateau = PlateauState()
  var bestMetric: Double?
  var bestLoss: Double?
  var bestStep: Int?
  var bestMetrics: [NamedMetric] = []
  var evaluationsWithoutImprovement = 0
  var skippedInARow = 0
  /// An evaluation is due before the next step. A signal may have interrupted it.
  var evaluationPending = false
  /// The run is over: all steps done or stopped early.
  var isComplete = false
  var stoppedEarly = false
  /// How products are computed with `training.products: tuned`, so that a resumed run has the same bits; nil: by the rule.
  var products: ProductChoices?
  /// The identity that a resumed run must have.
  var identity = RunIdentity()
}

/// A fingerprint of a run: its settings, its vocabulary and its data.
struct RunIdentity: Codable, Equatable {
  /// The values, by key, that must be the same when the run is resumed.
  var settings: [String: String] = [:]
  var data = ""

  init() {}

  init(_ configuration: RunConfiguration, dataDigest: UInt64) {
    for key in ConfigurationSchema.keys where key.change != .always {
      settings[key.path] = key.text(of: configuration)
    }
    data = String(dataDigest, radix: 16)
  }

  /// Throws if `other`, of the checkpoint, belongs to another run.
  func requireSame(as other: RunIdentity) throws(TrainingFailure) {
    let keys = Set(settings.keys).union(other.settings.keys).sorted()
    let changes = keys.filter { settings[$0] != other.settings[$0] }.map { key in
      SettingChange(
        key: key, stored: other.settings[key] ?? "absent", asked: settings[key] ?? "absent")
    }
    guard changes.isEmpty else { throw .otherConfiguration(changes) }
    if data != other.data { throw .otherData(what: "the text or its vocabulary") }
  }
}
