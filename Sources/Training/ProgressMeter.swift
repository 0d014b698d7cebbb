import RecurrentNN

/// The sums since the last report, and the clock of a run.
struct ProgressMeter {
  private let clock = ContinuousClock()
  private var trained = Duration.zero
  private var runningSince: ContinuousClock.Instant?
  private var firstStep: Int?
  private var lossSinceReport = 0.0
  private var tokensSinceReport = 0.0
  private var trainedAtReport = Duration.zero
  private var rankTimesAtReport: [RankTime] = []

  /// Starts the clock, or continues after a pause.
  mutating func start(at state: TrainingState) {
    firstStep = firstStep ?? state.step
    runningSince = runningSince ?? clock.now
  }

  /// Stops the clock, because evaluation and saving do not count as training.
  mutating func pause() {
    trained = trainedSoFar
    runningSince = nil
  }

  private var trainedSoFar: Duration {
    guard let runningSince else { return trained }
    return trained + (clock.now - runningSince)
  }

  /// The seconds of training in this process.
  var elapsed: Double { trainedSoFar / .seconds(1) }

  mutating func add(_ totals: StepTotals, isSkipped: Bool) {
    guard !isSkipped else { return }
    lossSinceReport += totals.loss
    tokensSinceReport += totals.tokens
  }

  /// Returns a report since the last one, and resets the sums.
  ///
  /// - Parameter rankTimes: the time that each rank has spent so far; empty for a single rank.
  mutating func report(
    state: TrainingState, totalSteps: Int, epoch: Double, norm: Double, learningRate: Double,
    rankTimes: [RankTime], hasPerplexity: Bool
  ) -> StepReport {
    let now = trainedSoFar
    let span = (now - trainedAtReport) / .seconds(1)
    let steps = state.step - (firstStep ?? 0)
    defer {
      (lossSinceReport, tokensSinceReport) = (0, 0)
      (trainedAtReport, rankTimesAtReport) = (now, rankTimes)
    }
    let loss = LossSum(total: lossSinceReport, tokens: Int(tokensSinceReport))
    return StepReport(
      step: state.step, totalSteps: totalSteps, epoch: epoch, loss: loss.mean,
      perplexity: hasPerplexity ? loss.perplexity : nil, gradientNorm: norm, learningRate: learningRate,
      tokensPerSecond: span > 0 ? tokensSinceReport / span : 0,
      communicationShares: rankTimes.enumerated().map { rank, time in
        let before = rankTimesAtReport.isEmpty ? RankTime() : rankTimesAtReport[rank]
        let steps = time.steps - before.steps
        return steps > 0 ? (time.communication - before.communication) / steps : 0
      },
      elapsed: now / .seconds(1),
      remaining: steps > 0 ? now / .seconds(1) / Double(steps) * Double(totalSteps - state.step) : 0)
  }
}
