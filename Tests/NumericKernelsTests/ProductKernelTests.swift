import NumericKernels
import Testing

/// Compares every product kernel that this processor can run with a plain sum, for shapes on both sides of every
/// boundary: tile rows (6), panel columns (16 and 64), vector widths (4, 8, 16), pairs of depths, cache blocks.
@Suite struct ProductKernelTests {
  static let allRows = [0, 1, 5, 6, 7, 65]
  static let allColumns = [0, 1, 5, 7, 15, 16, 17, 31, 63, 64, 65, 129]
  static let depths = [0, 1, 6, 7, 63, 64, 129]
  static let sets = InstructionSet.allCases.filter(\.isAvailable)
  static let modes = sets.flatMap { set in ProductPrecision.ofTraining.map { ProductMode($0, on: set) } }

  @Test func thePortableKernelsAreEverywhere() {
    #expect(Self.sets.first == .portable)
    #expect(Self.sets.last == .best)
  }

  /// Small integers are exact in bfloat16 and their sums exact in fp32: every mode must return the same numbers.
  @Test(arguments: modes, [Transposition.none, .left, .right])
  func everyShapeEqualsTheSum(mode: ProductMode, transposition: Transposition) {
    let (m, n, k) = (65, 129, 129)
    let (a, b) = operands(m, n, k, transposition)
    for depth in Self.depths {
      let sums = product(m, n, depth)
      for rows in Self.allRows {
        for columns in Self.allColumns {
          let left = transposition == .left ? part(a, depth, rows) : part(a, rows, depth)
          let right = transposition == .right ? part(b, columns, depth) : part(b, depth, columns)
          for accumulate in [false, true] {
            let c = Block<Float>(rows: rows, columns: columns, gap: 3) { accumulate ? Float($0 - $1) : .nan }
            multiply(left, right, transposition, into: c.view, accumulate: accumulate, mode: mode)
            expect(c, sums, n, accumulate, "\(mode) \(transposition) \(rows) x \(depth) x \(columns)")
          }
        }
      }
    }
  }

  /// The same test with a packed operand.
  @Test(arguments: modes, [false, true])
  func packedShapesEqualTheSum(mode: ProductMode, transposed: Bool) {
    let (m, n, k) = (65, 129, 129)
    let (a, b) = operands(m, n, k, transposed ? .right : .none)
    for depth in Self.depths {
      let sums = product(m, n, depth)
      for columns in Self.allColumns {
        let source = transposed ? part(b, columns, depth) : part(b, depth, columns)
        let packed = PackedMatrix(source, transposed: transposed, mode: mode)
        for rows in Self.allRows {
          for accumulate in [false, true] {
            let c = Block<Float>(rows: rows, columns: columns, gap: 1) { accumulate ? Float($0 - $1) : .nan }
            packed.multiply(part(a, rows, depth), into: c.view, accumulate: accumulate)
            expect(c, sums, n, accumulate, "packed \(mode) \(transposed) \(rows) x \(depth) x \(columns)")
          }
        }
      }
    }
  }

  /// Depths, rows and columns beyond a cache block, one at a time; then enough columns for rows of A to be packed, with
  /// depths above one and above two blocks.
  @Test(
    arguments: modes,
    [(3, 5, 1801), (500, 7, 9), (4, 1100, 3), (130, 70, 1000), (13, 300, 321), (5, 257, 700)])
  func cacheBlocksJoin(mode: ProductMode, shape: (Int, Int, Int)) {
    let (m, n, k) = shape
    let sums = product(m, n, k)
    for transposition in [Transposition.none, .left, .right] {
      let (a, b) = operands(m, n, k, transposition)
      let c = Block<Float>(rows: m, columns: n) { Float($0 - $1) }
      multiply(a.view, b.view, transposition, into: c.view, accumulate: true, mode: mode)
      expect(c, sums, n, true, "\(mode) \(transposition) \(shape)")
      guard transposition != .left else { continue }
      let packed = PackedMatrix(b.view, transposed: transposition == .right, mode: mode)
      packed.multiply(a.view, into: c.view, accumulate: false)
      expect(c, sums, n, false, "packed \(mode) \(transposition) \(shape)")
    }
  }

  /// bfloat16 in fp32 on other processors: the same rounded inputs, so the same result up to the rounding of sums.
  @Test(arguments: sets)
  func everySetRoundsToTheSameBfloat16(set: InstructionSet) {
    let (m, n, k) = (7, 70, 33)
    let a = Block<Float>(rows: m, columns: k) { Float(($0 * 37 + $1 * 11) % 101) / 97 - 0.5 }
    let b = Block<Float>(rows: k, columns: n) { Float(($0 * 53 + $1 * 29) % 103) / 89 - 0.5 }
    let c = Block<Float>(rows: m, columns: n) { _, _ in .nan }
    multiply(a.view, b.view, into: c.view, mode: ProductMode(.bf16, on: set))
    for row in 0..<m {
      for column in 0..<n {
        let exact = (0..<k).reduce(0.0) {
          $0 + Double(bfloat16(a.view[row, $1])) * Double(bfloat16(b.view[$1, column]))
        }
        #expect(abs(Double(c.view[row, column]) - exact) < 2e-6, "\(set) at \(row), \(column)")
      }
    }
  }

  /// AVX2 and AVX-512 differ only in the way a long sum is cut, and not at all if they cut it in the same way.
  @Test(arguments: [Transposition.none, .left, .right])
  func setsWithOneOrderHaveTheSameBits(transposition: Transposition) {
    let (m, n, k) = (13, 70, 901)
    let a =
      transposition == .left
      ? Block<Float>(rows: k, columns: m) { Float(($0 * 37 + $1 * 11) % 101) / 97 - 0.5 }
      : Block<Float>(rows: m, columns: k) { Float(($0 * 37 + $1 * 11) % 101) / 97 - 0.5 }
    let b =
      transposition == .right
      ? Block<Float>(rows: n, columns: k) { Float(($0 * 53 + $1 * 29) % 103) / 89 - 0.5 }
      : Block<Float>(rows: k, columns: n) { Float(($0 * 53 + $1 * 29) % 103) / 89 - 0.5 }
    func product(_ set: InstructionSet, hasOneOrder: Bool) -> [Float] {
      let c = Block<Float>(rows: m, columns: n) { _, _ in .nan }
      multiply(
        a.view, b.view, transposition, into: c.view,
        mode: ProductMode(on: set, hasOneOrder: hasOneOrder))
      return c.values
    }
    let fused = Self.sets.filter { $0 != .portable }
    for set in fused {
      #expect(product(set, hasOneOrder: true) == product(fused[0], hasOneOrder: true))
      let cutsAlike = set == .avx2
      #expect((product(set, hasOneOrder: false) == product(set, hasOneOrder: true)) == cutsAlike, "\(set)")
    }
  }

  /// A row of a product must not depend on the number of rows or threads.
  @Test(arguments: modes)
  func rowsDoNotDependOnTheirNumber(mode: ProductMode) {
    let b = Block<Float>(rows: 100, columns: 70) { Float(($0 * 53 + $1 * 29) % 103) / 89 - 0.5 }
    let a = Block<Float>(rows: 20, columns: 100) { Float(($0 * 37 + $1 * 11) % 101) / 97 - 0.5 }
    let (all, one) = (
      Block<Float>(rows: 20, columns: 70) { _, _ in 0 }, Block<Float>(rows: 1, columns: 70) { _, _ in 0 }
    )
    multiply(a.view, b.view, into: all.view, mode: mode)
    for row in 0..<20 {
      multiply(a.view.rows(row..<row + 1), b.view, into: one.view, mode: mode)
      #expect(one.values == Array(all.values[row * 70..<(row + 1) * 70]))
    }
  }

  @Test func notANumberStaysOne() {
    for mode in Self.modes {
      let a = Block<Float>(rows: 1, columns: 2, [.nan, 1])
      let b = Block<Float>(rows: 2, columns: 3) { _, _ in 1 }
      let c = Block<Float>(rows: 1, columns: 3) { _, _ in 0 }
      multiply(a.view, b.view, into: c.view, mode: mode)
      #expect(c.values.allSatisfy { $0.isNaN }, "\(mode)")
    }
  }

  // MARK: Operands

  private func left(_ i: Int, _ j: Int) -> Float { smallInteger(i, j, salt: 1) }
  private func right(_ i: Int, _ j: Int) -> Float { smallInteger(i, j, salt: 2) }

  private func operands(_ m: Int, _ n: Int, _ k: Int, _ transposition: Transposition) -> (
    Block<Float>, Block<Float>
  ) {
    (
      transposition == .left
        ? Block(rows: k, columns: m, gap: 2) { left($1, $0) } : Block(rows: m, columns: k, gap: 5, left),
      transposition == .right
        ? Block(rows: n, columns: k, gap: 3) { right($1, $0) } : Block(rows: k, columns: n, gap: 1, right)
    )
  }

  /// The upper left corner of a block.
  private func part(_ block: Block<Float>, _ rows: Int, _ columns: Int) -> MatrixView<Float> {
    block.view.rows(0..<rows).columns(0..<columns)
  }

  /// The product of the first `k` depths, [m, n], in Double.
  private func product(_ m: Int, _ n: Int, _ k: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: m * n)
    let (a, b) = (operands(m, n, max(k, 1), .none))
    for i in 0..<m {
      for depth in 0..<k {
        let factor = Double(a.view[i, depth])
        for j in 0..<n { sums[i * n + j] += factor * Double(b.view[depth, j]) }
      }
    }
    return sums
  }

  private func expect(
    _ c: Block<Float>, _ sums: [Double], _ stride: Int, _ accumulate: Bool, _ what: @autoclosure () -> String
  ) {
    var wrong = 0
    for row in 0..<c.view.rows {
      for column in 0..<c.view.columns {
        let expected = sums[row * stride + column] + (accumulate ? Double(row - column) : 0)
        if Double(c.view[row, column]) != expected { wrong += 1 }
      }
    }
    #expect(wrong == 0, "\(wrong) wrong elements: \(what()) accumulate \(accumulate)")
    #expect(c.gapsAreUntouched)
  }
}

/// The nearest bfloat16, ties to even.
private func bfloat16(_ value: Float) -> Float {
  let bits = value.bitPattern
  return Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
}
