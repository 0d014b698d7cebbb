import NumericKernels
import Parameters

/// An output layer that scores the tags of a sequence together: a linear-chain conditional random field (Lafferty et al.
/// 2001) over the emissions e_t = W h_t + b, as Lample et al. 2016, section 2.2, put it on a recurrent network.
///
///     s(y) = start_{y_1} + Σ_t e_{t, y_t} + Σ_t A_{y_{t-1}, y_t} + end_{y_T}
///     L = log Σ_{y'} exp s(y') - s(y)
///
/// Shapes: h [N, inputSize], `output.weight` [tags, inputSize], `output.bias` [tags], `crf.start_transitions` and
/// `crf.end_transitions` [tags], `crf.transitions` [from, to]. Where a step has no target, the likelihood is that of all
/// paths which agree with the targets there are.
///
/// The sum over all paths is the forward algorithm in log space; its gradient are the probabilities of tags and pairs of
/// tags, by the recursion from the last step to the first.
public struct ConditionalRandomFieldOutput<Element: Scalar>: Sendable {
  private let linear: Linear<Element>
  private let start: Parameter
  private let end: Parameter
  private let transitions: Parameter

  public var inputSize: Int { linear.inputSize }
  public var tags: Int { linear.outputSize }
  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] { [linear.weight, linear.bias, start, end, transitions] }

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

  private func scores(_ context: LayerContext<Element>) -> RandomFieldScores<Element> {
    RandomFieldScores(
      start: context.parameters.pointer(start), end: context.parameters.pointer(end),
      transitions: context.parameters.pointer(transitions))
  }

  /// The negative log-likelihood of the tags, summed over the sequences, nats.
  ///
  /// - Parameters:
  ///   - h: the packed rows, [layout.rowCount, inputSize].
  ///   - targets: [layout.rowCount]; below zero where the tag is not known.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: those of all parameters are ADDED here if given, which they are if `dh` is.
  public func loss(
    _ h: MatrixView<Element>, _ layout: PackedLayout, targets: UnsafePointer<Int32>,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    let arena = context.arena
    return arena.scoped {
      let emissions = arena.matrix(h.rows, tags)
      linear.forward(h, into: emissions, context.parameters)
      let workspace = arena.matrix(2 * (layout.steps + 2), tags)
      let at = layout.packedRows(arena)
      guard let gradients, let dh else {
        return Element.randomFieldLoss(
          emissions.base, emissions.stride, tags, scores(context), at, targets, workspace.base, gradient: nil)
      }
      let dEmissions = arena.matrix(h.rows, tags)
      let total = Element.randomFieldLoss(
        emissions.base, emissions.stride, tags, scores(context), at, targets, workspace.base,
        gradient: RandomFieldGradient(
          emissions: dEmissions.base, stride: dEmissions.stride, start: gradients.pointer(start),
          end: gradients.pointer(end), transitions: gradients.pointer(transitions)))
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
      linear.forward(h, into: emissions, context.parameters)
      let back = arena.words(layout.steps * tags, of: Int32.self)
      Element.randomFieldPath(
        emissions.base, emissions.stride, tags, scores(context), layout.packedRows(arena),
        arena.matrix(2, tags).base, back.baseAddress!, path)
    }
  }
}

extension PackedLayout {
  /// Where the steps of the sequences lie, in arena memory.
  func packedRows<Element>(_ arena: Arena<Element>) -> PackedRows {
    let count = activeCounts.first ?? 0
    let first = arena.words(steps, of: Int64.self)
    for step in 0..<steps { first[step] = Int64(offsets[step]) }
    let length = arena.words(count, of: Int64.self)
    for position in 0..<count { length[position] = Int64(lengths[position]) }
    return PackedRows(
      offsets: UnsafePointer(first.baseAddress!), lengths: UnsafePointer(length.baseAddress!), count: count)
  }
}
