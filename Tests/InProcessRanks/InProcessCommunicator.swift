import Communication
import Foundation

/// One of several ranks that are threads of this process: tests of distributed code need no launcher.
///
/// The last rank to enter a collective carries it out on the memory of all ranks while the others sleep. Sums are added
/// in rank order. A rank that fails wakes all others with an error, and a rank that calls a different collective is
/// reported, so no mistake causes a hang.
public final class InProcessCommunicator: Communicator {
  public let rank: Int
  public var worldSize: Int { hub.size }
  public let hostName: String
  private let hub: Hub
  /// Exchanges are counted as well, so that a rank that makes more of them than others is found without MPI.
  public private(set) var collectives = 0
  private var meetings = 0
  private var exchanges: [Int: Int] = [:]
  private var isFinalized = false

  private init(rank: Int, hub: Hub, hostName: String) {
    self.rank = rank
    self.hub = hub
    self.hostName = hostName
  }

  /// Runs `body` once per rank, each on its own thread, and waits for all of them.
  ///
  /// Returns the results in rank order, or throws the error that a rank threw first.
  ///
  /// - Parameter ranksPerHost: this number of consecutive ranks share memory; nil: all ranks do.
  @discardableResult
  public static func run<Value: Sendable>(
    ranks: Int, ranksPerHost: Int? = nil, _ body: @escaping @Sendable (InProcessCommunicator) throws -> Value
  ) throws -> [Value] {
    precondition(ranks > 0, "a job can't have \(ranks) ranks")
    let hub = Hub(size: ranks, ranksPerHost: ranksPerHost ?? ranks)
    let host = localHostName()
    let values = RankValues<Value>()
    for rank in 0..<ranks {
      let thread = Thread {
        do {
          values.set(try body(InProcessCommunicator(rank: rank, hub: hub, hostName: host)), at: rank)
          hub.leave(rank: rank, error: nil)
        } catch {
          hub.leave(rank: rank, error: error)
        }
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    try hub.waitForAll()
    return values.all()
  }

  public func barrier() throws { try meetAll("barrier", 0) { _ in true } }

  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try requireRank(root, in: "broadcast")
    try meetAll("broadcast from \(root)", bytes.count, Part(memory: bytes)) { parts in
      for rank in parts.indices where rank != root {
        parts[rank].memory.copyMemory(from: UnsafeRawBufferPointer(parts[root].memory))
      }
      return true
    }
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try meetAll("allreduceSum of Float", values.count, Part(memory: .init(values))) { parts in
      sum(parts, of: Float.self)
    }
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try meetAll("allreduceSum of Double", values.count, Part(memory: .init(values))) { parts in
      sum(parts, of: Double.self)
    }
  }

  public func allgather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var gathered: [[UInt8]] = []
    try withUnsafeMutablePointer(to: &gathered) { destination in
      try meetAll("allgather", 0, Part(bytes: bytes, gathered: destination)) { parts in
        let all = parts.map(\.bytes)
        for part in parts { part.gathered?.pointee = all }
        return true
      }
    }
    return gathered
  }

  public func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with peer: Int
  ) throws {
    try requireRank(peer, in: "exchange")
    let (low, high) = (min(rank, peer), max(rank, peer))
    let key = Hub.Key.exchange(low: low, high: high, number: exchanges[peer, default: 0])
    exchanges[peer, default: 0] += 1
    collectives += 1
    try meet(key, Hub.Call("exchange of \(low) and \(high)", 0), Part(memory: receive, send: send)) { parts in
      // A rank that exchanges with itself is the only part.
      let (first, last) = (parts[0], parts[parts.count - 1])
      guard first.send.count == last.memory.count, last.send.count == first.memory.count else { return false }
      first.memory.copyMemory(from: last.send)
      if parts.count > 1 { last.memory.copyMemory(from: first.send) }
      return true
    }
  }

  public func makeHostVector(count: Int) throws -> HostVector? {
    let hosts = stride(from: 0, to: worldSize, by: hub.ranksPerHost).map { first in
      Array(first..<min(first + hub.ranksPerHost, worldSize))
    }
    guard count > 0, hosts.contains(where: { $0.count > 1 }) else {
      try barrier()
      return nil
    }
    var memory: HostMemoryBlock?
    try withUnsafeMutablePointer(to: &memory) { destination in
      try meetAll("makeHostVector", count, Part(block: destination)) { parts in
        for ranks in hosts {
          let block = HostMemoryBlock(count: count)
          for rank in ranks { parts[rank].block?.pointee = block }
        }
        return true
      }
    }
    guard let memory else { return nil }
    return HostVector(memory.elements, hosts: hosts, rank: rank) { [self] in
      try withExtendedLifetime(memory) { try barrier() }
    }
  }

  public func first(_ count: Int) throws -> (any Communicator)? {
    var part: Hub?
    try withUnsafeMutablePointer(to: &part) { destination in
      try meetAll("first", count, Part(hub: destination)) { parts in
        let made = hub.makePart(size: count)
        for part in parts.prefix(count) { part.hub?.pointee = made }
        return true
      }
    }
    return part.map { InProcessCommunicator(rank: rank, hub: $0, hostName: hostName) }
  }

  /// Ends this rank and fails the others; `run` then throws a `CommunicationError` of kind `aborted`.
  public func abort(exitCode: Int32) -> Never {
    hub.leave(
      rank: rank,
      error: failure(.aborted(exitCode: exitCode), in: "abort", "ended with exit code \(exitCode)")
    )
    pthread_exit(nil)
  }

  public func finalize() throws {
    try meetAll("finalize", 0) { _ in true }
    isFinalized = true
  }

  /// Waits until all ranks make the same call; the last one carries it out.
  private func meetAll(
    _ name: String, _ count: Int, _ part: Part = Part(), _ work: ([Part]) -> Bool
  ) throws {
    let key = Hub.Key.collective(number: meetings)
    (meetings, collectives) = (meetings + 1, collectives + 1)
    try meet(key, Hub.Call(name, count), part, work)
  }

  private func meet(_ key: Hub.Key, _ call: Hub.Call, _ part: Part, _ work: ([Part]) -> Bool) throws {
    guard !isFinalized else { throw failure(.finalized, in: call.name, "called after finalize()") }
    try hub.join(key, self, call, part, work)
    try hub.wait(for: key, self)
  }
}

/// Overwrites every part with the sum of all parts, added in rank order.
private func sum<Scalar: BinaryFloatingPoint & BitwiseCopyable>(_ parts: [Part], of type: Scalar.Type) -> Bool
{
  let vectors = parts.map { $0.memory.bindMemory(to: type) }
  for index in vectors[0].indices {
    var total = vectors[0][index]
    for vector in vectors.dropFirst() { total += vector[index] }
    for vector in vectors { vector[index] = total }
  }
  return true
}

/// Memory of the ranks that count as one host.
private final class HostMemoryBlock: @unchecked Sendable {
  let elements: UnsafeMutableBufferPointer<Float>

  init(count: Int) {
    let raw = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, count) * MemoryLayout<Float>.stride, alignment: 64)
    _ = raw.initializeMemory(as: UInt8.self, repeating: 0)
    elements = UnsafeMutableBufferPointer(rebasing: raw.bindMemory(to: Float.self)[0..<count])
  }

  deinit { elements.deallocate() }
}

/// The memory of one rank that the rank carrying out a collective may use.
private struct Part {
  /// The bytes to overwrite.
  var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// The bytes that an exchange sends.
  var send = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The contribution to an allgather, and the destination of its result.
  var bytes: [UInt8] = []
  var gathered: UnsafeMutablePointer<[[UInt8]]>?
  /// The destination of the meeting place of the first ranks.
  var hub: UnsafeMutablePointer<Hub?>?
  /// The destination of memory that ranks share.
  var block: UnsafeMutablePointer<HostMemoryBlock?>?
}

/// The place where the ranks of an `InProcessCommunicator` meet. One condition guards all its state.
private final class Hub: @unchecked Sendable {
  /// Identifies a meeting by the number of earlier calls of its kind.
  enum Key: Hashable {
    case collective(number: Int)
    case exchange(low: Int, high: Int, number: Int)
  }

  /// The operation that a rank calls. All members of a meeting must call the same one.
  struct Call: Equatable {
    let name: String
    let count: Int
    init(_ name: String, _ count: Int) {
      self.name = name
      self.count = count
    }
  }

  private struct Meeting {
    enum Outcome {
      case open
      case done
      /// These ranks don't match the others, for this reason.
      case mismatch(ranks: [Int], reason: String)
    }
    let members: [Int]
    var calls: [Int: Call] = [:]
    var parts: [Int: Part] = [:]
    var outcome = Outcome.open
    var unread: Int
  }

  let size: Int
  let ranksPerHost: Int
  private let condition = NSCondition()
  private var meetings: [Key: Meeting] = [:]
  /// The meeting that each sleeping rank waits for.
  private var sleeping: [Int: Key] = [:]
  private var left: Set<Int> = []
  /// The meeting places of the first ranks, which must learn of failures too.
  private var parts: [Hub] = []
  private var firstError: (rank: Int, error: any Error)?

  init(size: Int, ranksPerHost: Int) { (self.size, self.ranksPerHost) = (size, ranksPerHost) }

  /// Enters a meeting. The last member compares all calls and does `work` on the parts, in rank order.
  ///
  /// `work` returns false if the parts don't match each other.
  func join(
    _ key: Key, _ caller: InProcessCommunicator, _ call: Call, _ part: Part, _ work: ([Part]) -> Bool
  ) throws {
    condition.lock()
    defer { condition.unlock() }
    try requireNoFailure(caller, call)
    var meeting = meetings[key] ?? Meeting(members: members(of: key), unread: members(of: key).count)
    meeting.calls[caller.rank] = call
    meeting.parts[caller.rank] = part
    if meeting.parts.count == meeting.members.count {
      meeting.outcome = finish(meeting, work)
      meeting.parts = [:]
      condition.broadcast()
    }
    meetings[key] = meeting
  }

  /// Sleeps until the meeting is over. Throws if it failed or can never be complete.
  func wait(for key: Key, _ caller: InProcessCommunicator) throws {
    condition.lock()
    defer { condition.unlock() }
    sleeping[caller.rank] = key
    defer { sleeping[caller.rank] = nil }
    while isOpen(key) {
      let call = meetings[key]?.calls[caller.rank] ?? Call("wait", 0)
      try requireNoFailure(caller, call)
      try requireProgress(key, caller, call)
      condition.wait()
    }
    guard var meeting = meetings[key] else { return }
    meeting.unread -= 1
    meetings[key] = meeting.unread == 0 ? nil : meeting
    if case .mismatch(let ranks, let reason) = meeting.outcome {
      throw caller.failure(.mismatch(ranks: ranks), in: meeting.calls[caller.rank]?.name ?? "wait", reason)
    }
  }

  /// Makes a meeting place for the first ranks. The condition is locked.
  func makePart(size: Int) -> Hub {
    let part = Hub(size: size, ranksPerHost: ranksPerHost)
    parts.append(part)
    return part
  }

  /// Records that a rank has returned or thrown, and wakes the ranks that wait for it.
  func leave(rank: Int, error: (any Error)?) {
    condition.lock()
    defer { condition.unlock() }
    for part in parts where rank < part.size { part.leave(rank: rank, error: error) }
    left.insert(rank)
    if let error, firstError == nil { firstError = (rank, error) }
    condition.broadcast()
  }

  /// Blocks until every rank has left the collective. Throws the first error.
  func waitForAll() throws {
    condition.lock()
    defer { condition.unlock() }
    while left.count < size { condition.wait() }
    if let firstError { throw firstError.error }
  }

  // MARK: - With the condition locked

  private func members(of key: Key) -> [Int] {
    guard case .exchange(let low, let high, _) = key else { return Array(0..<size) }
    return low == high ? [low] : [low, high]
  }

  private func isOpen(_ key: Key) -> Bool {
    guard let meeting = meetings[key], case .open = meeting.outcome else { return false }
    return true
  }

  private func finish(_ meeting: Meeting, _ work: ([Part]) -> Bool) -> Meeting.Outcome {
    let odd = oddOnes(out: meeting.members.map { meeting.calls[$0] }).map { meeting.members[$0] }
    guard odd.isEmpty else {
      let calls = meeting.members.compactMap { rank in
        meeting.calls[rank].map { "rank \(rank) called \($0.name) of \($0.count)" }
      }
      return .mismatch(ranks: odd, reason: calls.joined(separator: ", "))
    }
    guard work(meeting.members.compactMap { meeting.parts[$0] }) else {
      return .mismatch(
        ranks: meeting.members, reason: "one rank sends a different length than the other receives")
    }
    return .done
  }

  private func requireNoFailure(_ caller: InProcessCommunicator, _ call: Call) throws {
    guard let firstError else { return }
    throw caller.failure(
      .transport, in: call.name, "rank \(firstError.rank) failed: \(firstError.error)")
  }

  /// Throws if a member of the meeting has left, or if all ranks sleep in meetings that lack a member.
  ///
  /// That fails the whole job, because the memory of the caller remains registered in the meeting.
  private func requireProgress(_ key: Key, _ caller: InProcessCommunicator, _ call: Call) throws {
    let missing = (meetings[key]?.members ?? []).filter { meetings[key]?.parts[$0] == nil }
    if let gone = missing.first(where: left.contains) {
      throw failJob(
        caller, caller.failure(.transport, in: call.name, "rank \(gone) has left without making this call"))
    }
    let allSleep = (0..<size).allSatisfy { left.contains($0) || sleeping[$0].map(isOpen) == true }
    guard allSleep else { return }
    let absent = missing.map(String.init).joined(separator: ", ")
    throw failJob(
      caller,
      caller.failure(.mismatch(ranks: missing), in: call.name, "rank \(absent) waits in another call"))
  }

  private func failJob(_ caller: InProcessCommunicator, _ error: CommunicationError) -> CommunicationError {
    firstError = firstError ?? (caller.rank, error)
    condition.broadcast()
    return error
  }

  /// Returns the indices of the elements that differ from the most frequent one. The earlier one wins a tie.
  private func oddOnes<Element: Equatable>(out elements: [Element]) -> [Int] {
    var usual = elements.first
    var votes = 0
    for element in elements {
      let count = elements.count { $0 == element }
      if count > votes { (usual, votes) = (element, count) }
    }
    return elements.indices.filter { elements[$0] != usual }
  }
}

/// The results of the ranks, filled in by their threads.
private final class RankValues<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var values: [Int: Value] = [:]

  func set(_ value: Value, at rank: Int) { lock.withLock { values[rank] = value } }
  /// All values in rank order.
  func all() -> [Value] { lock.withLock { values.keys.sorted().compactMap { values[$0] } } }
}
