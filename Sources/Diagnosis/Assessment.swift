import Foundation

/// Assesses the facts of all ranks of a job.
public enum Assessment {
  /// - Parameter ranks: the facts of every rank, collected at the same time, in rank order.
  public static func findings(_ ranks: [HostFacts]) -> [Finding] {
    let hosts = Dictionary(grouping: ranks, by: \.host).sorted { $0.key < $1.key }
    return hosts.flatMap { host, ranks in of(host, ranks) } + [
      uniform(ranks, "kernels", \.instructionSet), uniform(ranks, "BLAS core", \.blasCore),
    ] + (hosts.count > 1 ? [clocks(ranks)] : [])
  }

  // MARK: - One host

  private static func of(_ host: String, _ ranks: [HostFacts]) -> [Finding] {
    let first = ranks[0]
    return [
      slots(host, ranks), binding(host, ranks), threads(host, ranks),
      Finding("memory on \(host)", .ok, "\(size(Double(first.memory))) for \(plural(ranks.count, "rank"))"),
      sharedMemory(host, ranks), temporaryFolder(host, first),
    ]
  }

  /// The number of processors that the ranks on a host may use together.
  private static func usable(_ ranks: [HostFacts]) -> Double {
    let processors = Double(Set(ranks.flatMap(\.allowed)).count)
    let cores = min(processors, Double(ranks[0].cores))
    return ranks[0].quota.map { min($0, cores) } ?? cores
  }

  private static func slots(_ host: String, _ ranks: [HostFacts]) -> Finding {
    let name = "slots on \(host)"
    let usable = usable(ranks)
    let cores =
      "\(plural(ranks[0].cores, "physical core")), \(decimal(usable)) usable, \(plural(ranks.count, "rank"))"
    if Double(ranks.count) > usable {
      return Finding(
        name, .warning, cores, cure: "start at most \(max(1, Int(usable))) ranks here; more never run faster")
    }
    return Finding(name, .ok, cores)
  }

  /// Ranks with one processor each must not share the same one.
  private static func binding(_ host: String, _ ranks: [HostFacts]) -> Finding {
    let name = "binding on \(host)"
    let masks = Set(ranks.map(\.allowed))
    let narrow = ranks.contains { $0.allowed.count < $0.threads }
    if ranks.count > 1, masks.count < ranks.count, ranks[0].allowed.count < ranks.count {
      return Finding(
        name, .problem, "several ranks are bound to the same processors \(list(ranks[0].allowed))",
        cure: "start with launch/run, or with mpirun --bind-to none")
    }
    if narrow {
      return Finding(
        name, .warning, "a rank has more threads than processors to run on",
        cure: "start with mpirun --bind-to none, or set OPENBLAS_NUM_THREADS=1")
    }
    let text =
      masks.count == 1
      ? "ranks may use processors \(list(ranks[0].allowed))" : "every rank has its own processors"
    return Finding(name, .ok, text)
  }

  private static func threads(_ host: String, _ ranks: [HostFacts]) -> Finding {
    let name = "threads on \(host)"
    let total = ranks.reduce(0) { $0 + $1.threads }
    let text = "\(plural(ranks.count, "rank")) with \(plural(ranks[0].threads, "thread")) each"
    if Double(total) > max(1, usable(ranks)), ranks[0].threads > 1 {
      return Finding(
        name, .warning, "\(text), more than there are processors",
        cure: "unset OPENBLAS_NUM_THREADS, or set it to \(max(1, Int(usable(ranks)) / ranks.count))")
    }
    if Double(total) < usable(ranks).rounded(.down) {
      return Finding(
        name, .warning, "\(text), while \(decimal(usable(ranks))) processors are usable",
        cure: "start more ranks, one per core, or raise OPENBLAS_NUM_THREADS")
    }
    return Finding(name, .ok, text)
  }

  private static func sharedMemory(_ host: String, _ ranks: [HostFacts]) -> Finding {
    let name = "shared memory on \(host)"
    guard let free = ranks[0].sharedMemory else {
      return Finding(
        name, .warning, "there is no /dev/shm", cure: "mount it; without it gradients are sent as messages")
    }
    let largest = max(0, free - 32 << 20) / 4 / ranks.count
    let text =
      "\(size(Double(free))) free in /dev/shm, enough for gradients of \(largest / 1_000_000) million parameters"
    guard free < 256 << 20 else { return Finding(name, .ok, text) }
    return Finding(
      name, .warning, text,
      cure: "enlarge it (docker run --shm-size=1g); larger gradients are sent as messages, which is slower")
  }

  private static func temporaryFolder(_ host: String, _ facts: HostFacts) -> Finding {
    let name = "temporary folder on \(host)"
    guard let free = facts.temporaryBytes else {
      return Finding(
        name, .problem, "\(facts.temporaryFolder) can't be written",
        cure: "set TMPDIR to a folder that can: Open MPI keeps the files of a session there")
    }
    let text = "\(size(Double(free))) free in \(facts.temporaryFolder)"
    guard free < 64 << 20 else { return Finding(name, .ok, text) }
    return Finding(name, .warning, text, cure: "remove old files: a job takes about 8 MB")
  }

  // MARK: - All ranks

  private static func uniform(_ ranks: [HostFacts], _ name: String, _ key: KeyPath<HostFacts, String>)
    -> Finding
  {
    let values = Set(ranks.map { $0[keyPath: key] }).sorted()
    if values.count > 1 {
      return Finding(
        name, .problem, "different on the hosts of this job: \(values.joined(separator: ", "))",
        cure:
          "use hosts with equal processors, or set the same RNN_DIST_KERNELS and OPENBLAS_CORETYPE for all ranks"
      )
    }
    return Finding(name, .ok, values[0])
  }

  /// The times are collected right after a barrier. Differences larger than its duration are therefore differences
  /// between the clocks.
  private static func clocks(_ ranks: [HostFacts]) -> Finding {
    let times = ranks.map(\.time)
    let skew = (times.max() ?? 0) - (times.min() ?? 0)
    let text = "the clocks of the hosts differ by at most \(String(format: "%.2f", skew)) s"
    guard skew > 2 else { return Finding("clocks", .ok, text) }
    return Finding(
      "clocks", .warning, text, cure: "synchronize them (chrony, ntpd), or times in logs mislead")
  }

  /// The result of fitting the time of sums over all ranks by `latency` seconds plus bytes / `bandwidth`.
  public static func communication(latency: Double, bandwidth: Double) -> Finding {
    let text = String(
      format: "sums over all ranks: latency %.1f us, bandwidth %.2f GB/s", latency * 1e6, bandwidth * 1e-9)
    guard latency > 1e-3 || bandwidth < 1e8 else { return Finding("communication", .ok, text) }
    return Finding(
      "communication", .warning, text,
      cure:
        "use fewer ranks than cores; on several hosts name the fastest network (--mca btl_tcp_if_include), or use larger "
        + "batches so that a step takes longer than its sum")
  }

  // MARK: - Text

  static func size(_ bytes: Double) -> String {
    bytes >= Double(1 << 30)
      ? String(format: "%.1f GiB", bytes / Double(1 << 30))
      : String(format: "%.0f MiB", bytes / Double(1 << 20))
  }

  private static func plural(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  private static func decimal(_ value: Double) -> String {
    value == value.rounded() ? "\(Int(value))" : String(format: "%.1f", value)
  }

  /// A list of numbers as text, such as `0-3, 8`.
  private static func list(_ numbers: [Int]) -> String {
    var parts: [(Int, Int)] = []
    for number in numbers {
      if let last = parts.last, last.1 + 1 == number {
        parts[parts.count - 1].1 = number
      } else {
        parts.append((number, number))
      }
    }
    return parts.map { $0 == $1 ? "\($0)" : "\($0)-\($1)" }.joined(separator: ", ")
  }
}
