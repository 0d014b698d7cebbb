import Foundation

/// A communicator that records every collective of another one, and ends the job if one takes too long.
///
/// See ``WatchLimits`` for the limits. Summed vectors and exchanges are recorded too.
final class WatchedCommunicator: Communicator {
  private let base: any Communicator
  private let watchdog: Watchdog
  private var recorder: FlightRecorder { watchdog.host.own }

  var rank: Int { base.rank }
  var worldSize: Int { base.worldSize }
  var hostName: String { base.hostName }
  var collectives: Int { recorder.sequence }
  var records: [FlightRecord] { recorder.records(FlightRecorder.capacity) }

  /// Watches `base`. Before that, the ranks exchange the addresses of their watchdogs (collective).
  init(_ base: any Communicator, _ watchdog: Watchdog) throws {
    self.base = base
    self.watchdog = watchdog
    let socket = StatusSocket()
    let address = StatusSocket.Address(
      rank: base.rank, host: watchdog.host.hostName, port: socket?.port ?? 0,
      hosts: socket == nil ? [] : StatusSocket.ownHosts)
    let token = UInt64.random(in: 0 ... .max)
    let introduction = Introduction(address: address, token: token)
    let all = try allgather([UInt8](try JSONEncoder().encode(introduction))).map {
      try JSONDecoder().decode(Introduction.self, from: Data($0))
    }
    // All ranks have started, so all files exist. After the barrier every rank has mapped them.
    watchdog.host.lookForRanks()
    let remote = all.map(\.address).filter { !watchdog.host.knows($0.rank) }
    watchdog.meet(
      Watchdog.Job(
        worldSize: base.worldSize, hosts: all.map(\.address.host), remote: remote, token: all[0].token,
        socket: remote.isEmpty ? nil : socket))
    recorder.stage = .joined
    try barrier()
    watchdog.host.removeFile()
  }

  private struct Introduction: Codable {
    var address: StatusSocket.Address
    var token: UInt64
  }

  func barrier() throws { try record(.barrier) { try base.barrier() } }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try record(.broadcast, bytes: bytes.count) { try base.broadcast(bytes, from: root) }
  }

  func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try record(.sumOfFloats, bytes: values.count * MemoryLayout<Float>.stride) {
      try base.allreduceSum(values)
    }
  }

  func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try record(.sumOfDoubles, bytes: values.count * MemoryLayout<Double>.stride) {
      try base.allreduceSum(values)
    }
  }

  func allgather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try record(.allgather, bytes: bytes.count) { try base.allgather(bytes) }
  }

  func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with peer: Int
  ) throws {
    try record(.exchange, bytes: send.count, peer: peer) { try base.exchange(send, receive, with: peer) }
  }

  func makeSummedVector(count: Int, wire: WireFormat) throws -> any SummedVector {
    let vector = try record(.makeVector, bytes: count * MemoryLayout<Float>.stride) {
      try base.makeSummedVector(count: count, wire: wire)
    }
    return WatchedVector(vector, recorder)
  }

  func makeHostVector(count: Int) throws -> HostVector? {
    let vector = try record(.makeHostVector, bytes: count * MemoryLayout<Float>.stride) {
      try base.makeHostVector(count: count)
    }
    guard let vector else { return nil }
    return vector.fenced { [recorder = self.recorder] in
      recorder.begin(.fence)
      defer { recorder.end() }
      try vector.fence()
    }
  }

  /// The part is not watched, but the ranks that wait for it are.
  func first(_ count: Int) throws -> (any Communicator)? {
    try record(.first, bytes: count) { try base.first(count) }
  }

  func enter(_ phase: JobPhase, step: Int) { recorder.enter(phase, step: step) }

  func reportEnd(to report: @escaping @Sendable (JobEnd) -> String?) { watchdog.report(to: report) }

  func abort(exitCode: Int32) -> Never {
    recorder.stage = .leaving
    watchdog.stop()
    base.abort(exitCode: exitCode)
  }

  func finalize() throws {
    recorder.enter(.end, step: recorder.step)
    recorder.stage = .leaving
    try record(.finalize) { try base.finalize() }
    watchdog.stop()
  }

  private func record<Value>(
    _ kind: CollectiveKind, bytes: Int = 0, peer: Int? = nil, _ body: () throws -> Value
  ) rethrows -> Value {
    recorder.begin(kind, bytes: bytes, peer: peer)
    defer { recorder.end() }
    return try body()
  }
}

/// A summed vector whose sums are recorded.
private final class WatchedVector: SummedVector {
  private let base: any SummedVector
  private let recorder: FlightRecorder
  var elements: UnsafeMutableBufferPointer<Float> { base.elements }
  var methods: [SumMethod] { base.methods }
  var method: SumMethod {
    get { base.method }
    set { base.method = newValue }
  }

  init(_ base: any SummedVector, _ recorder: FlightRecorder) {
    self.base = base
    self.recorder = recorder
  }

  func sum(_ spans: [Range<Int>], _ order: SumOrder) throws {
    recorder.begin(.sumOfVector, bytes: spans.reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride)
    defer { recorder.end() }
    try base.sum(spans, order)
  }

  func gatherParts() throws {
    recorder.begin(.gatherParts, bytes: elements.count * MemoryLayout<Float>.stride)
    defer { recorder.end() }
    try base.gatherParts()
  }
}
