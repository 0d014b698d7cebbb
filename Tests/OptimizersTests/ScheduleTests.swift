import Foundation
import Optimizers
import Testing

@Suite struct ScheduleTests {
  private func rates(_ schedule: Schedule, epochs: Range<Int>) -> [Double] {
    epochs.map { schedule.rate(base: 1, step: 1000 * $0, epoch: $0, totalSteps: 100_000) }
  }

  private func rates(_ schedule: Schedule, steps: [Int], total: Int) -> [Double] {
    steps.map { schedule.rate(base: 2, step: $0, epoch: 0, totalSteps: total) }
  }

  private func expectClose(_ ours: [Double], _ expected: [Double]) {
    #expect(ours.count == expected.count)
    for (a, b) in zip(ours, expected) { #expect(abs(a - b) < 1e-14, "\(ours)") }
  }

  @Test func constantStaysAtTheBaseRate() {
    #expect(rates(Schedule(), epochs: 0..<3) == [1, 1, 1])
  }

  @Test func stepIsTensorFlowsRecipeForPennTreebank() {
    let schedule = Schedule(kind: .step, startEpoch: 4, factor: 0.5)
    #expect(rates(schedule, epochs: 0..<7) == [1, 1, 1, 1, 0.5, 0.25, 0.125])
  }

  @Test func stepServesTheDecayPerEpochAfterTheTenth() {
    let schedule = Schedule(kind: .step, startEpoch: 10, factor: 0.95)
    expectClose(rates(schedule, epochs: 8..<12), [1, 1, 0.95, 0.95 * 0.95])
  }

  @Test func exponentialDecaysFromTheFirstEpoch() {
    expectClose(rates(Schedule(kind: .exponential, factor: 0.1), epochs: 0..<3), [1, 0.1, 0.01])
  }

  @Test func cosineGoesFromTheBaseRateToItsMinimum() {
    let schedule = Schedule(kind: .cosine, minimum: 0.1)
    let quarter = 0.1 + 0.9 * 0.5 * (1 + 0.5.squareRoot())
    expectClose(
      rates(schedule, steps: [0, 25, 50, 100, 150], total: 100), [2, 2 * quarter, 2 * 0.55, 0.2, 0.2])
  }

  @Test func cosineBeginsAfterTheWarmUp() {
    let schedule = Schedule(kind: .cosine, warmupSteps: 4)
    expectClose(rates(schedule, steps: [0, 1, 2, 3, 4, 9, 14], total: 14), [0.5, 1, 1.5, 2, 2, 1, 0])
  }

  @Test func inverseSquareRootBeginsAtTheEndOfTheWarmUp() {
    let schedule = Schedule(kind: .inverseSqrt, warmupSteps: 4)
    expectClose(rates(schedule, steps: [0, 1, 3, 15, 63], total: 1), [0.5, 1, 2, 1, 0.5])
    let bare = Schedule(kind: .inverseSqrt)
    expectClose(rates(bare, steps: [0, 3, 99], total: 1), [2, 1, 0.2])
  }

  @Test(arguments: Schedule.Kind.allCases)
  func warmUpRisesLinearlyWithEveryKind(kind: Schedule.Kind) {
    let schedule = Schedule(kind: kind, warmupSteps: 10)
    expectClose(rates(schedule, steps: [0, 4, 9], total: 1000), [0.2, 1, 2])
  }

  @Test(arguments: [Schedule.Kind.exponential, .step, .inverseSqrt, .cosine])
  func minimumBoundsEveryDecay(kind: Schedule.Kind) {
    let schedule = Schedule(kind: kind, minimum: 0.25)
    let rate = schedule.rate(base: 4, step: 100_000, epoch: 500, totalSteps: 1000)
    #expect(rate == 1)
  }

  @Test func plateauReducesAfterPatienceEvaluations() {
    let schedule = Schedule(kind: .plateau, factor: 0.5, patience: 2)
    var state = PlateauState()
    let metrics = [3.0, 2, 2, 2.5, 2.1, 1.9, .nan, .infinity]
    let reduced = metrics.map { state.observe(metric: $0, schedule: schedule) }
    #expect(reduced == [false, false, false, true, false, false, false, true])
    #expect(state.best == 1.9)
    #expect(schedule.rate(base: 8, step: 0, epoch: 0, totalSteps: 1, state: state) == 2)
  }

  @Test func plateauStateSurvivesACheckpoint() throws {
    let schedule = Schedule(kind: .plateau, factor: 0.3, patience: 2)
    var state = PlateauState()
    for metric in [1.0, 1.1, 1.2, 1.3] { state.observe(metric: metric, schedule: schedule) }
    var restored = try JSONDecoder().decode(PlateauState.self, from: JSONEncoder().encode(state))
    #expect(restored == state)
    let next = state.observe(metric: 1.4, schedule: schedule)
    #expect(next)
    #expect(restored.observe(metric: 1.4, schedule: schedule) == next)
    #expect(restored == state)
  }

  @Test func otherKindsIgnoreEvaluations() {
    var state = PlateauState()
    for _ in 0..<5 { state.observe(metric: 1, schedule: Schedule(kind: .cosine)) }
    #expect(state.factor == 1)
  }
}
