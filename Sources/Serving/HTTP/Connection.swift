import Glibc

/// A TCP connection whose calls wait for a limited time and end when the server stops. It is used by a single thread.
final class Connection {
  enum Failure: Error {
    /// The client closed the connection, or it broke.
    case closed
    /// The client was too slow.
    case timedOut
    /// The server is stopping.
    case stopped
  }

  /// The time in milliseconds after which a waiting call checks again whether the server is stopping.
  private static let slice: Int32 = 100

  private let descriptor: Int32
  /// Whether all connections must end now.
  private let isStopped: () -> Bool

  /// Takes ownership of a nonblocking descriptor.
  init(_ descriptor: Int32, isStopped: @escaping () -> Bool) {
    (self.descriptor, self.isStopped) = (descriptor, isStopped)
    // Pieces of a streamed text are sent immediately instead of being collected.
    var one: Int32 = 1
    _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { _ = Glibc.close(descriptor) }

  /// Waits for bytes from the client and returns them.
  ///
  /// - Parameter gaveUp: called repeatedly while no bytes arrive; the wait ends with ``Failure/stopped`` if it returns
  ///   true.
  func read(until deadline: ContinuousClock.Instant, unless gaveUp: () -> Bool = { false }) throws(Failure)
    -> [UInt8]
  {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if count > 0 { return Array(buffer[..<count]) }
      guard count < 0, errno == EAGAIN || errno == EINTR else { throw .closed }
      if gaveUp() { throw .stopped }
      try wait(for: Int16(POLLIN), until: deadline)
    }
  }

  /// Sends all bytes. The time limit applies to each part that the client accepts.
  func write(_ bytes: [UInt8], within time: Duration) throws(Failure) {
    var sent = 0
    var deadline = ContinuousClock.now + time
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        send(
          descriptor, $0.baseAddress! + sent, $0.count - sent,
          Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
        deadline = ContinuousClock.now + time
        continue
      }
      guard errno == EAGAIN || errno == EINTR else { throw .closed }
      try wait(for: Int16(POLLOUT), until: deadline)
    }
  }

  /// Whether the client has closed the connection, which only an attempt to read shows.
  var hasLeft: Bool {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT | MSG_PEEK))
    return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
  }

  /// Closes the sending side and continues to read for a moment. If a connection is closed with bytes unread, the
  /// client may lose the last answer (RFC 9112, section 9.6).
  func endAfterProblem() {
    _ = shutdown(descriptor, Int32(SHUT_WR))
    let deadline = ContinuousClock.now + .seconds(1)
    var count = 0
    while count < 4 << 20, ContinuousClock.now < deadline, let bytes = try? read(until: deadline) {
      count += bytes.count
    }
  }

  private func wait(for events: Int16, until deadline: ContinuousClock.Instant) throws(Failure) {
    guard !isStopped() else { throw .stopped }
    let rest = (deadline - ContinuousClock.now).components
    guard rest.seconds >= 0, rest.attoseconds >= 0 else { throw .timedOut }
    let milliseconds = rest.seconds > 0 ? Self.slice : Int32(rest.attoseconds / 1_000_000_000_000_000) + 1
    var wanted = pollfd(fd: descriptor, events: events, revents: 0)
    _ = poll(&wanted, 1, min(Self.slice, milliseconds))
  }
}
