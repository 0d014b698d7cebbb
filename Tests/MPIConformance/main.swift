// Separate file: top-level code has to be in main.swift.
//
// The conformance program, started under mpirun by MPITests: `MPIConformance <suite>`.

import Communication
import Foundation

let suite = CommandLine.arguments.dropFirst().first ?? "all"
do {
  try Program.run(suite)
} catch {
  print("ERROR \(error)")
  exit((error as? any ExitCoded)?.exitCode ?? 1)
}
