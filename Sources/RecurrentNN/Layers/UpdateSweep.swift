import NumericKernels
import Parameters

/// A packed copy of (some rows of) a weight, and of which version of the parameters it is.
final class PackedWeight<Element: Scalar> {
  var matrix: PackedMatrix<Element>
  let parameters: ParameterBuffer<Element>
  /// Where the rows begin in the flat buffer.
  let begin: Int
  let rows: Int
  let columns: Int
  private var version: Int
  /// True if somebody has asked for the copy since the last update: what only an evaluation needs is not packed again
  /// after every step.
  private(set) var isInUse = true

  init(
    _ matrix: PackedMatrix<Element>, of parameters: ParameterBuffer<Element>, elements begin: Int, rows: Int,
    columns: Int
  ) {
    (self.matrix, self.parameters) = (matrix, parameters)
    (self.begin, self.rows, self.columns) = (begin, rows, columns)
    version = parameters.version
  }

  /// Packs again if the parameters have changed since.
  func refresh() {
    isInUse = true
    guard version != parameters.version else { return }
    matrix.repack()
    version = parameters.version
  }

  /// Begins another step; `isFresh`: all rows have been packed from the present values.
  func nextStep(isFresh: Bool) {
    isInUse = false
    matrix.endRepacking()
    if isFresh { version = parameters.version }
  }
}

/// The one walk over the flat buffer that an update makes: every block is updated and, if it belongs to a weight with
/// packed copies, packed while it is in cache.
struct UpdateSweep<Element: Scalar> {
  private struct Block {
    let elements: Range<Int>
    /// Rows of the weight the block consists of.
    let rows: Range<Int>
    let packs: [PackedWeight<Element>]
  }
  private var parameters: ParameterBuffer<Element>?
  private var packs: [(copy: PackedWeight<Element>, isSwept: Bool)] = []
  private var blocks: [Block] = []

  /// Elements of a block, about: with gradient, moments and packed words it stays in the second-level cache.
  private static var blockSize: Int { 1 << 15 }

  init() {}

  /// Two copies whose rows overlap without being the same can't both be packed block by block: the second waits until it
  /// is asked for.
  init(_ parameters: ParameterBuffer<Element>, _ packs: [PackedWeight<Element>]) {
    self.parameters = parameters
    var rest = packs.sorted { ($0.begin, $0.rows) < ($1.begin, $1.rows) }[...]
    var next = 0
    while let first = rest.first {
      let same = rest.prefix { $0.begin == first.begin && $0.rows == first.rows }
      rest = rest.dropFirst(same.count)
      let isSwept = first.begin >= next
      self.packs += same.map { ($0, isSwept) }
      guard isSwept else { continue }
      addPlain(next..<first.begin)
      addRows(Array(same))
      next = first.begin + first.rows * first.columns
    }
    addPlain(next..<parameters.count)
  }

  private mutating func addPlain(_ range: Range<Int>) {
    for begin in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockSize) {
      blocks.append(
        Block(elements: begin..<min(begin + Self.blockSize, range.upperBound), rows: 0..<0, packs: []))
    }
  }

  private mutating func addRows(_ packs: [PackedWeight<Element>]) {
    let (begin, rows, columns) = (packs[0].begin, packs[0].rows, packs[0].columns)
    let unit = PackedMatrix<Element>.rowUnit
    let height = max(unit, Self.blockSize / max(1, columns) / unit * unit)
    for first in stride(from: 0, to: rows, by: height) {
      let range = first..<min(first + height, rows)
      blocks.append(
        Block(
          elements: begin + range.lowerBound * columns..<begin + range.upperBound * columns, rows: range,
          packs: packs))
    }
  }

  /// True if this walk is of these parameters and of the copies in use, of which there are so many.
  func isOf(_ parameters: ParameterBuffer<Element>, copiesInUse count: Int) -> Bool {
    guard self.parameters === parameters, packs.count == count else { return false }
    for index in packs.indices where !packs[index].copy.isInUse { return false }
    return true
  }

  /// Calls `update` for every block and packs what belongs to it. The parameters' version is the new one already.
  func run(_ update: (Range<Int>) -> Void) {
    KernelThreads.forEach(blocks.count, as: .optimizer) { index in
      let block = blocks[index]
      update(block.elements)
      for pack in block.packs.indices { block.packs[pack].matrix.repack(sourceRows: block.rows) }
    }
    for index in packs.indices { packs[index].copy.nextStep(isFresh: packs[index].isSwept) }
  }
}
