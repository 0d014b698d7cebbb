import NumericKernels
import Testing

/// The choice between kernels and BLAS by shape: the bits of a result show which of them computed it, because the order
/// of summation determines them.
@Suite struct ProductTableTests {
  /// Sizes whose sums are long enough to show their order in the last bits.
  static let (rows, columns, depth) = (7, 70, 901)

  @Test(arguments: ProductForm.allCases, ProductBackend.allCases)
  func theChosenOneComputes(form: ProductForm, backend: ProductBackend) throws {
    let shape = try #require(ProductShape(form, rows: Self.rows, columns: Self.columns, depth: Self.depth))
    let expected = Self.product(form, mode(backend))
    let other = Self.product(form, mode(backend == .kernels ? .blas : .kernels))
    #expect(expected != other, "the two ways can't be told apart")
    let chosen = Self.product(form, ProductMode(choosing: ProductTable([shape: backend])))
    #expect(chosen == expected)
    for result in [chosen, other] { Self.expectSum(result) }
  }

  /// Shapes that are not in the table follow the rule: with an empty table, and with a table of all other shapes.
  @Test(arguments: ProductForm.allCases)
  func whatIsNotInTheTableFollowsTheRule(form: ProductForm) throws {
    let opposite: ProductBackend = ProductMode.rule == .kernels ? .blas : .kernels
    var others: [ProductShape: ProductBackend] = [:]
    for further in ProductForm.allCases {
      // Neighbors: other rows, columns, depths and forms.
      for (m, n, k) in [(16, 70, 901), (4, 70, 901), (7, 71, 901), (7, 70, 2000), (7, 69, 901), (7, 70, 400)]
      where further == form {
        others[try #require(ProductShape(form, rows: m, columns: n, depth: k))] = opposite
      }
      if further != form {
        let shape = ProductShape(further, rows: Self.rows, columns: Self.columns, depth: Self.depth)
        others[try #require(shape)] = opposite
      }
    }
    let own = try #require(
      ProductShape(form, rows: Self.rows, columns: Self.columns, depth: Self.depth))
    others[own] = nil
    let expected = Self.product(form, ProductMode())
    #expect(expected == Self.product(form, mode(ProductMode.rule)))
    #expect(Self.product(form, ProductMode(choosing: ProductTable([:]))) == expected)
    #expect(Self.product(form, ProductMode(choosing: ProductTable(others))) == expected)
    others[own] = opposite
    #expect(Self.product(form, ProductMode(choosing: ProductTable(others))) != expected)
  }

  @Test(arguments: ProductForm.allCases)
  func inBfloat16TheKernelsComputeEverything(form: ProductForm) throws {
    let shape = try #require(ProductShape(form, rows: Self.rows, columns: Self.columns, depth: Self.depth))
    let table = ProductTable([shape: .blas])
    let expected = Self.product(form, ProductMode(.bf16, on: .inUse))
    #expect(Self.product(form, ProductMode(.bf16, choosing: table)) == expected)
  }

  /// Whether or not the matrix was packed in between, both backends multiply its current values.
  @Test func aPackedMatrixMayBeChosenAgain() throws {
    let source = Block<Float>(rows: 2, columns: 2, [1, 2, 3, 4])
    let a = Block<Float>(rows: 1, columns: 2, [1, 10])
    let c = Block<Float>(rows: 1, columns: 2) { _, _ in .nan }
    var matrix = PackedMatrix(source.view, transposed: false)
    let shape = try #require(ProductShape(.packed, rows: 1, columns: 2, depth: 2))
    for (step, backend) in [ProductBackend.blas, .kernels, .blas, .kernels].enumerated() {
      matrix.choose(ProductMode(choosing: ProductTable([shape: backend])))
      for value in [Float(step), Float(step) + 0.5] {
        source.view[0, 0] = value
        matrix.repack()
        matrix.multiply(a.view, into: c.view, accumulate: false)
        #expect(c.values == [value + 30, 42])
      }
      matrix.multiply(a.view, into: c.view, accumulate: true)
      #expect(c.values == [2 * (Float(step) + 30.5), 84])
    }
  }

  @Test func aMatrixThatTheBLASComputesIsNotPacked() {
    let source = Block<Float>(rows: 2, columns: 2, [1, 2, 3, 4])
    let a = Block<Float>(rows: 1, columns: 2, [1, 10])
    let c = Block<Float>(rows: 1, columns: 2) { _, _ in .nan }
    for (mode, isPacked) in [(ProductMode.blas, false), (ProductMode(on: .inUse), true)] {
      let matrix = PackedMatrix(source.view, transposed: false, mode: mode)
      matrix.multiply(a.view, into: c.view, accumulate: false)
      #expect(c.values == [31, 42])
      #expect((matrix.packedBytes > 0) == isPacked)
    }
  }

  /// A matrix that was packed before the BLAS was chosen takes no memory and isn't packed again in every update.
  @Test func theCopyIsGivenBackWhereTheBLASIsChosen() throws {
    let source = Block<Float>(rows: 2, columns: 2, [1, 2, 3, 4])
    let a = Block<Float>(rows: 1, columns: 2, [1, 10])
    let c = Block<Float>(rows: 1, columns: 2) { _, _ in .nan }
    let shape = try #require(ProductShape(.packed, rows: 1, columns: 2, depth: 2))
    func mode(_ backend: ProductBackend) -> ProductMode {
      ProductMode(choosing: ProductTable([shape: backend]))
    }
    var matrix = PackedMatrix(source.view, transposed: false, mode: mode(.kernels))
    matrix.multiply(a.view, into: c.view, accumulate: false)
    #expect(matrix.packedBytes > 0)
    matrix.choose(mode(.blas))
    matrix.multiply(a.view, into: c.view, accumulate: false)
    #expect(c.values == [31, 42] && matrix.packedBytes == 0)
  }

  /// Many shapes, so that slots collide.
  @Test func everyShapeIsFound() throws {
    var choices: [ProductShape: ProductBackend] = [:]
    for form in ProductForm.allCases {
      for size in 1..<200 {
        let shape = try #require(ProductShape(form, rows: size, columns: 3 * size, depth: size * size))
        choices[shape] = size % 3 == 0 ? .blas : .kernels
      }
    }
    let table = ProductTable(choices)
    for (shape, backend) in choices { #expect(table[shape] == backend, "\(shape)") }
    let absent = try #require(ProductShape(.plain, rows: 2, columns: 10_000, depth: 1))
    #expect(table[absent] == nil && ProductTable([:])[absent] == nil)
  }

  @Test func whatVariesIsRounded() throws {
    func shape(_ form: ProductForm, _ m: Int, _ n: Int, _ k: Int) -> [Int]? {
      ProductShape(form, rows: m, columns: n, depth: k).map { [$0.rows, $0.columns, $0.depth] }
    }
    for (count, power) in [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (64, 64), (65, 128)] {
      #expect(shape(.packed, count, 9, 11) == [power, 9, 11])
      #expect(shape(.left, 9, 11, count) == [9, 11, power])
    }
    #expect(shape(.plain, 1, 1 << 24, 3) == nil && shape(.plain, 1, 3, 1 << 24) == nil)
    #expect(shape(.plain, 1 << 40, 3, 3) == nil && shape(.plain, 1, 0, 3) == nil)
  }

  // MARK: Recording

  @Test func productsAreCounted() throws {
    let source = Block<Float>(rows: 5, columns: 6) { _, _ in 1 }
    func views(_ rows: Int) -> (Block<Float>, Block<Float>) {
      (Block(rows: rows, columns: 5) { _, _ in 1 }, Block(rows: rows, columns: 6) { _, _ in 1 })
    }
    let uses = ProductRecorder.record {
      let matrix = PackedMatrix(source.view, transposed: false)
      for rows in [5, 6, 1] {
        let (a, c) = views(rows)
        matrix.multiply(a.view, into: c.view, accumulate: false)
        multiply(a.view, source.view, into: c.view)
        // Products with a given backend, another precision or another type involve no choice.
        multiply(a.view, source.view, into: c.view, mode: .blas)
        multiply(a.view, source.view, into: c.view, mode: ProductMode(.bf16))
      }
      matrix.repack()
      let doubles = Block<Double>(rows: 5, columns: 5) { _, _ in 1 }
      let sums = Block<Double>(rows: 5, columns: 5) { _, _ in 1 }
      multiply(doubles.view, doubles.view, into: sums.view)
    }
    func use(_ form: ProductForm, _ rows: Int, calls: Int, packings: Double) throws -> ProductUse {
      ProductUse(
        try #require(ProductShape(form, rows: rows, columns: 6, depth: 5)), extent: rows, calls: calls,
        packingsPerCall: packings)
    }
    #expect(
      Set(uses) == [
        try use(.packed, 6, calls: 2, packings: 2 / 3), try use(.packed, 1, calls: 1, packings: 2 / 3),
        try use(.plain, 6, calls: 2, packings: 0), try use(.plain, 1, calls: 1, packings: 0),
      ])
    #expect(uses.map(\.operations) == uses.map(\.operations).sorted(by: >))
    let (a, c) = views(2)
    #expect(ProductRecorder.record { multiply(a.view, source.view, .none, into: c.view) }.count == 1)
    #expect(ProductRecorder.record {}.isEmpty)
  }

  // MARK: Products

  private func mode(_ backend: ProductBackend) -> ProductMode {
    backend == .kernels ? ProductMode(on: .inUse) : .blas
  }

  private static func left(_ i: Int, _ j: Int) -> Float { Float((i * 37 + j * 11) % 101) / 97 - 0.5 }
  private static func right(_ i: Int, _ j: Int) -> Float { Float((i * 53 + j * 29) % 103) / 89 - 0.5 }

  private static func product(_ form: ProductForm, _ mode: ProductMode) -> [Float] {
    let a =
      form == .left
      ? Block<Float>(rows: depth, columns: rows) { left($1, $0) } : Block(rows: rows, columns: depth, left)
    let isTransposed = form == .right || form == .packedTransposed
    let b =
      isTransposed
      ? Block<Float>(rows: columns, columns: depth) { right($1, $0) }
      : Block(rows: depth, columns: columns, right)
    let c = Block<Float>(rows: rows, columns: columns) { _, _ in .nan }
    switch form {
    case .plain: multiply(a.view, b.view, into: c.view, mode: mode)
    case .left: multiply(a.view, b.view, .left, into: c.view, mode: mode)
    case .right: multiply(a.view, b.view, .right, into: c.view, mode: mode)
    case .packed, .packedTransposed:
      PackedMatrix(b.view, transposed: isTransposed, mode: mode).multiply(
        a.view, into: c.view, accumulate: false)
    }
    return c.values
  }

  /// Compares with the sums in Double.
  private static func expectSum(_ result: [Float]) {
    for row in 0..<rows {
      for column in 0..<columns {
        let sum = (0..<depth).reduce(0.0) { $0 + Double(left(row, $1)) * Double(right($1, column)) }
        #expect(abs(Double(result[row * columns + column]) - sum) < 1e-4)
      }
    }
  }
}
