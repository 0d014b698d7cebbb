import ArgumentParser
import Tasks

struct InspectCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what is in a run or a checkpoint, and verify it.",
    discussion: """
      RUN is a run directory, CHECKPOINT a directory such as RUN/checkpoints/best or any .safetensors file. Ends \
      with the exit code of the first problem found, 65 for damaged files.
      """)

  @Argument(help: ArgumentHelp("What to look at.", valueName: "run|checkpoint")) var path: String
  @Flag(help: "Print one JSON object.") var json = false

  func runLocally() throws -> Int32 {
    let inspection = try Inspection(of: path)
    try StandardOutput.line(json ? inspection.json.text : inspection.text)
    guard let first = inspection.problems.first else { return ExitCode.done }
    Console.error("error: " + inspection.problems.map { "\($0)" }.joined(separator: "\n"))
    return ExitCode.code(of: first)
  }
}
