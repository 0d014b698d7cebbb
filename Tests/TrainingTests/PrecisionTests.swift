// Separate file: the tests of one option.

import NumericKernels
import Tasks
import TestSupport
import Testing

@Suite("training.precision")
struct PrecisionTests {
  private func losses(_ precision: ProductPrecision, ranks: Int = 1) throws -> [Double] {
    let directory = try TemporaryDirectory()
    let text = try directory.write(sampleText(characters: 400), to: "text.txt")
    let configuration = RunConfiguration.small(text) {
      $0.training.precision = precision
      $0.training.reproducible = true
      $0.training.batchSize = 8
    }
    let recorder = Recorder()
    try Job(configuration, ranks: ranks, directory: directory.file("run")).run(recorder)
    return recorder.losses
  }

  @Test("bf16 learns the same as fp32 up to rounding")
  func bothPrecisionsLearn() throws {
    let (fp32, bf16) = (try losses(.fp32), try losses(.bf16))
    #expect(fp32.count == 12 && bf16.count == 12)
    #expect(fp32 != bf16)
    #expect(zip(fp32, bf16).allSatisfy { abs($0 - $1) < 5e-3 * $0 }, "\(fp32) and \(bf16)")
    #expect(bf16[11] < bf16[0] - 0.01)
  }

  @Test("Reproducible runs in bf16 have the same bits on one rank and on two")
  func sameBitsOnTwoRanks() throws {
    let (one, two) = (try losses(.bf16), try losses(.bf16, ranks: 2))
    #expect(one == two)
  }
}
