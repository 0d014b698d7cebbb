import NumericKernels
import Parameters

/// A packed copy of (some rows or columns of) a weight, and of which version of the parameters it is.
final class PackedWeight<Element: Scalar> {
  var matrix: PackedMatrix<Element>
  let parameters: ParameterBuffer<Element>
  /// Where the rows begin in the flat buffer, with the columns that are not packed.
  let begin: Int
  let rows: Int
  /// Columns of the weight.
  let width: Int
  private var version: Int

  init(
    _ matrix: PackedMatrix<Element>, of parameters: ParameterBuffer<Element>, elements begin: Int, rows: Int,
    width: Int
  ) {
    (self.matrix, self.parameters) = (matrix, parameters)
    (self.begin, self.rows, self.width) = (begin, rows, width)
    version = parameters.version
  }

  /// Packs again if the parameters have changed since.
  func refresh() {
    guard version != parameters.version else { return }
    matrix.repack()
    version = parameters.version
  }

  /// Says that the walk of an update has come to all rows: what somebody reads has been packed from the present values, the
  /// rest (what only an evaluation needs) is out of date until it is read again.
  func endRepacking() {
    matrix.endRepacking()
    version = parameters.version
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
  let parameters: ParameterBuffer<Element>
  /// Those the walk packs.
  private var packs: [PackedWeight<Element>] = []
  private var blocks: [Block] = []

  /// Elements of a block, about: with gradient, moments and packed words it stays in the second-level cache.
  private static var blockSize: Int { 1 << 15 }

  /// Two copies whose rows overlap without being the same can't both be packed block by block: the second waits until it
  /// is asked for.
  init(_ parameters: ParameterBuffer<Element>, _ packs: [PackedWeight<Element>]) {
    self.parameters = parameters
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
    addPlain(next..<parameters.count)
  }

  private mutating func addPlain(_ range: Range<Int>) {
    for begin in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockSize) {
      blocks.append(
        Block(elements: begin..<min(begin + Self.blockSize, range.upperBound), rows: 0..<0, packs: []))
    }
  }

  private mutating func addRows(_ packs: [PackedWeight<Element>]) {
    let (begin, rows, columns) = (packs[0].begin, packs[0].rows, packs[0].width)
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

  /// Calls `update` for every block and packs what belongs to it. The parameters' version is the new one already.
  func run(_ update: (Range<Int>) -> Void) {
    KernelThreads.forEach(blocks.count, as: .optimizer) { index in
      let block = blocks[index]
      update(block.elements)
      for pack in block.packs.indices { block.packs[pack].matrix.repack(sourceRows: block.rows) }
    }
    // By index: an iterator would be made on the heap.
    for index in packs.indices { packs[index].endRepacking() }
  }
}
