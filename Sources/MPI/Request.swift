import CMPI

/// A nonblocking operation in progress, which owns its buffers until `wait`.
///
/// Call `wait` on every request. A request that is dropped instead, or that fails, never frees its memory, because MPI
/// may still use it. The request of a barrier has an empty buffer.
public struct Request<Element: MPIElement>: ~Copyable {
  private var posting: Posting
  private var reception: Reception<Element>?
  private let result: Memory<Element>
  private let held: Memory<Element>?

  init(
    _ posting: Posting, result: Memory<Element>, held: Memory<Element>? = nil,
    reception: Reception<Element>? = nil
  ) {
    self.posting = posting
    self.result = result
    self.held = held
    self.reception = reception
  }

  /// Lets the operation make progress, and returns whether `wait` would return immediately.
  public mutating func test() throws(MPIError) -> Bool {
    while try posting.test(noting: &reception) {
      guard let reception, !reception.isComplete else { return true }
      posting.handles = [try reception.post()]
    }
    return false
  }

  /// Waits until the operation is complete and returns the buffer with its result.
  ///
  /// For a receive, this is the buffer with the message; for a send, it is the buffer that was sent. Throws the error
  /// of the operation if it failed.
  public consuming func wait() throws(MPIError) -> Buffer<Element> {
    var status: Status?
    return try wait(status: &status)
  }

  /// Waits like `wait()`, and sets `status` to the origin and length of a received message, or to nil.
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

  /// Cancels a receive that no message has matched yet, waits, and returns its buffer.
  ///
  /// If a message has matched already, it is received or lost. In either case nothing is in progress afterwards.
  public consuming func cancel() throws(MPIError) -> Buffer<Element> {
    for index in posting.handles.indices where posting.handles[index] != shim_request_null() {
      try requireSuccess("MPI_Cancel", MPI_Cancel(&posting.handles[index]), rank: posting.rank)
    }
    reception = nil
    return try wait()
  }
}

/// The MPI calls of one operation. They are made immediately, or started and their requests kept.
struct Posting {
  let rank: Int
  /// Whether calls are started and their requests kept.
  let isNonblocking: Bool
  var handles: [RequestSlot] = []
  /// Lists of counts that MPI reads until the operation is complete.
  private var counts: [UnsafeMutableBufferPointer<Int32>] = []

  init(rank: Int, handles: [RequestSlot] = [], isNonblocking: Bool = true) {
    self.rank = rank
    self.handles = handles
    self.isNonblocking = isNonblocking
  }

  /// Makes the blocking call, or starts the nonblocking one.
  mutating func issue(
    _ name: (blocking: String, nonblocking: String), blocking: () -> Int32,
    starting: (UnsafeMutablePointer<RequestSlot>) -> Int32
  ) throws(MPIError) {
    if isNonblocking {
      try start(name.nonblocking, starting)
    } else {
      try requireSuccess(name.blocking, blocking(), rank: rank)
    }
  }

  /// Starts a call and keeps its request.
  mutating func start(
    _ call: String, _ body: (UnsafeMutablePointer<RequestSlot>) -> Int32
  ) throws(MPIError) {
    var request: RequestSlot = shim_request_null()
    try requireSuccess(call, body(&request), rank: rank)
    handles.append(request)
  }

  /// Returns a copy of `list` that exists until `freeCounts()`.
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

  /// Waits for every call that is in progress.
  mutating func wait<Element: MPIElement>(noting reception: inout Reception<Element>?) throws(MPIError) {
    for index in handles.indices where handles[index] != shim_request_null() {
      var status = MPI_Status()
      try requireSuccess("MPI_Wait", MPI_Wait(&handles[index], &status), rank: rank)
      try reception?.note(status)
    }
  }

  /// Returns whether every call is complete.
  mutating func test<Element: MPIElement>(noting reception: inout Reception<Element>?) throws(MPIError)
    -> Bool
  {
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
  /// Starts an operation that writes `buffer` and only reads `held`, and returns its request.
  ///
  /// If the start fails when a first part is already in progress, the memory is never freed.
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

  /// Starts an operation that reads `values` and writes a new buffer of `resultCount` elements.
  func start<Element: MPIElement>(
    reading values: consuming Buffer<Element>, resultCount: Int,
    _ body: (UnsafeBufferPointer<Element>, UnsafeMutableBufferPointer<Element>, inout Posting)
      throws(MPIError) -> Void
  ) throws(MPIError) -> Request<Element> {
    let source = UnsafeBufferPointer(values.memory.pointer)
    return try start(Buffer<Element>(count: resultCount), holding: values) {
      memory, posting throws(MPIError) in
      try body(source, memory, &posting)
    }
  }

  /// Makes the calls of a blocking operation.
  func perform(_ body: (inout Posting) throws(MPIError) -> Void) throws(MPIError) {
    var posting = Posting(rank: rank, isNonblocking: false)
    defer { posting.freeCounts() }
    try body(&posting)
  }
}
