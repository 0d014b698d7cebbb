/// The reason why a collective doesn't end, derived from the states of all ranks.
struct HangVerdict: Equatable {
  /// The ranks that keep the others waiting, ascending; empty if all ranks are alike.
  let culprits: [Int]
  /// Whether these ranks are computing and therefore only late.
  let isWorking: Bool
  /// A description of the problem: what these ranks did last, and in which part of the job.
  let message: String

  /// - Parameters:
  ///   - own: the rank that waits, in a collective.
  ///   - waited: the time that it has waited, in seconds.
  ///   - ranks: all ranks of the job, ascending.
  ///   - earlier: the states of all ranks some time before, which show the ranks that compute.
  init(own: RankStatus, waited: Double, ranks: [RankStatus], earlier: [RankStatus]) {
    guard let here = own.current else { preconditionFailure("rank \(own.rank) waits in no collective") }
    let absent = ranks.filter { $0.isAbsent(from: here) }
    let behind = ranks.filter { $0.rank != own.rank && $0.sequence < here.sequence }
    let late = behind.filter { $0.current == nil }
    let wait =
      "rank \(own.rank) on \(own.host) has waited \(Self.seconds(waited)) in \(here.name), \(here.place)"
    if let first = [absent, late, behind].first(where: { !$0.isEmpty }) {
      culprits = first.map(\.rank)
      isWorking =
        absent.isEmpty
        && first.allSatisfy { status in
          let before = earlier.first { $0.rank == status.rank }
          return status.process == .running || status.hasComputed(since: before)
        }
      message = first.prefix(8).map { $0.reproach(for: here) }.joined(separator: "; ") + "; " + wait
    } else if let odd = Self.differing(ranks, from: here) {
      culprits = odd.ranks
      isWorking = false
      message = "the ranks call different collectives: \(odd.calls); \(wait)"
    } else if here.operation == .start {
      culprits = []
      isWorking = false
      message = "all ranks of this host have come, but not all of the other hosts: \(wait)"
    } else {
      culprits = []
      isWorking = false
      message = "all ranks are in the same collective, so a connection between them is broken: \(wait)"
    }
  }

  static func seconds(_ value: Double) -> String {
    value < 10 ? "\((value * 10).rounded() / 10) s" : "\(Int(value.rounded())) s"
  }

  /// Returns the ranks that call a different operation or size than most ranks, and a description of all calls.
  private static func differing(
    _ ranks: [RankStatus], from here: FlightRecord
  ) -> (ranks: [Int], calls: String)? {
    struct Call: Hashable {
      let operation: CollectiveKind
      let bytes: Int?
    }
    var callers: [Call: [RankStatus]] = [:]
    for status in ranks {
      guard let record = status.records.last(where: { $0.sequence == here.sequence }) else { continue }
      let bytes = record.operation.needsEqualSizes ? record.bytes : nil
      callers[Call(operation: record.operation, bytes: bytes), default: []].append(status)
    }
    let groups = callers.values.sorted { ($0.count, $1[0].rank) > ($1.count, $0[0].rank) }
    guard groups.count > 1 else { return nil }
    // With two ranks, neither is in the minority.
    let odd =
      groups[0].count == groups[1].count
      ? groups.joined().map(\.rank) : groups.dropFirst().joined().map(\.rank)
    let calls = groups.map { group in
      let record = group[0].records.last { $0.sequence == here.sequence } ?? here
      let names = group.prefix(8).map { "\($0.rank) on \($0.host)" }.joined(separator: ", ")
      return "rank \(names): \(record.name)"
    }
    return (odd.sorted(), calls.joined(separator: "; "))
  }
}

extension FlightRecord {
  /// The collective as text, such as `collective 340 (sum of a vector, 1200 bytes)`.
  var name: String {
    let otherRank = peer.map { " with rank \($0)" } ?? ""
    return operation == .start
      ? "the start of MPI" : "collective \(sequence) (\(operation.rawValue)\(otherRank), \(bytes) bytes)"
  }

  /// The position in the job, such as `at step 57`.
  var place: String { Self.place(phase, step: step) }

  static func place(_ phase: JobPhase, step: Int) -> String {
    switch phase {
    case .start: "at the start"
    case .data: "before the first step"
    case .step: "at step \(step)"
    case .evaluation: "in an evaluation at step \(step)"
    case .save: "while a checkpoint is saved at step \(step)"
    case .end: "at the end"
    }
  }
}

extension RankStatus {
  /// Whether waiting for this rank is useless, unlike a rank that is only late.
  fileprivate func isAbsent(from here: FlightRecord) -> Bool {
    switch process {
    case .stopped, .gone, .silent: true
    case .left: sequence < here.sequence
    case .running, .sleeping: false
    }
  }

  /// Whether its main thread has used at least two ticks of the kernel's clock of processor time since an earlier
  /// check.
  fileprivate func hasComputed(since earlier: RankStatus?) -> Bool {
    guard let before = earlier?.processorTime, let now = processorTime else { return false }
    return now - before >= 0.02
  }

  /// Describes the problem of the rank, and its last action.
  func reproach(for here: FlightRecord?) -> String {
    let name = "rank \(rank) on \(host)" + (pid.map { " (process \($0))" } ?? "")
    let problem =
      switch process {
      case .stopped: "is stopped"
      case .gone: "has died"
      case .silent where here?.phase == .start: "has not come"
      case .silent: "doesn't answer"
      case .left: "has left the job"
      case .running: "is computing and has not called it"
      case .sleeping: "sleeps and has not called it"
      }
    guard let last = records.last else { return "\(name) \(problem)" }
    let time =
      last.seconds.map { "ended \(HangVerdict.seconds(max(0, last.age - $0))) ago" }
      ?? "began \(HangVerdict.seconds(last.age)) ago"
    return "\(name) \(problem), its last record is \(last.name), \(last.place), \(time)"
  }
}
