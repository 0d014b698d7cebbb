import Datasets
import Options
import RecurrentNN

/// A description of a task for the rest of the program. Each learner declares its own (``Learner/kind``). The checks of
/// a configuration, the keys that it may set and the texts of messages follow from it.
public struct TaskKind: Sendable {
  /// Every task, in the order of help texts. To add a task, write its learner and add it here.
  static let learners: [any Learner.Type] = [
    LanguageModelLearner.self,
    TaggerLearner.self,
    ClassifierLearner.self,
    GeneratorLearner.self,
    MatcherLearner.self,
    TranslationLearner.self,
  ]

  public static let all = learners.map { $0.kind }

  /// The references that the outputs of a task are compared with. They decide the metrics of the task.
  public enum Comparison: Sendable {
    /// Classes, or the tags of a sequence.
    case labels
    /// Tags that mark spans.
    case spans
    /// Texts that the model writes.
    case texts
  }

  /// The name of the task in configurations and commands.
  public let name: String
  /// A description for the help of the key `task`.
  public let summary: String
  /// The kind of data, which determines the formats that the task reads.
  public let data: DataKind
  /// The choices of `model.output`.
  public let outputs: Set<OutputShape.Kind>
  public let comparisons: Set<Comparison>
  /// The groups of keys that the task reads, besides those that every task reads.
  public let groups: Set<KeyGroup>
  /// The unit of the loss, such as `token`: the loss is a mean over these units, each with its own target.
  public let lossUnit: String

  /// - Parameter groups: the groups of the model's parts. Those of the data follow from `data`.
  init(
    _ name: String, _ summary: String, data: DataKind, outputs: Set<OutputShape.Kind> = [.softmax],
    comparisons: Set<Comparison> = [], groups: Set<KeyGroup> = [], lossUnit: String = "token"
  ) {
    (self.name, self.summary, self.data, self.outputs) = (name, summary, data, outputs)
    (self.comparisons, self.lossUnit) = (comparisons, lossUnit)
    self.groups = groups.union(KeyGroup.allCases.filter { $0.belongs(to: data) })
  }

  /// Reads the configured data and builds the model. Throws `DataError`, and ``TrainingFailure`` if the data do not fit
  /// the settings.
  package static func make(_ configuration: RunConfiguration, plan: ShardPlan) throws -> any TrainingTask {
    func make<L: Learner>(_ type: L.Type) throws -> any TrainingTask {
      try LearningTask<L>(configuration, plan: plan)
    }
    return try make(configuration.task.learner)
  }

  /// The learner that trains and uses the models of this task.
  package var learner: any Learner.Type {
    guard let learner = Self.learners.first(where: { $0.kind == self }) else {
      preconditionFailure("the task \(name) is not in the list of tasks")
    }
    return learner
  }
}

extension TaskKind: OptionChoice, CustomStringConvertible {
  public var description: String { name }
  public var rawValue: String { name }

  public init?(rawValue: String) {
    guard let task = Self.all.first(where: { $0.name == rawValue }) else { return nil }
    self = task
  }

  public static var allCases: [TaskKind] { all }
  public static func == (a: TaskKind, b: TaskKind) -> Bool { a.name == b.name }
  public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// Keys for one part of a model or of its data. A task reads a key that belongs to one of its groups or to no group.
public enum KeyGroup: Sendable, CaseIterable {
  /// A network that reads a source, optionally in both directions.
  case source
  /// Pooling of all states of a source into one vector.
  case pooling
  /// A decoder that writes a sequence.
  case writing
  /// A decoder that reads the output of an encoder.
  case encoderDecoder
  /// A class or a vector that a sequence is conditioned on.
  case condition

  // One stream of tokens. The groups from here on belong to the data and need not be declared.
  case stream
  /// Examples that are sampled into batches by their lengths.
  case examples
  /// Steps with several keys each.
  case multihot
  /// Rows of csv.
  case csv
  /// One target for a whole sequence.
  case labeled
  /// Data that the program generates itself.
  case generatedData

  /// Whether all tasks with this kind of data have the group.
  fileprivate func belongs(to data: DataKind) -> Bool {
    switch self {
    case .source, .pooling, .writing, .encoderDecoder, .condition: false
    case .stream: data == .stream
    case .examples: data != .stream
    case .multihot: data.formats.contains(.multihot)
    case .csv: data.formats.contains(.csv)
    case .labeled: data == .labeled
    case .generatedData: data == .stream || data == .paired
    }
  }
}
