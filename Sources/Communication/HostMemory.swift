import Foundation
import Synchronization

/// The memory of the host, or of the container that this process runs in, and the share of each rank.
public enum HostMemory {
  private static let ranksOnHost = Atomic<Int>(1)

  /// The number of ranks of this job on this host. A communicator sets it.
  public internal(set) static var ranks: Int {
    get { ranksOnHost.load(ordering: .relaxed) }
    set { ranksOnHost.store(newValue, ordering: .relaxed) }
  }

  /// The number of bytes that each rank may use if all ranks on the host use the same amount.
  public static var perRank: Int { limit() / ranks }

  /// The memory of the host in bytes, or less if a control group of this process allows less.
  ///
  /// - Parameters:
  ///   - physical: the memory of the host.
  ///   - groups: the text of /proc/self/cgroup.
  ///   - root: the mount point of the control groups.
  public static func limit(
    physical: Int = Int(clamping: ProcessInfo.processInfo.physicalMemory),
    groups: String = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? "",
    root: String = "/sys/fs/cgroup"
  ) -> Int {
    var limit = physical
    for line in groups.split(separator: "\n") {
      // The fields are number, controllers and path. In version 2, the controllers are empty.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3, parts[1].isEmpty || parts[1].split(separator: ",").contains("memory") else {
        continue
      }
      let (base, file) =
        parts[1].isEmpty ? (root, "memory.max") : ("\(root)/memory", "memory.limit_in_bytes")
      // Every group between this one and the root limits the process. In a container the path may lead outside of the
      // mounted directory.
      var group = parts[2].split(separator: "/").map(String.init)
      while true {
        let path = ([base] + group + [file]).joined(separator: "/")
        if let text = try? String(contentsOfFile: path, encoding: .utf8),
          let bytes = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), bytes > 0
        {
          limit = min(limit, bytes)
        }
        if group.popLast() == nil { break }
      }
    }
    return limit
  }
}
