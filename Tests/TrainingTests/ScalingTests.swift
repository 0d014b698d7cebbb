import Communication
import RecurrentNN
import Tasks
import Testing

@testable import Benchmarking

@Suite struct ScalingTests {
  @Test func countsArePowersOfTwoAndAllRanks() {
    #expect(ScalingStudy.counts(upTo: 1) == [1])
    #expect(ScalingStudy.counts(upTo: 4) == [1, 2, 4])
    #expect(ScalingStudy.counts(upTo: 6) == [1, 2, 4, 6])
  }

  enum Sharing: CaseIterable { case plain, bf16, parts, common, local }

  @Test(arguments: Sharing.allCases)
  func everyCountIsMeasuredAndPredicted(sharing: Sharing) throws {
    var options = ModelOptions()
    (options.embeddingSize, options.network.hiddenSize) = (5, 6)
    let shape = LanguageModelShape(options, vocabularySize: 11)
    let results = try InProcessCommunicator.run(ranks: 3) { communicator in
      var reduction = ReductionOptions()
      switch sharing {
      case .plain: break
      case .bf16: reduction.wire = .bf16
      case .parts: reduction.shardsOptimizer = true
      case .common: reduction.sharesParameters = true
      case .local: reduction.localSteps = 2
      }
      let timing = StepBenchmark(iterations: 2, optimizer: .adam, reduction: reduction)
      let benchmark = LanguageModelBenchmark(shape: shape, batchSize: 6, steps: 3, benchmark: timing)
      return try ScalingStudy(benchmark: benchmark).run(on: communicator)
    }
    let result = results[0]
    #expect(result.strong.map(\.ranks) == [1, 2, 3] && result.strong.map(\.batch) == [6, 6, 6])
    #expect(result.weak.map(\.ranks) == [1, 2, 3] && result.weak.map(\.batch) == [6, 12, 18])
    #expect(result.sums.map(\.ranks) == [1, 2, 3] && result.gradientBytes > 0)
    for row in result.strong + result.weak {
      #expect(row.seconds > 0 && row.compute > 0 && row.tokensPerSecond > 0)
      #expect((row.communication > 0) == (row.ranks > 1))
      #expect(row.predicted == row.compute + row.communication)
    }
  }

  @Test func givenCountsAreMeasured() throws {
    var options = ModelOptions()
    (options.embeddingSize, options.network.hiddenSize) = (5, 6)
    let shape = LanguageModelShape(options, vocabularySize: 11)
    let results = try InProcessCommunicator.run(ranks: 3) { communicator in
      let timing = StepBenchmark(iterations: 1, optimizer: .sgd)
      let benchmark = LanguageModelBenchmark(shape: shape, batchSize: 6, steps: 3, benchmark: timing)
      return try ScalingStudy(benchmark: benchmark, counts: [3]).run(on: communicator)
    }
    #expect(results[0].strong.map(\.ranks) == [3] && results[0].weak.map(\.ranks) == [3])
  }

  /// Ten of 100 rows are touched. Adam has two moments.
  @Test func bytesPerStep() {
    var reduction = ReductionOptions()
    let spans = [0..<5, 20..<25]
    let plain = reduction.summedBytes(spans: spans, parameters: 100, moments: 2)
    #expect(plain == 40 && reduction.sentBytes(summed: plain, parameters: 100, hosts: 1) == 0)
    #expect(reduction.sentBytes(summed: plain, parameters: 100, hosts: 4) == 60)
    reduction.wire = .bf16
    #expect(reduction.sentBytes(summed: plain, parameters: 100, hosts: 4) == 30)
    reduction.shardsOptimizer = true
    #expect(reduction.sentBytes(summed: plain, parameters: 100, hosts: 4) == 330)
    reduction = ReductionOptions()
    reduction.localSteps = 3
    #expect(reduction.summedBytes(spans: spans, parameters: 100, moments: 2) == 400)
  }

  /// One host sends nothing. Sixteen hosts take four rounds in both directions, and send 15/16 of the gradient twice.
  @Test func hostsInANetwork() {
    let row = ScalingStudy.Row(
      ranks: 8, batch: 64, seconds: 0.1, compute: 0.08, communication: 0.02, tokensPerSecond: 1000)
    let cluster = PredictedCluster(latency: 1e-3, bandwidth: 1e6)
    let one = cluster.step(hosts: 1, host: row, sent: 0)
    #expect(one.seconds == row.predicted && one.speedup == 1)
    let sent = ReductionOptions().sentBytes(summed: 16_000, parameters: 4000, hosts: 16)
    let many = cluster.step(hosts: 16, host: row, sent: sent)
    #expect(abs(many.seconds - (0.1 + 8e-3 + 0.03)) < 1e-12)
    #expect(abs(many.speedup - 16 * 0.1 / 0.138) < 1e-9)
    let three = cluster.step(hosts: 3, host: row, sent: 0)
    #expect(abs(three.seconds - 0.104) < 1e-12)
  }

  /// Two hosts at 100 Mb/s and 5 million parameters with Adam: an update sends three vectors of 20 MB, 1.6 s each, beside 346 ms of
  /// computation. Sums on a host add 20 ms each.
  @Test func localStepsOfHostsInANetwork() {
    let row = ScalingStudy.Row(
      ranks: 1, batch: 32, seconds: 0.346, compute: 0.346, communication: 0, tokensPerSecond: 4600)
    let cluster = PredictedCluster(latency: 0, bandwidth: 12.5e6)
    func steps(_ sums: ScalingStudy.Sums, moments: Int, _ wire: WireFormat) -> Int {
      cluster.localSteps(hosts: 2, host: row, sums, parameters: 5_000_000, moments: moments, wire)
    }
    let one = ScalingStudy.Sums(ranks: 1, latency: 0, bandwidth: .infinity)
    #expect(steps(one, moments: 2, .fp32) == 125 && steps(one, moments: 2, .bf16) == 63)
    #expect(steps(one, moments: 0, .fp32) == 42 && steps(one, moments: 0, .bf16) == 21)
    let two = ScalingStudy.Sums(ranks: 2, latency: 0, bandwidth: 1e9)
    #expect(steps(two, moments: 2, .fp32) == 127)
  }
}
