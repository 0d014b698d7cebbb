import NumericKernels
import Parameters

/// What a model reads at every step, and how it becomes a vector.
public enum InputShape: Sendable, Hashable {
  /// Token ids, looked up in a table [vocabularySize, embeddingSize].
  case tokens(vocabularySize: Int, embeddingSize: Int)
  /// Vectors of numbers, used as they are.
  case vectors(size: Int)
}

/// The lowest layer of a model: token ids to vectors by a table `weight` [V, E], or vectors as they are.
public struct InputEmbedding<Element: Scalar>: Sendable {
  public let shape: InputShape
  /// Probability to drop a unit of the vectors, when training.
  public let dropout: Double
  /// The table; nil for inputs that are vectors.
  public let table: Parameter?

  /// Adds `weight`, drawn from N(0, 1) as torch.nn.Embedding does, if there is a table.
  public init(_ shape: InputShape, dropout: Double = 0, in builder: inout ParameterLayout.Builder) {
    self.shape = shape
    self.dropout = dropout
    switch shape {
    case .tokens(let vocabularySize, let embeddingSize):
      table = builder.add("weight", [vocabularySize, embeddingSize], .normal(standardDeviation: 1))
    case .vectors:
      table = nil
    }
  }

  /// Width of a step's vector.
  public var outputSize: Int {
    switch shape {
    case .tokens(_, let embeddingSize): embeddingSize
    case .vectors(let size): size
    }
  }

  public var parameters: [Parameter] { table.map { [$0] } ?? [] }

  /// What the forward pass keeps for the backward pass.
  public struct Trace {
    /// The vectors of all packed rows, or the ids that still have to be looked up.
    public let output: SequenceInput<Element>
    /// Ids of the packed rows; nil for vectors.
    let ids: UnsafePointer<Int32>?
  }

  /// The packed rows of a batch. Nothing is looked up here unless units are dropped: a layer may project the table
  /// instead of the rows.
  ///
  /// - Parameter context: with the masks of `layout`, of which stream 0 is used.
  public func forward(
    _ input: InputSequences<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> Trace {
    let callerRows = layout.callerRows(context.arena)
    switch (input.content, table) {
    case (.tokens(let ids, _), .some(let table)):
      let packed = context.arena.words(layout.rowCount, of: Int32.self)
      for row in 0..<layout.rowCount {
        packed[row] = ids[Int(callerRows[row])]
        precondition(
          packed[row] >= 0 && Int(packed[row]) < table.shape[0],
          "id \(packed[row]) for a vocabulary of \(table.shape[0])")
      }
      let index = UnsafePointer(packed.baseAddress!)
      guard context.dropout != nil, dropout > 0 else {
        return Trace(output: .indexed(index, count: layout.rowCount, table: table), ids: index)
      }
      return Trace(output: .dense(lookUp(index, layout.rowCount, table, context)), ids: index)
    case (.vectors(let values, let width), .none):
      precondition(width == outputSize, "vectors of \(width) numbers for a model that reads \(outputSize)")
      let x = context.arena.matrix(layout.rowCount, width)
      Element.gatherRows(values, width, callerRows, layout.rowCount, width, x.base, x.stride)
      drop(x, context)
      return Trace(output: .dense(x), ids: nil)
    default:
      preconditionFailure("tokens for a model that reads vectors, or vectors for one that reads tokens")
    }
  }

  private func lookUp(
    _ index: UnsafePointer<Int32>, _ count: Int, _ table: Parameter, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let entries = context.parameters.matrix(table)
    let x = context.arena.matrix(count, entries.columns)
    Element.gatherRows(entries.base, entries.stride, index, count, entries.columns, x.base, x.stride)
    drop(x, context)
    return x
  }

  private func drop(_ x: MatrixView<Element>, _ context: LayerContext<Element>) {
    guard let masks = context.dropout, dropout > 0 else { return }
    Element.dropout(from: x, to: x, masks.rows, masks.key(stream: 0), rate: dropout)
  }

  /// True if the backward pass wants the gradient of the vectors; an indexed input has added its gradient to the table
  /// already, in the layer that read it.
  public func needsGradient(_ trace: Trace) -> Bool {
    if case .dense = trace.output { return trace.ids != nil }
    return false
  }

  /// Adds to the table's gradient, given that of the looked-up rows, which is overwritten.
  public func backward(
    _ trace: Trace, gradient dx: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let ids = trace.ids, let table else { return }
    drop(dx, context)
    let dTable = gradients.matrix(table)
    Element.scatterAddRows(dx.base, dx.stride, ids, dx.rows, dx.columns, dTable.base, dTable.stride)
  }
}
