import CMPI

/// A number type that MPI can send and reduce in its native memory layout.
public protocol MPIElement: BitwiseCopyable, Sendable {
  /// The MPI datatype of this type.
  static var datatype: Datatype { get }
}

/// An MPI datatype.
public struct Datatype {
  let handle: MPI_Datatype

  init(_ handle: MPI_Datatype) { self.handle = handle }
}

extension Int8: MPIElement { public static var datatype: Datatype { Datatype(shim_int8()) } }
extension UInt8: MPIElement { public static var datatype: Datatype { Datatype(shim_uint8()) } }
extension Int16: MPIElement { public static var datatype: Datatype { Datatype(shim_int16()) } }
extension UInt16: MPIElement { public static var datatype: Datatype { Datatype(shim_uint16()) } }
extension Int32: MPIElement { public static var datatype: Datatype { Datatype(shim_int32()) } }
extension UInt32: MPIElement { public static var datatype: Datatype { Datatype(shim_uint32()) } }
extension Int64: MPIElement { public static var datatype: Datatype { Datatype(shim_int64()) } }
extension UInt64: MPIElement { public static var datatype: Datatype { Datatype(shim_uint64()) } }
extension Float: MPIElement { public static var datatype: Datatype { Datatype(shim_float()) } }
extension Double: MPIElement { public static var datatype: Datatype { Datatype(shim_double()) } }

/// Memory for the elements of a message.
///
/// A request takes ownership of its buffers when it starts, and `wait` returns the result. Memory that MPI may
/// still read or write can therefore be neither accessed nor freed in between.
public struct Buffer<Element: MPIElement>: ~Copyable {
  let memory: Memory<Element>

  /// Creates a buffer of `count` elements, all bits zero, aligned to 64 bytes.
  public init(count: Int) {
    precondition(count >= 0, "a buffer can't have \(count) elements")
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

  /// Wraps `pointer` without copying it and without owning it.
  ///
  /// The memory must stay alive and untouched until `wait` of the request that takes this buffer has returned.
  public init(unowned pointer: UnsafeMutableBufferPointer<Element>) {
    memory = Memory(pointer: pointer, isOwned: false)
  }

  init(_ memory: Memory<Element>) { self.memory = memory }

  deinit { memory.free() }

  /// The number of elements.
  public var count: Int { memory.pointer.count }

  /// The element at `index`.
  public subscript(index: Int) -> Element {
    get { memory.pointer[checked(index)] }
    set { memory.pointer[checked(index)] = newValue }
  }

  private func checked(_ index: Int) -> Int {
    precondition(index >= 0 && index < count, "index \(index) is outside a buffer of \(count) elements")
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
