/// Memory for the elements of a message, owned by whoever holds the value.
///
/// A request takes its buffers when it starts and hands the result back from `wait`, so memory that MPI may
/// still read or write can't be reached or freed in between.
public struct Buffer<Element: MPIElement>: ~Copyable {
  let memory: Memory<Element>

  /// Creates a buffer of `count` elements, all bits zero, aligned to 64 bytes.
  public init(count: Int) {
    precondition(count >= 0, "a buffer of \(count) elements")
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * MemoryLayout<Element>.stride, alignment: 64)
    bytes.initializeMemory(as: UInt8.self, repeating: 0)
    memory = Memory(pointer: bytes.bindMemory(to: Element.self), isOwned: true)
  }

  /// Creates a buffer with a copy of `elements`.
  public init(_ elements: some Collection<Element>) {
    self.init(count: elements.count)
    _ = memory.pointer.update(fromContentsOf: elements)
  }

  /// Wraps `pointer` without a copy and without owning it.
  ///
  /// The memory must stay alive and untouched until the request that takes this buffer was waited for.
  public init(unowned pointer: UnsafeMutableBufferPointer<Element>) {
    memory = Memory(pointer: pointer, isOwned: false)
  }

  init(_ memory: Memory<Element>) { self.memory = memory }

  deinit { memory.free() }

  /// How many elements the buffer holds.
  public var count: Int { memory.pointer.count }

  /// The element at `index`.
  public subscript(index: Int) -> Element {
    get { memory.pointer[checked(index)] }
    set { memory.pointer[checked(index)] = newValue }
  }

  private func checked(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "element \(index) of a buffer of \(count)")
    return index
  }

  /// A copy of the elements.
  public var elements: [Element] { Array(memory.pointer) }

  /// Calls `body` with the memory, which is valid only during the call.
  public func withUnsafePointer<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutableBufferPointer<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(memory.pointer)
  }

  /// Gives up the memory without freeing it.
  consuming func relinquish() -> Memory<Element> {
    let memory = memory
    discard self
    return memory
  }
}

/// The memory of a buffer while a request holds it.
struct Memory<Element: MPIElement>: BitwiseCopyable {
  let pointer: UnsafeMutableBufferPointer<Element>
  let isOwned: Bool

  func free() {
    if isOwned { UnsafeMutableRawBufferPointer(pointer).deallocate() }
  }
}
