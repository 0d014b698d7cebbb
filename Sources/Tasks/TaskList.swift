import Datasets
import Options
import RecurrentNN

/// A task: what a network learns, as the rest of the program needs to know it. Its learner declares it
/// (``Learner/kind``); the checks of a configuration, the keys that it may set and the texts of messages follow.
public struct TaskKind: Sendable {
  /// Every task, in the order of help texts. A new one is its learner's file and one line here.
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

  /// The word that users write.
  public let name: String
  /// A description for the help of the key `task`.
  public let summary: String
  /// The kind of its data, which decides the formats that it reads.
  public let data: DataKind
  /// The choices of `model.output`.
  public let outputs: Set<OutputShape.Kind>
  public let comparisons: Set<Comparison>
  /// The groups of keys that it reads, besides those that every task reads.
  public let groups: Set<KeyGroup>
  /// The unit that has a target of its own, such as `token`: the loss is a mean over these units.
  public let lossUnit: String

  /// - Parameter groups: what its model has; the groups of its data follow from `data`.
  init(
    _ name: String, _ summary: String, data: DataKind, outputs: Set<OutputShape.Kind> = [.softmax],
    comparisons: Set<Comparison> = [], groups: Set<KeyGroup> = [], lossUnit: String = "token"
  ) {
    (self.name, self.summary, self.data, self.outputs) = (name, summary, data, outputs)
    (self.comparisons, self.lossUnit) = (comparisons, lossUnit)
    self.groups = groups.union(KeyGroup.allCases.filter { $0.belongs(to: data) })
  }

  /// Reads the data that a configuration names and builds its model. Throws `DataError`, and ``TrainingFailure`` if the data
  /// do not fit the settings.
  package static func make(_ configuration: RunConfiguration, plan: ShardPlan) throws -> any TrainingTask {
    func make<L: Learner>(_ type: L.Type) throws -> any TrainingTask {
      try LearningTask<L>(configuration, plan: plan)
    }
    return try make(configuration.task.learner)
  }

  /// The learner, which trains and uses its models.
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

/// Keys that serve one part of a model or of its data. A task has a key that belongs to one of its groups, or to none.
public enum KeyGroup: Sendable, CaseIterable {
  /// A network that reads a source, from both ends if it likes.
  case source
  /// All states of a source become one vector.
  case pooling
  /// A decoder that writes a sequence.
  case writing
  /// A decoder that reads what an encoder has read.
  case encoderDecoder
  /// A class or a vector that a sequence is written for.
  case condition

  // Those of the data, which need not be declared.
  /// One stream of tokens.
  case stream
  /// Examples, drawn into batches by their lengths.
  case examples
  /// Steps of several keys each.
  case multihot
  /// Rows of numbers.
  case csv
  /// Data that the program writes itself.
  case generatedData

  /// Whether the group is one of all tasks with such data.
  fileprivate func belongs(to data: DataKind) -> Bool {
    switch self {
    case .source, .pooling, .writing, .encoderDecoder, .condition: false
    case .stream: data == .stream
    case .examples: data != .stream
    case .multihot: data.formats.contains(.multihot)
    case .csv: data.formats.contains(.csv)
    case .generatedData: data == .stream || data == .paired
    }
  }
}
