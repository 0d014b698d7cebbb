import CMPI

/// The origin and the length of a message.
public struct Status: Sendable, Equatable {
  /// The rank that sent it.
  public let source: Int
  /// The tag of the message.
  public let tag: Int
  /// The number of its elements.
  public let count: Int
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

  /// Sends `values` to rank `destination`.
  public func send<Element: MPIElement>(
    _ values: [Element], to destination: Int, tag: Int = 0
  ) throws(MPIError) {
    try values.withUnsafeBufferPointer { own throws(MPIError) in try send(own, to: destination, tag: tag) }
  }

  /// Overwrites the start of `values` with a message and returns its origin and length.
  ///
  /// `source` and `tag` match any rank or tag if they are nil. Throws `MPIError` of class `truncated` if the message is
  /// longer than `values`. If it was sent in several parts, the parts after the one that didn't fit must still be
  /// received.
  @discardableResult
  public func receive<Element: MPIElement>(
    into values: UnsafeMutableBufferPointer<Element>, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> Status {
    let call = "MPI_Recv"
    var reception = try Reception(into: values, from: source, tag: tag, on: self, call)
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

  /// Returns a message of at most `count` elements. `source` and `tag` match any rank or tag if they are nil.
  public func receive<Element: MPIElement>(
    atMost count: Int, of type: Element.Type = Element.self, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> [Element] {
    let buffer = Buffer<Element>(count: count)
    let status = try buffer.withUnsafePointer { memory throws(MPIError) in
      try receive(into: memory, from: source, tag: tag)
    }
    return Array(buffer.elements.prefix(status.count))
  }

  /// Sends `values` to `destination` while it overwrites `received` with a message from `source`.
  ///
  /// Two ranks that exchange messages with this call can't block each other. Returns the origin and the length of the
  /// received message.
  @discardableResult
  public func sendReceive<Element: MPIElement>(
    _ values: UnsafeBufferPointer<Element>, to destination: Int,
    into received: UnsafeMutableBufferPointer<Element>, from source: Int? = nil, tag: Int = 0
  ) throws(MPIError) -> Status {
    if let source { try requireRank(source, "MPI_Sendrecv", .rank) }
    // The request only reads the memory, and `wait` returns before the caller can free it.
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
  /// For a message of `maximumCount` elements or more, the length is that of its first part, `maximumCount`.
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

  /// Starts to send `values`, which the request owns until `wait`.
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

  /// Starts to receive into `values`, which the request owns until `wait`.
  ///
  /// `source` and `tag` match any rank or tag if they are nil. `wait` throws an error of class `truncated` if the
  /// message is longer.
  public func startReceive<Element: MPIElement>(
    into values: consuming Buffer<Element>, from source: Int? = nil, tag: Int? = nil
  ) throws(MPIError) -> Request<Element> {
    let reception = try Reception(into: values.memory.pointer, from: source, tag: tag, on: self, "MPI_Irecv")
    let first = try reception.post()
    return Request(
      Posting(rank: rank, handles: [first]), result: values.relinquish(), reception: reception)
  }

  /// Returns a source in the form that MPI expects. Only nil means any source; MPI's own constant for that is -1.
  fileprivate func envelope(source: Int?, _ call: String) throws(MPIError) -> Int32 {
    guard let source else { return MPI_ANY_SOURCE }
    try requireRank(source, call, .rank)
    return Int32(source)
  }

  /// Returns a tag in the form that MPI expects. Only nil means any tag; MPI's own constant for that is -1.
  fileprivate func envelope(tag: Int?, _ call: String) throws(MPIError) -> Int32 {
    guard let tag else { return MPI_ANY_TAG }
    guard tag >= 0 else {
      throw MPIError(
        kind: .reported(.tag), call: call, rank: rank, message: "tag \(tag) is negative; nil means any")
    }
    return try int32(tag, call)
  }
}

/// Returns the parts of a message of `count` elements: full parts of `limit` elements, then a shorter last part.
///
/// The receiver recognizes the end by the shorter part, so it need not know the length in advance.
private func messageParts(of count: Int, limit: Int) -> [Range<Int>] {
  (0...count / limit).map { $0 * limit..<min(($0 + 1) * limit, count) }
}

/// The progress of one message that arrives in parts.
struct Reception<Element: MPIElement> {
  private let values: UnsafeMutableBufferPointer<Element>
  private let communicator: MPI_Comm
  private let rank: Int
  private let limit: Int
  private(set) var source: Int32
  private(set) var tag: Int32
  private(set) var received = 0
  private(set) var isComplete = false

  init(
    into values: UnsafeMutableBufferPointer<Element>, from source: Int?, tag: Int?,
    on communicator: borrowing Communicator, _ call: String
  ) throws(MPIError) {
    self.values = values
    self.communicator = communicator.handle
    rank = communicator.rank
    limit = communicator.maximumCount
    self.source = try communicator.envelope(source: source, call)
    self.tag = try communicator.envelope(tag: tag, call)
  }

  /// The address for the next part.
  var address: UnsafeMutableRawPointer? { values.baseAddress.map { UnsafeMutableRawPointer($0 + received) } }
  /// The largest number of elements that the next part may have.
  var room: Int32 { Int32(min(values.count - received, limit)) }
  var status: Status { Status(source: Int(source), tag: Int(tag), count: received) }

  /// Records a part that arrived. The remaining parts come from the same rank with the same tag.
  mutating func note(_ status: MPI_Status) throws(MPIError) {
    let part = try Status(status, of: Element.self, rank: rank)
    source = status.MPI_SOURCE
    tag = status.MPI_TAG
    received += part.count
    isComplete = part.count < limit
  }

  /// Starts to receive the next part.
  func post() throws(MPIError) -> RequestSlot {
    var request: RequestSlot = shim_request_null()
    try requireSuccess(
      "MPI_Irecv", MPI_Irecv(address, room, Element.datatype.handle, source, tag, communicator, &request),
      rank: rank)
    return request
  }
}

extension Status {
  fileprivate init<Element: MPIElement>(
    _ status: MPI_Status, of type: Element.Type, rank: Int
  ) throws(MPIError) {
    var status = status
    var count: Int32 = 0
    try requireSuccess("MPI_Get_count", MPI_Get_count(&status, type.datatype.handle, &count), rank: rank)
    self.init(source: Int(status.MPI_SOURCE), tag: Int(status.MPI_TAG), count: Int(count))
  }
}
