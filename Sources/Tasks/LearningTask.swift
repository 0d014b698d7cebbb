import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog

/// A training task made of a learner and the data of a run: batches that are resampled every epoch and cut into
/// shards, and the state that streams carry from batch to batch.
///
/// Seed and epoch alone determine the batches of an epoch, and the position in the global batch determines the random
/// numbers of an example. Neither depends on the number of ranks.
package final class LearningTask<L: Learner>: TrainingTask {
  package let learner: L
  package let corpus: Corpus<L.Data>
  package let workspace: Workspace<Float>
  package let carriedState: CarriedState
  private let configuration: RunConfiguration
  private let plan: ShardPlan
  private var batches: L.Data.Batches
  package let notes: [String]

  package var parameters: ParameterBuffer<Float> { learner.parameters }

  /// Reads the data and builds the model. Throws `DataError`, and ``TrainingFailure`` if the data do not fit the settings.
  package convenience init(_ configuration: RunConfiguration, plan: ShardPlan) throws {
    try self.init(configuration, corpus: try L.Data.load(configuration), plan: plan)
  }

  package init(_ configuration: RunConfiguration, corpus: Corpus<L.Data>, plan: ShardPlan) throws {
    self.configuration = configuration
    self.corpus = corpus
    self.plan = plan
    workspace = Workspace(
      precision: configuration.training.precision, hasOneOrder: configuration.training.reproducible)
    let learner = try L(configuration, corpus.encoding, .initial(configuration, ranks: plan.rankCount))
    self.learner = learner
    notes =
      corpus.encoding.subwordNotes(configuration.data)
      + (try configuration.data.embeddings.map {
        [try learner.parameters.readWordVectors($0, corpus.encoding)]
      } ?? [])
    for split in DataSplit.allCases {
      if let part = corpus[split] { try learner.check(part) }
    }
    let training = configuration.training
    var options = BatchOptions(
      training.batchTokens.map { .tokens($0) } ?? .examples(training.batchSize), steps: training.bptt)
    options.dropLast = training.dropLastChunk
    options.bucketing = training.bucketing
    options.seed = UInt64(configuration.seed)
    batches = try corpus.train.trainingBatches(options)
    carriedState = CarriedState(
      parts: learner.stateParts, streams: L.Data.streams(of: batches), plan: plan)
  }

  package var size: TaskSize {
    let vocabulary = corpus.encoding.mainVocabulary
    return TaskSize(
      vocabularyName: vocabulary.name, vocabulary: vocabulary.count,
      trainTokens: corpus.train.tokenCount, validTokens: corpus.valid?.tokenCount ?? 0,
      trainExamples: corpus.train.exampleCount, validExamples: corpus.valid?.exampleCount ?? 0,
      firstExample: corpus.train.firstExample,
      inputs: corpus.train.examples?.source?.vectorSequences.map {
        NumericInputs(of: $0, isMasked: configuration.data.missing == .mask)
      })
  }
  package var dataDigest: UInt64 { corpus.digest }
  package var warnings: [String] { corpus.warnings }

  package func start(from weights: StartingWeights) throws -> [String] {
    try weights.copy(to: parameters, corpus.encoding)
  }

  package func writeInputs(to run: RunPaths) throws { try corpus.encoding.save(to: run.root) }

  // MARK: Training

  package var microbatchesPerEpoch: Int { batches.count }

  package func beginEpoch(_ epoch: Int, isResumed: Bool) {
    batches.beginEpoch(epoch)
    // A run that resumes within an epoch has restored the states already.
    if !isResumed { carriedState.clear() }
  }

  package func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) throws -> LossSum {
    try addGradient(of: microbatch, shard: shard, carriedState, into: gradients)
  }

  private func addGradient(
    of microbatch: Microbatch, shard: Int, _ state: CarriedState, into gradients: ParameterBuffer<Float>
  ) throws -> LossSum {
    guard let batch = batches.batch(microbatch.index, shard: shard, of: plan.shardCount) else {
      return LossSum()
    }
    workspace.arena.reset()
    var context = LossContext(workspace, gradients: gradients, state: state.views(of: shard))
    context.teacherForcing = configuration.training.teacherForcing(at: microbatch.update)
    context.random = (UInt64(configuration.seed), UInt64(microbatch.serial))
    return try withExtendedLifetime(state) { try learner.loss(of: batch, context) }
  }

  /// Batches of other epochs hold other examples, of about the same lengths.
  package func rehearse(into gradients: ParameterBuffer<Float>) throws {
    guard let largest = batches.largestBatch else { return }
    let state = carriedState.emptied()
    for shard in plan.own {
      // If it only reads true tokens, a model computes all steps at once; if it reads its own tokens, step by step.
      for update in configuration.training.extremesOfTeacherForcing {
        let microbatch = Microbatch(index: largest, serial: 0, update: update)
        _ = try addGradient(of: microbatch, shard: shard, state, into: gradients)
      }
    }
  }

  package func dropNonFiniteState() { carriedState.clearNonFinite() }

  // MARK: Evaluation

  package func evaluationPass(_ split: DataSplit) -> (any EvaluationPass)? {
    guard let part = corpus[split] else { return nil }
    let evaluation = configuration.evaluation
    let pass = LearnerEvaluation(
      learner, part, configuration, plan: plan, workspace: workspace,
      comparesOutputs: !learner.comparesTexts || evaluation.metric.comparesTexts,
      limit: learner.comparesTexts ? evaluation.decodeLimit : 0)
    return pass.pieces > 0 ? pass : nil
  }

  package func samples(_ count: Int) throws -> [RunSamples.Sample] {
    try learner.samples(count, of: corpus.valid?.examples, corpus.encoding, configuration, workspace)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult {
    var result = learner.result(of: sums)
    if configuration.evaluation.decodeLimit > 0, learner.comparesTexts, !sums.tallies.isEmpty {
      result.decoded = sums.outputs
    }
    return result
  }
}

extension TrainingConfiguration {
  /// Returns the teacher forcing ratio at an update, counted from 0: constant, or linear between the start and the end
  /// of its schedule.
  package func teacherForcing(at update: Int) -> Double {
    guard let end = teacherForcingEnd else { return teacherForcing }
    guard update < teacherForcingSteps else { return end }
    return teacherForcing + (end - teacherForcing) * Double(update) / Double(teacherForcingSteps)
  }

  /// The first update, and one at the end of the schedule if the ratio changes.
  package var extremesOfTeacherForcing: [Int] {
    teacherForcing(at: teacherForcingSteps) == teacherForcing(at: 0) ? [0] : [0, teacherForcingSteps]
  }
}
