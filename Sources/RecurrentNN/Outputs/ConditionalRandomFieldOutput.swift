import CKernels
import NumericKernels
import Parameters

/// An output layer that scores the tags of a sequence together: a linear-chain conditional random field (Lafferty et al.
/// 2001) over the emissions e_t = W h_t + b, as Lample et al. 2016, section 2.2, use it on top of a recurrent network.
///
///     s(y) = start_{y_1} + Σ_t e_{t, y_t} + Σ_t A_{y_{t-1}, y_t} + end_{y_T}
///     L = log Σ_{y'} exp s(y') - s(y)
///
/// Shapes: h [N, inputSize], `output.weight` [tags, inputSize], `output.bias` [tags], `crf.start_transitions` and
/// `crf.end_transitions` [tags], `crf.transitions` [from, to]. If steps have no target, the likelihood is that of all
/// paths that agree with the known targets.
///
/// The sum over all paths is the forward algorithm in log space; its gradient consists of the probabilities of tags and of pairs of
/// tags, by the recursion from the last step to the first.
public struct ConditionalRandomFieldOutput<Element: Scalar>: Sendable {
  private let linear: Linear<Element>
  private let start: Parameter
  private let end: Parameter
  private let transitions: Parameter

  public var tags: Int { linear.outputSize }

  /// Adds `output.…`, drawn from U(±1/√inputSize), and `crf.…`, drawn from U(±0.1), to a layout.
  public init(inputSize: Int, tags: Int, in builder: inout ParameterLayout.Builder) {
    linear = builder.scoped("output") { Linear(inputSize: inputSize, outputSize: tags, in: &$0) }
    let small = Initializer.uniform(0.1)
    (start, end, transitions) = builder.scoped("crf") { builder in
      (
        builder.add("start_transitions", [tags], small), builder.add("end_transitions", [tags], small),
        builder.add("transitions", [tags, tags], small)
      )
    }
  }

  /// The CRF over some emissions.
  private func field(
    _ emissions: MatrixView<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> rnd_crf {
    rnd_crf(
      at: layout.packedRows(context.arena), tags: tags, emission: emissions.base, stride: emissions.stride,
      start: context.parameters.pointer(start), end: context.parameters.pointer(end),
      transition: context.parameters.pointer(transitions))
  }

  /// The negative log-likelihood of the tags, summed over the sequences, nats.
  ///
  /// - Parameters:
  ///   - h: the packed rows, [layout.rowCount, inputSize].
  ///   - targets: [layout.rowCount]; below zero for a step whose tag is unknown.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: the gradients of all parameters are ADDED here if given; required with `dh`.
  public func loss(
    _ h: MatrixView<Element>, _ layout: PackedLayout, targets: UnsafePointer<Int32>,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    let arena = context.arena
    return arena.scoped {
      let emissions = arena.matrix(h.rows, tags)
      linear.forward(h, into: emissions, context)
      let workspace = arena.matrix(2 * (layout.steps + 2), tags)
      var likelihood = rnd_crf_likelihood()
      likelihood.crf = field(emissions, layout, context)
      likelihood.target = targets
      likelihood.workspace = UnsafeMutableRawPointer(workspace.base)
      guard let gradients, let dh else { return rnd_crf_loss(Element.kernelType, likelihood) }
      let dEmissions = arena.matrix(h.rows, tags)
      likelihood.d_emission = UnsafeMutableRawPointer(dEmissions.base)
      likelihood.d_stride = dEmissions.stride
      likelihood.d_start = UnsafeMutableRawPointer(gradients.pointer(start))
      likelihood.d_end = UnsafeMutableRawPointer(gradients.pointer(end))
      likelihood.d_transition = UnsafeMutableRawPointer(gradients.pointer(transitions))
      let total = rnd_crf_loss(Element.kernelType, likelihood)
      linear.backward(h, preActivation: dEmissions, inputGradient: dh, into: gradients, context)
      return total
    }
  }

  /// Overwrites `path` [layout.rowCount] with the tags of the highest score for each sequence (Viterbi 1967).
  public func bestPath(
    _ h: MatrixView<Element>, _ layout: PackedLayout, into path: UnsafeMutablePointer<Int32>,
    _ context: LayerContext<Element>
  ) {
    let arena = context.arena
    arena.scoped {
      let emissions = arena.matrix(h.rows, tags)
      linear.forward(h, into: emissions, context)
      let back = arena.buffer(layout.steps * tags, of: Int32.self)
      rnd_crf_viterbi(
        Element.kernelType,
        rnd_crf_path(
          crf: field(emissions, layout, context), workspace: arena.matrix(2, tags).base,
          back: back.baseAddress!,
          path: path))
    }
  }
}

extension PackedLayout {
  /// The rows of the steps of each sequence, in arena memory.
  func packedRows<Element>(_ arena: Arena<Element>) -> rnd_packed_rows {
    let count = activeCounts.first ?? 0
    let first = arena.buffer(steps, of: Int64.self)
    for step in 0..<steps { first[step] = Int64(offsets[step]) }
    let length = arena.buffer(count, of: Int64.self)
    for position in 0..<count { length[position] = Int64(lengths[position]) }
    return rnd_packed_rows(
      offset: UnsafePointer(first.baseAddress!), length: UnsafePointer(length.baseAddress!),
      count: Int64(count))
  }
}
