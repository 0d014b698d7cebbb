import CKernels
import NumericKernels

/// Units that keep their previous state instead of taking the new one (Krueger et al. 2016, "Zoneout").
///
///     s_t = d_t ∘ s_{t−1} + (1 − d_t) ∘ s̃_t,   d_t ~ Bernoulli(rate)
///
/// s̃ is what the cell computes; hidden and cell state have masks of their own, so h̃ is computed from c̃. When
/// evaluating, d_t is its mean, the rate.
struct Zoneout: Sendable {
  /// Probability of a unit of the cell state (LSTM).
  var cell: Double
  /// Probability of a unit of the hidden state.
  var hidden: Double

  var isActive: Bool { cell > 0 || hidden > 0 }
}

/// The zoneout of a forward pass, around the steps of the cell.
struct ZoneoutPass<Element: Scalar> {
  let rates: Zoneout
  /// 0 where a unit keeps its state, of every row; nil when evaluating and at rate 0.
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

  /// Makes the state after a step out of the previous and the new one.
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
          candidate: new.base, out: slabs.row(step.next.lowerBound)))
    }
    mix(step.previousH, step.newH, hiddenMask, rate: rates.hidden, into: h.slabs)
    mix(step.previousC, step.newC, cellMask, rate: rates.cell, into: c.slabs)
  }

  /// Turns the gradient d + dOutput of mixed states into that of what the cell computed, and returns in `kept` what passes
  /// the cell by.
  fileprivate func split(
    _ step: CellBackwardStep<Element>, keptH: MatrixView<Element>, keptC: MatrixView<Element>
  ) {
    rnd_zoneout_backward(
      Element.kernelType,
      rnd_zoneout_gradient(
        count: step.dh.count, rate: rates.hidden, mask: rows(hiddenMask, step.rows),
        d_out: step.outputGradient.base, d: step.dh.base, kept: keptH.base))
    guard step.dc.columns > 0 else { return }
    rnd_zoneout_backward(
      Element.kernelType,
      rnd_zoneout_gradient(
        count: step.dc.count, rate: rates.cell, mask: rows(cellMask, step.rows), d_out: nil, d: step.dc.base,
        kept: keptC.base))
  }
}

/// The backward pass of zoneout, around the backward steps of the cell.
struct ZoneoutGradients<Element: Scalar> {
  private let forward: ZoneoutPass<Element>
  /// Gradients that pass the cell by in a step, and zeros.
  private let keptH: MatrixView<Element>
  private let keptC: MatrixView<Element>
  private let zeros: MatrixView<Element>

  init(
    _ forward: ZoneoutPass<Element>, dh: MatrixView<Element>, dc: MatrixView<Element>, _ arena: Arena<Element>
  ) {
    self.forward = forward
    keptH = arena.matrix(dh.rows, dh.columns)
    keptC = arena.matrix(dc.rows, dc.columns)
    zeros = arena.zeros(dh.rows, dh.columns)
  }

  /// Before the step of the cell: leaves in dh and dc the gradients of what the cell computed; none is left for its output.
  func split(_ step: inout CellBackwardStep<Element>) {
    forward.split(step, keptH: keptH, keptC: keptC)
    step.outputGradient = zeros.rows(0..<step.count)
  }

  /// After it: adds what has passed the step by.
  func join(_ step: CellBackwardStep<Element>) {
    step.dh.add(keptH.rows(0..<step.count))
    if step.dc.columns > 0 { step.dc.add(keptC.rows(0..<step.count)) }
  }
}
