import NumericKernels
import Optimizers
import Parameters

/// The memory of a model besides its parameters: scratch memory, and packed copies of the weights that every time step
/// uses.
public final class Workspace<Element: Scalar> {
  public let arena = Arena<Element>()
  /// The mode of the layers' matrix products.
  public private(set) var mode: ProductMode

  private struct Key: Hashable {
    let offset: Int
    let rows: Range<Int>
    let columns: Range<Int>
    let transposed: Bool
  }
  private var packs: [Key: PackedWeight<Element>] = [:]
  /// The blocks of an update, valid until another packed copy is made.
  private var blocks: ParameterBlocks<Element>?

  /// Bytes of all packed copies.
  public var packedBytes: Int { packs.values.reduce(0) { $0 + $1.matrix.packedBytes } }

  /// - Parameters:
  ///   - precision: the precision of the operands of GEMMs; everything else is computed in `Element`.
  ///   - hasOneOrder: GEMMs have the same bits with AVX2 and AVX-512, see `ProductMode.hasOneOrder`.
  public init(precision: ProductPrecision = .fp32, hasOneOrder: Bool = false) {
    mode = ProductMode(precision, hasOneOrder: hasOneOrder)
  }

  /// Sets the table that chooses the algorithms of single-precision GEMMs from now on; nil: the built-in rule.
  public func choose(_ table: ProductTable?) {
    mode = ProductMode(mode.precision, choosing: table, hasOneOrder: mode.hasOneOrder)
    for pack in packs.values { pack.matrix.choose(mode) }
  }

  /// The packed form of (some rows or columns of) a weight, packed again only if the parameters have changed since. Several
  /// threads may multiply with it if the kernels compute all products.
  @_specialize(where Element == Float)
  func packed(
    _ weight: Parameter, rows: Range<Int>?, columns: Range<Int>?, of parameters: ParameterBuffer<Element>,
    transposed: Bool
  ) -> PackedMatrix<Element> {
    let whole = parameters.matrix(weight)
    let (rows, columns) = (rows ?? 0..<whole.rows, columns ?? 0..<whole.columns)
    let key = Key(offset: weight.offset, rows: rows, columns: columns, transposed: transposed)
    if let pack = packs[key], pack.origin == Origin(parameters) {
      pack.refresh()
      pack.matrix.prepare()
      return pack.matrix
    }
    let matrix = PackedMatrix(whole.rows(rows).columns(columns), transposed: transposed, mode: mode)
    matrix.prepare()
    packs[key] = PackedWeight(
      matrix, of: parameters, elements: weight.offset + rows.lowerBound * whole.columns, rows: rows.count,
      width: whole.columns)
    blocks = nil
    return matrix
  }

  /// Visits the flat buffer of the parameters block by block, for an update. After each block, the weights in it whose
  /// packed copies have been read since the last update are packed again while they are in cache.
  ///
  /// - Parameter change: changes the elements of a range. It is called from the threads of the kernels, for each
  ///   element once.
  public func forEachBlock(of parameters: ParameterBuffer<Element>, _ change: (Range<Int>) -> Void) {
    let origin = Origin(parameters)
    if blocks?.origin != origin {
      blocks = ParameterBlocks(origin, packs.values.filter { $0.origin == origin })
    }
    guard let blocks else { return }
    parameters.didChange()
    KernelThreads.forEach(blocks.all.count, as: .optimizer) { index in
      let block = blocks.all[index]
      change(block.elements)
      for pack in block.packs.indices { block.packs[pack].matrix.repack(sourceRows: block.rows) }
    }
    // Loops over indexes, because an iterator would be allocated on the heap.
    for index in blocks.packs.indices { blocks.packs[index].endRepacking() }
  }
}

extension Optimizer {
  /// Makes one update of a model: overwrites the parameters and this optimizer's moments.
  ///
  /// - Parameters:
  ///   - parameters: θ.
  ///   - gradients: with the same layout, normally SUMS over the tokens of a batch. They are only read.
  ///   - scale: the rule sees g = scale·gradients. For sums this is 1 over the number of tokens, times a clip factor (see
  ///     ``clipFactor(norm:maximum:)``).
  ///   - learningRate: η.
  ///   - workspace: the one that the layers compute with. It keeps its packed copies of the parameters up to date.
  public func update(
    _ parameters: ParameterBuffer<S>, by gradients: ParameterBuffer<S>, scale: Double, learningRate: Double,
    in workspace: Workspace<S>
  ) {
    let update = beginUpdate(
      parameters: parameters.elements, gradients: UnsafeBufferPointer(gradients.elements),
      gradientScale: scale, learningRate: learningRate, within: gradients.spans)
    workspace.forEachBlock(of: parameters) { update.apply(to: $0) }
  }
}

extension LayerContext {
  /// `c = op(a) op(b)`, or `c += op(a) op(b)` if `accumulate`, in the precision of the workspace.
  public func multiply(
    _ a: MatrixView<Element>, _ b: MatrixView<Element>, _ transposition: Transposition = .none,
    into c: MatrixView<Element>, accumulate: Bool = false
  ) {
    NumericKernels.multiply(a, b, transposition, into: c, accumulate: accumulate, mode: workspace.mode)
  }

  /// `c = a W`, or `c = a Wᵀ` if `transposed`; `c +=` if `accumulate`: with a packed copy that is kept, or for many rows
  /// with the weight itself.
  ///
  /// - Parameter columns: the columns of W that are multiplied; nil: all.
  public func multiply(
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

  /// GEMMs with at least this number of rows cover all time steps and run once per update. Keeping a packed copy for them
  /// would save no packing, and would take as much memory as the weight. Only packed copies are quantized.
  private var rowsWorthPacking: Int { workspace.mode.precision == .int8 ? .max : 256 }
}

/// The parameters that copies are made from, and their memory: when a buffer moves, the copies that were made before read
/// memory that it no longer owns.
private struct Origin<Element: Scalar>: Equatable {
  let parameters: ParameterBuffer<Element>
  private let memory: UnsafeMutablePointer<Element>?

  init(_ parameters: ParameterBuffer<Element>) {
    self.parameters = parameters
    memory = parameters.elements.baseAddress
  }

  static func == (a: Origin, b: Origin) -> Bool { a.parameters === b.parameters && a.memory == b.memory }
}

/// A packed copy of (some rows or columns of) a weight, and the version of the parameters that it was made from.
private final class PackedWeight<Element: Scalar> {
  var matrix: PackedMatrix<Element>
  let origin: Origin<Element>
  /// Index in the flat buffer of the first row, with the columns that are not packed.
  let begin: Int
  let rows: Int
  /// Columns of the weight.
  let width: Int
  private var version: Int

  init(
    _ matrix: PackedMatrix<Element>, of parameters: ParameterBuffer<Element>, elements begin: Int, rows: Int,
    width: Int
  ) {
    (self.matrix, origin) = (matrix, Origin(parameters))
    (self.begin, self.rows, self.width) = (begin, rows, width)
    version = parameters.version
  }

  /// Packs again if the parameters have changed since.
  func refresh() {
    guard version != origin.parameters.version else { return }
    matrix.repack()
    version = origin.parameters.version
  }

  /// Call it when an update has visited all rows. A copy that has been read since the last update is now packed from the
  /// new values. Any other (one that only an evaluation needs) stays out of date until it is read again.
  func endRepacking() {
    matrix.endRepacking()
    version = origin.parameters.version
  }
}

/// A flat buffer cut into blocks for an update, each with the packed copies that are made from it.
private struct ParameterBlocks<Element: Scalar> {
  struct Block {
    let elements: Range<Int>
    /// Rows of the packed copies that the block consists of.
    let rows: Range<Int>
    let packs: [PackedWeight<Element>]
  }
  let origin: Origin<Element>
  private(set) var all: [Block] = []
  /// The copies that are packed block by block.
  private(set) var packs: [PackedWeight<Element>] = []

  /// The approximate number of elements of a block: with gradient, moments and packed words it stays in the second-level
  /// cache.
  private static var blockSize: Int { 1 << 15 }

  /// Two copies whose rows overlap without being the same can't both be packed block by block: the second is packed when
  /// it is next read.
  init(_ origin: Origin<Element>, _ packs: [PackedWeight<Element>]) {
    self.origin = origin
    var rest = packs.sorted { ($0.begin, $0.rows) < ($1.begin, $1.rows) }[...]
    var next = 0
    while let first = rest.first {
      let same = rest.prefix { $0.begin == first.begin && $0.rows == first.rows }
      rest = rest.dropFirst(same.count)
      guard first.begin >= next else { continue }
      self.packs += same
      addPlain(next..<first.begin)
      addRows(Array(same))
      next = first.begin + first.rows * first.width
    }
    addPlain(next..<origin.parameters.count)
  }

  private mutating func addPlain(_ range: Range<Int>) {
    for begin in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockSize) {
      all.append(
        Block(elements: begin..<min(begin + Self.blockSize, range.upperBound), rows: 0..<0, packs: []))
    }
  }

  private mutating func addRows(_ packs: [PackedWeight<Element>]) {
    let (begin, rows, columns) = (packs[0].begin, packs[0].rows, packs[0].width)
    let unit = PackedMatrix<Element>.rowUnit
    let height = max(unit, Self.blockSize / max(1, columns) / unit * unit)
    for first in stride(from: 0, to: rows, by: height) {
      let range = first..<min(first + height, rows)
      all.append(
        Block(
          elements: begin + range.lowerBound * columns..<begin + range.upperBound * columns, rows: range,
          packs: packs))
    }
  }
}
