import Foundation
import TestSupport
import Testing

/// The choice of an MPI in `launch/mpi-environment`, with a folder that has only an `mpirun`.
@Suite(.timeLimit(.minutes(15))) struct LaunchMPITests {
  private let folder: TemporaryDirectory
  private let launch = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("launch").path

  init() throws {
    folder = try TemporaryDirectory()
    try FileManager.default.createDirectory(atPath: folder.file("mpi/bin"), withIntermediateDirectories: true)
    try folder.write(Array("#!/bin/sh\necho \"started $*\"\n".utf8), to: "mpi/bin/mpirun")
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: folder.file("mpi/bin/mpirun"))
  }

  /// Runs a script of bash after the functions of `mpi-environment` have been read.
  private func bash(
    _ script: String, mpi: String, _ variables: [String: String] = [:]
  ) async throws -> Outcome {
    try folder.write(
      Array("set -euo pipefail\n. \"$LAUNCH/mpi-environment\"\n\(script)\n".utf8), to: "script")
    return try await Program.run(
      shell: "exec bash script", in: folder.path,
      environment: ["RNN_DIST_MPI": mpi, "LAUNCH": launch].merging(variables) { $1 })
  }

  /// A wrong value is a mistake, a missing MPI may be installed.
  @Test(arguments: [("openmp", 64), ("mpi", 64), ("/nowhere/at/all", 69), ("openmpi", 0)])
  func statuses(mpi: String, status: Int32) async throws {
    let outcome = try await bash("choose_mpi \"$PWD\"", mpi: mpi)
    #expect(outcome.exitCode == status, "\(outcome)")
    #expect(outcome.standardError.isEmpty == (status == 0), "\(outcome)")
  }

  @Test func aTrailingSlashMakesNoDifference() async throws {
    let script = "choose_mpi \"$PWD\"; prepare_build; echo \"$build_folder\"; cat \"$build_folder\"/mpi/*.pc"
    let outcome = try await bash(script, mpi: folder.file("mpi"))
    let slash = try await bash(script, mpi: folder.file("mpi") + "/")
    #expect(outcome.exitCode == 0 && outcome.output.contains("Libs: -L"), "\(outcome)")
    #expect(outcome.output == slash.output, "\(outcome) \(slash)")
  }

  /// A job that is executing the script while another one starts must not read an empty file.
  @Test func theLauncherIsReplacedAsAWhole() async throws {
    let outcome = try await bash(
      """
      choose_mpi "$PWD"
      mpirun -np 2
      ln "$build_folder/mpi/bin/mpirun" earlier
      choose_mpi "$PWD"
      if [ earlier -ef "$build_folder/mpi/bin/mpirun" ]; then echo "rewritten in place"; fi
      ls "$build_folder/mpi/bin"
      """, mpi: folder.file("mpi"))
    #expect(outcome.output == "started -np 2\nmpirun\n", "\(outcome)")
  }

  /// The variable selects the handles of the build, so that of another MPI must not remain.
  @Test func theFamilyOfAnotherMPIIsForgotten() async throws {
    let outcome = try await bash(
      """
      export RNN_DIST_MPI_FAMILY=mpich
      choose_mpi "$PWD"
      prepare_build
      echo "${RNN_DIST_MPI_FAMILY-none}"
      """, mpi: "openmpi")
    #expect(outcome.output == "none\n", "\(outcome)")
  }

  /// A job on a terminal, on which the ranks behind mpirun write. `script` makes a terminal.
  @Test(arguments: [("", "one one"), (" 2>errors", "none one"), (" >results", "one none")])
  func theTerminalsOfAJob(redirection: String, expected: String) async throws {
    let mpirun = """
      #!/bin/sh
      terminal() { case $1 in /dev/*) echo one ;; *) echo "${1:-none}" ;; esac; }
      echo "terminals: $(terminal "$RNN_DIST_TERMINAL") $(terminal "$RNN_DIST_OUTPUT_TERMINAL")"
      """
    let outcome = try await bash(
      """
      cp -r "$LAUNCH" launch
      mkdir -p .build/release Sources
      touch Package.swift
      printf '#!/bin/sh\n' >.build/release/rnn-dist
      printf '%s' "$MPIRUN" >mpi/bin/mpirun
      chmod +x .build/release/rnn-dist mpi/bin/mpirun
      export PATH=$PWD/mpi/bin:$PATH
      unset RNN_DIST_TERMINAL RNN_DIST_OUTPUT_TERMINAL
      script -qec 'launch/run -np 2 train\(redirection)' /dev/null
      if [ -f results ]; then cat results; fi
      """, mpi: "openmpi", ["MPIRUN": mpirun])
    #expect(outcome.exitCode == 0, "\(outcome)")
    #expect(outcome.output.contains("terminals: \(expected)"), "\(outcome)")
  }

  @Test(arguments: ["build", "run"]) func scriptsReportAWrongValue(name: String) async throws {
    let arguments = name == "run" ? "-np 2 train" : ""
    let outcome = try await bash("exec \"$LAUNCH/\(name)\" \(arguments)", mpi: "openmp")
    #expect(outcome.exitCode == 64 && outcome.standardError.contains("'openmp' is not openmpi"), "\(outcome)")
    let help = try await bash("exec \"$LAUNCH/\(name)\" --help", mpi: "openmp")
    #expect(help.exitCode == 0 && help.output.hasPrefix("usage: launch/\(name)"), "\(help)")
  }
}
