import Foundation

/// One of several ranks that are threads of this process, for tests of distributed code without a launcher.
///
/// A collective is carried out by the rank that comes last, while the others sleep with their memory at its
/// disposal. Sums are added in rank order. A rank that fails wakes all others with an error, and a rank that
/// calls another collective than the rest is reported, so no mistake ends in a hang.
public final class InProcessCommunicator: Communicator {
  public let rank: Int
  public var worldSize: Int { hub.size }
  public var localRank: Int { rank }
  public var localSize: Int { hub.size }
  public let hostName: String
  private let hub: Hub
  private var collectives = 0
  private var startedReductions = 0
  private var exchanges: [Int: Int] = [:]
  private var isFinalized = false

  private init(rank: Int, hub: Hub, hostName: String) {
    self.rank = rank
    self.hub = hub
    self.hostName = hostName
  }

  /// Runs `body` once for each of `ranks` ranks, each on a thread of its own, and waits for all.
  ///
  /// Returns what they returned, in rank order; throws the error that a rank threw first.
  @discardableResult
  public static func run<Value: Sendable>(
    ranks: Int, _ body: @escaping @Sendable (InProcessCommunicator) throws -> Value
  ) throws -> [Value] {
    precondition(ranks > 0, "a job of \(ranks) ranks")
    let hub = Hub(size: ranks)
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
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with partner: Int
  ) throws {
    try requireRank(partner, in: "exchange")
    let (low, high) = (min(rank, partner), max(rank, partner))
    let key = Hub.Key.exchange(low: low, high: high, number: exchanges[partner, default: 0])
    exchanges[partner, default: 0] += 1
    try meet(key, Hub.Call("exchange of \(low) and \(high)", 0), Part(memory: receive, send: send)) { parts in
      // Alone, a rank is its own partner.
      let (first, last) = (parts[0], parts[parts.count - 1])
      guard first.send.count == last.memory.count, last.send.count == first.memory.count else { return false }
      first.memory.copyMemory(from: last.send)
      if parts.count > 1 { last.memory.copyMemory(from: first.send) }
      return true
    }
  }

  public func startAllreduceSum(
    _ values: UnsafeMutableBufferPointer<Float>
  ) throws -> any PendingReduction {
    try requireActive("startAllreduceSum")
    let key = Hub.Key.started(number: startedReductions)
    startedReductions += 1
    try hub.join(
      key, self, Hub.Call("startAllreduceSum", values.count), Part(memory: .init(values))
    ) { sum($0, of: Float.self) }
    return InProcessReduction(hub: hub, key: key, communicator: self)
  }

  /// Ends this rank and fails the others; `run` then throws `CommunicationError` of kind `aborted`.
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

  /// Waits for all ranks to make the same call; the last one carries it out.
  private func meetAll(
    _ name: String, _ count: Int, _ part: Part = Part(), _ work: ([Part]) -> Bool
  ) throws {
    let key = Hub.Key.collective(number: collectives)
    collectives += 1
    try meet(key, Hub.Call(name, count), part, work)
  }

  private func meet(_ key: Hub.Key, _ call: Hub.Call, _ part: Part, _ work: ([Part]) -> Bool) throws {
    try requireActive(call.name)
    try hub.join(key, self, call, part, work)
    try hub.wait(for: key, self)
  }

  private func requireActive(_ collective: String) throws {
    guard !isFinalized else { throw failure(.finalized, in: collective, "called after finalize()") }
  }
}

/// Overwrites every part with the sum of all, added in rank order.
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

private final class InProcessReduction: PendingReduction {
  private let hub: Hub
  private let key: Hub.Key
  private let communicator: InProcessCommunicator
  private var isComplete = false

  init(hub: Hub, key: Hub.Key, communicator: InProcessCommunicator) {
    self.hub = hub
    self.key = key
    self.communicator = communicator
  }

  func progress() throws -> Bool {
    if !isComplete, hub.isComplete(key) { try wait() }
    return isComplete
  }

  func wait() throws {
    guard !isComplete else { return }
    try hub.wait(for: key, communicator)
    isComplete = true
  }
}
