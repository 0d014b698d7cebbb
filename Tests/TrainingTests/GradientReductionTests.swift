import Communication
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Testing

@testable import Training
@testable import Tasks

@Suite("Sums of gradients over shards and ranks")
struct GradientReductionTests {
  private static let layout: ParameterLayout = {
    var builder = ParameterLayout.Builder()
    _ = builder.add("weight", [7, 5], .constant(0))
    _ = builder.add("bias", [2], .constant(0))
    return builder.build()
  }()

  /// Numbers of very different sizes, so that another order of additions leads to different bits.
  private static func gradient(_ shard: Int) -> [Float] {
    (0..<37).map { index in
      let random = UInt32(truncatingIfNeeded: (shard * 37 + index + 1) &* 2_654_435_761)
      return (Float(random >> 8) - 8_000_000) * (random & 3 == 0 ? 1e-9 : 1e-6)
    }
  }

  private static func loss(_ shard: Int) -> LossSum {
    LossSum(total: 1 / Double(shard + 3), tokens: shard % 3)
  }

  /// Every rank knows how long each rank had waited before the last reduction.
  @Test(arguments: [1, 2, 4], [false, true])
  func waitingTimesOfAllRanks(ranks: Int, reproducible: Bool) throws {
    let known = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: reproducible)
      let sum = try GradientReduction(layout: Self.layout, plan: plan, communicator: communicator)
      var own = RankTime()
      for step in 0..<2 {
        sum.clear()
        for shard in plan.own { sum.add(Self.loss(shard), of: shard) }
        let stepTime = Duration.seconds(step * (communicator.rank + 1))
        own = RankTime(steps: stepTime / .seconds(1), communication: sum.communicationTime / .seconds(1))
        _ = try sum.reduce(StepRequests(), stepTime: stepTime)
      }
      return (own: own, all: sum.rankTimes)
    }
    let own = ranks == 1 ? [] : known.map(\.own)
    #expect(known.allSatisfy { $0.all == own })
  }

  /// A rank that waits for the whole time between two reports has a share of one and never more, regardless of rank 0's
  /// clock.
  @Test func sharesAreOfTheTimeOfEachRank() {
    var meter = ProgressMeter()
    meter.start(at: TrainingState())
    func shares(_ times: [RankTime]) -> [Double] {
      meter.report(
        state: TrainingState(), totalSteps: 1, epoch: 0, norm: 0, learningRate: 0, rankTimes: times,
        hasPerplexity: false
      ).communicationShares
    }
    #expect(
      shares([RankTime(steps: 4, communication: 1), RankTime(steps: 8, communication: 8)]) == [0.25, 1])
    #expect(
      shares([RankTime(steps: 8, communication: 4), RankTime(steps: 12, communication: 11)]) == [0.75, 0.75])
    #expect(
      shares([RankTime(steps: 8, communication: 4), RankTime(steps: 12, communication: 11)]) == [0, 0])
    #expect(shares([]).isEmpty)
  }

  /// Returns the sums of every rank after two reductions of the same shards. The second must not see anything of the first.
  private func reduce(ranks: Int, reproducible: Bool) throws -> [(gradient: [Float], totals: StepTotals)] {
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: reproducible)
      let sum = try GradientReduction(layout: Self.layout, plan: plan, communicator: communicator)
      var totals = StepTotals()
      for _ in 0..<2 {
        sum.clear()
        for shard in plan.own {
          let buffer = sum.buffer(for: shard)
          for (index, value) in Self.gradient(shard).enumerated() { buffer.elements[index] += value }
          sum.add(Self.loss(shard), of: shard)
        }
        totals = try sum.reduce(StepRequests(stop: communicator.rank == 1, save: true))
      }
      return (Array(sum.total.elements), totals)
    }
  }

  @Test("Reproducible sums are bit-identical to those of one binary tree", arguments: [1, 2, 4, 8])
  func tree(ranks: Int) throws {
    func add<Scalar: FloatingPoint>(_ parts: [[Scalar]]) -> [Scalar] {
      guard parts.count > 1 else { return parts[0] }
      let half = parts.count / 2
      return zip(add(Array(parts[..<half])), add(Array(parts[half...]))).map { $0 + $1 }
    }
    let expected = add((0..<8).map(Self.gradient))
    let losses = add((0..<8).map { [Self.loss($0).total, Double(Self.loss($0).tokens)] })
    for result in try reduce(ranks: ranks, reproducible: true) {
      #expect(result.gradient.map(\.bitPattern) == expected.map(\.bitPattern))
      #expect([result.totals.loss, result.totals.tokens] == losses)
      #expect(result.totals.stopRequests == (ranks > 1 ? 1 : 0))
      #expect(result.totals.saveRequests == Double(ranks))
    }
    let inOrder = (1..<8).reduce(Self.gradient(0)) { sum, shard in
      zip(sum, Self.gradient(shard)).map { $0 + $1 }
    }
    #expect(
      inOrder.map(\.bitPattern) != expected.map(\.bitPattern),
      "the order must matter for this test to mean anything")
  }

  @Test("Plain sums have the same bits on every rank and are right up to rounding", arguments: 1...4)
  func plain(ranks: Int) throws {
    let results = try reduce(ranks: ranks, reproducible: false)
    let exact = (0..<37).map { index in (0..<ranks).reduce(0) { $0 + Double(Self.gradient($1)[index]) } }
    for result in results {
      #expect(result.gradient.map(\.bitPattern) == results[0].gradient.map(\.bitPattern))
      #expect(zip(result.gradient, exact).allSatisfy { abs(Double($0) - $1) < 1e-5 })
      #expect(result.totals.tokens == Double((0..<ranks).reduce(0) { $0 + Self.loss($1).tokens }))
    }
  }

  /// Ranks that read different rows of a table: their gradients are summed, and the next step starts from zero.
  @Test("Rows of tables are summed wherever a rank touched one", arguments: [1, 2, 3], [false, true])
  func tables(ranks: Int, wholeTable: Bool) throws {
    var builder = ParameterLayout.Builder()
    let table = builder.add("table", [50, 3], .constant(0), isTable: true)
    _ = builder.add("bias", [2], .constant(0))
    let layout = builder.build()
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false)
      let sum = try GradientReduction(layout: layout, plan: plan, communicator: communicator)
      for step in 0..<3 {
        let rows = { (rank: Int) in [Int32(7 * step + rank), 40, Int32(7 * step + rank)] }
        sum.clear()
        let buffer = sum.buffer(for: communicator.rank)
        var ones = [Float](repeating: 1, count: 9)
        ones.withUnsafeMutableBufferPointer { ones in
          buffer.addRows(
            MatrixView(ones.baseAddress!, rows: 3, columns: 3), at: rows(communicator.rank), of: table)
        }
        if wholeTable && communicator.rank == step { buffer.touchAll(table) }
        sum.add(LossSum(total: 1, tokens: 1), of: communicator.rank)
        _ = try sum.reduce()
        var expected = [Float](repeating: 0, count: 152)
        for rank in 0..<ranks {
          for row in rows(rank) { for column in 0..<3 { expected[Int(row) * 3 + column] += 1 } }
        }
        #expect(Array(sum.total.elements) == expected)
        #expect(sum.norm == expected.reduce(0) { $0 + Double($1 * $1) }.squareRoot())
        let touched = sum.spans.reduce(0) { $0 + $1.count }
        #expect(touched == (wholeTable && step < ranks ? 152 : 3 * (ranks + 1) + 2))
      }
    }
  }

  /// Rank r has the gradient 1 + r in every step. After two local steps of SGD with rate η, θ has changed by −2 η (1 + (p − 1)/2) in
  /// the mean; the outer steps are written out.
  @Test(
    "Local steps end with a Nesterov step along the mean change of the ranks",
    arguments: [1, 2, 3], [(0.7, 0.9), (1, 0)] as [(Double, Double)])
  func outerSteps(ranks: Int, outer: (rate: Double, momentum: Double)) throws {
    let results = try InProcessCommunicator.run(ranks: ranks) { communicator in
      let task = FakeTask(fault: { _, shard, gradient in
        for index in gradient.elements.indices { gradient.elements[index] += 2 * Float(shard) }
      })
      var reduction = ReductionOptions()
      reduction.localSteps = 2
      (reduction.outerLearningRate, reduction.outerMomentum) = outer
      let step = try TrainingStep(
        task, plan: try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false),
        optimizer: OptimizerSettings(kind: .sgd), clipNorm: 0, reduction: reduction,
        communicator: communicator)
      var state = TrainingState()
      var isSynchronized: [Bool] = []
      for _ in 0..<4 {
        _ = try step.run(&state, learningRate: 0.1)
        isSynchronized.append(try step.synchronize(after: state))
      }
      #expect(isSynchronized == [false, true, false, true])
      return Array(task.parameters.elements)
    }
    let change: Float = 2 * 0.1 * (1 + Float(ranks - 1) / 2)
    let (rate, decay) = (Float(outer.rate), Float(outer.momentum))
    var (parameter, momentum): (Float, Float) = (0, 0)
    for _ in 0..<2 {
      momentum = decay * momentum + change
      parameter -= rate * (change + decay * momentum)
    }
    for result in results {
      #expect(result == results[0])
      #expect(result.allSatisfy { abs($0 - parameter) < 1e-6 })
    }
  }

  /// These communicators have only one method, so that nothing is measured.
  @Test(arguments: [1, 2])
  func theOnlyMethodIsChosen(ranks: Int) throws {
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false)
      let sum = try GradientReduction(layout: Self.layout, plan: plan, communicator: communicator)
      for known in [nil, SumMethod.messages, .sharedMemory] {
        let choice = try sum.chooseMethod(known: known)
        #expect(choice.method == .messages && choice.times.isEmpty && choice.summary == "messages")
      }
    }
    let times = [(method: SumMethod.sharedMemory, seconds: 0.0121), (method: .messages, seconds: 0.3)]
    #expect(
      SumChoice(method: .sharedMemory, times: times).summary
        == "shared-memory (shared-memory 12.1 ms, messages 300.0 ms)")
  }

  @Test("A gradient of any rank that is not finite skips the step of all ranks, and its parameter is named")
  func localStepsAreSkippedTogether() throws {
    let skipped = try InProcessCommunicator.run(ranks: 3) { communicator in
      let task = FakeTask(fault: { serial, shard, gradient in
        if serial == 1, shard == 2 { gradient.elements[3] = .nan }
      })
      var reduction = ReductionOptions()
      reduction.localSteps = 2
      let step = try TrainingStep(
        task, plan: try ShardPlan(rank: communicator.rank, worldSize: 3, reproducible: false),
        optimizer: OptimizerSettings(kind: .sgd), clipNorm: 0, reduction: reduction,
        communicator: communicator)
      var state = TrainingState()
      return try (0..<3).map { _ in try step.run(&state, learningRate: 0.1).skippedFor }
    }
    #expect(skipped == Array(repeating: [nil, ["second"], nil], count: 3))
  }
}
