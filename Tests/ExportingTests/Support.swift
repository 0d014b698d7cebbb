// Separate file: several suites share it.

import Foundation

/// The result of another program.
struct ToolResult {
  let exitCode: Int32
  let output: String
}

/// Runs a system program to its end, and collects standard error together with standard output.
func runTool(_ path: String, _ arguments: [String], in directory: String) throws -> ToolResult {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: path)
  process.arguments = arguments
  process.currentDirectoryURL = URL(fileURLWithPath: directory)
  process.standardInput = FileHandle.nullDevice
  let pipe = Pipe()
  (process.standardOutput, process.standardError) = (pipe, pipe)
  try process.run()
  let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
  process.waitUntilExit()
  return ToolResult(exitCode: process.terminationStatus, output: String(decoding: output, as: UTF8.self))
}

/// The first of the given programs that is in PATH.
func findTool(_ names: String...) -> String? {
  let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
  return names.lazy.flatMap { name in folders.map { "\($0)/\(name)" } }
    .first { FileManager.default.isExecutableFile(atPath: $0) }
}
