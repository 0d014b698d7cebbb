import NumericKernels
import Testing

@Suite struct ArenaTests {
  private func address<Element>(_ view: MatrixView<Element>) -> Int { Int(bitPattern: view.base) }

  @Test(arguments: [0, 1 << 10, 1 << 20])
  func blocksAreAlignedAndDisjoint(capacity: Int) {
    let arena = Arena<Float>(capacity: capacity)
    let views = (0..<200).map { arena.matrix($0 % 7, 3 + $0 * $0 % 501) }
    #expect(views.allSatisfy { address($0) % 64 == 0 })
    for (index, view) in views.enumerated() { view.fill(Float(index)) }
    for (index, view) in views.enumerated() {
      #expect((0..<view.count).allSatisfy { view.base[$0] == Float(index) })
    }
    #expect(arena.capacityInBytes >= views.reduce(0) { $0 + $1.count } * 4)
  }

  /// A block that begins in the middle of a large page would share it with another one.
  @Test func largeBlocksBeginWithALargePage() {
    let large = AlignedBuffer<Float>(count: 1 << 20)
    #expect(Int(bitPattern: large.base) % (2 << 20) == 0)
    #expect(large.elements.allSatisfy { $0 == 0 })
    #expect(address(Arena<Double>(capacity: 1 << 20).matrix(2, 3)) % (2 << 20) == 0)
  }

  @Test func growthKeepsEarlierViews() {
    let arena = Arena<Double>(capacity: 16)
    let first = arena.matrix(4, 4)
    first.fill(3)
    let large = arena.matrix(1000, 1000)
    large.fill(4)
    #expect((0..<16).allSatisfy { first.base[$0] == 3 })
  }

  @Test func scopedFreesWhatItTook() {
    let arena = Arena<Float>(capacity: 1 << 12)
    let kept = arena.zeros(10, 10)
    let inner = arena.scoped { address(arena.matrix(10, 10)) }
    #expect(arena.scoped { address(arena.matrix(5, 5)) } == inner)
    let next = arena.matrix(10, 10)
    #expect(address(next) == inner && address(next) != address(kept))
  }

  @Test func scopedFreesBlocksItHadToAdd() {
    let arena = Arena<Float>()
    func step() {
      arena.scoped {
        let outer = arena.matrix(300, 300)
        outer.fill(1)
        arena.scoped { arena.matrix(900, 900).fill(2) }
        arena.matrix(700, 700).fill(3)
        #expect((0..<outer.count).allSatisfy { outer.base[$0] == 1 })
      }
    }
    step()
    let (held, peak) = (arena.capacityInBytes, arena.peak)
    for _ in 0..<5 { step() }
    #expect(arena.capacityInBytes == held && arena.peak == peak)
  }

  @Test func scopedFreesWhenItsBodyThrows() {
    struct Stop: Error {}
    let arena = Arena<Float>(capacity: 1 << 12)
    let first = arena.scoped { address(arena.matrix(3, 3)) }
    #expect(throws: Stop.self) {
      try arena.scoped {
        _ = arena.matrix(3, 3)
        throw Stop()
      }
    }
    #expect(address(arena.matrix(3, 3)) == first)
  }

  @Test func afterResetOneBlockIsLargeEnough() {
    let arena = Arena<Float>()
    func step() { for size in [1 << 14, 1 << 16, 3, 1 << 18] { arena.matrix(1, size).fill(1) } }
    step()
    arena.reset()
    let held = arena.capacityInBytes
    #expect(held >= arena.peak * 4)
    for _ in 0..<5 {
      step()
      arena.reset()
    }
    #expect(arena.capacityInBytes == held)
  }

  @Test func zerosAreZeroInUsedMemory() {
    let arena = Arena<Float>(capacity: 1 << 10)
    arena.matrix(8, 8).fill(.nan)
    arena.reset()
    let view = arena.zeros(8, 8)
    #expect((0..<64).allSatisfy { view.base[$0] == 0 })
  }

  @Test(arguments: [0, 1, 15, 17, 1000])
  func wordsHaveRoom(count: Int) {
    let arena = Arena<Float>(capacity: 1 << 11)
    let (bytes, words) = (arena.buffer(count, of: Int8.self), arena.buffer(count, of: Int64.self))
    let after = arena.zeros(1, 4)
    for index in 0..<count {
      words[index] = .max
      bytes[index] = -1
    }
    #expect((0..<4).allSatisfy { after.base[$0] == 0 })
    #expect(words.allSatisfy { $0 == .max } && words.count == count && bytes.count == count)
  }
}
