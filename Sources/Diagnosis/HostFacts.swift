import Communication
import Foundation

/// The facts that the operating system provides about this process and its host. Every rank collects its own, and one
/// rank assesses all of them.
public struct HostFacts: Sendable, Codable, Equatable {
  public var host = ""
  /// Seconds since 1970 on the clock of the host.
  public var time = 0.0
  /// The number of physical cores of the host.
  public var cores = 1
  /// The numbers of the logical processors that this process may use, ascending.
  public var allowed: [Int] = []
  /// The container's quota in processors; nil if there is no quota.
  public var quota: Double?
  /// The number of threads of this rank for kernels and BLAS.
  public var threads = 1
  public var instructionSet = ""
  public var blasCore = ""
  /// The memory that this host, or the container that this process runs in, allows, in bytes.
  public var memory = 0
  /// The free bytes in /dev/shm; nil if it does not exist.
  public var sharedMemory: Int?
  /// The temporary folder and its free bytes, nil if it is not writable.
  public var temporaryFolder = ""
  public var temporaryBytes: Int?

  public init() {}

  /// Collects the facts of this process. The caller sets `threads`, `instructionSet` and `blasCore`.
  public static func collect() -> HostFacts {
    var facts = HostFacts()
    facts.host = localHostName()
    facts.time = Date().timeIntervalSince1970
    let status = text("/proc/self/status")
    facts.allowed = processors(value("Cpus_allowed_list", in: status))
    facts.cores = physicalCores(text("/proc/cpuinfo")) ?? max(1, facts.allowed.count)
    facts.quota = quota(text("/sys/fs/cgroup/cpu.max"))
    facts.memory = HostMemory.limit()
    facts.sharedMemory = freeBytes("/dev/shm")
    facts.temporaryFolder = NSTemporaryDirectory()
    let isWritable = access(facts.temporaryFolder, W_OK | X_OK) == 0
    facts.temporaryBytes = isWritable ? freeBytes(facts.temporaryFolder) : nil
    return facts
  }

  // MARK: - Reading /proc

  private static func text(_ path: String) -> String {
    (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
  }

  private static func value(_ name: String, in text: String) -> String {
    let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
    return line?.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) ?? ""
  }

  /// The numbers in a list such as `0-3,8`.
  static func processors(_ list: String) -> [Int] {
    list.split(separator: ",").flatMap { part -> [Int] in
      let bounds = part.split(separator: "-").compactMap { Int(String($0).trimmed) }
      guard let first = bounds.first, let last = bounds.last, first <= last else { return [] }
      return Array(first...last)
    }
  }

  /// The number of different pairs of socket and core in /proc/cpuinfo; nil if they are not listed.
  static func physicalCores(_ information: String) -> Int? {
    var cores: Set<String> = []
    for processor in information.components(separatedBy: "\n\n") {
      func number(_ name: String) -> String? {
        let line = processor.split(separator: "\n").first { $0.hasPrefix(name) }
        return line?.split(separator: ":").last.map { String($0).trimmed }
      }
      if let socket = number("physical id"), let core = number("core id") {
        cores.insert("\(socket) \(core)")
      }
    }
    return cores.isEmpty ? nil : cores.count
  }

  /// The quota in `cpu.max` of a control group, such as `150000 100000` for one and a half processors.
  static func quota(_ text: String) -> Double? {
    let numbers = text.split(whereSeparator: \.isWhitespace).map { Double($0) }
    guard numbers.count == 2, let share = numbers[0], let period = numbers[1], period > 0 else { return nil }
    return share / period
  }

  private static func freeBytes(_ path: String) -> Int? {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return nil }
    let (bytes, overflows) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflows ? .max : Int(clamping: bytes)
  }
}

extension String {
  fileprivate var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}
