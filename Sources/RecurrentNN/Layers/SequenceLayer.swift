import NumericKernels
import Parameters

/// The inputs that all layers need in a step: the values of the parameters, scratch memory, and the coordinates of dropout masks.
public struct LayerContext<Element: Scalar> {
  public let parameters: ParameterBuffer<Element>
  public let workspace: Workspace<Element>
  /// nil when evaluating: nothing is dropped.
  public let dropout: DropoutContext?

  public init(
    parameters: ParameterBuffer<Element>, workspace: Workspace<Element>, dropout: DropoutContext? = nil
  ) {
    self.parameters = parameters
    self.workspace = workspace
    self.dropout = dropout
  }

  /// Scratch memory of the step.
  public var arena: Arena<Element> { workspace.arena }

  /// This context with other masks; nil: none.
  func with(_ masks: DropoutContext?) -> LayerContext {
    LayerContext(parameters: parameters, workspace: workspace, dropout: masks)
  }

  /// This context with the masks of the rows from `row` on, for a batch that is processed in parts.
  func rows(from row: Int) -> LayerContext {
    with(dropout.map { $0.at(rows: $0.rows.dropFirst(row), firstStream: $0.firstStream) })
  }

  /// This context without masks, for a part whose rows are not those that the masks belong to.
  var withoutMasks: LayerContext { with(nil) }

  /// The workspace's packed copy of the whole weight or of some of its rows or columns.
  public func packed(
    _ weight: Parameter, rows: Range<Int>? = nil, columns: Range<Int>? = nil, transposed: Bool
  ) -> PackedMatrix<Element> {
    workspace.packed(weight, rows: rows, columns: columns, of: parameters, transposed: transposed)
  }

  /// Drops units if there are masks and does nothing otherwise. On a gradient this is the backward pass of dropout.
  ///
  /// - Parameters:
  ///   - y: overwritten with the result; nil: `x` itself.
  ///   - stream: the number of the stream of the masks.
  ///   - firstRow: row of the batch that is row 0 of `x`.
  func drop(
    _ x: MatrixView<Element>, into y: MatrixView<Element>? = nil, rate: Double, stream: Int, firstRow: Int = 0
  ) {
    guard let masks = dropout, rate > 0 else { return }
    Element.dropout(
      from: x, to: y ?? x, masks.rows.dropFirst(firstRow), masks.key(stream: stream), rate: rate)
  }

  /// Rows of a table: looked up here if units are dropped, otherwise by the layer that reads them, which may project the table
  /// instead.
  func embedded(
    _ ids: UnsafePointer<Int32>, count: Int, table: Parameter, dropout rate: Double
  ) -> SequenceInput<Element> {
    guard dropout != nil, rate > 0 else { return .indexed(ids, count: count, table: table) }
    let x = arena.matrix(count, table.shape[1])
    x.gatherRows(of: parameters.matrix(table), at: ids)
    drop(x, rate: rate, stream: 0)
    return .dense(x)
  }

  /// A copy with dropped units, or the matrix itself if nothing is dropped.
  func dropped(_ x: MatrixView<Element>, rate: Double, stream: Int) -> MatrixView<Element> {
    guard dropout != nil, rate > 0 else { return x }
    let result = arena.matrix(x.rows, x.columns)
    drop(x, into: result, rate: rate, stream: stream)
    return result
  }
}

/// The coordinates of all dropout masks of a step: they depend on the run's seed, the step, the sample and its time step
/// only, so any number of ranks drops the same units.
public struct DropoutContext {
  public let seed: UInt64
  public let step: UInt64
  /// Global sample and time step of every row of the packed batch.
  public let rows: RowCoordinates
  /// Added to the number of every stream, so that the parts of a model (encoder, decoder, embeddings) never
  /// share a mask.
  public let firstStream: Int

  public init(seed: UInt64, step: UInt64, rows: RowCoordinates, firstStream: Int = 0) {
    self.seed = seed
    self.step = step
    self.rows = rows
    self.firstStream = firstStream
  }

  /// The same run and step with other rows and streams: the masks of another part of the model.
  public func at(rows: RowCoordinates, firstStream: Int) -> DropoutContext {
    DropoutContext(seed: seed, step: step, rows: rows, firstStream: firstStream)
  }

  func key(stream: Int) -> DropoutKey {
    DropoutKey(seed: seed, step: step, stream: UInt32(firstStream + stream))
  }
}

/// The input of a layer for all rows of a packed batch.
public enum SequenceInput<Element: Scalar> {
  /// One vector per row, [rowCount, inputSize].
  case dense(MatrixView<Element>)
  /// One row of a parameter table [V, inputSize] for each row: an embedding that has not been looked up yet.
  /// A cell may then multiply the table instead of the rows, which is cheaper if there are more rows than
  /// table entries.
  case indexed(UnsafePointer<Int32>, count: Int, table: Parameter)

  /// Width of the vectors.
  public var width: Int {
    switch self {
    case .dense(let x): x.columns
    case .indexed(_, _, let table): table.shape[1]
    }
  }
}

/// A layer over packed sequences: a cell unrolled over time, a stack of them, or two directions.
///
/// A layer is a value of sizes and parameter handles; it does not own parameter values.
public protocol SequenceLayer<Element>: Sendable {
  associatedtype Element: Scalar
  /// Width of the input vectors.
  var inputSize: Int { get }
  /// Width of the output vectors.
  var outputSize: Int { get }
  /// The shape of the state.
  var stateSize: StateSize { get }
  /// Handles of all parameters, in layout order.
  var parameters: [Parameter] { get }

  /// Runs all time steps.
  ///
  /// - Parameters:
  ///   - input: `layout.rowCount` vectors of `inputSize`.
  ///   - initial: the state before the first step, for each part of ``stateSize`` a matrix [batchSize, part]
  ///     in sorted order.
  /// - Returns: output and final state, and the caches for
  ///   ``backpropagate(_:outputGradient:stateGradient:inputGradient:into:_:)``.
  func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element>

  /// The backward pass over all time steps, once for each call of `unroll`.
  ///
  /// - Parameters:
  ///   - outputGradient: gradient of the output, [rowCount, outputSize].
  ///   - stateGradient: gradient of the final state on entry, of the initial state on return.
  ///   - inputGradient: overwritten with the gradient of a dense input, [rowCount, inputSize]; nil if it is
  ///     not needed. The gradient of an indexed input is added to that of its table.
  ///   - gradients: parameter gradients are ADDED here.
  func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>)
}

extension SequenceLayer {
  /// The zero state: for each part of ``stateSize`` a matrix [batchSize, part] in arena memory. It also serves as the
  /// gradient of a final state that no layer reads.
  public func zeroState(_ batchSize: Int, in arena: Arena<Element>) -> [MatrixView<Element>] {
    stateSize.parts.map { arena.zeros(batchSize, $0) }
  }
}
