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
  /// Microbatches done in the whole run: the step of random numbers.
  var serial = 0
  /// Updates of the optimizer: t of Adam's bias correction.
  var optimizerUpdates = 0
  var tokens = 0
  var plateau = PlateauState()
  var bestMetric: Double?
  var bestLoss: Double?
  var bestStep: Int?
  var bestFigures: [NamedFigure] = []
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

/// A fingerprint of a run: its settings (as YAML), its vocabulary and its data.
struct RunIdentity: Codable, Equatable {
  var configuration = ""
  var data = ""

  init() {}

  init(_ configuration: RunConfiguration, dataDigest: UInt64) {
    self.configuration = Self.settingsThatMatter(configuration).yaml(commented: false)
    data = String(dataDigest, radix: 16)
  }

  /// The configuration with everything reset that may change when a run is resumed: how long it is, what is
  /// reported and saved, and where the same data lie.
  private static func settingsThatMatter(_ configuration: RunConfiguration) -> RunConfiguration {
    var settings = configuration
    let standard = RunConfiguration()
    settings.training.epochs = standard.training.epochs
    settings.training.steps = standard.training.steps
    settings.training.skipLimit = standard.training.skipLimit
    settings.evaluation = standard.evaluation
    settings.evaluation.metric = configuration.evaluation.metric
    settings.decoding = standard.decoding
    settings.log = standard.log
    settings.checkpoint = standard.checkpoint
    settings.data.train = nil
    settings.data.valid = nil
    settings.data.test = nil
    return settings
  }

  /// Throws if `other`, of the checkpoint, belongs to another run.
  func requireSame(as other: RunIdentity) throws(TrainingFailure) {
    if configuration != other.configuration {
      let (mine, theirs) = (Self.settings(of: configuration), Self.settings(of: other.configuration))
      let changes = Set(mine.keys).union(theirs.keys).sorted().filter { mine[$0] != theirs[$0] }.map { key in
        SettingChange(key: key, stored: theirs[key] ?? "absent", asked: mine[key] ?? "absent")
      }
      guard changes.isEmpty else { throw .otherConfiguration(changes) }
    }
    if data != other.data { throw .otherData(what: "the text or its vocabulary") }
  }

  /// The values of a configuration's YAML by dotted key.
  private static func settings(of yaml: String) -> [String: String] {
    var sections: [Substring] = []
    var values: [String: String] = [:]
    for line in yaml.split(separator: "\n") {
      let text = line.drop { $0 == " " }
      let key = text.prefix { $0 != ":" }
      sections = sections.prefix((line.count - text.count) / 2) + [key]
      values[sections.joined(separator: ".")] = String(text.dropFirst(key.count + 1).drop { $0 == " " })
    }
    return values
  }
}
