import CKernels
import NumericKernels
import Testing

/// Two sequences of three steps and one step. Rows 0 and 1 belong to the first step, then rows 2 and 3 follow; width 2 in
/// rows of 3.
@Suite struct PoolingKernelTests {
  private static let h: [Double] = [1, -4, 5, 6, 3, -2, 2, -3]

  private func rows(_ h: [Double] = h) -> Block<Double> { Block(rows: 4, columns: 2, gap: 1, h) }

  private func withPackedRows<Result>(_ body: (rnd_packed_rows) -> Result) -> Result {
    [Int64(0), 2, 3].withUnsafeBufferPointer { offsets in
      [Int64(3), 1].withUnsafeBufferPointer { lengths in
        body(rnd_packed_rows(offset: offsets.baseAddress, length: lengths.baseAddress, count: 2))
      }
    }
  }

  /// Calls a pooling kernel; returns its result and the steps or scores that it wrote.
  private func pool(
    _ kernel: (rnd_element, rnd_pooling) -> Void, _ h: [Double] = h, scores: [Double] = [0, 0, 0, 0]
  ) -> (pooled: [Double], steps: [Int32], scores: [Double]) {
    let (h, pooled, scores) = (rows(h), Block<Double>(rows: 2, columns: 2) { _, _ in .nan }, Block(scores))
    var steps = [Int32](repeating: -1, count: 4)
    withPackedRows { at in
      steps.withUnsafeMutableBufferPointer { steps in
        kernel(
          rnd_f64,
          rnd_pooling(
            at: at, width: 2, h: h.base, stride: 3, pooled: pooled.base, pooled_stride: 2,
            where: steps.baseAddress, scores: scores.base))
      }
    }
    return (pooled.values, steps, scores.values)
  }

  /// The gradient of the states.
  private func poolBackward(
    _ kernel: (rnd_element, rnd_pooling_gradient) -> Void, _ gradient: [Double], steps: [Int32]
  ) -> [Double] {
    let (gradient, dh) = (Block(gradient), Block<Double>(rows: 4, columns: 2) { _, _ in .nan })
    withPackedRows { at in
      steps.withUnsafeBufferPointer { steps in
        kernel(
          rnd_f64,
          rnd_pooling_gradient(
            at: at, width: 2, d_pooled: gradient.base, pooled_stride: 2, dh: dh.base, dh_stride: 2,
            where: steps.baseAddress, h: nil, stride: 0, weights: nil, d_scores: nil))
      }
    }
    return dh.values
  }

  @Test func meanAndLargest() {
    #expect(pool(rnd_mean_pool).pooled == [2, -3, 5, 6])
    let largest = pool(rnd_max_pool)
    #expect(largest.pooled == [3, -2, 5, 6] && largest.steps == [1, 1, 0, 0])
    #expect(
      poolBackward(rnd_max_pool_backward, [7, 8, 9, 10], steps: largest.steps) == [0, 0, 9, 10, 7, 8, 0, 0])
    #expect(
      poolBackward(rnd_mean_pool_backward, [6, 9, 9, 10], steps: largest.steps) == [2, 3, 9, 10, 2, 3, 2, 3])
  }

  @Test func weights() {
    // Equal scores of any size yield the mean.
    let result = pool(rnd_attention_pool, scores: [1e4, 1e4, 1e4, 1e4])
    #expect(result.pooled.map { ($0 * 1e6).rounded() } == [2e6, -3e6, 5e6, 6e6])
    #expect(result.scores[1] == 1 && abs(result.scores[0] - 1 / 3.0) < 1e-15)
  }

  @Test func notANumberStaysVisible() {
    for row in [0, 2, 3] {
      var h = Self.h
      h[row * 2] = .nan
      let largest = pool(rnd_max_pool, h).pooled
      #expect(largest[0].isNaN && largest[1] == -2 && largest[2] == 5)
    }
  }
}
