import NumericKernels
import Testing

/// Two sequences of three and one steps, rows 0 and 1 of the first step, then rows 2 and 3; width 2 in rows of 3.
@Suite struct PoolingKernelTests {
  private static let h: [Double] = [1, -4, 99, 5, 6, 99, 3, -2, 99, 2, -3, 99]

  private func pooled(_ h: [Double] = h, _ body: (PackedRows, inout [Double]) -> Void) -> [Double] {
    var result = [Double](repeating: .nan, count: 4)
    [Int64(0), 2, 3].withUnsafeBufferPointer { offsets in
      [Int64(3), 1].withUnsafeBufferPointer { lengths in
        body(PackedRows(offsets: offsets.baseAddress!, lengths: lengths.baseAddress!, count: 2), &result)
      }
    }
    return result
  }

  @Test func meanAndLargest() {
    #expect(pooled { Double.meanPool(Self.h, 3, $0, 2, &$1, 2) } == [2, -3, 5, 6])
    var steps = [Int32](repeating: -1, count: 4)
    #expect(pooled { Double.maxPool(Self.h, 3, $0, 2, &$1, 2, &steps) } == [3, -2, 5, 6])
    #expect(steps == [1, 1, 0, 0])
    var dh = [Double](repeating: .nan, count: 8)
    _ = pooled { at, _ in Double.maxPoolBackward([7, 8, 9, 10], 2, steps, at, 2, &dh, 2) }
    #expect(dh == [0, 0, 9, 10, 7, 8, 0, 0])
    _ = pooled { at, _ in Double.meanPoolBackward([6, 9, 9, 10], 2, at, 2, &dh, 2) }
    #expect(dh == [2, 3, 9, 10, 2, 3, 2, 3])
  }

  @Test func weights() {
    // Equal scores, however large: the mean.
    var scores = [Double](repeating: 1e4, count: 4)
    #expect(
      pooled { Double.attentionPool(&scores, Self.h, 3, $0, 2, &$1, 2) }.map { ($0 * 1e6).rounded() } == [
        2e6, -3e6, 5e6, 6e6,
      ])
    #expect(scores[1] == 1 && abs(scores[0] - 1 / 3.0) < 1e-15)
  }

  @Test func notANumberStaysVisible() {
    for row in [0, 2, 3] {
      var (h, steps) = (Self.h, [Int32](repeating: -1, count: 4))
      h[row * 3] = .nan
      let largest = pooled(h) { Double.maxPool(h, 3, $0, 2, &$1, 2, &steps) }
      #expect(largest[0].isNaN && largest[1] == -2 && largest[2] == 5)
    }
  }
}
