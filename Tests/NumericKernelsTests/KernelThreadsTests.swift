import NumericKernels
import Testing

/// Kernels give the same bits with any number of threads. Other tests may run meanwhile: they get the same bits too.
@Suite(.serialized) struct KernelThreadsTests {
  /// Runs `body` with each number of threads and compares what it returns.
  private func compare(_ body: () -> [Float], _ what: String) {
    defer { KernelThreads.count = 1 }
    KernelThreads.count = 1
    let alone = body()
    #expect(alone.contains { $0 != 0 }, "\(what) computes something")
    for count in [2, 3, 5] {
      KernelThreads.count = count
      #expect(KernelThreads.count == count)
      for _ in 0..<3 { #expect(body() == alone, "\(what) on \(count) threads") }
    }
  }

  private func numbers(_ rows: Int, _ columns: Int, _ salt: Int) -> Block<Float> {
    Block(rows: rows, columns: columns) { Float(($0 * 37 + $1 * 11 + salt * 7) % 101) / 97 - 0.5 }
  }

  @Test func countsAreAtLeastOne() {
    KernelThreads.count = -3
    #expect(KernelThreads.count == 1)
  }

  @Test(arguments: [(70, 130, 100), (200, 65, 90), (7, 900, 120)], ProductPrecision.allCases)
  func products(shape: (Int, Int, Int), precision: ProductPrecision) {
    let (m, n, k) = shape
    let (a, b) = (numbers(m, k, 1), numbers(k, n, 2))
    let mode = ProductMode(precision, on: .best)
    compare(
      {
        let c = numbers(m, n, 3)
        multiply(a.view, b.view, into: c.view, accumulate: true, mode: mode)
        PackedMatrix(b.view, transposed: false, mode: mode).multiply(a.view, into: c.view, accumulate: true)
        return c.values
      }, "\(shape) \(precision)")
  }

  @Test func cells() {
    let (rows, units) = (40, 250)
    let (previous, dOut, dNext, bias) = (
      numbers(rows, units, 4), numbers(rows, units, 5), numbers(rows, units, 6), numbers(1, 4 * units, 7)
    )
    compare(
      {
        let gates = numbers(rows, 4 * units, 1)
        let (c, h) = (numbers(rows, units, 2), numbers(rows, units, 3))
        let (dc, dBias) = (numbers(rows, units, 8), numbers(1, 4 * units, 9))
        Float.lstmForward(
          rows, units, gates.view.base, bias.view.base, previous.view.base, c.view.base, h.view.base)
        Float.lstmBackward(
          rows, units, gates.view.base, previous.view.base, c.view.base, dOut.view.base, dNext.view.base,
          dc.view.base, dBias.view.base)
        let (x, recurrent, dh) = (
          numbers(rows, 3 * units, 1), numbers(rows, 3 * units, 2), numbers(rows, units, 3)
        )
        let (dx, dr) = (numbers(1, 3 * units, 4), numbers(1, 3 * units, 5))
        Float.gruForward(
          rows, units, x.view.base, recurrent.view.base, bias.view.base, bias.view.base, previous.view.base,
          h.view.base)
        Float.gruBackward(
          rows, units, x.view.base, recurrent.view.base, previous.view.base, dOut.view.base, dh.view.base,
          dx.view.base, dr.view.base)
        let (plain, dPre, dPlain) = (numbers(rows, units, 1), numbers(rows, units, 2), numbers(1, units, 3))
        Float.rnnForward(rows, units, previous.view.base, bias.view.base, plain.view.base, .tanh)
        Float.rnnBackward(
          rows, units, plain.view.base, dOut.view.base, dNext.view.base, dPre.view.base, dPlain.view.base,
          .tanh)
        return [gates, c, h, dc, dBias, x, recurrent, dh, dx, dr, plain, dPre, dPlain].flatMap(\.values)
      }, "cells")
  }

  @Test func rowsAndLosses() {
    let (rows, columns) = (150, 130)
    let index = (0..<rows).map { Int32($0 * 7 % 20) }
    compare(
      {
        let (logits, table, sums) = (
          numbers(rows, columns, 1), numbers(20, columns, 2), numbers(1, columns, 3)
        )
        let loss = Float.softmaxCrossEntropy(
          logits.view.base, columns, sums.view.base, index, rows, columns, 0.1, true)
        Float.scatterAddRows(logits.view.base, columns, index, rows, columns, table.view.base, columns)
        Float.gatherRows(table.view.base, columns, index, rows, columns, logits.view.base, columns)
        Float.addColumnSums(logits.view.base, columns, rows, columns, sums.view.base)
        Float.axpy(0.3, logits.view.base, table.view.base, 20 * columns)
        return [logits, table, sums].flatMap(\.values)
          + [Float(bitPattern: UInt32(truncatingIfNeeded: loss.bitPattern >> 29)), Float(loss)]
      }, "rows")
  }
}
