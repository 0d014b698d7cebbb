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
    // A buffer with other values gets the same values.
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

  // MARK: Tables

  /// A table of ten rows between two other parameters, and one whose weight is also an output layer's.
  private func tables() -> (layout: ParameterLayout, table: Parameter, tied: Parameter) {
    var builder = ParameterLayout.Builder()
    _ = builder.add("before", [3], .constant(0))
    let table = builder.add("table", [10, 4], .constant(0), isTable: true)
    _ = builder.add("after", [2], .constant(0))
    let tied = builder.add("tied", [5, 2], .constant(0), isTable: true)
    builder.tie("output", to: tied)
    return (builder.build(), table, tied)
  }

  private func add(_ rows: [Int32], to buffer: ParameterBuffer<Float>, _ table: Parameter) {
    var ones = [Float](repeating: 1, count: rows.count * table.shape[1])
    ones.withUnsafeMutableBufferPointer { ones in
      let view = MatrixView(ones.baseAddress!, rows: rows.count, columns: table.shape[1])
      rows.withUnsafeBufferPointer { buffer.addRows(view, at: $0.baseAddress!, of: table) }
    }
  }

  @Test func aBufferKnowsWhichRowsOfItsTablesWereAddedTo() {
    let (layout, table, tied) = tables()
    #expect(layout.tables == [table], "a tied table does not count")
    let buffer = ParameterBuffer<Float>(layout)
    #expect(buffer.spans == [0..<3, 43..<55])
    add([7, 2, 7], to: buffer, table)
    add([1], to: buffer, tied)
    #expect(buffer.spans == [0..<3, 11..<15, 31..<35, 43..<55])
    #expect(buffer.touchedRows == [[7, 2]])
    #expect(
      buffer.matrix(table)[7, 0] == 2 && buffer.matrix(table)[2, 3] == 1 && buffer.matrix(tied)[1, 1] == 1)
    [0, 2].withUnsafeBufferPointer { buffer.touch($0, ofTable: 0) }
    #expect(buffer.spans == [0..<7, 11..<15, 31..<35, 43..<55], "rows that meet are one span")
  }

  /// Rows below zero have no destination: neither the memory before the table nor the set of rows may change.
  @Test func rowsBelowZeroAreIgnored() {
    let (layout, table, tied) = tables()
    let buffer = ParameterBuffer<Float>(layout)
    add([-1, 4, -7, -1, .min], to: buffer, table)
    add([-2, 3], to: buffer, tied)
    #expect(buffer.touchedRows == [[4]])
    [-1, 6].withUnsafeBufferPointer { buffer.touch($0, ofTable: 0) }
    #expect(buffer.touchedRows == [[4, 6]])
    let ones = buffer.elements.indices.filter { buffer.elements[$0] != 0 }
    #expect(ones == Array(19..<23) + Array(tied.offset + 6..<tied.offset + 8))
    buffer.clear()
    #expect(buffer.touchedRows == [[]] && buffer.elements.allSatisfy { $0 == 0 })
  }

  @Test func aTableIsWholeOnceHalfOfItWasTouched() {
    let (layout, table, _) = tables()
    let buffer = ParameterBuffer<Float>(layout)
    add([0, 1, 2, 3, 9], to: buffer, table)
    #expect(buffer.spans == [0..<19, 39..<55])
    add([5], to: buffer, table)
    #expect(buffer.spans == [0..<55] && buffer.touchedRows == [nil])
    let other = ParameterBuffer<Float>(layout)
    other.touch(nil, ofTable: 0)
    #expect(other.spans == [0..<55])
    other.fill(0)
    other.touchAll(table)
    #expect(other.spans == [0..<55])
  }

  @Test func clearingSetsToZeroAllThatWasTouched() {
    let (layout, table, _) = tables()
    let buffer = ParameterBuffer<Float>(layout)
    for rows: [Int32] in [[3, 8], [0, 1, 2, 3, 4, 5, 6, 7, 8], [4]] {
      add(rows, to: buffer, table)
      for span in [0..<3, 43..<55] { for index in span { buffer.elements[index] = 5 } }
      buffer.clear()
      #expect(buffer.elements.allSatisfy { $0 == 0 } && buffer.touchedRows == [[]])
    }
  }
}
