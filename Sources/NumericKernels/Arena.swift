/// Scratch memory for one training step: allocation is a pointer increment, and `reset` frees everything at
/// once.
///
/// The first step grows the arena block by block. From then on it is one block of the largest size so far, and a steady
/// state allocates nothing. Allocated memory is NOT zeroed. Views must not be used after `reset` or after the `scoped`
/// call in which they were made.
public final class Arena<Element: Scalar> {
  private var blocks: [AlignedBuffer<Element>] = []
  private var used: [Int] = []
  private var current = 0
  /// The largest number of elements in use at once since the arena was created.
  public private(set) var peak = 0
  private var live = 0

  public init(capacity: Int = 0) {
    if capacity > 0 {
      blocks.append(AlignedBuffer(uninitialized: capacity))
      used.append(0)
    }
  }

  /// The number of bytes that the arena holds at present.
  public var capacityInBytes: Int { blocks.reduce(0) { $0 + $1.count } * MemoryLayout<Element>.stride }

  /// An uninitialized, contiguous [rows, columns] block that starts at a 64-byte boundary.
  public func matrix(_ rows: Int, _ columns: Int) -> MatrixView<Element> {
    MatrixView(allocate(rows * columns), rows: rows, columns: columns)
  }

  /// A zeroed [rows, columns] block.
  public func zeros(_ rows: Int, _ columns: Int) -> MatrixView<Element> {
    let view = matrix(rows, columns)
    view.fill(0)
    return view
  }

  /// Arena memory for `count` values of another type, such as indexes, uninitialized.
  public func buffer<Value: BitwiseCopyable>(_ count: Int, of type: Value.Type) -> UnsafeMutableBufferPointer<
    Value
  > {
    let bytes = count * MemoryLayout<Value>.stride
    let raw = UnsafeMutableRawPointer(
      allocate((bytes + MemoryLayout<Element>.stride - 1) / MemoryLayout<Element>.stride))
    return .init(start: raw.bindMemory(to: Value.self, capacity: max(1, count)), count: count)
  }

  private func allocate(_ count: Int) -> UnsafeMutablePointer<Element> {
    let lane = 64 / MemoryLayout<Element>.stride
    let size = (max(1, count) + lane - 1) / lane * lane
    live += size
    peak = max(peak, live)
    while current < blocks.count {
      if used[current] + size <= blocks[current].count {
        defer { used[current] += size }
        return blocks[current].base + used[current]
      }
      guard current + 1 < blocks.count else { break }
      current += 1
    }
    blocks.append(AlignedBuffer(uninitialized: max(size, (blocks.last?.count ?? 1 << 15) * 2)))
    used.append(size)
    current = blocks.count - 1
    return blocks[current].base
  }

  /// Frees everything and replaces several blocks by one that is large enough for all.
  public func reset() {
    if blocks.count > 1 {
      blocks = []
      blocks = [AlignedBuffer(uninitialized: peak + peak / 64)]
      used = [0]
    }
    for index in used.indices { used[index] = 0 }
    current = 0
    live = 0
  }

  /// Runs `body` and frees the memory that it took from the arena.
  public func scoped<Result>(_ body: () throws -> Result) rethrows -> Result {
    let (savedUsed, savedCurrent, savedLive) = (used.isEmpty ? 0 : used[current], current, live)
    defer {
      for index in used.indices where index > savedCurrent { used[index] = 0 }
      if !used.isEmpty { used[savedCurrent] = savedUsed }
      current = savedCurrent
      live = savedLive
    }
    return try body()
  }
}
