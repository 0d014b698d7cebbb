// Separate file: the tests of one concept.

import NumericKernels
import Testing

@Suite struct InstructionSetTests {
  @Test func namesAreThoseOfTheOption() {
    #expect(InstructionSet.allCases.map(\.name) == ["portable", "avx2", "avx512", "avx512-bf16"])
    for set in InstructionSet.allCases { #expect(InstructionSet(name: set.name) == set) }
    for name in ["", "AVX2", "sse9", "unknown"] { #expect(InstructionSet(name: name) == nil) }
  }

  @Test func theSetInUseCanRun() {
    #expect(InstructionSet.available.contains(.portable) && InstructionSet.available.last == .best)
    #expect(InstructionSet.inUse.isAvailable)
    #expect(ProductMode.rule == (InstructionSet.inUse == .portable ? .blas : .kernels))
  }

  @Test func readingMemoryCountsItsBytes() {
    let block = AlignedBuffer<Float>(count: 100_001)
    #expect(ReadBandwidth.run(block) == 400_004)
  }
}
