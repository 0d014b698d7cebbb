import Foundation
import Synchronization

/// The reason why the watchdog ended a job.
public struct JobEnd: Sendable, Codable {
  /// The event, in one line.
  public var message: String
  /// The ranks that caused it, if they are known.
  public var culprits: [Int]
  /// The training step of the reporting rank.
  public var step: Int
  /// All ranks with their last collectives, as far as they are known.
  public var ranks: [RankStatus]
}

/// A thread that ends the job when a collective takes longer than its limit, or when a rank of this host has died.
///
/// It makes no MPI calls, so it works while MPI waits. It reads the flight recorders of the ranks on its host, and
/// queries the watchdogs of other hosts. One rank reports; when it exits, the launcher ends the other ranks.
final class Watchdog: @unchecked Sendable {
  /// The facts about the job that are known after all ranks have started.
  struct Job: Sendable {
    var worldSize: Int
    /// The host of every rank.
    var hosts: [String]
    /// The ranks of other hosts; empty if the job has one host.
    var remote: [StatusSocket.Address]
    var token: UInt64
    /// Nil if there is only one host.
    var socket: StatusSocket?
  }

  let host: HostRanks
  private let limits: WatchLimits
  private let launcher: LauncherEnvironment
  private let job = Mutex<Job?>(nil)
  private let reporter = Mutex<(@Sendable (JobEnd) -> String?)?>(nil)
  private let isOver = Atomic<Bool>(false)

  /// The exit code of a rank whose watchdog ends the job.
  static let exitCode: Int32 = 1
  /// The seconds between two checks.
  private static let interval = 0.1

  init(_ limits: WatchLimits, launcher: LauncherEnvironment) {
    self.limits = limits
    self.launcher = launcher
    host = HostRanks(rank: launcher.rank, expected: launcher.localSize)
  }

  /// Starts the thread. The signals are left to the other threads.
  func start() {
    let thread = Thread { [self] in
      var all = sigset_t()
      sigfillset(&all)
      pthread_sigmask(SIG_BLOCK, &all, nil)
      watch()
    }
    thread.name = "watchdog"
    thread.start()
  }

  func stop() {
    isOver.store(true, ordering: .releasing)
    host.removeFile()
  }

  /// Passes the facts that the watchdog needs to find the other ranks.
  func meet(_ job: Job) { self.job.withLock { $0 = job } }

  /// Registers a function that is called before the watchdog ends the job, on its thread. It returns the name of the
  /// file with the records.
  func report(to report: @escaping @Sendable (JobEnd) -> String?) { reporter.withLock { $0 = report } }

  // MARK: - The thread

  private func watch() {
    var (sequence, waited, last) = (0, 0.0, FlightRecorder.now)
    while !isOver.load(ordering: .acquiring) {
      _ = receive(for: Self.interval)
      let now = FlightRecorder.now
      // If the whole job was stopped, for example by a batch system, that time doesn't count.
      let passed = min(Double(now - last) * 1e-9, 1)
      last = now
      if host.own.stage == .starting { host.lookForRanks() }
      guard !isOver.load(ordering: .acquiring) else { return }
      if let dead = host.firstDead() { reportDeath(of: dead) }
      guard let current = host.own.current else {
        waited = 0
        continue
      }
      if current.sequence != sequence { (sequence, waited) = (current.sequence, 0) }
      waited += passed
      let limit = limits.limit(current.phase, typicalStep: host.own.typicalStep)
      if waited > limit { examine(waited: waited, limit: limit) }
    }
  }

  /// Ends the job unless the late ranks are computing, which may take longer.
  private func examine(waited: Double, limit: Double) {
    let earlier = survey()
    let ranks = survey()
    guard let own = ranks.first(where: { $0.rank == host.own.rank }), let current = own.current,
      current.sequence == earlier.first(where: { $0.rank == own.rank })?.sequence
    else { return }
    let verdict = HangVerdict(own: own, waited: waited, ranks: ranks, earlier: earlier)
    if verdict.isWorking, waited < limit * WatchLimits.patienceWithWork { return }
    // The lowest rank that is not a culprit reports for all.
    let reporter = ranks.first { !verdict.culprits.contains($0.rank) && $0.current != nil }?.rank
    if reporter ?? own.rank != own.rank { Thread.sleep(forTimeInterval: 5) }
    end(JobEnd(message: verdict.message, culprits: verdict.culprits, step: current.step, ranks: ranks))
  }

  private func reportDeath(of dead: FlightRecorder) {
    guard dead.takeReport() else {
      // Another rank of this host reports. This rank only makes sure that the job ends.
      Thread.sleep(forTimeInterval: 3)
      _exit(Self.exitCode)
    }
    let ranks = survey(seconds: 0.05)
    guard let status = ranks.first(where: { $0.rank == dead.rank }) else { return }
    let place = FlightRecord.place(dead.phase, step: dead.step)
    end(
      JobEnd(
        message: "\(status.reproach(for: nil)); it died \(place)", culprits: [dead.rank],
        step: host.own.step, ranks: ranks))
  }

  /// Returns all ranks, ascending. Ranks of other hosts that don't answer are `silent`, and so are missing ranks of
  /// this host.
  private func survey(seconds: Double = 1) -> [RankStatus] {
    let job = job.withLock { $0 }
    if let job, let socket = job.socket {
      for address in job.remote { socket.ask(address, token: job.token) }
    }
    let answers = receive(for: seconds)
    var found: [Int: RankStatus] = [:]
    for status in answers + host.statuses() { found[status.rank] = status }
    // Before the ranks have exchanged their addresses, only the ranks of this host are known. They are all ranks if the
    // job has one host.
    let size = job?.worldSize ?? (launcher.worldSize == host.expected ? launcher.worldSize ?? 0 : 0)
    for rank in 0..<size where found[rank] == nil {
      found[rank] = .silent(rank, host: job?.hosts[rank] ?? host.hostName)
    }
    return found.keys.sorted().compactMap { found[$0] }
  }

  /// Waits, and answers requests from other hosts meanwhile.
  private func receive(for seconds: Double) -> [RankStatus] {
    guard let job = job.withLock({ $0 }), let socket = job.socket else {
      Thread.sleep(forTimeInterval: seconds)
      return []
    }
    return socket.receive(for: seconds, token: job.token, own: host.statuses)
  }

  private func end(_ end: JobEnd) -> Never {
    // The other ranks must not report this rank's end. That includes a stopped rank that continues when the launcher
    // ends it.
    host.own.stage = .leaving
    let file = reporter.withLock { $0 }?(end)
    let text =
      "error: \(end.message)\(file.map { "; all records are in \($0)" } ?? ""). End the remaining processes of the "
      + "job and start it again, a training run with --resume; \(WatchLimits.variable) changes the limits\n"
    _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    host.removeFile()
    _exit(Self.exitCode)
  }
}
