// Separate file: the tests of one concept.

import NumericKernels
import Testing

@Suite struct BLASTests {
  @Test func threadCountIsAtLeastOne() {
    let before = BLAS.threadCount
    BLAS.threadCount = 0
    #expect(BLAS.threadCount == 1)
    BLAS.threadCount = before
    #expect(BLAS.threadCount == before && before >= 1)
  }

  @Test func theKernelSetHasAName() { #expect(!BLAS.coreName.isEmpty) }
}
