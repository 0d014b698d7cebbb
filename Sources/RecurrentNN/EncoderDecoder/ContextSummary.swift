import NumericKernels
import Options
import Parameters

/// How the vector c that summarizes a whole source is made from its encoder's states.
public struct SummaryForm: Sendable, Hashable {
  public enum Kind: String, OptionChoice {
    /// The last hidden state of the top layer; for a bidirectional layer, those of both directions, each after ITS last step.
    case last
    /// tanh(W h_last + b).
    case lastTransform = "last-transform"
    /// (1/S) Σ_j tanh(W h_j + b), the mean over the states of all S steps.
    case allTransform = "all-transform"
  }

  public var kind: Kind
  /// The width of the transform, if there is one; nil: as wide as h_last.
  public var size: Int?

  public init(_ kind: Kind, size: Int? = nil) { (self.kind, self.size) = (kind, size) }

  public static let last = SummaryForm(.last)
  public static func lastTransform(size: Int? = nil) -> SummaryForm {
    SummaryForm(.lastTransform, size: size)
  }
  public static func allTransform(size: Int? = nil) -> SummaryForm { SummaryForm(.allTransform, size: size) }
}

/// Summarizes a source in one vector. Parameters, if there is a transform: `weight` [C, D], `bias` [C].
struct ContextSummary<Element: Scalar>: Sendable {
  private let ofAll: Bool
  private let transform: Linear<Element>?
  let size: Int

  init(_ form: SummaryForm, outputSize: Int, in builder: inout ParameterLayout.Builder) {
    ofAll = form.kind == .allTransform
    size = form.kind == .last ? outputSize : form.size ?? outputSize
    transform =
      form.kind == .last
      ? nil : Linear(inputSize: outputSize, outputSize: size, activation: .tanh, in: &builder)
  }

  /// The forward cache.
  struct Pass {
    /// tanh(W h + b), of the last states or of all.
    fileprivate let transformed: MatrixView<Element>
    /// For each packed row of the source the row of c; nil for the last state.
    fileprivate let rows: UnsafePointer<Int32>?
    fileprivate let weights: MatrixView<Element>
  }

  /// Overwrites c.
  ///
  /// - Parameters:
  ///   - last: top hidden states, [B, D], in the order of c.
  ///   - order: the caller's sentence of each row of c.
  func forward(
    _ encoded: Encoder<Element>.Pass, last: MatrixView<Element>, order: [Int], into c: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> Pass {
    let arena = context.arena
    guard let transform else {
      c.copy(from: last)
      return Pass(transformed: last, rows: nil, weights: last)
    }
    guard ofAll else {
      let y = arena.matrix(last.rows, size)
      transform.forward(last, into: y, context)
      c.copy(from: y)
      return Pass(transformed: y, rows: nil, weights: y)
    }
    let layout = encoded.layout
    let y = arena.matrix(layout.rowCount, size)
    transform.forward(encoded.output, into: y, context)
    let positions = layout.positions
    let weights = arena.zeros(1, order.count)
    var rowOfSource = [Int](repeating: 0, count: order.count)
    for (row, sentence) in order.enumerated() {
      let source = positions[sentence]
      rowOfSource[source] = row
      weights.base[row] = layout.lengths[source] == 0 ? 0 : 1 / Element(layout.lengths[source])
    }
    let index = layout.rowIndex(arena) { _, source in rowOfSource[source] }
    let sums = arena.zeros(order.count, size)
    sums.scatterAddRows(y, at: index)
    scale(sums, by: weights, into: c)
    return Pass(transformed: y, rows: index, weights: weights)
  }

  private func scale(_ x: MatrixView<Element>, by weights: MatrixView<Element>, into y: MatrixView<Element>) {
    y.fill(0)
    for row in 0..<x.rows { y.row(row).addScaled(weights.base[row], x.row(row), count: size) }
  }

  /// ADDS to the gradients of the last states [B, D] and of the source's outputs [rowCount, D], and of the parameters.
  func backward(
    _ pass: Pass, _ encoded: Encoder<Element>.Pass, last: MatrixView<Element>,
    gradient dc: MatrixView<Element>,
    lastGradient: MatrixView<Element>, outputGradient: MatrixView<Element>,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    guard let transform else { return lastGradient.add(dc) }
    let arena = context.arena
    arena.scoped {
      let dy = arena.matrix(pass.transformed.rows, size)
      let (h, target) = ofAll ? (encoded.output, outputGradient) : (last, lastGradient)
      if let rows = pass.rows {
        let scaled = arena.matrix(dc.rows, size)
        scale(dc, by: pass.weights, into: scaled)
        dy.gatherRows(of: scaled, at: rows)
      } else {
        dy.copy(from: dc)
      }
      let dh = arena.matrix(h.rows, h.columns)
      transform.backward(h, pass.transformed, dy, inputGradient: dh, into: gradients, context)
      target.add(dh)
    }
  }
}
