// Separate file: the tests of one benchmark.

import Testing

@testable import Benchmarking

/// The model that `bench allreduce` fits to its times.
@Suite struct ReductionFitTests {
  private func fit(_ points: [(Int, Double)]) -> (latency: Double, bandwidth: Double) {
    ReductionBenchmark.fit(points.map { ReductionBenchmark.Measurement(bytes: $0.0, seconds: $0.1) })
  }

  @Test func aLineIsFound() {
    let found = fit([4, 4096, 1 << 20, 20_000_000].map { ($0, 1e-5 + Double($0) / 2e9) })
    #expect(abs(found.latency - 1e-5) < 1e-9)
    #expect(abs(found.bandwidth - 2e9) < 1e4)
  }

  /// On a busy machine a small sum may take longer than a large one.
  @Test(arguments: [
    [(4, 0.02), (64, 0.03), (20_000_000, 0.004)], [(4, 0.01), (20_000_000, 0.01)], [(4096, 0.01)],
    [(4, 1e-9), (16, 1e-6), (64, 1e-3), (256, 1.0)], [(4, 1e-3), (16, 5.0), (64, 1e-3)],
    [(4, 1e-6), (20_000_000, 100.0)], [(4, 0.5), (16, 0.4), (64, 0.3), (256, 0.2), (1024, 0.1)],
  ])
  func noTimesMakeABandwidthOfNothing(points: [(Int, Double)]) throws {
    let found = fit(points)
    #expect(found.bandwidth > 0 && found.bandwidth.isFinite, "\(found)")
    #expect(found.latency >= 0 && found.latency.isFinite, "\(found)")
    // The fit is not slower than the largest buffer, including latency.
    let largest = try #require(points.last)
    #expect(found.latency <= (points.map(\.1).max() ?? 0))
    #expect(found.bandwidth >= 0.5 * Double(largest.0) / largest.1, "\(found)")
  }

  @Test func withoutATimeNothingIsKnown() {
    #expect(fit([]).latency == 0 && fit([(4, 0)]).bandwidth == .infinity)
  }
}
