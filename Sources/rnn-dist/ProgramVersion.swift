import Checkpoints
import Communication
import Foundation
import NumericKernels
import Tasks

/// What this program is, for `--version`, for `run.json`, and for refusing to train together with another build.
enum ProgramVersion {
  static let text = ReleaseVersion.text

  /// Versions of everything that decides the bits of a result. `build` is a digest of the executable: two builds of one
  /// version are two programs. `blas` and `kernels` differ between ranks on different processors.
  static var all: [String: String] {
    var versions = [
      "rnn-dist": text, "blas": "OpenBLAS \(BLAS.coreName)", "kernels": "\(InstructionSet.best)",
    ]
    if let program = try? Data(contentsOf: URL(fileURLWithPath: "/proc/self/exe"), options: .alwaysMapped) {
      versions["build"] = program.withUnsafeBytes { String(Digest.digest64(of: $0), radix: 16) }
    }
    if LauncherEnvironment.isUnderLauncher { versions["mpi"] = MPICommunicator.libraryVersion }
    return versions
  }
}
