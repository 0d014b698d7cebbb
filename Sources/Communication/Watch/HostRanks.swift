import Foundation
import Synchronization

/// The state of one rank at one time, as seen by other ranks.
public struct RankStatus: Sendable, Codable, Equatable {
  public enum Process: String, Sendable, Codable {
    case running
    /// Blocked but not computing: asleep, or in a system call.
    case sleeping
    /// Stopped by a signal or a debugger.
    case stopped
    /// The process has ended.
    case gone
    /// The process ended on purpose, or after reporting an error.
    case left
    /// The rank didn't answer, and there is no information on it on this host.
    case silent
  }

  public var rank: Int
  public var host: String
  public var pid: Int32?
  public var process: Process
  public var phase: JobPhase?
  public var step: Int?
  /// The number of collectives that it has started.
  public var sequence: Int
  /// The processor time of its main thread in seconds.
  public var processorTime: Double?
  /// Its last collectives, the newest last.
  public var records: [FlightRecord]

  /// The collective that it is in; nil between collectives.
  public var current: FlightRecord? { records.last.flatMap { $0.seconds == nil ? $0 : nil } }

  static func silent(_ rank: Int, host: String) -> RankStatus {
    RankStatus(rank: rank, host: host, process: .silent, sequence: 0, records: [])
  }
}

/// The ranks of one job on this host: their flight recorders, and the kernel's information on their processes.
///
/// Recorders are files in shared memory until all ranks have started and mapped them. Then the files are removed, so
/// that none is left behind, however the job ends.
final class HostRanks: Sendable {
  /// The recorder of this rank.
  let own: FlightRecorder
  let hostName = localHostName()
  /// The number of ranks on this host, if the launcher provides it.
  let expected: Int?
  private let directory: String?
  private let recorders: Mutex<[Int: FlightRecorder]>

  init(rank: Int, expected: Int?) {
    let directory = Self.directory(ofJob: Self.jobName)
    own = FlightRecorder(rank: rank, path: directory.map { "\($0)/rank-\(rank)" })
    recorders = Mutex([rank: own])
    self.directory = directory
    self.expected = expected
  }

  /// Maps the recorders of the ranks that have started in the meantime.
  func lookForRanks() {
    guard let directory, let entries = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
      return
    }
    recorders.withLock { known in
      for name in entries where name.hasPrefix("rank-") {
        guard let rank = Int(name.dropFirst("rank-".count)), known[rank] == nil else { continue }
        known[rank] = FlightRecorder(opening: "\(directory)/\(name)")
      }
    }
  }

  /// Whether the recorder of a rank has been found, which means that the rank is on this host.
  func knows(_ rank: Int) -> Bool { recorders.withLock { $0[rank] != nil } }

  /// Removes the file of this rank. Its mappings stay valid.
  func removeFile() {
    guard let directory else { return }
    unlink("\(directory)/rank-\(own.rank)")
    // The last rank removes the directory; for the others it isn't empty.
    rmdir(directory)
  }

  /// The known ranks of this host, ascending.
  func statuses() -> [RankStatus] {
    known.map { recorder in
      let kernel = ProcessState(recorder.process)
      let process: RankStatus.Process =
        recorder.stage == .leaving ? .left : kernel?.process ?? .gone
      return RankStatus(
        rank: recorder.rank, host: hostName, pid: recorder.process, process: process,
        phase: recorder.phase, step: recorder.step, sequence: recorder.sequence,
        processorTime: kernel?.processorTime, records: recorder.records(8))
    }
  }

  /// The recorder of a rank on this host that has died, if there is one.
  ///
  /// A rank that has left before this one has reported an error, and the launcher then ends the others: their deaths
  /// are not reported.
  func firstDead() -> FlightRecorder? {
    let known = known
    guard own.stage == .leaving || !known.contains(where: { $0.stage == .leaving }) else { return nil }
    return known.first { $0.stage != .leaving && kill($0.process, 0) != 0 && errno == ESRCH }
  }

  private var known: [FlightRecorder] {
    recorders.withLock { all in all.keys.sorted().compactMap { all[$0] } }
  }

  // MARK: - Where the files are

  private static var jobName: String {
    // Containers may share memory but number their processes separately.
    var namespace = stat()
    _ = stat("/proc/self/ns/pid", &namespace)
    let parent = try? String(contentsOfFile: "/proc/\(getppid())/comm", encoding: .utf8)
    let facts = jobFacts(
      variables: ProcessInfo.processInfo.environment, process: getpid(), parent: getppid(),
      parentName: parent.map { $0.filter { $0 != "\n" } })
    // FNV-1a
    let hash = "\(namespace.st_ino);\(facts)".utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01b3
    }
    return "rnn-dist-\(getuid())-" + String(hash, radix: 16)
  }

  /// A text that tells the jobs on a host apart: variables that a launcher sets for all ranks of one job and for no others.
  static func jobFacts(
    variables: [String: String], process: pid_t, parent: pid_t, parentName: String?
  ) -> String {
    let names = ["PMIX_NAMESPACE", "PMIX_SERVER_TMPDIR", "SLURM_JOB_ID", "SLURM_STEP_ID"]
    let values = names.compactMap { name in variables[name].map { "\(name)=\($0)" } }
    guard values.isEmpty else { return values.joined(separator: ";") }
    // The launchers of MPICH and Intel MPI give jobs no name, but their proxy is the parent of all ranks on a host. Without a
    // launcher, processes have nothing in common, even if a shell has passed variables of a launcher on to them.
    return "\(["hydra_pmi_proxy", "pmi_proxy"].contains(parentName) ? parent : process)"
  }

  /// Creates the directory for a job, or finds the one that another rank has created; returns nil if it can't be
  /// created.
  private static func directory(ofJob name: String) -> String? {
    for parent in ["/dev/shm", NSTemporaryDirectory()] {
      let path = "\(parent)/\(name)"
      var status = stat()
      if mkdir(path, 0o700) == 0 || errno == EEXIST, lstat(path, &status) == 0,
        status.st_mode & S_IFMT == S_IFDIR, status.st_uid == getuid()
      {
        return path
      }
    }
    return nil
  }
}

/// A process as shown in /proc.
struct ProcessState {
  let process: RankStatus.Process
  /// The processor time of the main thread in seconds.
  let processorTime: Double

  /// Returns nil if there is no process with this id.
  init?(_ pid: pid_t) {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(pid)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { return nil }
    // The fields after the name are the state and numbers; user and system time are the 12th and 13th (proc(5),
    // /proc/PID/stat).
    let fields = text[text.index(after: end)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      return nil
    }
    processorTime = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    switch fields[0] {
    case "R": process = .running
    case "T", "t": process = .stopped
    case "Z", "X": return nil
    default: process = .sleeping
    }
  }
}
