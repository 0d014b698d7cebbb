import CKernels
import NumericKernels

/// What a single cell keeps from step to step. A view that a kind of cell has no use for is empty.
struct CellMemory<Element: Scalar> {
  /// Gate pre-activations, then activations, of every row; the backward pass overwrites them with the gradients
  /// of the pre-activations.
  var gates: MatrixView<Element>
  /// GRU: the recurrent part of the gates, or the reset states. LSTM with layer normalization: the recurrent part.
  var recurrent: MatrixView<Element>
  /// Slabs of hidden states, [batchSize + rowCount, P].
  let hidden: MatrixView<Element>
  /// LSTM: slabs of cell states, [batchSize + rowCount, H].
  let cell: MatrixView<Element>
  /// Where a step writes its hidden and cell state, [rowCount, ·]: into the slabs, or beside them if zoneout decides
  /// what of it becomes the state.
  let newHidden: MatrixView<Element>
  let newCell: MatrixView<Element>
  /// The sum of both biases and of constants, [1, gates].
  var bias: MatrixView<Element>
  /// The recurrent weights as right operand of a step's product.
  var weights: PackedMatrix<Element>
  /// GRU with reset before the product: the weights of that product, `weights` being those of the gates.
  var outputWeights: PackedMatrix<Element>
  let masks: CellMasks<Element>
  /// Layer normalization of the gates.
  var normalization: GateNormalization<Element>.Memory?
  /// LSTM with options.
  var extended: ExtendedLSTMCell<Element>.Memory?
  /// The first columns of the inputs whose product is in the gates from the beginning.
  var knownColumns = 0..<0

  /// Memory for all rows of a layout with the initial states in the first slabs.
  ///
  /// - Parameters:
  ///   - initial: hidden state, and cell state if there is one.
  ///   - gateWidth: columns of the gates.
  init(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], gateWidth: Int, inputSize: Int,
    _ regularization: CellRegularization, weights: PackedMatrix<Element>, _ context: LayerContext<Element>
  ) {
    let (B, N, arena) = (layout.batchSize, layout.rowCount, context.arena)
    let none = arena.matrix(0, 0)
    func slabs(_ first: MatrixView<Element>) -> MatrixView<Element> {
      let slabs = arena.matrix(B + N, first.columns)
      slabs.rows(0..<B).copy(from: first)
      return slabs
    }
    gates = arena.matrix(N, gateWidth)
    hidden = slabs(initial[0])
    cell = initial.count > 1 ? slabs(initial[1]) : none
    let widths = (input: inputSize, hidden: hidden.columns, cell: cell.columns)
    masks = CellMasks(regularization, layout, widths: widths, context)
    if masks.zoneout.isActive {
      newHidden = arena.matrix(N, hidden.columns)
      newCell = cell.columns > 0 ? arena.matrix(N, cell.columns) : none
    } else {
      newHidden = hidden.rows(B..<B + N)
      newCell = cell.columns > 0 ? cell.rows(B..<B + N) : none
    }
    self.weights = weights
    outputWeights = weights
    (recurrent, bias) = (none, none)
  }

  var slabs: [MatrixView<Element>] { cell.columns > 0 ? [hidden, cell] : [hidden] }

  /// What the recurrent product of a step reads, [n, P]: the previous hidden state, masked by variational dropout.
  func recurrentInput(_ t: Int, _ layout: PackedLayout) -> MatrixView<Element> {
    if masks.state.count > 0 { return masks.maskedStates.rows(layout.rows(t)) }
    let first = layout.previousSlab(t)
    return hidden.rows(first..<first + layout.activeCounts[t])
  }

  /// The same of all rows, [rowCount, P], for the weight gradient.
  func recurrentInputs(_ layout: PackedLayout, _ arena: Arena<Element>) -> MatrixView<Element> {
    masks.state.count > 0 ? masks.maskedStates : layout.previousStates(hidden, arena)
  }

  /// Masks the previous hidden state for the products of a step, if variational dropout is on.
  func maskState(_ t: Int, _ layout: PackedLayout) {
    guard masks.state.count > 0 else { return }
    rnd_multiply(
      Element.kernelType,
      rnd_factors(
        count: layout.activeCounts[t] * hidden.columns, x: hidden.row(layout.previousSlab(t)),
        y: masks.state.base, out: masks.maskedStates.row(layout.offsets[t])))
  }

  /// Makes the state after a step out of the previous and the new one, if zoneout is on.
  func zoneOut(_ t: Int, _ layout: PackedLayout) {
    guard masks.zoneout.isActive else { return }
    let (n, row) = (layout.activeCounts[t], layout.offsets[t])
    rnd_zoneout(
      Element.kernelType,
      rnd_zoneout_step(
        count: n * hidden.columns, rate: masks.zoneout.hidden,
        mask: masks.rows(masks.hiddenZoneout, t, layout),
        previous: hidden.row(layout.previousSlab(t)), candidate: newHidden.row(row),
        out: hidden.row(layout.slab(t))))
    guard cell.columns > 0 else { return }
    rnd_zoneout(
      Element.kernelType,
      rnd_zoneout_step(
        count: n * cell.columns, rate: masks.zoneout.cell, mask: masks.rows(masks.cellZoneout, t, layout),
        previous: cell.row(layout.previousSlab(t)), candidate: newCell.row(row), out: cell.row(layout.slab(t))
      ))
  }
}

/// What a single cell keeps from step to step backwards.
struct ReverseMemory<Element: Scalar> {
  /// Gradient of the hidden state, [batchSize, P].
  let dh: MatrixView<Element>
  /// LSTM: gradient of the cell state, [batchSize, H].
  let dc: MatrixView<Element>
  /// Summed gradients of both biases, where they are equal, or of `bias_ih`.
  let biasIH: MatrixView<Element>
  /// GRU with reset after the product: summed gradient of `bias_hh`.
  var biasHH: MatrixView<Element>
  /// Room for a step.
  var scratch: MatrixView<Element>
  /// The recurrent weights as right operand of a step's product.
  var weights: PackedMatrix<Element>
  var outputWeights: PackedMatrix<Element>
  /// Layer normalization: gradients of the gains.
  var normalization: GateNormalization<Element>.Reverse?
  /// LSTM with options.
  var extended: ExtendedLSTMCell<Element>.Reverse?
  /// Variational dropout: the gradient of the masked state; zoneout: what passes a step by, and zeros.
  private let masked: MatrixView<Element>
  private let keptHidden: MatrixView<Element>
  private let keptCell: MatrixView<Element>
  private let zeros: MatrixView<Element>

  init(
    _ memory: CellMemory<Element>, stateGradient: [MatrixView<Element>], weights: PackedMatrix<Element>,
    _ context: LayerContext<Element>
  ) {
    let arena = context.arena
    let none = arena.matrix(0, 0)
    dh = stateGradient[0]
    dc = stateGradient.count > 1 ? stateGradient[1] : none
    biasIH = arena.zeros(1, memory.gates.columns)
    self.weights = weights
    outputWeights = weights
    (biasHH, scratch) = (none, none)
    let zones = memory.masks.zoneout.isActive
    masked = memory.masks.state.count > 0 ? arena.matrix(dh.rows, dh.columns) : none
    keptHidden = zones ? arena.matrix(dh.rows, dh.columns) : none
    keptCell = zones && dc.columns > 0 ? arena.matrix(dc.rows, dc.columns) : none
    zeros = zones ? arena.zeros(dh.rows, dh.columns) : none
  }

  /// dL/dh (+)= d · W_hh, through the mask of the state if there is one, for the first rows of dh.
  func passProduct(
    _ d: MatrixView<Element>, _ weights: PackedMatrix<Element>, _ masks: CellMasks<Element>, accumulate: Bool
  ) {
    let dh = dh.rows(0..<d.rows)
    guard masks.state.count > 0 else { return weights.multiply(d, into: dh, accumulate: accumulate) }
    let dMasked = masked.rows(0..<d.rows)
    weights.multiply(d, into: dMasked, accumulate: false)
    if !accumulate { dh.fill(0) }
    rnd_multiply_add(
      Element.kernelType,
      rnd_factors(count: dh.count, x: dMasked.base, y: masks.state.base, out: dh.base))
  }

  /// Splits the gradients of the states after a step into those of what the step computed, left in dh and dc, and
  /// what passes the step by; returns the gradient of the output that is left, zeros.
  func enterZoneout(
    _ t: Int, _ layout: PackedLayout, _ masks: CellMasks<Element>, outputGradient: MatrixView<Element>
  ) -> MatrixView<Element> {
    let n = layout.activeCounts[t]
    rnd_zoneout_backward(
      Element.kernelType,
      rnd_zoneout_gradient(
        count: n * dh.columns, rate: masks.zoneout.hidden, mask: masks.rows(masks.hiddenZoneout, t, layout),
        d_out: outputGradient.base, d: dh.base, kept: keptHidden.base))
    if dc.columns > 0 {
      rnd_zoneout_backward(
        Element.kernelType,
        rnd_zoneout_gradient(
          count: n * dc.columns, rate: masks.zoneout.cell, mask: masks.rows(masks.cellZoneout, t, layout),
          d_out: nil, d: dc.base, kept: keptCell.base))
    }
    return zeros.rows(0..<n)
  }

  /// Adds what has passed a step by.
  func leaveZoneout(rows n: Int) {
    dh.rows(0..<n).add(keptHidden.rows(0..<n))
    if dc.columns > 0 { dc.rows(0..<n).add(keptCell.rows(0..<n)) }
  }
}

extension MatrixView {
  /// The matrix itself if its rows lie without gaps, as the cell kernels want them, or else a copy.
  func contiguous(_ arena: Arena<Element>) -> MatrixView {
    if isContiguous { return self }
    let copy = arena.matrix(rows, columns)
    copy.copy(from: self)
    return copy
  }
}
