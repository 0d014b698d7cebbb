import COpenMPI

/// Where a message came from and how long it was.
public struct Status: Sendable, Equatable {
  /// The rank that sent it.
  public let source: Int
  /// The tag it was sent with.
  public let tag: Int
  /// How many elements it has.
  public let count: Int

  /// Creates the status of a message.
  public init(source: Int, tag: Int, count: Int) {
    self.source = source
    self.tag = tag
    self.count = count
  }
}

extension Communicator {
  /// Sends `values` to rank `destination` and returns when they may be overwritten.
  public func send<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    let call = "MPI_Send"
    let destination = try int32(destination, call)
    let tag = try int32(tag, call)
    for part in messageParts(of: values.count, limit: maximumCount) {
      try check(
        call,
        MPI_Send(
          address(values, part.lowerBound), Int32(part.count), Element.datatype.handle, destination, tag,
          handle))
    }
  }

  /// Overwrites the start of `values` with a message and returns its origin and length.
  ///
  /// `source` and `tag` nil mean any. Throws `MPIError` of class `truncated` if the message is longer; if it
  /// was sent in several parts, those after the one that did not fit are still to be received.
  @discardableResult
  public func receive<Element: MPIElement>(
    into values: UnsafeMutableBufferPointer<Element>, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> Status {
    let call = "MPI_Recv"
    var reception = try Reception(
      into: values, from: try envelope(source: source, call), tag: try envelope(tag: tag, call),
      on: self)
    repeat {
      var status = MPI_Status()
      try check(
        call,
        MPI_Recv(
          reception.address, reception.room, Element.datatype.handle, reception.source, reception.tag,
          handle, &status))
      try reception.note(status)
    } while !reception.isComplete
    return reception.status
  }

  /// Sends `values` to `destination` and overwrites `received` with a message from `source`, at once.
  ///
  /// Two ranks that exchange can't block each other. Returns the origin and length of what was received.
  @discardableResult
  public func sendReceive<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, to destination: Int,
    into received: UnsafeMutableBufferPointer<Element>, from source: Int? = nil, tag: Int = 0
  ) throws(MPIError) -> Status {
    if let source { try requireRank(source, "MPI_Sendrecv", .rank) }
    // The request only reads, and it is waited for before the caller's memory can go away.
    let sent = UnsafeMutableBufferPointer(mutating: values)
    let request = try startSend(Buffer(unowned: sent), to: destination, tag: tag)
    let outcome: Result<Status, MPIError>
    do throws(MPIError) {
      outcome = .success(try receive(into: received, from: source, tag: tag))
    } catch {
      outcome = .failure(error)
    }
    _ = try request.wait()
    return try outcome.get()
  }

  /// Waits for a message and returns its origin and length without receiving it.
  ///
  /// Of a message of `maximumCount` elements or more the length is that of its first part, `maximumCount`.
  public func probe<Element: MPIElement>(
    for type: Element.Type, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> Status {
    let call = "MPI_Probe"
    var status = MPI_Status()
    try check(
      call,
      MPI_Probe(
        try envelope(source: source, call), try envelope(tag: tag, call), handle, &status))
    return try Status(status, of: type, rank: rank)
  }

  /// Returns the origin and length of a message that is ready to be received, or nil.
  public func probeIfReady<Element: MPIElement>(
    for type: Element.Type, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> Status? {
    let call = "MPI_Iprobe"
    var status = MPI_Status()
    var flag: Int32 = 0
    try check(
      call,
      MPI_Iprobe(
        try envelope(source: source, call), try envelope(tag: tag, call), handle, &flag,
        &status))
    return flag == 0 ? nil : try Status(status, of: type, rank: rank)
  }

  /// Starts to send `values`, which the request owns until it is waited for.
  public func startSend<Element: MPIElement>(
    _ values: consuming Buffer<Element>, to destination: Int, tag: Int = 0
  ) throws(MPIError) -> Request<Element> {
    let call = "MPI_Isend"
    let destination = try int32(destination, call)
    let tag = try int32(tag, call)
    let limit = maximumCount
    return try start(values) { memory, posting throws(MPIError) in
      for part in messageParts(of: memory.count, limit: limit) {
        try posting.start(call) {
          MPI_Isend(
            address(memory, part.lowerBound), Int32(part.count), Element.datatype.handle, destination, tag,
            handle, $0)
        }
      }
    }
  }

  /// Starts to receive into `values`, which the request owns until it is waited for.
  ///
  /// `source` and `tag` nil mean any. `wait` throws class `truncated` if the message is longer.
  public func startReceive<Element: MPIElement>(
    into values: consuming Buffer<Element>, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> Request<Element> {
    let call = "MPI_Irecv"
    let reception = try Reception(
      into: values.memory.pointer, from: try envelope(source: source, call),
      tag: try envelope(tag: tag, call), on: self)
    let first = try reception.post()
    return Request(
      Posting(rank: rank, handles: [first]), result: values.relinquish(), reception: reception)
  }

  /// Returns a source as MPI's integer; MPI's own word for "any" is -1, which only nil says here.
  private func envelope(source: Int?, _ call: String) throws(MPIError) -> Int32 {
    guard let source else { return MPI_ANY_SOURCE }
    try requireRank(source, call, .rank)
    return Int32(source)
  }

  /// Returns a tag as MPI's integer; MPI's own word for "any" is -1, which only nil says here.
  private func envelope(tag: Int?, _ call: String) throws(MPIError) -> Int32 {
    guard let tag else { return MPI_ANY_TAG }
    guard tag >= 0 else {
      throw MPIError(
        kind: .reported(.tag), call: call, rank: rank, message: "tag \(tag) is negative; nil means any")
    }
    return try int32(tag, call)
  }
}

/// Returns the parts a message of `count` is sent in: full ones of `limit`, then a shorter one that ends it.
///
/// The receiver recognises the end by the shorter part, so it need not know the length beforehand.
private func messageParts(of count: Int, limit: Int) -> [Range<Int>] {
  (0...count / limit).map { $0 * limit..<min(($0 + 1) * limit, count) }
}

/// The progress of one message that arrives in parts.
struct Reception {
  let capacity: Int
  let memory: UnsafeMutableRawPointer?
  let elementSize: Int
  let datatype: MPI_Datatype
  let communicator: MPI_Comm
  let rank: Int
  let limit: Int
  private(set) var source: Int32
  private(set) var tag: Int32
  private(set) var received = 0
  private(set) var isComplete = false

  init<Element: MPIElement>(
    into values: UnsafeMutableBufferPointer<Element>, from source: Int32, tag: Int32,
    on communicator: borrowing Communicator
  ) throws(MPIError) {
    capacity = values.count
    memory = UnsafeMutableRawPointer(values.baseAddress)
    elementSize = MemoryLayout<Element>.stride
    datatype = Element.datatype.handle
    self.communicator = communicator.handle
    rank = communicator.rank
    limit = communicator.maximumCount
    self.source = source
    self.tag = tag
  }

  /// Where the next part goes.
  var address: UnsafeMutableRawPointer? { memory.map { $0 + received * elementSize } }
  /// How many elements it may have.
  var room: Int32 { Int32(min(capacity - received, limit)) }
  var status: Status { Status(source: Int(source), tag: Int(tag), count: received) }

  /// Takes note of a part that arrived. The rest comes from the same rank with the same tag.
  mutating func note(_ status: MPI_Status) throws(MPIError) {
    var status = status
    var count: Int32 = 0
    try requireSuccess("MPI_Get_count", MPI_Get_count(&status, datatype, &count), rank: rank)
    source = status.MPI_SOURCE
    tag = status.MPI_TAG
    received += Int(count)
    isComplete = Int(count) < limit
  }

  /// Starts to receive the next part.
  func post() throws(MPIError) -> MPI_Request? {
    var request: MPI_Request?
    try requireSuccess(
      "MPI_Irecv", MPI_Irecv(address, room, datatype, source, tag, communicator, &request), rank: rank)
    return request
  }
}

extension Status {
  init<Element: MPIElement>(_ status: MPI_Status, of type: Element.Type, rank: Int) throws(MPIError) {
    var status = status
    var count: Int32 = 0
    try requireSuccess("MPI_Get_count", MPI_Get_count(&status, type.datatype.handle, &count), rank: rank)
    self.init(source: Int(status.MPI_SOURCE), tag: Int(status.MPI_TAG), count: Int(count))
  }
}
