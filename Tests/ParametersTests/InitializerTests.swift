import NumericKernels
import Parameters
import Testing

@Suite struct InitializerTests {
  private func values<Element: Scalar>(
    _ shape: [Int], _ initializer: Initializer, seed: UInt64 = 1, _ type: Element.Type = Double.self
  ) -> [Element] {
    var builder = ParameterLayout.Builder()
    _ = builder.add("w", shape, initializer)
    let buffer = ParameterBuffer<Element>(builder.build(), seed: seed)
    return withExtendedLifetime(buffer) { Array(buffer.elements) }
  }

  private func product(_ values: [Double], rows: Int, columns: Int, transposed: Bool) -> [Double] {
    let (n, k) = transposed ? (columns, rows) : (rows, columns)
    func at(_ i: Int, _ j: Int) -> Double { transposed ? values[j * columns + i] : values[i * columns + j] }
    return (0..<n * n).map { index in (0..<k).reduce(0) { $0 + at(index / n, $1) * at(index % n, $1) } }
  }

  /// More rows than columns have orthonormal columns, fewer have orthonormal rows.
  @Test(arguments: [(1, 1), (5, 5), (16, 16), (9, 21), (23, 8), (1, 7)])
  func orthogonalMatricesKeepLengths(rows: Int, columns: Int) {
    let values: [Double] = values([rows, columns], .orthogonal)
    let n = min(rows, columns)
    let gram = product(values, rows: rows, columns: columns, transposed: rows > columns)
    for (index, value) in gram.enumerated() {
      #expect(abs(value - (index / n == index % n ? 1 : 0)) < 1e-13)
    }
    if columns > 1 { #expect(values != self.values([rows, columns], .orthogonal, seed: 2)) }
    let single = self.values([rows, columns], .orthogonal, Float.self)
    #expect(single == values.map { Float($0) })
  }

  /// Uniformly distributed orthogonal matrices have entries of mean 0 and variance 1/n, and no sign is preferred anywhere.
  @Test func orthogonalMatricesPreferNoDirection() {
    var (first, last, square) = (0.0, 0.0, 0.0)
    for seed in 0..<400 {
      let q: [Double] = values([3, 3], .orthogonal, seed: UInt64(seed))
      first += q[0]
      last += q[8]
      square += q[4] * q[4]
    }
    #expect(abs(first / 400) < 0.1 && abs(last / 400) < 0.1)
    #expect(abs(square / 400 - 1.0 / 3) < 0.05)
  }

  @Test func blocksAreFilledOneByOne() {
    let mixed: [Double] = values([6, 4], .blocks([.constant(2), .uniform(0.5), .orthogonal]))
    #expect(mixed[0..<8].allSatisfy { $0 == 2 })
    #expect(mixed[8..<16].allSatisfy { abs($0) <= 0.5 } && Set(mixed[8..<16]).count == 8)
    let rows = product(Array(mixed[16...]), rows: 2, columns: 4, transposed: false)
    #expect(abs(rows[0] - 1) < 1e-14 && abs(rows[1]) < 1e-14)
    // Equal initializers draw different numbers; a vector is cut by elements.
    let twice: [Double] = values([6], .blocks([.uniform(1), .uniform(1)]))
    #expect(twice[0..<3] != twice[3..<6])
  }

  @Test func xavierBound() {
    #expect(Initializer.xavier(fanIn: 8, fanOut: 16) == .uniform(0.5))
  }

  @Test func aParameterMayInsistOnItsInitialValue() throws {
    var builder = ParameterLayout.Builder(initializeAllUniform: 0.1)
    _ = builder.add("gain", [3], .constant(1), insists: true)
    _ = builder.add("weight", [3], .constant(1))
    let buffer = ParameterBuffer<Double>(builder.build(), seed: 1)
    #expect(buffer.elements[0..<3].allSatisfy { $0 == 1 })
    #expect(buffer.elements[3..<6].allSatisfy { abs($0) <= 0.1 })
  }
}
