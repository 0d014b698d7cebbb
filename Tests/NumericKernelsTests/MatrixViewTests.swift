import NumericKernels
import Testing

@Suite struct MatrixViewTests {
  private func block(gap: Int) -> Block<Double> {
    Block(rows: 4, columns: 5, gap: gap) { Double(10 * $0 + $1) }
  }

  @Test(arguments: [0, 2])
  func rowsAndColumnsAreViewsOfTheSameMemory(gap: Int) {
    let whole = block(gap: gap)
    let part = whole.view.rows(1..<3).columns(2..<4)
    #expect(part.rows == 2 && part.columns == 2 && part.count == 4)
    #expect([part[0, 0], part[0, 1], part[1, 0], part[1, 1]] == [12, 13, 22, 23])
    part[1, 0] = -1
    #expect(whole.view[2, 2] == -1 && whole.view.row(2)[2] == -1)
  }

  @Test func contiguity() {
    #expect(block(gap: 0).view.isContiguous)
    #expect(!block(gap: 1).view.isContiguous)
    #expect(block(gap: 1).view.rows(2..<3).isContiguous)
    #expect(!block(gap: 0).view.columns(0..<4).isContiguous)
  }

  @Test(arguments: [0, 2], [0, 3])
  func copyAndAddForEveryStride(sourceGap: Int, targetGap: Int) {
    let (source, target) = (
      block(gap: sourceGap), Block<Double>(rows: 4, columns: 5, gap: targetGap) { _, _ in 1 }
    )
    target.view.add(source.view)
    #expect(target.values == source.values.map { $0 + 1 })
    target.view.copy(from: source.view)
    #expect(target.values == source.values)
    #expect(source.values == block(gap: 0).values)
    #expect(source.gapsAreUntouched && target.gapsAreUntouched)
  }

  @Test(arguments: [0, 2])
  func fillStaysInside(gap: Int) {
    let whole = block(gap: gap)
    whole.view.columns(1..<3).fill(7)
    for row in 0..<4 {
      for column in 0..<5 {
        #expect(whole.view[row, column] == ((1..<3).contains(column) ? 7 : Double(10 * row + column)))
      }
    }
    whole.view.fill(2)
    #expect(whole.values.allSatisfy { $0 == 2 } && whole.gapsAreUntouched)
  }

  @Test func emptyRanges() {
    let whole = block(gap: 0)
    #expect(whole.view.rows(4..<4).count == 0 && whole.view.columns(2..<2).count == 0)
    whole.view.rows(2..<2).fill(.nan)
    #expect(whole.values == block(gap: 0).values)
  }
}
