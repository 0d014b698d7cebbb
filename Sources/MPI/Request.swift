import COpenMPI

/// An operation under way, which owns its buffers until it is waited for.
///
/// Wait for every request. One that is dropped instead, or that fails, keeps its memory for ever, because MPI
/// may still use it. The request of a barrier has an empty buffer.
public struct Request<Element: MPIElement>: ~Copyable {
  private var posting: Posting
  private var reception: Reception?
  private let result: Memory<Element>
  private let held: Memory<Element>?

  init(
    _ posting: Posting, result: Memory<Element>, held: Memory<Element>? = nil, reception: Reception? = nil
  ) {
    self.posting = posting
    self.result = result
    self.held = held
    self.reception = reception
  }

  /// Lets the operation advance, and returns whether `wait` would return at once.
  public mutating func test() throws(MPIError) -> Bool {
    while try posting.test(noting: &reception) {
      guard let reception, !reception.isComplete else { return true }
      posting.handles = [try reception.post()]
    }
    return false
  }

  /// Waits until the operation is complete and returns the buffer with its result.
  ///
  /// That is the buffer received into, or the one sent. Throws what the operation failed with.
  public consuming func wait() throws(MPIError) -> Buffer<Element> {
    var status: Status?
    return try wait(status: &status)
  }

  /// Waits as `wait()`, and sets `status` to the origin and length of a received message, else nil.
  public consuming func wait(status: inout Status?) throws(MPIError) -> Buffer<Element> {
    try posting.wait(noting: &reception)
    while let partial = reception, !partial.isComplete {
      posting.handles = [try partial.post()]
      try posting.wait(noting: &reception)
    }
    status = reception?.status
    held?.free()
    posting.freeCounts()
    return Buffer(result)
  }

  /// Gives up a receive that no message has matched, waits, and returns its buffer.
  ///
  /// If a message did match, it has been received or is lost; either way nothing is under way afterwards.
  public consuming func cancel() throws(MPIError) -> Buffer<Element> {
    for index in posting.handles.indices where posting.handles[index] != shim_request_null() {
      try requireSuccess("MPI_Cancel", MPI_Cancel(&posting.handles[index]), rank: posting.rank)
    }
    reception = nil
    return try wait()
  }
}

/// The calls of MPI an operation consists of: made at once, or started and remembered.
struct Posting {
  let rank: Int
  /// Whether calls are started and remembered.
  let isNonblocking: Bool
  var handles: [MPI_Request?] = []
  /// Lists of counts that MPI reads until the operation is complete.
  private var counts: [UnsafeMutableBufferPointer<Int32>] = []

  init(rank: Int, handles: [MPI_Request?] = [], isNonblocking: Bool = true) {
    self.rank = rank
    self.handles = handles
    self.isNonblocking = isNonblocking
  }

  /// Makes the blocking call `MPI_<name>`, or starts `MPI_I<name>`.
  mutating func issue(
    _ name: (blocking: String, nonblocking: String), blocking: () -> Int32,
    starting: (UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) throws(MPIError) {
    if isNonblocking {
      try start(name.nonblocking, starting)
    } else {
      try requireSuccess(name.blocking, blocking(), rank: rank)
    }
  }

  /// Starts a call and remembers its request.
  mutating func start(
    _ call: String, _ body: (UnsafeMutablePointer<MPI_Request?>) -> Int32
  ) throws(MPIError) {
    var request: MPI_Request?
    try requireSuccess(call, body(&request), rank: rank)
    handles.append(request)
  }

  /// Returns a copy of `list` that lives until `freeCounts()`.
  mutating func keep(_ list: [Int32]) -> UnsafePointer<Int32>? {
    let copy = UnsafeMutableBufferPointer<Int32>.allocate(capacity: list.count)
    _ = copy.initialize(from: list)
    counts.append(copy)
    return UnsafePointer(copy.baseAddress)
  }

  mutating func freeCounts() {
    for list in counts { list.deallocate() }
    counts = []
  }

  /// Waits for every call that is under way.
  mutating func wait(noting reception: inout Reception?) throws(MPIError) {
    for index in handles.indices where handles[index] != shim_request_null() {
      var status = MPI_Status()
      try requireSuccess("MPI_Wait", MPI_Wait(&handles[index], &status), rank: rank)
      try reception?.note(status)
    }
  }

  /// Returns whether every call is complete.
  mutating func test(noting reception: inout Reception?) throws(MPIError) -> Bool {
    for index in handles.indices where handles[index] != shim_request_null() {
      var status = MPI_Status()
      var flag: Int32 = 0
      try requireSuccess("MPI_Test", MPI_Test(&handles[index], &flag, &status), rank: rank)
      guard flag != 0 else { return false }
      try reception?.note(status)
    }
    return true
  }
}

extension Communicator {
  /// Starts an operation on `buffer`, and on `held` that it reads only, and returns its request.
  ///
  /// If the start fails after a first part is under way, the memory is kept for ever.
  func start<Element: MPIElement>(
    _ buffer: consuming Buffer<Element>, holding held: consuming Buffer<Element>? = nil,
    _ body: (UnsafeMutableBufferPointer<Element>, inout Posting) throws(MPIError) -> Void
  ) throws(MPIError) -> Request<Element> {
    var posting = Posting(rank: rank)
    let memory = buffer.relinquish()
    let heldMemory: Memory<Element>? =
      switch consume held {
      case .some(let buffer): buffer.relinquish()
      case .none: nil
      }
    do throws(MPIError) {
      try body(memory.pointer, &posting)
    } catch {
      if posting.handles.isEmpty {
        memory.free()
        heldMemory?.free()
        posting.freeCounts()
      }
      throw error
    }
    return Request(posting, result: memory, held: heldMemory)
  }

  /// Makes the calls of a blocking operation.
  func perform(_ body: (inout Posting) throws(MPIError) -> Void) throws(MPIError) {
    var posting = Posting(rank: rank, isNonblocking: false)
    defer { posting.freeCounts() }
    try body(&posting)
  }
}

/// The address of the element at `offset`, nil for a buffer without memory.
func address<Element>(_ buffer: UnsafeBufferPointer<Element>, _ offset: Int) -> UnsafeRawPointer? {
  buffer.baseAddress.map { UnsafeRawPointer($0 + offset) }
}

/// The address of the element at `offset`, nil for a buffer without memory.
func address<Element>(
  _ buffer: UnsafeMutableBufferPointer<Element>, _ offset: Int
) -> UnsafeMutableRawPointer? {
  buffer.baseAddress.map { UnsafeMutableRawPointer($0 + offset) }
}
