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
    let transposed: Bool
  }
  private var packs: [Key: PackedWeight<Element>] = [:] { didSet { allPacks = Array(packs.values) } }
  private var allPacks: [PackedWeight<Element>] = []
  private var sweep = UpdateSweep<Element>()

  /// Bytes of all packed copies.
  public var packedBytes: Int { packs.values.reduce(0) { $0 + $1.matrix.packedBytes } }

  /// - Parameter precision: of the operands of products; everything else is computed in `Element`.
  public init(precision: ProductPrecision = .fp32) { mode = ProductMode(precision) }

  /// Computes products of single precision as a table says from now on, nil: as the rule says.
  public func choose(_ table: ProductTable?) {
    mode = ProductMode(mode.precision, choosing: table)
    for pack in packs.values { pack.matrix.choose(mode) }
  }

  /// The packed form of (some rows of) a weight, packed again only if the parameters have changed since.
  func packed(
    _ weight: Parameter, rows: Range<Int>?, of parameters: ParameterBuffer<Element>, transposed: Bool
  ) -> PackedMatrix<Element> {
    let whole = parameters.matrix(weight)
    let rows = rows ?? 0..<whole.rows
    let key = Key(offset: weight.offset, rows: rows, transposed: transposed)
    if let pack = packs[key], pack.parameters === parameters {
      pack.refresh()
      return pack.matrix
    }
    let matrix = PackedMatrix(whole.rows(rows), transposed: transposed, mode: mode)
    packs[key] = PackedWeight(
      matrix, of: parameters, elements: weight.offset + rows.lowerBound * whole.columns, rows: rows.count,
      columns: whole.columns)
    sweep = UpdateSweep()
    return matrix
  }

  /// Updates all parameters by `update` and packs those again whose packed copies are in use, block by block, so that a
  /// weight is packed while the update has it in cache.
  ///
  /// - Parameter update: updates a range of elements; called from the threads of the kernels, for each element once.
  public func update(_ parameters: ParameterBuffer<Element>, by update: (Range<Int>) -> Void) {
    if !sweep.isOf(parameters, copiesInUse: copiesInUse(of: parameters)) {
      sweep = UpdateSweep(parameters, packs.values.filter { $0.parameters === parameters && $0.isInUse })
    }
    parameters.didChange()
    sweep.run(update)
  }

  /// Counted by hand: an iterator would be made on the heap for every element.
  private func copiesInUse(of parameters: ParameterBuffer<Element>) -> Int {
    var count = 0
    for index in allPacks.indices where allPacks[index].parameters === parameters && allPacks[index].isInUse {
      count += 1
    }
    return count
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
  func multiply(
    _ a: MatrixView<Element>, by weight: Parameter, transposed: Bool, into c: MatrixView<Element>,
    accumulate: Bool = false
  ) {
    if a.rows < rowsWorthPacking {
      packed(weight, transposed: transposed).multiply(a, into: c, accumulate: accumulate)
    } else {
      multiply(a, parameters.matrix(weight), transposed ? .right : .none, into: c, accumulate: accumulate)
    }
  }

  /// From so many rows on packing a weight takes a hundredth of the product with it: a copy that is kept would save
  /// nothing, even if it were used often, and takes as much memory as the weight.
  private var rowsWorthPacking: Int { 256 }
}
