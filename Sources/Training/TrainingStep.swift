import Communication
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks

/// One step of data-parallel training: the same code on every rank, in ``Trainer`` and in benchmarks.
package final class TrainingStep {
  package let gradients: GradientReduction
  package let optimizer: Optimizer<Float>
  private let model: any GradientSource
  private let communicator: any Communicator
  private let plan: ShardPlan
  /// The number of microbatches whose gradients are accumulated in a step.
  private let accumulate: Int
  /// The maximum norm of the mean gradient; 0: no limit.
  private let clipNorm: Double
  /// The maximum absolute value of an element of the mean gradient; 0: no limit.
  private let clipValue: Double
  /// Steps that each rank makes by itself between two outer updates; nil: none.
  private let local: (steps: Int, update: OuterUpdate)?
  /// The parameters, if the ranks on a host share one copy of them; nil: each rank has its own.
  private let shared: HostVector?
  /// For every rank the elements whose moments it has; empty: each has all.
  let momentParts: [Range<Int>]
  /// With local steps: whether all ranks had the same parameters after the last step.
  private var isSynchronized = true
  private let clock = ContinuousClock()
  /// The total time of all steps so far.
  private var time = Duration.zero

  /// The outcome of a step.
  package struct Result {
    /// The sums over all ranks, the same on every rank.
    package let totals: StepTotals
    /// The norm of the mean gradient before clipping.
    package let norm: Double
    /// Whether there was a finite gradient for an update.
    package let isUpdate: Bool
    /// The parameters whose gradient was not finite, so that the update was skipped; nil if it was not skipped.
    package let skippedFor: [String]?
  }

  /// Allocates the gradient buffers and the optimizer (collective).
  package init(
    _ model: any GradientSource, plan: ShardPlan, optimizer: OptimizerSettings, accumulate: Int = 1,
    clipNorm: Double, clipValue: Double = 0, reduction: ReductionOptions = ReductionOptions(),
    communicator: any Communicator
  ) throws {
    self.model = model
    self.communicator = communicator
    self.plan = plan
    self.accumulate = accumulate
    self.clipNorm = clipNorm
    self.clipValue = clipValue
    let (count, ranks) = (model.parameters.count, communicator.worldSize)
    shared = reduction.sharesParameters && ranks > 1 ? try communicator.makeHostVector(count: count) : nil
    if let shared {
      model.parameters.move(to: shared.elements, owner: shared, copying: shared.parts[communicator.rank])
      try shared.fence()
      momentParts = shared.parts
    } else if reduction.shardsOptimizer, ranks > 1 {
      momentParts = (0..<ranks).map { vectorPart(of: count, rank: $0, ranks: ranks) }
    } else {
      momentParts = []
    }
    self.optimizer = Optimizer(
      settings: optimizer, count: count, part: momentParts.isEmpty ? nil : momentParts[communicator.rank])
    let gradients = try GradientReduction(
      layout: model.parameters.layout, plan: plan, communicator: communicator, reduction: reduction)
    self.gradients = gradients
    if reduction.localSteps > 1 {
      let update = OuterUpdate(count: count, gradients: gradients, ranks: ranks, reduction)
      update.begin(at: model.parameters)
      local = (reduction.localSteps, update)
    } else {
      local = nil
    }
  }

  /// Runs the next step of `state`, and advances the state (collective).
  ///
  /// - Parameter requests: the requests to this rank, which are added to the totals.
  package func run(
    _ state: inout TrainingState, learningRate: Double, requests: StepRequests = StepRequests()
  ) throws -> Result {
    let started = clock.now
    defer { time += clock.now - started }
    communicator.enter(.step, step: state.step + 1)
    let batches = draw(state)
    gradients.clear()
    for shard in plan.own {
      let gradient = gradients.buffer(for: shard)
      var loss = LossSum()
      for batch in batches { loss += try model.addGradient(of: batch, shard: shard, into: gradient) }
      gradients.add(loss, of: shard)
    }
    // With local steps there is something to compare only after an outer update, which costs more than a digest.
    let isCompared = local == nil ? ReplicaCheck.isDue(after: state.step) : isSynchronized
    let check = ReplicaCheck(isCompared ? model.parameters : nil, collectives: communicator.collectives)
    let totals = try gradients.reduce(requests, check, stepTime: time)
    let result = try examine(totals)
    if result.isUpdate {
      try update(totals, norm: result.norm, learningRate)
    }
    advance(&state, batches.count, result)
    return result
  }

  /// Returns the microbatches of the step: the configured number, or fewer at the end of an epoch.
  private func draw(_ state: TrainingState) -> [Microbatch] {
    if state.microbatch == 0 { model.beginEpoch(state.epoch, isResumed: false) }
    let count = min(accumulate, model.microbatchesPerEpoch - state.microbatch)
    return (0..<count).map {
      Microbatch(index: state.microbatch + $0, serial: state.serial + $0, update: state.step)
    }
  }

  /// A summed gradient that is not finite has the same bits on every rank, so all ranks skip the step together. A batch
  /// without targets has no gradient either, and no number of tokens to divide it by.
  ///
  /// With local steps the ranks have looked at their own gradients already, and the norm is the mean of theirs.
  private func examine(_ totals: StepTotals) throws -> Result {
    let isEmpty = totals.tokens == 0
    let sum = local == nil ? gradients.norm / totals.tokens : totals.norm / Double(communicator.worldSize)
    let norm = isEmpty ? 0 : sum
    guard norm.isFinite, totals.loss.isFinite, totals.failures == 0 else {
      let names = try namesOfNonFinite()
      return Result(totals: totals, norm: norm, isUpdate: false, skippedFor: names)
    }
    return Result(totals: totals, norm: norm, isUpdate: !isEmpty, skippedFor: nil)
  }

  /// The parameters whose gradient is not finite; with local steps, on any rank. Collective.
  private func namesOfNonFinite() throws -> [String] {
    let parameters = gradients.total.layout.parameters
    var isHit = parameters.map { parameter -> UInt8 in
      firstNonFinite(UnsafeBufferPointer(gradients.total.elements(parameter))) == nil ? 0 : 1
    }
    if local != nil {
      for others in try communicator.allgather(isHit) { isHit = zip(isHit, others).map { $0 | $1 } }
    }
    return zip(parameters, isHit).filter { $1 == 1 }.map(\.0.name)
  }

  /// Clips each element of the mean gradient (torch.nn.utils.clip_grad_value_).
  ///
  /// - Returns: the factor that clips the norm of the result.
  private func clip(tokens: Double, norm: Double) -> Double {
    guard clipValue > 0 else { return clipFactor(norm: norm, maximum: clipNorm) }
    let (elements, limit) = (gradients.total.elements, Float(clipValue * tokens))
    for span in gradients.spans {
      for index in span { elements[index] = max(-limit, min(limit, elements[index])) }
    }
    return clipFactor(norm: gradients.norm / tokens, maximum: clipNorm)
  }

  /// Updates block by block, so that the weights of a block are packed again while the block is in the cache.
  ///
  /// With a sharded optimizer each rank updates the part of the parameters whose moments it has, and receives the rest (S.
  /// Rajbhandari et al., "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", 2020, stage 1). If the
  /// ranks on a host share one copy of the parameters, no messages are needed. When a rank writes its part, no other rank reads it
  /// any more, because the sum is complete only after every rank has computed its gradient.
  private func update(_ totals: StepTotals, norm: Double, _ learningRate: Double) throws {
    let parameters = model.parameters.elements
    // With local steps a rank divides its own gradient by its own number of tokens.
    let tokens = local == nil ? totals.tokens : gradients.ownTokens
    guard tokens > 0 else {
      // Other ranks had tokens. All count the same updates.
      optimizer.updates += 1
      return
    }
    let scale = clip(tokens: tokens, norm: local == nil ? norm : gradients.norm / tokens) / tokens
    let update = optimizer.beginUpdate(
      parameters: parameters, gradients: UnsafeBufferPointer(gradients.total.elements),
      gradientScale: scale, learningRate: learningRate, within: gradients.spans)
    if !optimizer.isSharded {
      model.workspace.forEachBlock(of: model.parameters) { update.apply(to: $0) }
      return
    }
    let (part, pieces) = (optimizer.part, KernelThreads.count)
    KernelThreads.forEach(pieces, as: .optimizer) { index in
      let piece = vectorPart(of: part.count, rank: index, ranks: pieces)
      update.apply(to: part.lowerBound + piece.lowerBound..<part.lowerBound + piece.upperBound)
    }
    if let shared {
      try gradients.measure { try shared.fence() }
      // Only the packed copies of weights are left to be made.
      model.workspace.forEachBlock(of: model.parameters) { _ in }
    } else {
      try gradients.gather(UnsafeBufferPointer(parameters), part: optimizer.part)
      let updated = gradients.total.elements
      model.workspace.forEachBlock(of: model.parameters) { block in
        _ = parameters[block].update(fromContentsOf: updated[block])
      }
    }
  }

  /// Makes the outer update, if steps are local and it is due. Collective.
  ///
  /// - Parameters:
  ///   - state: after the step.
  ///   - isForced: whether it is due in any case, because the model is about to be evaluated or saved.
  /// - Returns: whether all ranks have the same parameters now.
  package func synchronize(after state: TrainingState, isForced: Bool = false) throws -> Bool {
    guard let local else { return true }
    isSynchronized = false
    guard isForced || state.step % local.steps == 0 else { return false }
    let started = clock.now
    defer { time += clock.now - started }
    try local.update.apply(to: model.parameters, optimizer, model.workspace)
    isSynchronized = true
    return true
  }

  /// Nil unless steps are local.
  var outerUpdate: OuterUpdate? { local?.update }

  /// Whether the ranks on a host share one copy of the parameters.
  package var sharesParameters: Bool { shared != nil }

  /// The memory of this rank. It is known once the largest batch has run.
  ///
  /// - Parameter copies: additional buffers, as long as the parameters, that belong to the update.
  package func memoryPlan(copies: Int = 0) -> MemoryPlan {
    MemoryPlan(
      parameters: model.parameters.count, sharers: shared?.sharers ?? 1, optimizer: optimizer,
      // An update after local steps has its start and its momentum.
      copies: copies + (local == nil ? 0 : 2), model.workspace)
  }

  private func advance(_ state: inout TrainingState, _ microbatches: Int, _ result: Result) {
    if result.skippedFor != nil { model.dropNonFiniteState() }
    if result.isUpdate { state.skippedInARow = 0 }
    if result.skippedFor != nil { state.skippedInARow += 1 }
    state.optimizerUpdates = optimizer.updates
    state.step += 1
    state.serial += microbatches
    state.tokens += Int(result.totals.tokens)
    state.microbatch += microbatches
    if state.microbatch >= model.microbatchesPerEpoch {
      (state.epoch, state.microbatch) = (state.epoch + 1, 0)
    }
  }
}
