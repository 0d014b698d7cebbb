import NumericKernels
import Testing

@Suite struct PackedMatrixTests {
  private static let sizes = [1, 63, 64, 65, 130]

  @Test(arguments: sizes, Precision.allCases)
  func equalsTheSum(depth: Int, precision: Precision) {
    check(depth, precision.type)
  }

  /// The product for the largest sizes contains those for all smaller sizes.
  private func check<Element: Scalar>(_ depth: Int, _ type: Element.Type) {
    let (rows, columns) = (13, 130)
    func left(_ i: Int, _ j: Int) -> Element { smallInteger(i, j, salt: 1) }
    func right(_ i: Int, _ j: Int) -> Element { smallInteger(i, j, salt: 2) }
    let product = (0..<rows).map { i in
      (0..<columns).map { j in (0..<depth).reduce(Element(0)) { $0 + left(i, $1) * right($1, j) } }
    }
    let a = Block(rows: rows, columns: depth, gap: 5, left)
    for n in Self.sizes {
      for transposed in [false, true] {
        let source =
          transposed
          ? Block(rows: n, columns: depth, gap: 2) { right($1, $0) }
          : Block(rows: depth, columns: n, gap: 2, right)
        let packed = PackedMatrix(source.view, transposed: transposed)
        #expect(packed.rows == depth && packed.columns == n)
        for m in 1...rows {
          for accumulate in [false, true] {
            let c = Block<Element>(rows: m, columns: n, gap: 3) { _, column in
              accumulate ? Element(column) : .nan
            }
            packed.multiply(a.view.rows(0..<m), into: c.view, accumulate: accumulate)
            let expected = product[..<m].flatMap { row in
              row[..<n].enumerated().map { accumulate ? $0.element + Element($0.offset) : $0.element }
            }
            #expect(
              c.values == expected, "\(m) x \(depth) x \(n) transposed \(transposed) accumulate \(accumulate)"
            )
            #expect(c.gapsAreUntouched)
          }
        }
      }
    }
  }

  @Test(arguments: [false, true])
  func repackingTakesTheNewValues(transposed: Bool) {
    let source = Block<Float>(rows: 3, columns: 3) { $0 == $1 ? 1 : 0 }
    let packed = PackedMatrix(source.view, transposed: transposed)
    source.view[0, 1] = 5
    packed.repack()
    let a = Block<Float>(rows: 1, columns: 3, [1, 2, 3])
    let c = Block<Float>(rows: 1, columns: 3) { _, _ in 0 }
    packed.multiply(a.view, into: c.view, accumulate: false)
    #expect(c.values == (transposed ? [11, 2, 3] : [1, 7, 3]))
  }

  /// A matrix that is packed again in parts, in any order, equals one that is packed as a whole. A part does not change
  /// the others.
  @Test(arguments: [false, true], ProductPrecision.allCases)
  func piecesAreTheWhole(transposed: Bool, precision: ProductPrecision) {
    for (rows, columns) in [(1, 1), (16, 64), (33, 65), (100, 31), (129, 130)] {
      let source = Block<Float>(rows: rows, columns: columns, gap: 3) { _, _ in 0.5 }
      let packed = PackedMatrix(source.view, transposed: transposed, mode: ProductMode(precision))
      func product(_ matrix: PackedMatrix<Float>) -> [Float] {
        let a = Block<Float>(rows: 3, columns: matrix.rows) { smallInteger($0, $1, salt: 7) }
        let c = Block<Float>(rows: 3, columns: matrix.columns) { _, _ in .nan }
        matrix.multiply(a.view, into: c.view, accumulate: false)
        return c.values
      }
      let unit = PackedMatrix<Float>.rowUnit
      let pieces = stride(from: 0, to: rows, by: 2 * unit).map { $0..<min($0 + 2 * unit, rows) }
      for piece in pieces.reversed() {
        for row in piece {
          for column in 0..<columns { source.view[row, column] = smallInteger(row, column, salt: 3) }
        }
        packed.repack(sourceRows: piece)
        let whole = PackedMatrix(source.view, transposed: transposed, mode: ProductMode(precision))
        #expect(product(packed) == product(whole), "[\(rows), \(columns)] after rows \(piece)")
      }
    }
  }

  /// A copy that is not read is not packed again in every step, and it is correct when it is read.
  @Test(arguments: [false, true])
  func anUnreadCopyIsNotPackedAgain(transposed: Bool) {
    let source = Block<Float>(rows: 3, columns: 3) { $0 == $1 ? 1 : 0 }
    let packed = PackedMatrix(source.view, transposed: transposed, mode: ProductMode(on: .inUse))
    let a = Block<Float>(rows: 1, columns: 3, [1, 2, 3])
    let c = Block<Float>(rows: 1, columns: 3) { _, _ in 0 }
    for (value, isRead) in [(Float(5), true), (6, false), (7, false), (8, true), (9, true)] {
      source.view[0, 1] = value
      packed.repack(sourceRows: 0..<3)
      packed.endRepacking()
      guard isRead else { continue }
      packed.multiply(a.view, into: c.view, accumulate: false)
      #expect(c.values == (transposed ? [1 + 2 * value, 2, 3] : [1, 2 + value, 3]))
    }
  }

  @Test func noRows() {
    let source = Block<Float>(rows: 4, columns: 5) { _, _ in 1 }
    let (a, c) = (Block<Float>(rows: 0, columns: 4, []), Block<Float>(rows: 0, columns: 5, []))
    PackedMatrix(source.view, transposed: false).multiply(a.view, into: c.view, accumulate: false)
    #expect(c.values.isEmpty)
  }
}
