import NumericKernels
import Parameters
import Testing

@Suite struct ParameterBufferTests {
  private func layout(first: Int = 6, uniformEverywhere bound: Double? = nil) -> ParameterLayout {
    var builder = ParameterLayout.Builder(initializeAllUniform: bound)
    _ = builder.add("a", [first, 50], .uniform(0.25))
    _ = builder.add("b", [1000], .normal(standardDeviation: 3))
    _ = builder.add("c", [9], .constant(-2))
    _ = builder.add("d", [40, 10], .uniform(0.25))
    return builder.build()
  }

  private func values(_ buffer: ParameterBuffer<Double>, _ name: String) throws -> [Double] {
    Array(buffer.elements(try #require(buffer.layout[name])))
  }

  @Test func aNewBufferIsZeroAndAligned() {
    let buffer = ParameterBuffer<Float>(layout())
    #expect(buffer.count == layout().count && buffer.elements.count == buffer.count)
    #expect(buffer.elements.allSatisfy { $0 == 0 })
    #expect(Int(bitPattern: buffer.elements.baseAddress) % 64 == 0)
  }

  @Test func parametersAreViewsOfTheFlatBuffer() throws {
    let buffer = ParameterBuffer<Double>(layout())
    for index in buffer.elements.indices { buffer.elements[index] = Double(index) }
    let (a, b) = (try #require(buffer.layout["a"]), try #require(buffer.layout["b"]))
    let (matrix, vector) = (buffer.matrix(a), buffer.matrix(b))
    #expect(matrix.rows == 6 && matrix.columns == 50 && matrix[2, 3] == 103)
    #expect(vector.rows == 1 && vector.columns == 1000 && vector[0, 1] == Double(b.offset + 1))
    #expect(buffer.pointer(b)[0] == 300 && buffer.elements(b).count == 1000)
    buffer.fill(4)
    #expect(buffer.elements.allSatisfy { $0 == 4 })
  }

  @Test func everyInitializerHasItsDistribution() throws {
    let buffer = ParameterBuffer<Double>(layout(), seed: 1)
    for name in ["a", "d"] {
      let values = try values(buffer, name)
      #expect(values.allSatisfy { (-0.25..<0.25).contains($0) })
      // The mean square of U(-a, a) is a²/3.
      let meanSquare = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
      #expect(abs(meanSquare - 0.25 * 0.25 / 3) < 0.004)
      #expect(values.contains { $0 < -0.2 } && values.contains { $0 > 0.2 })
    }
    let normal = try values(buffer, "b")
    #expect(abs(normal.reduce(0, +) / 1000) < 0.4)
    #expect(abs((normal.reduce(0) { $0 + $1 * $1 } / 1000).squareRoot() - 3) < 0.3)
    #expect(try values(buffer, "c") == Array(repeating: -2, count: 9))
  }

  @Test func sameSeedSameValuesOtherSeedOthers() throws {
    let (one, again) = (
      ParameterBuffer<Double>(layout(), seed: 1), ParameterBuffer<Double>(layout(), seed: 1)
    )
    #expect(Array(one.elements) == Array(again.elements))
    let other = ParameterBuffer<Double>(layout(), seed: 2)
    for name in ["a", "b", "d"] { #expect(try values(one, name) != values(other, name)) }
    // A buffer that held something else gets the same values.
    other.fill(.nan)
    other.initialize(seed: 1)
    #expect(Array(other.elements) == Array(one.elements))
  }

  @Test func valuesDependOnSeedAndPositionOnly() throws {
    let (small, large) = (
      ParameterBuffer<Double>(layout(first: 6), seed: 1), ParameterBuffer<Double>(layout(first: 60), seed: 1)
    )
    for name in ["b", "c", "d"] { #expect(try values(small, name) == values(large, name)) }
    #expect(try values(small, "a") == Array(values(large, "a")[..<300]))
    #expect(try values(small, "a") != Array(values(small, "d")[..<300]))
  }

  @Test func floatsAreTheRoundedDoubles() {
    let (wide, narrow) = (
      ParameterBuffer<Double>(layout(), seed: 7), ParameterBuffer<Float>(layout(), seed: 7)
    )
    #expect(wide.elements.map { Float($0) } == Array(narrow.elements))
  }

  @Test func uniformOverrideAppliesToAll() throws {
    let buffer = ParameterBuffer<Double>(layout(uniformEverywhere: 0.1), seed: 1)
    #expect(buffer.elements.allSatisfy { (-0.1..<0.1).contains($0) })
    for name in ["a", "b", "c", "d"] { #expect(Set(try values(buffer, name)).count > 5) }
  }

  @Test func versionGrowsWithAnnouncedChanges() {
    let buffer = ParameterBuffer<Float>(layout())
    let first = buffer.version
    buffer.didChange()
    let second = buffer.version
    buffer.initialize(seed: 3)
    #expect(first < second && second < buffer.version)
  }
}
