import CBuild
import Checkpoints
import Communication
import Foundation
import NumericKernels
import Tasks

/// How this process was started: as a rank of a job, or alone.
package enum Launcher {
  /// Whether rank 0 of the same job reports for this process. This is the case if an MPI launcher started this process
  /// directly, as a rank above 0.
  ///
  /// Environment variables alone are not sufficient evidence. Every shell that a launcher starts passes them on, and a
  /// batch script may have inherited some. A process that prints no output because of them would lose its results
  /// without a message.
  static let isReportedByRank0: Bool =
    (LauncherEnvironment.current?.rank ?? 0) > 0 && startsRanks(parentName)

  /// Whether a program of this name starts the ranks of a job on their host: Open MPI 4 and 5, MPICH and Intel MPI,
  /// SLURM.
  package static func startsRanks(_ name: String) -> Bool {
    [
      "mpirun", "mpiexec", "orterun", "orted", "prterun", "prted", "hydra_pmi_proxy", "pmi_proxy",
      "slurmstepd",
    ].contains(name)
  }

  /// The name of the parent process in the kernel's form: at most 15 bytes.
  private static var parentName: String {
    let name = (try? String(contentsOfFile: "/proc/\(getppid())/comm", encoding: .utf8)) ?? ""
    return name.trimmingCharacters(in: .newlines)
  }

  /// Holds the command line of `launch/run`, which a program under mpirun can't know.
  static let variable = "RNN_DIST_LAUNCHER"

  /// The words before the name of a command, such as `mpirun -np 4 rnn-dist`.
  package static func command(
    ranks: Int, program: String = CommandLine.arguments[0],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String {
    if let launcher = environment[variable], !launcher.isEmpty { return launcher }
    return (ranks > 1 ? "mpirun -np \(ranks) " : "") + quoted(program)
  }

  /// The words before the name of a command that runs in one process: `launch/run` without its options for several ranks, or the
  /// program. `--debug` remains, because the other build may not exist.
  package static func localCommand(
    program: String = CommandLine.arguments[0],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> String {
    let words = quotedWords(environment[variable] ?? "")
    guard let script = words.first else { return quoted(program) }
    return script + (words.contains("--debug") ? " --debug" : "")
  }

  /// The words of a line that bash has quoted (`printf %q`), each of them still quoted.
  private static func quotedWords(_ line: String) -> [String] {
    var words: [String] = []
    var word = ""
    var (isQuoted, isEscaped) = (false, false)
    for character in line {
      if character == " " && !isQuoted && !isEscaped {
        words.append(word)
        word = ""
        continue
      }
      word.append(character)
      if character == "'" && !isEscaped { isQuoted.toggle() }
      isEscaped = character == "\\" && !isEscaped
    }
    return (words + [word]).filter { !$0.isEmpty }
  }

  /// Quotes a word for a shell.
  package static func quoted(_ word: String) -> String {
    let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "/._-+=:,@%".contains($0) }
    return isPlain ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
}

/// The versions of all components that affect the bits of a result, for `run.json` and to prevent training together
/// with a different build.
enum ProgramVersion {
  /// The commit that the program was built from, if `launch/build` built it.
  private static var commit: String { String(cString: rnd_commit()) }

  /// The text of `--version`: the versions of the program and of the libraries that it runs with.
  static var text: String {
    // `inUse` would print a message if the requested set is unusable, which the command reports itself.
    let kernels = InstructionSet.unusableRequest == nil ? InstructionSet.inUse : .best
    let blas = BLAS.configuration.split(separator: " ").prefix(2).joined(separator: " ")
    return """
      rnn-dist \(ReleaseVersion.text), commit \(commit)
      BLAS: \(blas), \(BLAS.coreName)
      MPI: \(MPICommunicator.libraryVersion)
      instruction set: \(kernels)
      """
  }

  /// `build` is a digest of the executable: two builds of one version count as different programs. `blas` and `kernels`
  /// differ between ranks on different processors.
  static var all: [String: String] {
    var versions = [
      "rnn-dist": ReleaseVersion.text, "commit": commit, "blas": "OpenBLAS \(BLAS.coreName)",
      "kernels": InstructionSet.inUse.name,
    ]
    if let program = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe"), options: .alwaysMapped) {
      versions["build"] = program.withUnsafeBytes { String(Digest.digest64(of: $0), radix: 16) }
    }
    if LauncherEnvironment.isUnderLauncher { versions["mpi"] = MPICommunicator.libraryVersion }
    return versions
  }
}

/// Divides the cores of a host among its ranks.
enum Threads {
  /// Sets the number of threads of this rank for kernels and BLAS: the cores it may run on, divided by the ranks that may run
  /// on the same cores. OPENBLAS_NUM_THREADS takes precedence if it is set (collective).
  ///
  /// - Parameter reproducible: whether the BLAS uses one thread, because several threads may change its order of
  ///   additions. The kernels always add in the same order.
  /// - Returns: the ranks that share this rank's cores, if they are more than the cores; nil if each has a core of its own.
  @discardableResult
  static func share(
    among communicator: any Communicator, reproducible: Bool
  ) throws -> (ranks: Int, cores: Int)? {
    let mask = allowedCores()
    let mine = Array(communicator.hostName.utf8) + [0] + mask
    let sharing = try communicator.allgather(mine).count { $0 == mine }
    let cores = mask.reduce(0) { $0 + $1.nonzeroBitCount }
    if ProcessInfo.processInfo.environment["OPENBLAS_NUM_THREADS"] == nil {
      BLAS.threadCount = max(1, cores / max(1, sharing))
    }
    KernelThreads.count = BLAS.threadCount
    if reproducible { BLAS.threadCount = 1 }
    return sharing > cores ? (sharing, cores) : nil
  }

  /// The affinity mask of this process, one bit per core, in the form of /proc. A launcher that binds its ranks has
  /// narrowed the mask. (The system call is not visible to Swift without GNU extensions.)
  private static func allowedCores() -> [UInt8] {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") } ?? ""
    let digits = line.dropFirst("Cpus_allowed:".count).compactMap { UInt8(String($0), radix: 16) }
    return digits.isEmpty ? [1] : digits
  }
}
