import CKernels
import NumericKernels

/// Units that keep their previous state instead of taking the new one (Krueger et al. 2016, "Zoneout").
///
///     s_t = d_t ∘ s_{t−1} + (1 − d_t) ∘ s̃_t,   d_t ~ Bernoulli(rate)
///
/// s̃ is the state that the cell computes; hidden and cell state have masks of their own, so h̃ is computed from c̃. In
/// evaluation, d_t is its mean, the rate.
package struct Zoneout: Sendable {
  /// Probability that a unit of the cell state (LSTM) keeps its value.
  package var cell: Double
  /// Probability that a unit of the hidden state keeps its value.
  package var hidden: Double

  package var isActive: Bool { cell > 0 || hidden > 0 }
}

/// The zoneout of a forward pass, around the steps of the cell.
struct ZoneoutPass<Element: Scalar> {
  let rates: Zoneout
  /// The mask of every row, 0 where a unit keeps its state; nil in evaluation and at rate 0.
  private let hiddenMask: MatrixView<Element>?
  private let cellMask: MatrixView<Element>?

  /// nil without zoneout.
  init?(
    _ regularization: CellRegularization, _ layout: PackedLayout, hiddenSize: Int, cellSize: Int,
    _ context: LayerContext<Element>
  ) {
    rates = regularization.zoneout
    guard rates.isActive else { return nil }
    func mask(_ width: Int, _ purpose: CellMask, _ rate: Double) -> MatrixView<Element>? {
      context.dropout.flatMap {
        regularization.mask(layout.rowCount, width, purpose, $0.rows, rate: rate, context)
      }
    }
    hiddenMask = mask(hiddenSize, .hiddenZoneout, rates.hidden)
    cellMask = mask(cellSize, .cellZoneout, rates.cell)
  }

  /// The rows of a step of a mask.
  private func rows(_ mask: MatrixView<Element>?, _ rows: Range<Int>) -> UnsafeMutablePointer<Element>? {
    mask?.row(rows.lowerBound)
  }

  /// Combines the previous and the new state into the state after a step.
  @_specialize(where Element == Float)
  func mix(_ step: CellStep<Element>, h: StateOverTime<Element>, c: StateOverTime<Element>) {
    func mix(
      _ previous: MatrixView<Element>, _ new: MatrixView<Element>, _ mask: MatrixView<Element>?, rate: Double,
      into slabs: MatrixView<Element>
    ) {
      guard new.columns > 0 else { return }
      rnd_zoneout(
        Element.kernelType,
        rnd_zoneout_step(
          count: new.count, rate: rate, mask: rows(mask, step.rows), previous: previous.base,
          candidate: new.base, out: slabs.row(step.next)))
    }
    mix(step.previousH, step.newH, hiddenMask, rate: rates.hidden, into: h.slabs)
    mix(step.previousC, step.newC, cellMask, rate: rates.cell, into: c.slabs)
  }

  /// Wraps the backward step of a cell. `body` gets the gradients of the states that the cell computed, and none for its
  /// output. The gradients that bypass the cell are added to its result.
  @_specialize(where Element == Float)
  func backward(
    _ step: CellBackwardStep<Element>, _ arena: Arena<Element>, _ body: (CellBackwardStep<Element>) -> Void
  ) {
    arena.scoped {
      let keptH = arena.matrix(step.count, step.dh.columns)
      let keptC = arena.matrix(step.count, step.dc.columns)
      rnd_zoneout_backward(
        Element.kernelType,
        rnd_zoneout_gradient(
          count: step.dh.count, rate: rates.hidden, mask: rows(hiddenMask, step.rows),
          d_out: step.outputGradient.base, d: step.dh.base, kept: keptH.base))
      if step.dc.columns > 0 {
        rnd_zoneout_backward(
          Element.kernelType,
          rnd_zoneout_gradient(
            count: step.dc.count, rate: rates.cell, mask: rows(cellMask, step.rows), d_out: nil,
            d: step.dc.base, kept: keptC.base))
      }
      var inner = step
      inner.outputGradient = arena.zeros(step.count, step.dh.columns)
      body(inner)
      step.dh.add(keptH)
      if step.dc.columns > 0 { step.dc.add(keptC) }
    }
  }
}
