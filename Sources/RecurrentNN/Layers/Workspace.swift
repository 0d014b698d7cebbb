import NumericKernels
import Parameters

/// What a model needs besides its parameters: scratch memory and packed copies of the weights used at every
/// time step.
public final class Workspace<Element: Scalar> {
  public let arena = Arena<Element>()
  /// How the layers multiply.
  public private(set) var mode: ProductMode

  private struct Key: Hashable {
    let offset: Int
    let rows: Range<Int>
    let columns: Range<Int>
    let transposed: Bool
  }
  private var packs: [Key: PackedWeight<Element>] = [:]
  /// The walk of an update, until there is another packed copy.
  private var sweep: UpdateSweep<Element>?

  /// Bytes of all packed copies.
  public var packedBytes: Int { packs.values.reduce(0) { $0 + $1.matrix.packedBytes } }

  /// - Parameter precision: of the operands of products; everything else is computed in `Element`.
  public init(precision: ProductPrecision = .fp32) { mode = ProductMode(precision) }

  /// Computes products of single precision as a table says from now on, nil: as the rule says.
  public func choose(_ table: ProductTable?) {
    mode = ProductMode(mode.precision, choosing: table)
    for pack in packs.values { pack.matrix.choose(mode) }
  }

  /// The packed form of (some rows or columns of) a weight, packed again only if the parameters have changed since.
  func packed(
    _ weight: Parameter, rows: Range<Int>?, columns: Range<Int>?, of parameters: ParameterBuffer<Element>,
    transposed: Bool
  ) -> PackedMatrix<Element> {
    let whole = parameters.matrix(weight)
    let (rows, columns) = (rows ?? 0..<whole.rows, columns ?? 0..<whole.columns)
    let key = Key(offset: weight.offset, rows: rows, columns: columns, transposed: transposed)
    if let pack = packs[key], pack.parameters === parameters {
      pack.refresh()
      return pack.matrix
    }
    let matrix = PackedMatrix(whole.rows(rows).columns(columns), transposed: transposed, mode: mode)
    packs[key] = PackedWeight(
      matrix, of: parameters, elements: weight.offset + rows.lowerBound * whole.columns, rows: rows.count,
      width: whole.columns)
    sweep = nil
    return matrix
  }

  /// Updates all parameters by `update` and packs those again whose packed copies have been read since the last update,
  /// block by block, so that a weight is packed while the update has it in cache.
  ///
  /// - Parameter update: updates a range of elements; called from the threads of the kernels, for each element once.
  public func update(_ parameters: ParameterBuffer<Element>, by update: (Range<Int>) -> Void) {
    let walk: UpdateSweep<Element>
    if let sweep, sweep.parameters === parameters {
      walk = sweep
    } else {
      walk = UpdateSweep(parameters, packs.values.filter { $0.parameters === parameters })
      sweep = walk
    }
    parameters.didChange()
    walk.run(update)
  }
}

extension LayerContext {
  /// `c = op(a) op(b)`, or `c += op(a) op(b)` if `accumulate`, in the precision of the workspace.
  func multiply(
    _ a: MatrixView<Element>, _ b: MatrixView<Element>, _ transposition: Transposition = .none,
    into c: MatrixView<Element>, accumulate: Bool = false
  ) {
    NumericKernels.multiply(a, b, transposition, into: c, accumulate: accumulate, mode: workspace.mode)
  }

  /// `c = a W`, or `c = a Wᵀ` if `transposed`; `c +=` if `accumulate`: from a packed copy that is kept, or for many rows from
  /// the weight itself.
  ///
  /// - Parameter columns: of W that are multiplied, the others being left out; nil: all.
  func multiply(
    _ a: MatrixView<Element>, by weight: Parameter, columns: Range<Int>? = nil, transposed: Bool,
    into c: MatrixView<Element>, accumulate: Bool = false
  ) {
    if a.rows < rowsWorthPacking {
      packed(weight, columns: columns, transposed: transposed).multiply(a, into: c, accumulate: accumulate)
    } else {
      let whole = parameters.matrix(weight)
      multiply(
        a, columns.map { whole.columns($0) } ?? whole, transposed ? .right : .none, into: c,
        accumulate: accumulate)
    }
  }

  /// Products of so many rows are those of all time steps at once, one for an update: a copy that is kept would save no
  /// packing, and takes as much memory as the weight.
  private var rowsWorthPacking: Int { 256 }
}
