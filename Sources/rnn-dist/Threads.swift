import Communication
import Foundation
import NumericKernels

/// How the cores of a host are shared between the ranks on it.
enum Threads {
  /// Sets the threads of this rank for kernels and BLAS: the cores it may run on, divided by the ranks that may run on the
  /// same ones. OPENBLAS_NUM_THREADS, if set, decides instead. Collective.
  ///
  /// - Parameter reproducible: one thread for the BLAS, which may add in another order with more of them. The kernels
  ///   don't.
  static func share(among communicator: any Communicator, reproducible: Bool) throws {
    let cores = allowedCores()
    let mine = Array(communicator.hostName.utf8) + [0] + cores
    let sharing = try communicator.allgather(mine).count { $0 == mine }
    if ProcessInfo.processInfo.environment["OPENBLAS_NUM_THREADS"] == nil {
      BLAS.threadCount = max(1, cores.reduce(0) { $0 + $1.nonzeroBitCount } / max(1, sharing))
    }
    KernelThreads.count = BLAS.threadCount
    if reproducible { BLAS.threadCount = 1 }
  }

  /// The affinity mask of this process, one bit a core, as the kernel writes it in /proc: a launcher that binds its ranks
  /// has narrowed it. (The system call is not visible to Swift without GNU extensions.)
  private static func allowedCores() -> [UInt8] {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") } ?? ""
    let digits = line.dropFirst("Cpus_allowed:".count).compactMap { UInt8(String($0), radix: 16) }
    return digits.isEmpty ? [1] : digits
  }
}
