import CKernels
import NumericKernels
import Options
import Parameters

/// The way the states of a sequence become one vector.
public struct Pooling: Sendable, Hashable {
  public enum Kind: String, OptionChoice {
    /// The output after the last step; for a bidirectional network, that of each direction after its own last step, side
    /// by side (torch's h_n).
    case last
    /// The mean over the steps.
    case mean
    /// The largest value of each unit.
    case max
    /// A weighted mean, with weights that a layer learns, see `AttentionPooling`.
    case attention
    /// The outputs of all steps joined. Sequences of another length than ``Pooling/size`` stop the program: check the
    /// lengths of external data before.
    case all
  }

  public var kind: Kind
  /// Attention: the units of its layer. All: the number of steps of a sequence.
  public var size: Int

  public init(_ kind: Kind, size: Int = 0) { (self.kind, self.size) = (kind, size) }

  public static let last = Pooling(.last)
  public static let mean = Pooling(.mean)
  public static let max = Pooling(.max)
  public static func attention(size: Int) -> Pooling { Pooling(.attention, size: size) }
  public static func all(steps: Int) -> Pooling { Pooling(.all, size: steps) }
}

/// Pools the states of each sequence into one vector of ``outputSize`` numbers. An empty sequence has a vector of zeros
/// (except with ``Pooling/all(steps:)``, which has no empty sequences).
struct PoolingLayer<Element: Scalar>: Sendable {
  let pooling: Pooling
  /// Width of the states, [forward, backward] if there are two directions.
  let inputSize: Int
  private let bidirectional: Bool
  private let attention: AttentionPooling<Element>?

  /// Adds `attention.…` to the layout for attention pooling, nothing for the others.
  init(_ pooling: Pooling, inputSize: Int, bidirectional: Bool, in builder: inout ParameterLayout.Builder) {
    self.pooling = pooling
    self.inputSize = inputSize
    self.bidirectional = bidirectional
    if pooling.kind == .attention {
      attention = builder.scoped("attention") { builder in
        AttentionPooling(inputSize: inputSize, size: pooling.size, in: &builder)
      }
    } else {
      attention = nil
    }
  }

  var outputSize: Int {
    pooling.kind == .all ? pooling.size * inputSize : inputSize
  }

  /// The forward cache.
  struct Trace {
    /// A vector for each sequence, in the order of the layout, [batchSize, outputSize].
    let pooled: MatrixView<Element>
    /// Step of the largest value, [sequences that are not empty, inputSize].
    var steps: UnsafePointer<Int32>?
    var attention: AttentionPooling<Element>.Trace?
  }

  // MARK: Forward

  /// - Parameter h: the packed states, [layout.rowCount, inputSize].
  func forward(_ h: MatrixView<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>) -> Trace {
    let arena = context.arena
    let at = layout.packedRows(arena)
    let pooled = arena.matrix(layout.batchSize, outputSize)
    let count = Int(at.count)
    pooled.rows(count..<layout.batchSize).fill(0)
    switch pooling.kind {
    case .last:
      for end in ends(layout, arena) {
        pooled.rows(0..<count).columns(end.columns).gatherRows(of: h.columns(end.columns), at: end.rows)
      }
    case .mean:
      rnd_mean_pool(Element.kernelType, pooling(h, at, into: pooled))
    case .max:
      let steps = arena.buffer(count * inputSize, of: Int32.self)
      rnd_max_pool(Element.kernelType, pooling(h, at, into: pooled, steps: steps.baseAddress!))
      return Trace(pooled: pooled, steps: UnsafePointer(steps.baseAddress!))
    case .attention:
      return Trace(pooled: pooled, attention: attention?.forward(h, at, into: pooled, context))
    case .all:
      requireLength(pooling.size, layout)
      for step in 0..<layout.steps {  // None in a batch without sequences.
        pooled.columns(step * inputSize..<(step + 1) * inputSize).copy(from: h.rows(layout.rows(step)))
      }
    }
    return Trace(pooled: pooled)
  }

  private func pooling(
    _ h: MatrixView<Element>, _ at: rnd_packed_rows, into pooled: MatrixView<Element>,
    steps: UnsafeMutablePointer<Int32>? = nil
  ) -> rnd_pooling {
    rnd_pooling(
      at: at, width: inputSize, h: h.base, stride: h.stride, pooled: pooled.base,
      pooled_stride: pooled.stride, where: steps, scores: nil)
  }

  private func requireLength(_ steps: Int, _ layout: PackedLayout) {
    for (position, length) in layout.lengths.enumerated() {
      precondition(
        length == steps, "sequence \(layout.order[position]) has \(length) steps, the model joins \(steps)")
    }
  }

  /// The columns of each direction, and the row of the last step of each sequence that is not empty.
  private func ends(
    _ layout: PackedLayout, _ arena: Arena<Element>
  ) -> [(columns: Range<Int>, rows: UnsafePointer<Int32>)] {
    let count = layout.activeCounts.first ?? 0
    let last = arena.indexes(count) { layout.offsets[layout.lengths[$0] - 1] + $0 }
    guard bidirectional else { return [(0..<inputSize, last)] }
    // The backward direction ends at the first step, whose rows come first.
    return [(0..<inputSize / 2, last), (inputSize / 2..<inputSize, arena.indexes(count) { $0 })]
  }

  // MARK: Backward

  /// Overwrites `dh` [layout.rowCount, inputSize] with the gradient of the states, and adds to the gradients of the
  /// parameters.
  func backward(
    _ trace: Trace, _ h: MatrixView<Element>, _ layout: PackedLayout, gradient dPooled: MatrixView<Element>,
    states dh: MatrixView<Element>, into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let at = layout.packedRows(context.arena)
      switch pooling.kind {
      case .last:
        dh.fill(0)
        for end in ends(layout, context.arena) {
          dh.columns(end.columns).scatterAddRows(
            dPooled.rows(0..<Int(at.count)).columns(end.columns), at: end.rows)
        }
      case .mean:
        rnd_mean_pool_backward(Element.kernelType, poolingGradient(dPooled, at, states: dh))
      case .max:
        guard let steps = trace.steps else { return }
        rnd_max_pool_backward(Element.kernelType, poolingGradient(dPooled, at, states: dh, steps: steps))
      case .attention:
        guard let attention, let kept = trace.attention else { return }
        attention.backward(kept, h, at, gradient: dPooled, states: dh, into: gradients, context)
      case .all:
        for step in 0..<layout.steps {
          dh.rows(layout.rows(step)).copy(from: dPooled.columns(step * inputSize..<(step + 1) * inputSize))
        }
      }
    }
  }

  private func poolingGradient(
    _ dPooled: MatrixView<Element>, _ at: rnd_packed_rows, states dh: MatrixView<Element>,
    steps: UnsafePointer<Int32>? = nil
  ) -> rnd_pooling_gradient {
    rnd_pooling_gradient(
      at: at, width: inputSize, d_pooled: dPooled.base, pooled_stride: dPooled.stride, dh: dh.base,
      dh_stride: dh.stride, where: steps, h: nil, stride: 0, weights: nil, d_scores: nil)
  }
}

/// The weighted mean of a sequence's states, with weights from a learned query (Yang et al. 2016, equations 5 to 7).
///
///     u_t = tanh(W h_t + b),   a_t = exp(u_t·v) / Σ_s exp(u_s·v),   pooled = Σ_t a_t h_t
///
/// Shapes: h [rows, inputSize], `weight` W [size, inputSize], `bias` b [size], `query` v [size]. The sums run over the
/// steps of one sequence.
struct AttentionPooling<Element: Scalar>: Sendable {
  private let keys: Linear<Element>
  private let query: Parameter

  /// Adds `weight`, `bias` and `query` to a layout, drawn from U(±1/√inputSize), the query from U(±1/√size).
  init(inputSize: Int, size: Int, in builder: inout ParameterLayout.Builder) {
    keys = Linear(inputSize: inputSize, outputSize: size, activation: .tanh, in: &builder)
    query = builder.add("query", [size], .uniform(1 / Double(size).squareRoot()))
  }

  /// The forward cache.
  struct Trace {
    /// u, [rows, size].
    let keys: MatrixView<Element>
    /// a, [rows, 1].
    let weights: MatrixView<Element>
  }

  /// Overwrites the first `at.count` rows of `pooled`.
  func forward(
    _ h: MatrixView<Element>, _ at: rnd_packed_rows, into pooled: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> Trace {
    let u = context.arena.matrix(h.rows, keys.outputSize)
    keys.forward(h, into: u, context)
    let weights = context.arena.matrix(h.rows, 1)
    context.multiply(u, context.parameters.matrix(query), .right, into: weights)
    rnd_attention_pool(
      Element.kernelType,
      rnd_pooling(
        at: at, width: h.columns, h: h.base, stride: h.stride, pooled: pooled.base,
        pooled_stride: pooled.stride,
        where: nil, scores: weights.base))
    return Trace(keys: u, weights: weights)
  }

  /// Overwrites `dh` and adds to the parameters' gradients.
  func backward(
    _ trace: Trace, _ h: MatrixView<Element>, _ at: rnd_packed_rows, gradient dPooled: MatrixView<Element>,
    states dh: MatrixView<Element>, into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let arena = context.arena
    arena.scoped {
      let dScores = arena.matrix(h.rows, 1)
      // dh = a dpooled;  ds_t = a_t (da_t - Σ_s a_s da_s) with da_t = dpooled·h_t
      rnd_attention_pool_backward(
        Element.kernelType,
        rnd_pooling_gradient(
          at: at, width: h.columns, d_pooled: dPooled.base, pooled_stride: dPooled.stride, dh: dh.base,
          dh_stride: dh.stride, where: nil, h: h.base, stride: h.stride, weights: trace.weights.base,
          d_scores: dScores.base))
      // dv += Σ ds_t u_t;  du_t = ds_t v
      context.multiply(dScores, trace.keys, .left, into: gradients.matrix(query), accumulate: true)
      let du = arena.matrix(h.rows, keys.outputSize)
      context.multiply(dScores, context.parameters.matrix(query), into: du)
      let dKeys = arena.matrix(h.rows, h.columns)
      keys.backward(h, trace.keys, du, inputGradient: dKeys, into: gradients, context)
      dh.add(dKeys)
    }
  }
}
