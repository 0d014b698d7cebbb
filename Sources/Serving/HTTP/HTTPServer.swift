import Foundation
import Glibc
import Synchronization

/// An HTTP/1.1 server with limits on the connections, on the sizes of a request, and on the time to send a request or
/// to accept a part of an answer.
///
/// Every connection has its own thread, because there are few connections. docs/SERVING.md explains why no library is
/// used.
final class HTTPServer: Sendable {
  struct Options: Sendable {
    /// An IPv4 or IPv6 address.
    var address = "127.0.0.1"
    /// The port; 0: any free port.
    var port = 0
    var connections = 256
    var limits = RequestParser.Limits()
    /// The maximum time from the first byte of a request to its last.
    var readTime = Duration.seconds(10)
    /// The maximum time between two requests on a connection.
    var idleTime = Duration.seconds(60)
    /// The maximum time until a client accepts some bytes of an answer.
    var writeTime = Duration.seconds(10)
  }

  /// Answers a request. `hasLeft` returns whether the client has closed the connection, or the server is stopping.
  typealias Handler = @Sendable (_ request: HTTPRequest, _ hasLeft: () -> Bool) -> HTTPResponse

  /// The port that it listens on.
  let port: Int
  private let options: Options
  private let handler: Handler
  private let metrics: ServiceMetrics
  private let listener: Int32
  private let state = Mutex(State())

  private struct State {
    var connections = 0
    /// Whether new requests are rejected.
    var isStopping = false
    /// Whether the time to finish requests is over.
    var isStopped = false
  }

  /// Starts to listen. Throws ``ServingFailure``.
  init(_ options: Options, metrics: ServiceMetrics, handler: @escaping Handler) throws(ServingFailure) {
    (self.options, self.handler, self.metrics) = (options, handler, metrics)
    (listener, port) = try Self.listen(options)
  }

  deinit { _ = close(listener) }

  private static func listen(_ options: Options) throws(ServingFailure) -> (descriptor: Int32, port: Int) {
    var hints = addrinfo()
    (hints.ai_flags, hints.ai_socktype) = (
      AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, Int32(SOCK_STREAM.rawValue)
    )
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(options.address, "\(options.port)", &hints, &found) == 0, let address = found?.pointee
    else {
      throw .address(options.address, reason: "this is not a numeric IPv4 or IPv6 address")
    }
    defer { freeaddrinfo(found) }
    let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    let descriptor = socket(address.ai_family, flags, 0)
    var one: Int32 = 1
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let isBound = withUnsafeMutablePointer(to: &storage) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { bound in
        descriptor >= 0
          && setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size)) == 0
          && bind(descriptor, address.ai_addr, address.ai_addrlen) == 0
          && Glibc.listen(descriptor, SOMAXCONN) == 0 && getsockname(descriptor, bound, &size) == 0
      }
    }
    guard isBound else {
      let reason = String(cString: strerror(errno))
      if descriptor >= 0 { _ = close(descriptor) }
      throw .address("\(options.address), port \(options.port)", reason: reason)
    }
    let port = withUnsafeBytes(of: storage) { bytes in
      // The port is at the same position in the addresses of both versions.
      Int(bytes[2]) << 8 | Int(bytes[3])
    }
    return (descriptor, port)
  }

  // MARK: Running

  /// Serves until `shouldStop` returns true and all connections are closed. It is checked every tenth of a second.
  /// Connections with a request have `grace` to finish.
  func run(until shouldStop: () -> Bool, grace: Duration) {
    while !shouldStop() { acceptConnection() }
    state.withLock { $0.isStopping = true }
    // The system refuses new connections from now on.
    _ = shutdown(listener, Int32(SHUT_RDWR))
    let end = ContinuousClock.now + grace
    while ContinuousClock.now < end, state.withLock({ $0.connections > 0 }) { usleep(10_000) }
    state.withLock { $0.isStopped = true }
    // The calls of a connection end soon after the server has stopped; an answer that is being computed ends with its
    // time limit.
    while state.withLock({ $0.connections > 0 }) { usleep(10_000) }
  }

  private var isStopping: Bool { state.withLock { $0.isStopping } }
  private var isStopped: Bool { state.withLock { $0.isStopped } }

  private func acceptConnection() {
    var wanted = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, 100) > 0 else { return }
    let descriptor = accept(listener, nil, nil)
    guard descriptor >= 0 else {
      // The process is probably out of descriptors. Other connections will close and free some.
      if errno != EAGAIN && errno != EINTR && errno != ECONNABORTED { usleep(50_000) }
      return
    }
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    guard addConnection(1) else { return refuse(descriptor) }
    let thread = Thread { [self] in
      serve(Connection(descriptor) { [self] in isStopped })
      _ = addConnection(-1)
    }
    thread.stackSize = 1 << 20
    thread.start()
  }

  /// Counts a connection that opens or closes; returns false if there are too many.
  private func addConnection(_ change: Int) -> Bool {
    state.withLock { state in
      guard state.connections + change <= options.connections else { return false }
      state.connections += change
      metrics.setOpenConnections(state.connections)
      return true
    }
  }

  private func refuse(_ descriptor: Int32) {
    metrics.countRefusedConnection()
    let connection = Connection(descriptor) { true }
    let response = Self.response(to: HTTPProblem(503, "too many connections; try again later"))
    // The buffer of a new socket has room for the answer.
    try? send(response, to: nil, keepsAlive: false, connection)
  }

  // MARK: One connection

  private func serve(_ connection: Connection) {
    var parser = RequestParser(options.limits)
    do {
      while let request = try nextRequest(&parser, connection) {
        let response = handler(request) { self.isStopped || connection.hasLeft }
        let keepsAlive = request.keepsAlive && !isStopping
        try send(response, to: request, keepsAlive: keepsAlive, connection)
        if !keepsAlive { return }
      }
    } catch let problem as HTTPProblem {
      metrics.count(path: "(malformed)", status: problem.status, seconds: nil)
      try? send(Self.response(to: problem), to: nil, keepsAlive: false, connection)
      connection.endAfterProblem()
    } catch {
      // The client has left or is too slow to take its answer.
    }
  }

  /// Reads a request. Returns nil if the client has left or doesn't send another one, or if the server is stopping.
  private func nextRequest(_ parser: inout RequestParser, _ connection: Connection) throws -> HTTPRequest? {
    var hasBegun = !parser.isEmpty
    var deadline = ContinuousClock.now + (hasBegun ? options.readTime : options.idleTime)
    while true {
      if let request = try parser.next() { return request }
      // Empty lines before a request don't start it.
      if !hasBegun, !parser.isEmpty { (hasBegun, deadline) = (true, .now + options.readTime) }
      if parser.takeContinue() {
        try connection.write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), within: options.writeTime)
      }
      let isIdle = parser.isEmpty
      do {
        parser.append(try connection.read(until: deadline) { isIdle && isStopping })
      } catch .timedOut where !isIdle {
        throw HTTPProblem(408, "the request did not arrive within \(options.readTime.components.seconds) s")
      } catch {
        return nil
      }
    }
  }

  /// Sends the answer to a request, or to bytes that are not a request.
  private func send(
    _ response: HTTPResponse, to request: HTTPRequest?, keepsAlive: Bool, _ connection: Connection
  ) throws(Connection.Failure) {
    let isVersion10 = request?.isVersion10 ?? false
    let hasBody = request?.method != "HEAD"
    let time = options.writeTime
    switch response.body {
    case .bytes(let bytes):
      let head = response.head(keepsAlive: keepsAlive, isVersion10: isVersion10)
      try connection.write(head + (hasBody ? bytes : []), within: time)
    case .stream(let produce):
      // Without chunked coding, the end of the connection marks the end of the answer.
      let head = response.head(keepsAlive: keepsAlive && !isVersion10, isVersion10: isVersion10)
      try connection.write(head, within: time)
      guard hasBody else { return }
      try produce { piece throws(Connection.Failure) in
        guard !self.isStopped else { throw .stopped }
        let size = Array("\(String(piece.count, radix: 16))\r\n".utf8)
        try connection.write(isVersion10 ? piece : size + piece + Array("\r\n".utf8), within: time)
      }
      if isVersion10 { throw .closed }
      try connection.write(Array("0\r\n\r\n".utf8), within: time)
    }
  }

  /// The answer to a rejected request: `{"error": …}`.
  static func response(to problem: HTTPProblem) -> HTTPResponse {
    HTTPResponse(
      status: problem.status, type: "application/json",
      .bytes(Array(JSONText.error(problem.message).utf8)),
      fields: problem.fields.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        + (problem.status == 503 ? [(name: "Retry-After", value: "1")] : []))
  }
}
