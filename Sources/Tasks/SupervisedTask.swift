import Configuration
import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog

/// Everything but the language model as a training task: entries of a corpus in batches that are drawn anew every
/// epoch, each batch dealt out to the shards.
///
/// The batches of an epoch follow from seed and epoch alone, and the random numbers of an entry from its place in the
/// global batch: neither depends on the number of ranks.
package final class SupervisedTask: TrainingTask {
  package let learner: any SequenceLearner
  package let corpus: SequenceCorpus
  private let configuration: RunConfiguration
  private let shape: DataShape
  private let plan: ShardPlan
  private let batches: ExampleBatches
  package let workspace: Workspace<Float>
  private var epochPlan: BatchPlan

  package var parameters: ParameterBuffer<Float> { learner.parameters }
  package let dataDigest: UInt64

  /// Throws `DataError`, ``TrainingFailure`` if the data do not fit the settings.
  package init(_ configuration: RunConfiguration, plan: ShardPlan) throws {
    self.configuration = configuration
    self.plan = plan
    workspace = Workspace(precision: configuration.training.precision)
    corpus = try SequenceData.load(configuration)
    shape = DataShape(corpus, configuration)
    learner = try Learners.make(
      configuration, encoding: corpus.encoding, shape: shape, .initial(configuration))
    for split in [corpus.train, corpus.valid, corpus.test].compactMap({ $0 }) { try learner.check(split) }
    let training = configuration.training
    batches = ExampleBatches(
      corpus.train, size: training.batchTokens.map { .tokens($0) } ?? .sequences(training.batchSize),
      bucketing: training.bucketing, seed: UInt64(configuration.seed))
    epochPlan = batches.epoch(0)
    dataDigest = corpus.digest
  }

  package var size: TaskSize {
    let encoding = corpus.encoding
    let (name, count) =
      if let target = encoding.target {
        (encoding.source == nil ? "vocabulary" : "target vocabulary", target.count)
      } else if let source = encoding.source {
        ("vocabulary", source.count)
      } else {
        ("set of labels", encoding.labels?.count ?? 0)
      }
    return TaskSize(
      vocabularyName: name, vocabulary: count,
      trainTokens: corpus.train.tokenCount, validTokens: corpus.valid?.tokenCount ?? 0,
      trainExamples: corpus.train.count, validExamples: corpus.valid?.count ?? 0)
  }

  package var warnings: [String] {
    let parts: [(String, ExampleSet?)] = [
      ("training data", corpus.train), ("validation data", corpus.valid), ("test data", corpus.test),
    ]
    return parts.flatMap { name, split in split?.report.warnings(of: name) ?? [] }
  }

  package func writeInputs(to run: RunPaths) throws {
    try corpus.encoding.save(to: run.root, options: SequenceData.options(configuration))
    try shape.save(to: run)
  }

  // MARK: Training

  package var microbatchesPerEpoch: Int { epochPlan.count }

  package func beginEpoch(_ epoch: Int, isResumed: Bool) { epochPlan = batches.epoch(epoch) }

  package func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) throws -> LossSum {
    let batch = epochPlan[microbatch.index]
    let entries = BatchPlan.shard(batch, shard, of: plan.shardCount)
    guard !entries.isEmpty else { return LossSum() }
    let places = BatchPlan.shard(Array(0..<Int32(batch.count))[...], shard, of: plan.shardCount)
    let masks = SampleMasks(
      seed: UInt64(configuration.seed), step: UInt64(microbatch.serial), samples: places.map { UInt32($0) })
    workspace.arena.reset()
    return try learner.loss(
      entries, of: corpus.train, masks: masks,
      teacherForcing: configuration.training.teacherForcing(at: microbatch.update), into: gradients, workspace
    )
  }

  /// Batches of other epochs hold other sequences, of about the same lengths. A model that reads its own tokens takes
  /// more memory than the first step where that is to come.
  package func rehearse(into gradients: ParameterBuffer<Float>) throws {
    let costs = (0..<epochPlan.count).map { batch in
      epochPlan[batch].reduce(0) { $0 + corpus.train.rowCount(Int($1)) }
    }
    guard let largest = costs.indices.max(by: { costs[$0] < costs[$1] }) else { return }
    for shard in plan.own {
      // With true tokens alone a model computes all steps at once, with its own tokens step by step.
      for update in configuration.training.extremesOfTeacherForcing {
        _ = try addGradient(
          of: Microbatch(index: largest, serial: 0, update: update), shard: shard, into: gradients)
      }
    }
  }

  // MARK: Evaluation

  package func evaluationPass(_ split: DataSplit) -> (any EvaluationPass)? {
    let part: ExampleSet? =
      switch split {
      case .train: corpus.train
      case .valid: corpus.valid
      case .test: corpus.test
      }
    guard let part, part.count > 0 else { return nil }
    let evaluation = configuration.evaluation
    return SupervisedEvaluation(
      learner, part, plan: plan, batchSize: evaluation.batchSize, workspace: workspace,
      comparesOutputs: !learner.comparesTexts || evaluation.metric.comparesTexts,
      groupsReferences: evaluation.groupReferences,
      limit: learner.comparesTexts ? evaluation.decodeLimit : 0)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult {
    var result = learner.result(of: sums)
    if configuration.evaluation.decodeLimit > 0, learner.comparesTexts, !sums.tallies.isEmpty {
      result.decoded = sums.outputs
    }
    return result
  }
}

/// A pass over a split: first the loss of every example, then (where outputs are compared) the outputs.
package final class SupervisedEvaluation: EvaluationPass {
  private let learner: any SequenceLearner
  private let split: ExampleSet
  private let plan: ShardPlan
  private let workspace: Workspace<Float>
  private let scored: [[Int32]]
  /// Groups of examples with the same source, of which one output is compared with all targets, in batches.
  private var compared: [[ArraySlice<Int32>]] = []

  /// - Parameters:
  ///   - batchSize: entries scored at a time, over all shards.
  ///   - comparesOutputs: also compare outputs with their references.
  ///   - groupsReferences: give examples with the same source one output with several references.
  ///   - limit: sources whose outputs are compared; 0: all.
  ///   - includes: which entries.
  package init(
    _ learner: any SequenceLearner, _ split: ExampleSet, plan: ShardPlan, batchSize: Int,
    workspace: Workspace<Float>, comparesOutputs: Bool, groupsReferences: Bool, limit: Int = 0,
    including includes: (_ entry: Int32) -> Bool = { _ in true }
  ) {
    self.learner = learner
    self.split = split
    self.plan = plan
    self.workspace = workspace
    let batches = ExampleBatches(split, size: .sequences(batchSize), bucketing: true, seed: 0).evaluation()
    scored = (0..<batches.count).map { batches[$0].filter(includes) }.filter { !$0.isEmpty }
    guard comparesOutputs else { return }
    let groups =
      (learner.comparesTexts && groupsReferences
      ? Self.references(of: split) : (0..<Int32(split.count)).map { [$0][...] })
      .filter { $0.first.map(includes) ?? false }
    let chosen = limit > 0 ? Array(groups.prefix(limit)) : groups
    let order = chosen.indices.sorted { first, second in
      let lengths = [first, second].map { split.field(.source)?.length(Int(chosen[$0].first ?? 0)) ?? 0 }
      return (lengths[0], first) > (lengths[1], second)
    }
    for first in stride(from: 0, to: order.count, by: batchSize) {
      compared.append(order[first..<min(first + batchSize, order.count)].map { chosen[$0] })
    }
  }

  private static func references(of split: ExampleSet) -> [ArraySlice<Int32>] {
    let groups = split.groups()
    return (0..<groups.count).map { groups.members($0) }
  }

  package var pieces: Int { scored.count + compared.count }

  package func score(piece: Int, shard: Int) throws -> ScoreSums {
    workspace.arena.reset()
    if piece < scored.count {
      let entries = BatchPlan.shard(scored[piece][...], shard, of: plan.shardCount)
      guard !entries.isEmpty else { return ScoreSums() }
      let loss = try learner.loss(
        entries, of: split, masks: nil, teacherForcing: 1, into: nil, workspace)
      return ScoreSums(loss: loss, examples: entries.count)
    }
    let batch = compared[piece - scored.count]
    let groups = stride(from: shard, to: batch.count, by: plan.shardCount).map { batch[$0] }
    guard !groups.isEmpty else { return ScoreSums() }
    return ScoreSums(outputs: groups.count, tallies: try learner.tally(groups, of: split, workspace))
  }
}

extension ExampleSet {
  /// Steps of an entry on all its sides together.
  package func rowCount(_ entry: Int) -> Int {
    [.source, .target].reduce(0) { $0 + (field($1)?.length(entry) ?? 0) }
  }

  /// Tokens of the longer side, summed over all entries.
  package var tokenCount: Int {
    let (source, target) = (lengths(.source), lengths(.target))
    return max(source.reduce(0) { $0 + Int($1) }, target.reduce(0) { $0 + Int($1) })
  }
}
