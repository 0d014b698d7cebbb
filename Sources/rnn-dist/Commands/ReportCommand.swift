// Separate file: every command has one.

import ArgumentParser
import Checkpoints
import Foundation
import Reporting
import RunLog
import Tasks

struct ReportCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write a page about runs: curves, settings, metrics, samples, speed.",
    discussion: """
      The result is one HTML file that needs no network and can be passed on. Several runs are compared; runs that differ in \
      their seed alone become one line with the range of their values. The page names parts of a run that are missing or damaged.

      Examples:
        rnn-dist report runs/dates
        rnn-dist report runs/initial-state runs/attention -o report.html
      """)

  @Argument(help: "Directories of runs.") var runs: [String]
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "File to write (default: report.html, in the directory of a single run).", valueName: "file.html"))
  var output: String?

  func runLocally() throws -> Int32 {
    let reported = try runs.map { run in
      let paths = try RunPaths(existing: run)
      return ReportedRun(paths, configuration: Result { try RunArguments.configuration(of: paths) })
    }
    // The page of several runs must not replace that of one.
    let path = output ?? (runs.count == 1 ? RunPaths(root: runs[0]).file("report.html") : "report.html")
    let page = ReportPage(reported, version: ReleaseVersion.text).html
    try DurableFile.write(Data(page.utf8), to: path)
    try StandardOutput.line(path)
    return ExitCode.done
  }
}
