import Foundation

/// What one rank puts at the disposal of the rank that carries out a collective.
struct Part {
  /// What is overwritten.
  var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  /// What an exchange sends.
  var send = UnsafeRawBufferPointer(start: nil, count: 0)
  /// What an allgather contributes, and where its result goes.
  var bytes: [UInt8] = []
  var gathered: UnsafeMutablePointer<[[UInt8]]>?
}

/// Where the ranks of an `InProcessCommunicator` meet; all its state is guarded by one condition.
final class Hub: @unchecked Sendable {
  /// Which meeting of the job a call belongs to, by the number of such calls a rank made before.
  enum Key: Hashable {
    case collective(number: Int)
    case started(number: Int)
    case exchange(low: Int, high: Int, number: Int)
  }

  /// What a rank calls; all that meet must call the same.
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
      /// These ranks don't fit the rest, for this reason.
      case mismatch(ranks: [Int], reason: String)
    }
    let members: [Int]
    var calls: [Int: Call] = [:]
    var parts: [Int: Part] = [:]
    var outcome = Outcome.open
    var unread: Int
  }

  let size: Int
  private let condition = NSCondition()
  private var meetings: [Key: Meeting] = [:]
  /// The meeting that each sleeping rank waits for.
  private var sleeping: [Int: Key] = [:]
  private var left: Set<Int> = []
  private var firstError: (rank: Int, error: any Error)?

  init(size: Int) { self.size = size }

  /// Enters a meeting. The last member compares all calls and does `work` on the parts, in rank order.
  ///
  /// `work` returns false if the parts don't fit each other.
  func join(
    _ key: Key, _ caller: InProcessCommunicator, _ call: Call, _ part: Part, _ work: ([Part]) -> Bool
  ) throws {
    condition.lock()
    defer { condition.unlock() }
    try requireHealth(caller, call)
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

  /// Sleeps until the meeting is over; throws if it failed or can never be complete.
  func wait(for key: Key, _ caller: InProcessCommunicator) throws {
    condition.lock()
    defer { condition.unlock() }
    sleeping[caller.rank] = key
    defer { sleeping[caller.rank] = nil }
    while isOpen(key) {
      let call = meetings[key]?.calls[caller.rank] ?? Call("wait", 0)
      try requireHealth(caller, call)
      try requireHope(key, caller, call)
      condition.wait()
    }
    guard var meeting = meetings[key] else { return }
    meeting.unread -= 1
    meetings[key] = meeting.unread == 0 ? nil : meeting
    if case .mismatch(let ranks, let reason) = meeting.outcome {
      throw caller.failure(.mismatch(ranks: ranks), in: meeting.calls[caller.rank]?.name ?? "wait", reason)
    }
  }

  /// Returns whether a meeting is over.
  func isComplete(_ key: Key) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    return !isOpen(key) || firstError != nil
  }

  /// Takes note that a rank has returned or thrown, and wakes those who wait for it.
  func leave(rank: Int, error: (any Error)?) {
    condition.lock()
    defer { condition.unlock() }
    left.insert(rank)
    if let error, firstError == nil { firstError = (rank, error) }
    condition.broadcast()
  }

  /// Sleeps until every rank has left; throws the first error.
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
        ranks: meeting.members, reason: "what one side sends must be as long as what the other receives")
    }
    return .done
  }

  private func requireHealth(_ caller: InProcessCommunicator, _ call: Call) throws {
    guard let firstError else { return }
    throw caller.failure(
      .peerFailed, in: call.name, "rank \(firstError.rank) failed: \(firstError.error)")
  }

  /// Throws if a member of the meeting has left, or if all ranks sleep in meetings that lack a member.
  ///
  /// That fails the whole job: the caller's memory, which stays entered in the meeting, must not be used.
  private func requireHope(_ key: Key, _ caller: InProcessCommunicator, _ call: Call) throws {
    let missing = (meetings[key]?.members ?? []).filter { meetings[key]?.parts[$0] == nil }
    if let gone = missing.first(where: left.contains) {
      throw failJob(
        caller, caller.failure(.peerFailed, in: call.name, "rank \(gone) has left without making this call"))
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
}

/// Returns the indices of the elements that differ from the most frequent one, the earlier among equals.
func oddOnes<Element: Equatable>(out elements: [Element]) -> [Int] {
  var usual = elements.first
  var votes = 0
  for element in elements {
    let count = elements.count { $0 == element }
    if count > votes { (usual, votes) = (element, count) }
  }
  return elements.indices.filter { elements[$0] != usual }
}

/// What the ranks returned, filled in by their threads.
final class RankValues<Value: Sendable>: @unchecked Sendable {
  private let lock = NSLock()
  private var values: [Int: Value] = [:]

  func set(_ value: Value, at rank: Int) { lock.withLock { values[rank] = value } }
  /// All values in rank order.
  func all() -> [Value] { lock.withLock { values.keys.sorted().compactMap { values[$0] } } }
}

/// Returns the name of this host, without a look-up in any name service.
func localHostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
  return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
