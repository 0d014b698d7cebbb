import RecurrentNN
import Testing

@Suite struct PackedLayoutTests {
  @Test func raggedBatch() {
    let layout = PackedLayout(lengths: [2, 0, 4, 2, 1])
    #expect(layout.batchSize == 5 && layout.steps == 4 && layout.rowCount == 9)
    #expect(layout.order == [2, 0, 3, 4, 1])
    #expect(layout.lengths == [4, 2, 2, 1, 0])
    #expect(layout.activeCounts == [4, 3, 1, 1])
    #expect(layout.offsets == [0, 4, 7, 8, 9])
    #expect((0..<4).map { layout.rows($0) } == [0..<4, 4..<7, 7..<8, 8..<9])
    #expect(!layout.isUniform)
  }

  @Test(arguments: [[], [0], [0, 0, 0]])
  func nothingToDo(lengths: [Int]) {
    let layout = PackedLayout(lengths: lengths)
    #expect(layout.batchSize == lengths.count && layout.steps == 0 && layout.rowCount == 0)
    #expect(layout.order == Array(lengths.indices) && layout.isUniform)
  }

  @Test func equalLengthsKeepTheirOrder() {
    let layout = PackedLayout(steps: 3, batchSize: 4)
    #expect(layout == PackedLayout(lengths: [3, 3, 3, 3]))
    #expect(layout.order == [0, 1, 2, 3] && layout.activeCounts == [4, 4, 4] && layout.isUniform)
  }

  @Test func rowsCoverEveryTokenOnce() {
    let lengths = (0..<50).map { $0 * 37 % 11 }
    let layout = PackedLayout(lengths: lengths)
    #expect(layout.rowCount == lengths.reduce(0, +))
    #expect(layout.order.sorted() == Array(lengths.indices))
    #expect(layout.order.map { lengths[$0] } == layout.lengths)
    for step in 0..<layout.steps {
      #expect(layout.activeCounts[step] == lengths.count { $0 > step })
      #expect(layout.rows(step).count == layout.activeCounts[step])
    }
    for (left, right) in zip(layout.order, layout.order.dropFirst()) {
      #expect(
        (lengths[left], right) > (lengths[right], left), "longest first, equal lengths in the caller's order")
    }
  }
}
