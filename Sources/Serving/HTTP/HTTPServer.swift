import Foundation
import Glibc
import Synchronization

/// A server of HTTP/1.1 with limits: of connections, of the sizes of a request, and of the time to send a request or to
/// take a part of an answer.
///
/// Every connection has a thread, of which there are few enough for that. docs/SERVING.md says why no library does it.
final class HTTPServer: Sendable {
  struct Options: Sendable {
    /// An IPv4 or IPv6 address.
    var address = "127.0.0.1"
    /// 0: any free port.
    var port = 0
    var connections = 256
    var limits = RequestParser.Limits()
    /// Time from the first byte of a request to its last.
    var readTime = Duration.seconds(10)
    /// Time between two requests of a connection.
    var idleTime = Duration.seconds(60)
    /// Time in which a client must take some bytes of an answer.
    var writeTime = Duration.seconds(10)
  }

  /// Answers a request. `hasLeft` tells whether the client has closed the connection, or the server stops.
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
    /// No further requests are taken.
    var isStopping = false
    /// The time to finish requests is over.
    var isStopped = false
  }

  /// Listens. Throws ``ServingFailure``.
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
      // The port has the same place in the addresses of both versions.
      Int(bytes[2]) << 8 | Int(bytes[3])
    }
    return (descriptor, port)
  }

  // MARK: Running

  /// Serves until `shouldStop` is true, which is looked at every tenth of a second, and all connections are closed. Those with
  /// a request have `grace` to finish.
  func run(until shouldStop: () -> Bool, grace: Duration) {
    while !shouldStop() { acceptConnection() }
    state.withLock { $0.isStopping = true }
    // From now on the system refuses further connections.
    _ = shutdown(listener, Int32(SHUT_RDWR))
    let end = ContinuousClock.now + grace
    while ContinuousClock.now < end, state.withLock({ $0.connections > 0 }) { usleep(10_000) }
    state.withLock { $0.isStopped = true }
    // The calls of a connection end soon once the server is stopped; an answer that is computed ends with its time limit.
    while state.withLock({ $0.connections > 0 }) { usleep(10_000) }
  }

  private var isStopping: Bool { state.withLock { $0.isStopping } }
  private var isStopped: Bool { state.withLock { $0.isStopped } }

  private func acceptConnection() {
    var wanted = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, 100) > 0 else { return }
    let descriptor = accept(listener, nil, nil)
    guard descriptor >= 0 else {
      // Out of descriptors, most likely; other connections will end.
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

  /// Counts a connection that begins or ends; false if there are too many.
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

  /// Reads a request; nil if the client has left or sends no further one, or the server stops.
  private func nextRequest(_ parser: inout RequestParser, _ connection: Connection) throws -> HTTPRequest? {
    var hasBegun = !parser.isEmpty
    var deadline = ContinuousClock.now + (hasBegun ? options.readTime : options.idleTime)
    while true {
      if let request = try parser.next() { return request }
      // Empty lines before a request do not begin it.
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
      // Without the chunked coding the end of the connection is the end of the answer.
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

  /// The answer to a request that is refused: `{"error": …}`.
  static func response(to problem: HTTPProblem) -> HTTPResponse {
    HTTPResponse(
      status: problem.status, type: "application/json",
      .bytes(Array(JSONText.error(problem.message).utf8)),
      fields: problem.fields.sorted { $0.key < $1.key }.map { (name: $0.key, value: $0.value) }
        + (problem.status == 503 ? [(name: "Retry-After", value: "1")] : []))
  }
}
