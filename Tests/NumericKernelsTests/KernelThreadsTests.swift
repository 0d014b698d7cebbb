import CKernels
import NumericKernels
import Testing

/// Kernels give the same bits with any number of threads. Other tests may run at the same time, because they get the same
/// bits, too.
@Suite(.serialized) struct KernelThreadsTests {
  /// Runs `body` with each number of threads and compares the results.
  private func compare(_ body: () -> [Float], _ what: String) {
    defer { KernelThreads.count = 1 }
    KernelThreads.count = 1
    let alone = body()
    #expect(alone.contains { $0 != 0 }, "\(what) computes something")
    for count in [2, 3, 5] {
      // Other suites may set the number at the same time.
      #expect(rnd_set_thread_count(Int32(count)) == count)
      for _ in 0..<3 { #expect(body() == alone, "\(what) on \(count) threads") }
    }
  }

  private func numbers(_ rows: Int, _ columns: Int, _ salt: Int) -> Block<Float> {
    Block(rows: rows, columns: columns) { Float(($0 * 37 + $1 * 11 + salt * 7) % 101) / 97 - 0.5 }
  }

  @Test func countsAreAtLeastOne() {
    #expect(rnd_set_thread_count(-3) == 1)
  }

  @Test(arguments: [(70, 130, 100), (200, 65, 90), (7, 900, 120)], ProductPrecision.allCases)
  func products(shape: (Int, Int, Int), precision: ProductPrecision) {
    let (m, n, k) = shape
    let (a, b) = (numbers(m, k, 1), numbers(k, n, 2))
    let mode = ProductMode(precision, on: .inUse)
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
        let dc = numbers(rows, units, 8)
        let lstm = rnd_lstm(
          units: units, width: units, gates: gates.base, bias: bias.base, c_previous: previous.base,
          c: c.base, h: h.base)
        KernelThreads.shareRows(rows, width: units) { rnd_lstm_forward(rnd_f32, lstm, $0, $1) }
        let lstmGradient = rnd_lstm_gradient(
          units: units, gates: gates.base, c_previous: previous.base, c: c.base, dh_out: dOut.base,
          dh_next: dNext.base, dc: dc.base)
        KernelThreads.shareRows(rows, width: units) { rnd_lstm_backward(rnd_f32, lstmGradient, $0, $1) }
        let (x, recurrent, dh) = (
          numbers(rows, 3 * units, 1), numbers(rows, 3 * units, 2), numbers(rows, units, 3)
        )
        let gru = rnd_gru(
          units: units, x_gates: x.base, h_gates: recurrent.base, x_bias: bias.base, h_bias: bias.base,
          h_previous: previous.base, h: h.base)
        KernelThreads.shareRows(rows, width: units) { rnd_gru_forward(rnd_f32, gru, $0, $1) }
        let gruGradient = rnd_gru_gradient(
          units: units, x_gates: x.base, h_gates: recurrent.base, h_previous: previous.base,
          dh_out: dOut.base, dh: dh.base)
        KernelThreads.shareRows(rows, width: units) { rnd_gru_backward(rnd_f32, gruGradient, $0, $1) }
        let (plain, dPre) = (numbers(rows, units, 1), numbers(rows, units, 2))
        let rnn = rnd_rnn(units: units, relu: false, pre: previous.base, bias: bias.base, h: plain.base)
        KernelThreads.shareRows(rows, width: units) { rnd_rnn_forward(rnd_f32, rnn, $0, $1) }
        let rnnGradient = rnd_rnn_gradient(
          units: units, relu: false, h: plain.base, dh_out: dOut.base, dh_next: dNext.base, d_pre: dPre.base)
        KernelThreads.shareRows(rows, width: units) { rnd_rnn_backward(rnd_f32, rnnGradient, $0, $1) }
        return [gates, c, h, dc, x, recurrent, dh, plain, dPre].flatMap(\.values)
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
        let loss = logits.view.softmaxCrossEntropy(
          targets: index, bias: sums.base, smoothing: 0.1, withGradient: true)
        table.view.scatterAddRows(logits.view, at: index)
        logits.view.gatherRows(of: table.view, at: index)
        logits.view.addColumnSums(to: sums.base)
        table.view.addScaled(0.3, logits.view.rows(0..<20))
        return [logits, table, sums].flatMap(\.values)
          + [Float(bitPattern: UInt32(truncatingIfNeeded: loss.bitPattern >> 29)), Float(loss)]
      }, "rows")
  }
}
