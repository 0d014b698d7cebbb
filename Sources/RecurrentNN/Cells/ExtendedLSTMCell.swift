import CKernels
import NumericKernels
import Options
import Parameters

/// An LSTM with options from the literature, each of which may be on or off.
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
/// (`GateNormalization`), and n(c') = norm_c ∘ LN(c') + norm_c_bias (Ba et al. 2016, equation 22); else n(c') = c'.
/// The gradient of a clipped value is zero.
///
/// Shapes: x [B, inputSize], c [B, H], h [B, P] with P = projectionSize, or H. Parameters besides `weight_ih`
/// [G·H, inputSize], `weight_hh` [G·H, P] and the biases [G·H] (gates i f g o, or f g o if coupled): `weight_hr`
/// [P, H]; `peephole` [3, H] (p_i, p_f, p_o) or [2, H] (p_f, p_o); `norm_ih`, `norm_hh` [G·H]; `norm_c`,
/// `norm_c_bias` [H].
public struct ExtendedLSTMCell<Element: Scalar>: SteppedCell {
  public let inputSize: Int
  public let hiddenSize: Int
  public let options: CellOptions
  private let weights: CellParameters
  private let projection: Parameter?
  private let peephole: Parameter?
  private let normalization: GateNormalization<Element>?
  private let cellGain: Parameter?
  private let cellShift: Parameter?
  public let regularization: CellRegularization

  /// Adds the parameters to a layout. Requires the options of an LSTM.
  init(_ setup: CellSetup, in builder: inout ParameterLayout.Builder) {
    (inputSize, hiddenSize, options) = (setup.inputSize, setup.hiddenSize, setup.options)
    regularization = CellRegularization(setup)
    let (H, suffix, first) = (setup.hiddenSize, setup.suffix, setup.options.initialization)
    let gates = options.coupledGates ? 3 : 4
    weights = CellParameters(
      setup, gates: gates, stateWidth: options.projectionSize, forgetGate: options.coupledGates ? 0 : 1,
      in: &builder)
    projection = options.projectionSize.map { size in
      builder.add("weight_hr" + suffix, [size, H], first.weight(gates: 1, rows: size, columns: H, units: H))
    }
    peephole =
      options.peepholes ? builder.add("peephole" + suffix, [gates - 1, H], first.vector(units: H)) : nil
    guard options.layerNorm else {
      (normalization, cellGain, cellShift) = (nil, nil, nil)
      return
    }
    normalization = GateNormalization(blocks: [0..<gates * H], suffix: suffix, in: &builder)
    cellGain = builder.add("norm_c" + suffix, [H], .constant(1), insists: true)
    cellShift = builder.add("norm_c_bias" + suffix, [H], .constant(0), insists: true)
  }

  public var outputSize: Int { options.outputSize(hiddenSize: hiddenSize) }
  public var stateSize: StateSize { .lstm(c: hiddenSize, h: outputSize) }
  public var parameters: [Parameter] {
    weights.all + [projection, peephole].compactMap { $0 } + (normalization?.parameters ?? [])
      + [cellGain, cellShift].compactMap { $0 }
  }

  public var weightIH: Parameter { weights.weightIH }
  private var gateCount: Int { options.coupledGates ? 3 : 4 }
  private var cellClip: Double { options.cellClip ?? .infinity }

  // MARK: Forward

  public struct Cache {
    /// The sum of both biases and of the forget bias, [1, G·H].
    let bias: MatrixView<Element>
    /// The peephole weights, [3, H]; zeros without peepholes.
    let peepholes: UnsafeMutablePointer<Element>
    let recurrent: PackedMatrix<Element>
    /// n(c'), which the tanh of the output reads, [N, H].
    let seenC: MatrixView<Element>
    /// o ∘ tanh(n(c')), [N, H].
    let unprojected: MatrixView<Element>
    let projection: PackedMatrix<Element>?
    let normalization: Normalization?
  }

  /// The cache of layer normalization.
  struct Normalization {
    /// W_hh h, later its gradient, [N, G·H].
    let products: MatrixView<Element>
    let gates: GateNormalization<Element>.Cache
    /// The normalized cell states [N, H], and the factors that made their variance 1 [N, 1].
    let normalizedC: MatrixView<Element>
    let scales: MatrixView<Element>
  }

  public func makeCache(_ pass: CellPass<Element>, _ context: LayerContext<Element>) -> Cache {
    let (N, H, arena) = (pass.layout.rowCount, hiddenSize, context.arena)
    let bias = weights.summedBias(context)
    let forgetUnits = gateCount == 4 ? H..<2 * H : 0..<H
    for unit in forgetUnits { bias.base[unit] += Element(options.forgetBias) }
    return Cache(
      bias: bias, peepholes: peephole.map { context.parameters.pointer($0) } ?? arena.zeros(3, H).base,
      recurrent: context.packed(weights.weightHH, transposed: true),
      seenC: normalization == nil ? pass.c.new : arena.matrix(N, H),
      unprojected: projection == nil ? pass.h.new : arena.matrix(N, H),
      projection: projection.map { context.packed($0, transposed: true) },
      normalization: normalization.map {
        Normalization(
          products: arena.matrix(N, gateCount * H), gates: $0.makeCache(pass.layout, context),
          normalizedC: arena.matrix(N, H), scales: arena.matrix(N, 1))
      })
  }

  public func forward(_ step: CellStep<Element>, _ cache: Cache, _ context: LayerContext<Element>) {
    let (rows, g, H) = (step.rows, step.gates, hiddenSize)
    if let normalization, let kept = cache.normalization {
      let products = kept.products.rows(rows)
      cache.recurrent.multiply(step.recurrentInput, into: products, accumulate: false)
      normalization.forward(kept.gates.input, rows: rows, g, context)
      normalization.forward(kept.gates.state, rows: rows, products, context)
      g.add(products)
    } else {
      cache.recurrent.multiply(step.recurrentInput, into: g, accumulate: true)
    }
    let (seen, h) = (cache.seenC.rows(rows), cache.unprojected.rows(rows))
    let arguments = rnd_extended_lstm(
      rows: step.count, units: H, coupled: options.coupledGates, clip: cellClip, gates: g.base,
      bias: cache.bias.base, peepholes: cache.peepholes, c_previous: step.previousC.base, c: step.newC.base,
      seen: seen.base, h: h.base)
    rnd_extended_lstm_cell(Element.kernelType, arguments)
    if let kept = cache.normalization, let cellGain, let cellShift {
      seen.copy(from: step.newC)
      rnd_layer_norm_forward(
        Element.kernelType,
        rnd_layer_norm(
          rows: step.count, columns: H, x: seen.base, stride: seen.stride,
          gain: context.parameters.pointer(cellGain), bias: context.parameters.pointer(cellShift),
          normalized: kept.normalizedC.row(rows.lowerBound), normalized_stride: H,
          scale: kept.scales.row(rows.lowerBound), scale_stride: 1))
    }
    rnd_extended_lstm_output(Element.kernelType, arguments)
    guard let projection = cache.projection else { return }
    projection.multiply(h, into: step.newH, accumulate: false)
    if let clip = options.projectionClip {
      rnd_clip(
        Element.kernelType, rnd_clipping(count: step.newH.count, bound: clip, x: step.newH.base, d: nil))
    }
  }

  // MARK: Backward

  public struct BackwardState {
    let recurrent: PackedMatrix<Element>
    let projection: PackedMatrix<Element>?
    // Summed gradients. Both biases have the same gradient.
    let bias: MatrixView<Element>
    let peepholes: MatrixView<Element>
    let gains: GateNormalization<Element>.Gradients?
    let cellGain: MatrixView<Element>
    let cellShift: MatrixView<Element>
    /// Gradients of the hidden states of all rows before clipping, [N, P], if there is a projection.
    let projected: MatrixView<Element>
    /// Gradients of a step: of h', of o ∘ tanh(n(c')) and of n(c').
    let dh: MatrixView<Element>
    let dUnprojected: MatrixView<Element>
    let dSeen: MatrixView<Element>
  }

  public func makeBackwardState(
    _ pass: CellPass<Element>, _ cache: Cache, _ context: LayerContext<Element>
  ) -> BackwardState {
    let (B, N, H, P) = (pass.layout.batchSize, pass.layout.rowCount, hiddenSize, outputSize)
    let arena = context.arena
    let dh = arena.matrix(B, P)
    return BackwardState(
      recurrent: context.packed(weights.weightHH, transposed: false),
      projection: projection.map { context.packed($0, transposed: false) },
      bias: arena.zeros(1, gateCount * H), peepholes: arena.zeros(3, H),
      gains: normalization?.makeGradients(context), cellGain: arena.zeros(1, H),
      cellShift: arena.zeros(1, H), projected: arena.matrix(projection == nil ? 0 : N, P), dh: dh,
      dUnprojected: projection == nil ? dh : arena.matrix(B, H), dSeen: arena.matrix(B, H))
  }

  public func backward(
    _ step: CellBackwardStep<Element>, _ cache: Cache, _ state: BackwardState,
    _ context: LayerContext<Element>
  ) {
    let (rows, g, H) = (step.rows, step.gates, hiddenSize)
    passProjection(step, state)
    let dSeen = state.dSeen.rows(0..<step.count)
    let arguments = rnd_extended_lstm_gradient(
      rows: step.count, units: H, coupled: options.coupledGates, clip: cellClip, gates: g.base,
      peepholes: cache.peepholes, c_previous: step.forward.previousC.base, c: step.forward.newC.base,
      seen: cache.seenC.row(rows.lowerBound), dh: state.dUnprojected.base, d_seen: dSeen.base,
      dc: step.dc.base, dbias: state.bias.base, dpeepholes: state.peepholes.base)
    rnd_extended_lstm_output_backward(Element.kernelType, arguments)
    if let kept = cache.normalization, let cellGain {
      rnd_layer_norm_backward(
        Element.kernelType,
        rnd_layer_norm_gradient(
          rows: step.count, columns: H, d: dSeen.base, stride: H, gain: context.parameters.pointer(cellGain),
          normalized: kept.normalizedC.row(rows.lowerBound), normalized_stride: H,
          scale: kept.scales.row(rows.lowerBound), scale_stride: 1, dgain: state.cellGain.base,
          dbias: state.cellShift.base))
    }
    rnd_extended_lstm_cell_backward(Element.kernelType, arguments)
    guard let normalization, let kept = cache.normalization, let gains = state.gains else {
      return step.passRecurrent(g, state.recurrent, accumulate: false)
    }
    let products = kept.products.rows(rows)
    products.copy(from: g)
    normalization.backward(kept.gates.state, rows: rows, products, gain: gains.state, context)
    normalization.backward(kept.gates.input, rows: rows, g, gain: gains.input, context)
    step.passRecurrent(products, state.recurrent, accumulate: false)
  }

  /// Computes the gradient of o ∘ tanh(n(c')) from that of h'.
  private func passProjection(_ step: CellBackwardStep<Element>, _ state: BackwardState) {
    let dh = state.dh.rows(0..<step.count)
    dh.copy(from: step.dh)
    dh.add(step.outputGradient)
    guard let projection = state.projection else { return }
    if let clip = options.projectionClip {
      rnd_clip_backward(
        Element.kernelType, rnd_clipping(count: dh.count, bound: clip, x: step.forward.newH.base, d: dh.base))
    }
    state.projected.rows(step.rows).copy(from: dh)
    projection.multiply(dh, into: state.dUnprojected.rows(0..<step.count), accumulate: false)
  }

  public func addGradients(
    _ pass: CellPass<Element>, _ cache: Cache, _ state: BackwardState,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(
      cache.normalization?.products ?? pass.gates, pass.recurrentInputs(context), .left,
      into: gradients.matrix(weights.weightHH), accumulate: true)
    weights.addBiasGradient(state.bias, to: gradients)
    if let projection {
      context.multiply(
        state.projected, cache.unprojected, .left, into: gradients.matrix(projection), accumulate: true)
    }
    if let peephole {
      let dPeephole = gradients.matrix(peephole)
      dPeephole.add(state.peepholes.rows(0..<dPeephole.rows))
    }
    guard let gains = state.gains, let cellGain, let cellShift else { return }
    normalization?.addGradients(gains, to: gradients)
    gradients.matrix(cellGain).add(state.cellGain)
    gradients.matrix(cellShift).add(state.cellShift)
  }
}
