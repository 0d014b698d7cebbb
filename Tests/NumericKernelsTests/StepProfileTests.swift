// Separate file: the tests of one source file.

import CKernels
import NumericKernels
import Testing

@Suite struct StepProfileTests {
  @Test func kernelsUseTheSameKinds() {
    #expect(StepProfile.Kind.products.rawValue == Int32(RND_PROFILE_PRODUCTS))
    #expect(StepProfile.Kind.pointwise.rawValue == Int32(RND_PROFILE_POINTWISE))
    #expect(StepProfile.Kind.allCases.count == Int(RND_PROFILE_KINDS))
  }

  /// Everything is in one test, because the totals belong to a thread, which must stay the same during a test.
  @Test func countsTimeAndOperationsByKind() {
    let a = Block<Float>(rows: 3, columns: 4) { _, _ in 1 }
    let b = Block<Float>(rows: 4, columns: 5) { _, _ in 1 }
    let c = Block<Float>(rows: 3, columns: 5) { _, _ in 0 }
    let before = StepProfile.totals
    let events = StepProfile.record(limit: 3) {
      multiply(a.view, b.view, into: c.view)
      PackedMatrix(b.view, transposed: false).multiply(a.view, into: c.view, accumulate: true)
      StepProfile.measure(.optimizer) { _ = c.values }
      b.base.addScaled(1, a.base, count: 12)
    }
    let difference = StepProfile.totals.since(before)
    #expect(difference.operations == 2 * 2 * 3 * 4 * 5)
    for kind in [StepProfile.Kind.products, .optimizer, .pointwise] {
      #expect((difference.seconds[kind] ?? 0) > 0, "\(kind)")
    }
    #expect(difference.seconds[.softmax] == 0)
    #expect(events.count == 3 && events[0].kind == .products, "no more than the limit")
    #expect(events.allSatisfy { $0.end >= $0.start })
    multiply(a.view, b.view, into: c.view)
    #expect(StepProfile.record(limit: 10) {}.isEmpty)
  }
}
