import Checkpoints
import Communication
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import RunLog
import Tasks

/// Data-parallel training of a task: the loop over steps, the same on every rank.
///
/// ``TrainingStep`` runs one step. Between steps, the trainer runs evaluations, which are distributed over the ranks,
/// and saves checkpoints, which rank 0 writes. The loop is a state machine whose whole state is ``TrainingState``, so
/// that a run can stop between any two steps and resume with the same bits.
final class Trainer {
  private let configuration: RunConfiguration
  private let communicator: any Communicator
  private let task: any TrainingTask
  private let plan: ShardPlan
  private let step: TrainingStep
  private let average: WeightAverage?
  private let checkpoints: TrainingCheckpoints
  private let schedule: Schedule
  private let observer: (any TrainingObserver)?
  private let signals: StopSignals
  private let products: ProductSelection?
  /// The number of hosts that the ranks are on.
  private let hosts: Int
  /// The number of reports of steps so far.
  private var reports = 0
  private var state: TrainingState
  private var progress: ProgressMeter
  /// The time between a failed save and the next attempt, after a single failure.
  private let saveRetryDelay: Duration
  /// The number of consecutive failed saves, and the time of the next attempt.
  private var failedSaves = 0
  private var nextSaveAttempt: ContinuousClock.Instant?
  /// The time of the last attempt to save, for checkpoints by time.
  private var lastSave = ContinuousClock.now
  /// Whether a checkpoint was due at a step that was skipped.
  private var isSaveDelayed = false
  /// Requests of any rank that wait until all ranks have the same parameters, at most `training.local_steps`.
  private var requested = StepRequests()
  /// The previous best evaluation, in case the current best model can't be saved.
  private var previousBest = BestEvaluation()

  /// The number of steps at which schedules end. It assumes that all epochs are as long as the first; with batches
  /// measured in tokens, their lengths can differ.
  let totalSteps: Int
  private let stepsPerEpoch: Int

  /// - Parameters:
  ///   - store: the store in which rank 0 saves checkpoints; nil: it does not save any.
  ///   - observer: receives the events, on rank 0 only.
  ///   - signals: requests to this rank to save or to stop.
  ///   - saveRetryDelay: the time from a failed save to the next attempt, doubled with each additional failure.
  ///   - hosts: the number of hosts that the ranks are on.
  ///   - products: chooses the method of matrix products by measurement; nil: they follow the rule.
  init(
    _ configuration: RunConfiguration, task: any TrainingTask, plan: ShardPlan,
    communicator: any Communicator,
    store: CheckpointStore?, observer: (any TrainingObserver)?, signals: StopSignals = .process,
    saveRetryDelay: Duration = .seconds(10), hosts: Int = 1, products: ProductSelection? = nil
  ) throws {
    self.hosts = hosts
    self.configuration = configuration
    self.saveRetryDelay = saveRetryDelay
    self.products = products
    self.communicator = communicator
    self.task = task
    self.plan = plan
    self.observer = observer
    self.signals = signals
    let training = configuration.training
    step = try TrainingStep(
      task, plan: plan, optimizer: training.optimizer, accumulate: training.accumulate,
      clipNorm: training.clipNorm, clipValue: training.clipValue, reduction: training.reduction,
      communicator: communicator)
    average =
      training.averageDecay > 0 ? WeightAverage(decay: training.averageDecay, of: task.parameters) : nil
    checkpoints = TrainingCheckpoints(
      store: store, background: configuration.checkpoint.background, task: task, step: step, average: average,
      metadata: configuration.modelMetadata,
      communicator: communicator)
    schedule = training.schedule
    stepsPerEpoch = (task.microbatchesPerEpoch + training.accumulate - 1) / training.accumulate
    let (byEpochs, overflows) = training.epochs.multipliedReportingOverflow(by: stepsPerEpoch)
    let limits = [training.steps, overflows ? .max : byEpochs].filter { $0 > 0 }
    totalSteps = limits.min() ?? 0
    state = TrainingState()
    state.identity = RunIdentity(configuration, dataDigest: task.dataDigest)
    progress = ProgressMeter()
  }

  /// The number of steps in an epoch, for the summary.
  var epochSteps: Int { stepsPerEpoch }

  /// Resumes from the newest valid checkpoint; returns false if there is none (collective).
  func resume() throws -> Bool {
    guard let restored = try checkpoints.restore(expecting: state.identity) else { return false }
    let identity = state.identity
    state = restored.state
    state.identity = identity
    // The configured length or patience may have changed: a longer run continues after the end of the shorter one.
    state.stoppedEarly = state.stoppedEarly && isOutOfPatience
    state.isComplete = state.stoppedEarly || isAtEnd
    if state.microbatch > 0 { task.beginEpoch(state.epoch, isResumed: true) }
    observer?.handle(.resumed(step: state.step, path: restored.path, rejected: restored.rejected))
    if state.isComplete { observer?.handle(.note(endDescription)) }
    return true
  }

  /// Trains to the end, or until a signal arrives (collective).
  func run() throws -> RunOutcome {
    // A run that fails waits for the checkpoint that is being written.
    defer { checkpoints.reportBackgroundSave(waits: true, observer) }
    try rehearse()
    progress.start(at: state)
    var saveDue = false
    var isBest = false
    while true {
      if state.evaluationPending {
        guard let improved = try scoreValidation(saveDue: saveDue) else { return try stopForSignal() }
        isBest = improved
        saveDue = saveDue || improved
      }
      if state.isComplete {
        try checkpoints.save(state, isBest: isBest, required: true, observer)
        return outcome(state.stoppedEarly ? .earlyStopped : .completed)
      }
      if saveDue { try save(isBest: isBest) }
      let due = try trainStep()
      (saveDue, isBest) = (due.save, false)
      if due.stop { return try stopForSignal() }
    }
  }

  /// Runs the largest batch once, so that the workspace reaches its full size, and reports the memory that training
  /// needs. With `training.products: tuned`, the matrix products of that pass are measured, unless the checkpoint of a
  /// resumed run has the choices already.
  private func rehearse() throws {
    guard !state.isComplete else { return }
    if let choices = state.products {
      task.workspace.choose(choices.table)
      try task.rehearse(into: step.gradients.total)
    } else if let products {
      let uses = try ProductRecorder.record { try task.rehearse(into: step.gradients.total) }
      let result = try products.choose(uses, on: communicator)
      state.products = result.choices
      task.workspace.choose(result.choices.table)
      // The batch runs again, because the choices change the required memory.
      try task.rehearse(into: step.gradients.total)
      for warning in result.warnings { observer?.handle(.warning(warning)) }
    } else {
      try task.rehearse(into: step.gradients.total)
    }
    step.gradients.total.clear()
    // The arena has grown in several blocks; `reset` replaces them by one block of the final size.
    task.workspace.arena.reset()
    try chooseSums()
    if let choices = state.products { observer?.handle(.choseProducts(choices)) }
    // The average has a scratch buffer.
    observer?.handle(.planned(step.memoryPlan(copies: average == nil ? 0 : 2)))
    if configuration.training.reduction.sharesParameters, communicator.worldSize > 1, !step.sharesParameters {
      observer?.handle(
        .warning(
          """
          training.share_parameters: each rank has its own parameters, because no host has several ranks, or the shared \
          memory of a host is too small (rnn-dist doctor)
          """))
    }
  }

  /// With `training.reduce_method: auto`, chooses how gradients are summed. Reproducible sums have the same bits by all
  /// methods; for others the checkpoint has the choice, so that a run resumed on as many ranks and hosts has the bits of an
  /// uninterrupted one.
  private func chooseSums() throws {
    guard configuration.training.reduction.method == .auto, communicator.worldSize > 1 else {
      state.measuredSums = nil
      return
    }
    let ranks = communicator.worldSize
    let known = state.measuredSums.flatMap { $0.ranks == ranks && $0.hosts == hosts ? $0.method : nil }
    let choice = try step.gradients.chooseMethod(known: known)
    state.measuredSums =
      configuration.training.reproducible
      ? nil : MeasuredSums(method: choice.method, ranks: ranks, hosts: hosts)
    observer?.handle(.choseSums(choice))
  }

  // MARK: One step

  /// Returns what is due after the step.
  private func trainStep() throws -> StepRequests {
    let rate = schedule.rate(
      base: configuration.training.learningRate, step: state.step, epoch: state.epoch, totalSteps: totalSteps,
      state: state.plateau)
    if let hasFailed = checkpoints.reportBackgroundSave(waits: false, observer) { note(hasFailed: hasFailed) }
    let requests = StepRequests(stop: signals.stop != nil, save: wantsSave())
    let result = try step.run(&state, learningRate: rate, requests: requests)
    if let parameters = result.skippedFor { try noteSkip(parameters) }
    if result.isUpdate { average?.add(task.parameters, updates: state.optimizerUpdates) }
    guard state.microbatch > 0 || state.tokens > 0 else {
      throw TrainingFailure.nothingToPredict("the training data")
    }
    state.isComplete = isAtEnd
    let every = configuration.evaluation.everySteps
    state.evaluationPending =
      state.isComplete || (every > 0 ? state.step % every == 0 : state.microbatch == 0)
    progress.add(result.totals, isSkipped: result.skippedFor != nil)
    report(norm: result.norm, learningRate: rate)
    requested.stop = requested.stop || result.totals.stopRequests > 0
    requested.save = requested.save || result.totals.saveRequests > 0
    let isScheduled = isSaveScheduled()
    let isSynchronized = try step.synchronize(
      after: state, isForced: isScheduled || state.evaluationPending)
    guard isSynchronized else { return StepRequests() }
    defer { requested = StepRequests() }
    return StepRequests(stop: requested.stop, save: requested.save || isScheduled)
  }

  /// Reports a skipped update, and throws after too many consecutive ones.
  private func noteSkip(_ parameters: [String]) throws {
    observer?.handle(
      .skippedStep(step: state.step, inARow: state.skippedInARow, parameters: parameters))
    guard state.skippedInARow < configuration.training.skipLimit else {
      throw TrainingFailure.diverged(step: state.step, inARow: state.skippedInARow, parameters: parameters)
    }
  }

  /// Whether the last step or the last epoch is finished.
  private var isAtEnd: Bool {
    let training = configuration.training
    return training.steps > 0 && state.step >= training.steps
      || training.epochs > 0 && state.epoch >= training.epochs
  }

  /// Says why a resumed run has nothing left to do, and which keys would change that.
  private var endDescription: String {
    let (training, patience) = (configuration.training, configuration.evaluation.patience)
    guard !state.stoppedEarly else {
      return
        "the run is already finished: \(patience) evaluations in a row were not better than the best. To train longer, "
        + "resume it with a larger evaluation.patience, or 0 for no limit"
    }
    let limits = [
      training.steps > 0 && state.step >= training.steps ? "training.steps=\(training.steps)" : nil,
      training.epochs > 0 && state.epoch >= training.epochs ? "training.epochs=\(training.epochs)" : nil,
    ].compactMap { $0 }
    return
      "the run is already finished: it has reached \(limits.joined(separator: " and ")). To train longer, resume it "
      + "with a larger number"
  }

  /// The number of steps of the run if all remaining epochs are as long as this one.
  private var expectedSteps: Int {
    let training = configuration.training
    guard !state.isComplete, training.epochs > 0 else {
      return state.isComplete ? state.step : training.steps
    }
    func steps(_ microbatches: Int) -> Int { (microbatches + training.accumulate - 1) / training.accumulate }
    let (further, overflows) = (training.epochs - state.epoch - 1).multipliedReportingOverflow(
      by: steps(task.microbatchesPerEpoch))
    let rest = overflows ? Int(Int32.max) : further + steps(task.microbatchesPerEpoch - state.microbatch)
    return training.steps > 0 ? min(training.steps, state.step + rest) : state.step + rest
  }

  private func report(norm: Double, learningRate: Double) {
    let every = configuration.log.everySteps
    guard let observer, (every > 0 && state.step % every == 0) || state.isComplete else { return }
    let report = progress.report(
      state: state, totalSteps: expectedSteps, epoch: epochPosition, norm: norm,
      learningRate: learningRate,
      rankTimes: step.gradients.rankTimes,
      hasPerplexity: configuration.model.output.hasPerplexity)
    observer.handle(.step(report))
    reports += 1
    // The first report includes the start of the run.
    if hosts > 1, reports == 2, let share = report.communicationShares.min(),
      let advice = CommunicationAdvice.text(
        share: share, density: step.gradients.density, configuration.training)
    {
      observer.handle(.warning(advice))
    }
  }

  /// The number of finished epochs, including the fraction of the current one.
  private var epochPosition: Double {
    Double(state.epoch) + Double(state.microbatch) / Double(task.microbatchesPerEpoch)
  }

  // MARK: Evaluation

  /// Evaluates on the validation data. Returns whether the model is the best so far, or nil if a signal interrupted the
  /// evaluation.
  ///
  /// - Parameter saveDue: whether a checkpoint is saved afterwards, even if the model is not the best so far.
  private func scoreValidation(saveDue: Bool) throws -> Bool? {
    guard let pass = task.evaluationPass(.valid) else {
      state.evaluationPending = false
      return false
    }
    communicator.enter(.evaluation, step: state.step)
    let clock = ContinuousClock()
    let started = clock.now
    progress.pause()
    average?.exchange(task.parameters)
    defer {
      average?.exchange(task.parameters)
      progress.start(at: state)
    }
    let sums = try EvaluationSums.of(
      pass, plan: plan, communicator: communicator,
      progress: { [observer] in observer?.handle(.evaluating(done: $0, of: $1)) }, until: anyRankStops)
    guard let sums else { return nil }
    let result = task.result(of: sums)
    guard result.loss.tokens > 0 else { throw TrainingFailure.nothingToPredict("the validation data") }
    guard result.loss.mean.isFinite else { throw TrainingFailure.validationNotFinite(step: state.step) }
    state.evaluationPending = false
    let improved = try note(result)
    observer?.handle(
      .evaluated(
        EvaluationReport(
          split: .valid, step: state.step, epoch: epochPosition, result: result,
          seconds: (clock.now - started) / .seconds(1), isBest: improved,
          isSaveDue: saveDue || improved || state.isComplete)))
    observe()
    return improved
  }

  /// Reports samples and weights of the evaluated model. The run continues if a sample fails.
  private func observe() {
    guard let observer, configuration.log.samples > 0 else { return }
    do {
      let samples = RunSamples(
        step: state.step, epoch: epochPosition, samples: try task.samples(configuration.log.samples))
      observer.handle(.observed(ModelObservation(samples: samples, weights: weightHistograms())))
    } catch {
      observer.handle(.warning("no samples at step \(state.step): \(error)"))
    }
  }

  private func weightHistograms() -> [(name: String, histogram: ValueHistogram)] {
    guard configuration.log.tensorboard else { return [] }
    let parameters = task.parameters
    return parameters.layout.parameters.compactMap { parameter in
      ValueHistogram(UnsafeBufferPointer(parameters.elements(parameter))).map { (parameter.name, $0) }
    }
  }

  /// Whether any rank has received a request to stop (collective).
  private func anyRankStops() throws -> Bool {
    var flag = [signals.stop == nil ? 0.0 : 1.0]
    try flag.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    return flag[0] > 0
  }

  /// Updates plateau, best and patience; returns whether this is the best model so far.
  private func note(_ result: EvaluationResult) throws -> Bool {
    let chosen = configuration.evaluation.metric
    guard let value = result[chosen] else {
      throw TrainingFailure.metricMissing(chosen, available: result.metrics.map(\.metric))
    }
    // Plateau, best and patience expect a metric whose lower values are better.
    let metric = chosen.isHigherBetter ? -value : value
    _ = state.plateau.observe(metric: metric, schedule: schedule)
    let isBetter = state.bestMetric.map { metric < $0 } ?? true
    // The loss breaks ties of the metric. A better loss at an equal metric does not count as progress for patience.
    let isTie = state.bestMetric == metric && result.loss.mean < state.bestLoss ?? .infinity
    if isBetter || isTie {
      previousBest = state.best
      state.best = BestEvaluation(
        metric: metric, loss: result.loss.mean, step: state.step,
        otherMetrics: result.otherMetrics.map { NamedMetric(name: $0.metric.name, value: $0.value) },
        decoded: result.decoded)
    }
    state.evaluationsWithoutImprovement = isBetter ? 0 : state.evaluationsWithoutImprovement + 1
    if isOutOfPatience && !state.isComplete { (state.isComplete, state.stoppedEarly) = (true, true) }
    return isBetter || isTie
  }

  private var isOutOfPatience: Bool {
    let patience = configuration.evaluation.patience
    return patience > 0 && state.evaluationsWithoutImprovement >= patience
  }

  // MARK: Saving and stopping

  /// If the gradient was not finite, the parameters may be useless. Their checkpoint waits for the next update, so that
  /// it does not replace an older one from which training can continue.
  private func isSaveScheduled() -> Bool {
    let every = configuration.checkpoint.everySteps
    let isScheduled = isSaveDelayed || (every > 0 ? state.step % every == 0 : state.microbatch == 0)
    isSaveDelayed = isScheduled && state.skippedInARow > 0
    return isScheduled && !isSaveDelayed
  }

  private func wantsSave() -> Bool {
    if signals.takeSaveRequest() {
      // A request by signal does not wait for the next attempt.
      nextSaveAttempt = nil
      return true
    }
    // Rank 0 decides by its clock.
    guard communicator.rank == 0 else { return false }
    let every = configuration.checkpoint.everySeconds
    let isDue = every > 0 && ContinuousClock.now - lastSave >= .seconds(every)
    return (isDue || nextSaveAttempt != nil) && isSaveAllowed
  }

  /// Whether the last save succeeded, or failed long enough ago. A full disk must not cause a warning after every step.
  private var isSaveAllowed: Bool { nextSaveAttempt.map { $0 <= ContinuousClock.now } ?? true }

  private func save(isBest: Bool) throws {
    progress.pause()
    defer { progress.start(at: state) }
    if let hasFailed = checkpoints.reportBackgroundSave(waits: true, observer) { note(hasFailed: hasFailed) }
    let isTried = isSaveAllowed
    let saved = try checkpoints.save(
      state, isBest: isBest, required: false, isPostponed: !isTried, observer)
    lastSave = .now
    // A checkpoint that is being written does not count as saved yet; `reportBackgroundSave` reports its outcome.
    if checkpoints.isBackgroundSavePending {
      nextSaveAttempt = nil
    } else if saved || isTried {
      note(hasFailed: !saved)
    }
    // A best model that could not be saved does not count: the previous one remains the best.
    if isBest && !saved { state.best = previousBest }
  }

  /// Sets the time of the next attempt.
  private func note(hasFailed: Bool) {
    guard hasFailed else {
      (failedSaves, nextSaveAttempt) = (0, nil)
      return
    }
    failedSaves += 1
    let delay = saveRetryDelay * (1 << min(failedSaves - 1, 5))
    nextSaveAttempt = ContinuousClock.now + delay
  }

  private func stopForSignal() throws -> RunOutcome {
    try checkpoints.save(state, isBest: false, required: true, observer)
    return outcome(.signalled)
  }

  private func outcome(_ ending: RunOutcome.Ending) -> RunOutcome {
    let result = RunOutcome(
      ending: ending, step: state.step, bestLoss: state.bestLoss, bestStep: state.bestStep,
      bestMetrics: state.bestMetrics, bestDecoded: state.bestDecoded, seconds: progress.elapsed,
      peakResidentMiB: ProcessMemory.peakMiB)
    observer?.handle(.finished(result))
    return result
  }
}
