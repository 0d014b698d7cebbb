import NumericKernels
import Testing

/// Products with weights of eight bits against their definition in Double.
@Suite struct QuantizedProductTests {
  private static func left(_ i: Int, _ j: Int) -> Float { Float((i * 37 + j * 11) % 101) / 97 - 0.5 }
  private static func right(_ i: Int, _ j: Int) -> Float {
    Float((i * 53 + j * 29) % 103) / (89 + Float(j)) - 0.2
  }

  private func product(
    _ rows: Int, _ depth: Int, _ columns: Int, _ set: InstructionSet, transposed: Bool = false
  ) -> [Float] {
    let a = Block<Float>(rows: rows, columns: depth, gap: 3, Self.left)
    let b =
      transposed
      ? Block<Float>(rows: columns, columns: depth, gap: 2) { Self.right($1, $0) }
      : Block<Float>(rows: depth, columns: columns, gap: 2, Self.right)
    let packed = PackedMatrix(b.view, transposed: transposed, mode: ProductMode(.int8, on: set))
    let c = Block<Float>(rows: rows, columns: columns, gap: 1) { _, _ in .nan }
    packed.multiply(a.view, into: c.view, accumulate: false)
    let once = c.values
    packed.multiply(a.view, into: c.view, accumulate: true)
    #expect(zip(once, c.values).allSatisfy { abs(2 * $0 - $1) <= 1e-6 * abs($1) })
    #expect(c.gapsAreUntouched)
    return once
  }

  /// The error of a column is at most half a step of its weights and of the states per term.
  @Test(arguments: InstructionSet.available, [(1, 64, 130), (5, 33, 65), (4, 1000, 7), (9, 1, 1)])
  func errorsAreThoseOfRounding(set: InstructionSet, shape: (Int, Int, Int)) {
    let (rows, depth, columns) = shape
    let result = product(rows, depth, columns, set)
    for i in 0..<rows {
      let state = (0..<depth).map { Double(Self.left(i, $0)) }
      let size = state.map(abs).max() ?? 0
      for j in 0..<columns {
        let weights = (0..<depth).map { Double(Self.right($0, j)) }
        let scale = (weights.map(abs).max() ?? 0) / 127
        let exact = zip(state, weights).reduce(0) { $0 + $1.0 * $1.1 }
        let bound =
          zip(state, weights).reduce(1e-6) {
            $0 + abs($1.0) * scale * 0.51 + (abs($1.1) + scale) * size / 8000
          }
        #expect(abs(Double(result[i * columns + j]) - exact) <= bound, "\(set) at \(i), \(j)")
      }
    }
  }

  /// Sums of integers are exact, so every set has the same bits, and each row has the same bits as alone.
  @Test(arguments: [false, true]) func everySetHasTheSameBits(transposed: Bool) {
    let reference = product(6, 101, 75, .portable, transposed: transposed)
    #expect(reference == product(6, 101, 75, .portable, transposed: !transposed))
    for set in InstructionSet.available {
      #expect(product(6, 101, 75, set, transposed: transposed) == reference, "\(set)")
      #expect(product(1, 101, 75, set) == Array(reference[..<75]), "\(set)")
    }
  }

  @Test(arguments: InstructionSet.available) func notANumberStaysOne(set: InstructionSet) {
    for (a, b) in [([Float.nan, 1], [Float(1), 1]), ([1, 1], [1, .infinity]), ([.infinity, 1], [1, 1])] {
      let (states, source) = (Block<Float>(rows: 1, columns: 2, a), Block<Float>(rows: 2, columns: 1, b))
      let packed = PackedMatrix(source.view, transposed: false, mode: ProductMode(.int8, on: set))
      let c = Block<Float>(rows: 1, columns: 1) { _, _ in 0 }
      packed.multiply(states.view, into: c.view, accumulate: false)
      #expect(c.values[0].isNaN)
    }
  }

  @Test func repackingTakesTheNewValues() {
    let source = Block<Float>(rows: 3, columns: 3) { $0 == $1 ? 1 : 0 }
    let packed = PackedMatrix(source.view, transposed: false, mode: ProductMode(.int8))
    let a = Block<Float>(rows: 1, columns: 3, [1, 2, 3])
    let c = Block<Float>(rows: 1, columns: 3) { _, _ in 0 }
    packed.multiply(a.view, into: c.view, accumulate: false)
    source.view[0, 1] = 5
    packed.repack(sourceRows: 0..<3)
    packed.endRepacking()
    packed.multiply(a.view, into: c.view, accumulate: false)
    #expect(abs(c.values[1] - 7) < 0.1)
  }
}
