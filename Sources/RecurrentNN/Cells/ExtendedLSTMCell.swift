import CKernels
import NumericKernels
import Parameters

/// An LSTM with the options of the literature, each of which may be on or off.
///
///     i = σ(W_ii x + W_hi h + b_i + p_i ∘ c)             coupled gates: i = 1 − f
///     f = σ(W_if x + W_hf h + b_f + p_f ∘ c + forgetBias)
///     g = tanh(W_ig x + W_hg h + b_g)
///     c' = clip(f ∘ c + i ∘ g, cellClip)
///     o = σ(W_io x + W_ho h + b_o + p_o ∘ c')
///     h' = clip(W_hr (o ∘ tanh(n(c'))), projectionClip)
///
/// Peepholes p: Gers & Schmidhuber 2000 with the diagonal weights and the order of operations of TensorFlow's
/// LSTMCell(use_peepholes, cell_clip, proj_clip); projection W_hr: Sak et al. 2014 and torch.nn.LSTM(proj_size);
/// coupled gates: Greff et al. 2017. With layer normalization the products are normalized
/// (``GateNormalization``), and n(c') = norm_c ∘ LN(c') + norm_c_bias (Ba et al. 2016, equation 22); else n(c') = c'.
/// Where a value has been limited its gradient is zero.
///
/// Shapes: x [B, inputSize], c [B, H], h [B, P] with P = projectionSize, or H. Parameters besides `weight_ih`
/// [G·H, inputSize], `weight_hh` [G·H, P] and the biases [G·H] (gates i f g o, or f g o if coupled): `weight_hr`
/// [P, H]; `peephole` [3, H] (p_i, p_f, p_o) or [2, H] (p_f, p_o); `norm_ih`, `norm_hh` [G·H]; `norm_c`,
/// `norm_c_bias` [H].
public struct ExtendedLSTMCell<Element: Scalar>: RecurrentCell, SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let options: CellOptions
  private let weights: CellParameters
  private let projection: Parameter?
  private let peephole: Parameter?
  private let normalization: GateNormalization<Element>?
  private let cellGain: Parameter?
  private let cellShift: Parameter?
  let regularization: CellRegularization

  /// Adds the parameters to a layout. The options are valid and those of an LSTM.
  init(
    inputSize: Int, hiddenSize: Int, _ options: CellOptions, at position: CellPosition, suffix: String,
    in builder: inout ParameterLayout.Builder
  ) {
    self.inputSize = inputSize
    self.hiddenSize = hiddenSize
    self.options = options
    regularization = CellRegularization(options, at: position)
    let gates = options.coupledGates ? 3 : 4
    weights = CellParameters(
      inputSize: inputSize, hiddenSize: hiddenSize, stateWidth: options.projectionSize, gates: gates,
      forgetGate: options.coupledGates ? 0 : 1, options, suffix: suffix, in: &builder)
    let first = options.initialization
    projection = options.projectionSize.map { size in
      builder.add(
        "weight_hr" + suffix, [size, hiddenSize],
        first.weight(gates: 1, rows: size, columns: hiddenSize, units: hiddenSize))
    }
    peephole =
      options.peepholes
      ? builder.add("peephole" + suffix, [gates - 1, hiddenSize], first.vector(units: hiddenSize)) : nil
    guard options.layerNorm else {
      (normalization, cellGain, cellShift) = (nil, nil, nil)
      return
    }
    normalization = GateNormalization(blocks: [0..<gates * hiddenSize], suffix: suffix, in: &builder)
    cellGain = builder.add("norm_c" + suffix, [hiddenSize], .constant(1), insists: true)
    cellShift = builder.add("norm_c_bias" + suffix, [hiddenSize], .constant(0), insists: true)
  }

  public var outputSize: Int { options.outputSize(hiddenSize: hiddenSize) }
  public var stateSize: StateSize { .lstm(c: hiddenSize, h: outputSize) }
  public var parameters: [Parameter] {
    weights.all + [projection, peephole].compactMap { $0 } + (normalization?.parameters ?? [])
      + [cellGain, cellShift].compactMap { $0 }
  }

  var weightIH: Parameter { weights.weightIH }
  private var gateCount: Int { options.coupledGates ? 3 : 4 }
  private var cellClip: Double { options.cellClip ?? .infinity }

  // MARK: Forward

  /// What the options keep of all steps.
  struct Memory {
    /// [3, H], zeros without peepholes.
    let peepholes: UnsafeMutablePointer<Element>
    /// What the tanh of the output reads, n(c'), [N, H].
    let seenCell: MatrixView<Element>
    /// Layer normalization: the normalized cell states [N, H] and their factors [N, 1].
    let normalizedCell: MatrixView<Element>
    let cellScales: MatrixView<Element>
    /// o ∘ tanh(n(c')), [N, H], if it is projected.
    let unprojected: MatrixView<Element>
    let projection: PackedMatrix<Element>?
  }

  func makeMemory(
    _ layout: PackedLayout, from initial: [MatrixView<Element>], _ context: LayerContext<Element>
  ) -> CellMemory<Element> {
    let (N, H, arena) = (layout.rowCount, hiddenSize, context.arena)
    var memory = CellMemory(
      layout, from: initial, gateWidth: gateCount * H, inputSize: inputSize, regularization,
      weights: context.packed(weights.weightHH, transposed: true), context)
    memory.bias = weights.summedBias(context)
    let forgetUnits = gateCount == 4 ? H..<2 * H : 0..<H
    for unit in forgetUnits { memory.bias.base[unit] += Element(options.forgetBias) }
    let none = arena.matrix(0, 0)
    let normalizes = normalization != nil
    if normalizes { memory.recurrent = arena.matrix(N, gateCount * H) }
    memory.normalization = normalization?.makeMemory(layout, context)
    memory.extended = Memory(
      peepholes: peephole.map { context.parameters.pointer($0) } ?? arena.zeros(3, H).base,
      seenCell: normalizes ? arena.matrix(N, H) : memory.newCell,
      normalizedCell: normalizes ? arena.matrix(N, H) : none,
      cellScales: normalizes ? arena.matrix(N, 1) : none,
      unprojected: projection == nil ? memory.newHidden : arena.matrix(N, H),
      projection: projection.map { context.packed($0, transposed: true) })
    return memory
  }

  private func extended(_ memory: CellMemory<Element>) -> Memory {
    guard let extended = memory.extended else {
      preconditionFailure("an LSTM with options needs what its own begin or unroll returned")
    }
    return extended
  }

  func advance(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ context: LayerContext<Element>
  ) {
    let (rows, H, extended) = (layout.rows(t), hiddenSize, extended(memory))
    let (n, g) = (rows.count, memory.gates.rows(rows))
    let read = memory.recurrentInput(t, layout)
    if let normalization, let kept = memory.normalization {
      let products = memory.recurrent.rows(rows)
      memory.weights.multiply(read, into: products, accumulate: false)
      normalization.forward(kept.input, rows: rows, g, context)
      normalization.forward(kept.state, rows: rows, products, context)
      g.add(products)
    } else {
      memory.weights.multiply(read, into: g, accumulate: true)
    }
    let c = memory.newCell.rows(rows)
    let (seen, h) = (extended.seenCell.rows(rows), extended.unprojected.rows(rows))
    let step = rnd_extended_lstm(
      rows: n, units: H, coupled: options.coupledGates, clip: cellClip, gates: g.base, bias: memory.bias.base,
      peepholes: extended.peepholes, c_previous: memory.cell.row(layout.previousSlab(t)), c: c.base,
      seen: seen.base, h: h.base)
    rnd_extended_lstm_cell(Element.kernelType, step)
    if let cellGain, let cellShift {
      seen.copy(from: c)
      rnd_layer_norm_forward(
        Element.kernelType,
        rnd_layer_norm(
          rows: n, columns: H, x: seen.base, stride: seen.stride, gain: context.parameters.pointer(cellGain),
          bias: context.parameters.pointer(cellShift),
          normalized: extended.normalizedCell.row(rows.lowerBound), normalized_stride: H,
          scale: extended.cellScales.row(rows.lowerBound), scale_stride: 1))
    }
    rnd_extended_lstm_output(Element.kernelType, step)
    guard let weights = extended.projection else { return }
    let projected = memory.newHidden.rows(rows)
    weights.multiply(h, into: projected, accumulate: false)
    if let clip = options.projectionClip {
      rnd_clip(
        Element.kernelType, rnd_clipping(count: projected.count, bound: clip, x: projected.base, d: nil))
    }
  }

  // MARK: Backward

  /// What the options sum up, and room for a step.
  struct Reverse {
    let peepholes: MatrixView<Element>
    let cellGain: MatrixView<Element>
    let cellShift: MatrixView<Element>
    /// Gradients of the hidden states of all rows before they are limited, [N, P], if there is a projection.
    let projected: MatrixView<Element>
    let projection: PackedMatrix<Element>?
    /// Gradients of a step: of h, of o ∘ tanh(n(c')) and of n(c').
    let dh: MatrixView<Element>
    let dUnprojected: MatrixView<Element>
    let dSeen: MatrixView<Element>
  }

  func makeReverseMemory(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, stateGradient: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> ReverseMemory<Element> {
    let (B, N, H, P, arena) = (layout.batchSize, layout.rowCount, hiddenSize, outputSize, context.arena)
    var reverse = ReverseMemory(
      memory, stateGradient: stateGradient, weights: context.packed(weights.weightHH, transposed: false),
      context)
    reverse.normalization = normalization?.makeReverse(context)
    let dh = arena.matrix(B, P)
    reverse.extended = Reverse(
      peepholes: arena.zeros(3, H), cellGain: arena.zeros(1, H), cellShift: arena.zeros(1, H),
      projected: projection == nil ? arena.matrix(0, 0) : arena.matrix(N, P),
      projection: projection.map { context.packed($0, transposed: false) }, dh: dh,
      dUnprojected: projection == nil ? dh : arena.matrix(B, H), dSeen: arena.matrix(B, H))
    return reverse
  }

  func retreat(
    _ t: Int, _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    outputGradient: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard let sums = reverse.extended else {
      preconditionFailure("an LSTM with options needs what its own beginBackward returned")
    }
    let (rows, H, extended) = (layout.rows(t), hiddenSize, extended(memory))
    let (n, g) = (rows.count, memory.gates.rows(rows))
    passProjection(n, rows, memory, reverse, sums, outputGradient)
    let dSeen = sums.dSeen.rows(0..<n)
    let step = rnd_extended_lstm_gradient(
      rows: n, units: H, coupled: options.coupledGates, clip: cellClip, gates: g.base,
      peepholes: extended.peepholes, c_previous: memory.cell.row(layout.previousSlab(t)),
      c: memory.newCell.row(rows.lowerBound), seen: extended.seenCell.row(rows.lowerBound),
      dh: sums.dUnprojected.base, d_seen: dSeen.base, dc: reverse.dc.base, dbias: reverse.biasIH.base,
      dpeepholes: sums.peepholes.base)
    rnd_extended_lstm_output_backward(Element.kernelType, step)
    if let cellGain {
      rnd_layer_norm_backward(
        Element.kernelType,
        rnd_layer_norm_gradient(
          rows: n, columns: H, d: dSeen.base, stride: H, gain: context.parameters.pointer(cellGain),
          normalized: extended.normalizedCell.row(rows.lowerBound), normalized_stride: H,
          scale: extended.cellScales.row(rows.lowerBound), scale_stride: 1, dgain: sums.cellGain.base,
          dbias: sums.cellShift.base))
    }
    rnd_extended_lstm_cell_backward(Element.kernelType, step)
    guard let normalization, let kept = memory.normalization, let gains = reverse.normalization else {
      return reverse.passProduct(g, reverse.weights, memory.masks, accumulate: false)
    }
    let products = memory.recurrent.rows(rows)
    products.copy(from: g)
    normalization.backward(kept.state, rows: rows, products, gain: gains.state, context)
    normalization.backward(kept.input, rows: rows, g, gain: gains.input, context)
    reverse.passProduct(products, reverse.weights, memory.masks, accumulate: false)
  }

  /// From the gradient of h' to that of o ∘ tanh(n(c')).
  private func passProjection(
    _ n: Int, _ rows: Range<Int>, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    _ sums: Reverse, _ outputGradient: MatrixView<Element>
  ) {
    let dh = sums.dh.rows(0..<n)
    dh.copy(from: reverse.dh.rows(0..<n))
    dh.add(outputGradient)
    guard let weights = sums.projection else { return }
    if let clip = options.projectionClip {
      rnd_clip_backward(
        Element.kernelType,
        rnd_clipping(count: dh.count, bound: clip, x: memory.newHidden.row(rows.lowerBound), d: dh.base))
    }
    sums.projected.rows(rows).copy(from: dh)
    weights.multiply(dh, into: sums.dUnprojected.rows(0..<n), accumulate: false)
  }

  func addGradients(
    _ layout: PackedLayout, _ memory: CellMemory<Element>, _ reverse: ReverseMemory<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    guard let sums = reverse.extended else { return }
    context.multiply(
      normalization == nil ? memory.gates : memory.recurrent, memory.recurrentInputs(layout, context.arena),
      .left, into: gradients.matrix(weights.weightHH), accumulate: true)
    weights.addBiasGradient(reverse.biasIH, to: gradients)
    if let projection {
      context.multiply(
        sums.projected, extended(memory).unprojected, .left, into: gradients.matrix(projection),
        accumulate: true)
    }
    if let peephole {
      let dPeephole = gradients.matrix(peephole)
      dPeephole.add(sums.peepholes.rows(0..<dPeephole.rows))
    }
    guard let normalization, let gains = reverse.normalization, let cellGain, let cellShift else { return }
    normalization.addGradients(gains, to: gradients)
    gradients.matrix(cellGain).add(sums.cellGain)
    gradients.matrix(cellShift).add(sums.cellShift)
  }
}
