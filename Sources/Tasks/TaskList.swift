import Configuration
import Parameters

/// The tasks that there are.
package enum TaskList {
  /// The learner of each task.
  package static func learner(of task: RunConfiguration.Task) -> any Learner.Type {
    switch task {
    case .languageModel: LanguageModelLearner.self
    case .tagger: TaggerLearner.self
    case .classifier: ClassifierLearner.self
    case .generator: GeneratorLearner.self
    case .seq2seq: TranslationLearner.self
    }
  }

  /// Reads the data that a configuration names and builds its model. Throws `DataError`, and ``TrainingFailure`` if the data
  /// do not fit the settings.
  package static func make(_ configuration: RunConfiguration, plan: ShardPlan) throws -> any TrainingTask {
    func make<L: Learner>(_ type: L.Type) throws -> any TrainingTask {
      try LearningTask<L>(configuration, plan: plan)
    }
    return try make(learner(of: configuration.task))
  }
}
