import Foundation
import Testing

/// `report` and `serve`. The tests of their modules check the page and the answers of the service.
@Suite(.timeLimit(.minutes(15))) struct PageCommandTests {
  @Test func aReportIsWrittenIntoItsRunOrAFile() async throws {
    let folder = try await TinyRun.folder()
    let own = try await Program.run(["report", "run"], in: folder.path)
    #expect(own.exitCode == 0 && own.output == "run/report.html\n", "\(own)")
    let page = try String(contentsOfFile: folder.file("run/report.html"), encoding: .utf8)
    for text in [
      "Run run", "training loss", "validation perplexity", "Samples over time", "model.hidden_size",
    ] {
      #expect(page.contains(text), "\(text)")
    }
    #expect(!page.contains("missing or damaged"))
    let several = try await Program.run(["report", "run", "run"], in: folder.path)
    #expect(several.exitCode == 0 && several.output == "report.html\n", "\(several)")
    #expect(try String(contentsOfFile: folder.file("run/report.html"), encoding: .utf8) == page)
    let other = try await Program.run(["report", "run", "run", "-o", "both.html"], in: folder.path)
    #expect(
      other.exitCode == 0 && FileManager.default.fileExists(atPath: folder.file("both.html")), "\(other)")
    try await Program.run(["report", "nowhere"], in: folder.path).expect(66, "nowhere")
  }

  /// The program serves in the background of a shell until a signal ends it.
  @Test(arguments: ["TERM", "INT"]) func aServiceEndsWithASignal(signal: String) async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(
      shell: """
        "$PROGRAM" serve run --batch-size 9 --precision int8 --port 0 > out & service=$!
        until grep -q listening out; do kill -0 $service; sleep 0.05; done
        kill -\(signal) $service
        wait $service
        cat out
        """, in: folder.path, environment: [:])
    #expect(outcome.exitCode == 0 && outcome.output.hasPrefix("listening on http://127.0.0.1:"), "\(outcome)")
    #expect(outcome.errors.isEmpty && outcome.standardError.contains("stopped"), "\(outcome)")
  }

  @Test func aServiceThatCannotStartSaysWhy() async throws {
    let folder = try await TinyRun.folder()
    try await Program.run(["serve", "nowhere"], in: folder.path).expect(66, "nowhere")
    try await Program.run(["serve", "run", "--address", "host"], in: folder.path).expect(
      73, "host", "address")
    try await Program.run(["serve", "run", "run"], in: folder.path).expect(64, "same name")
    let precision = try await Program.run(["serve", "run", "--precision", "fp16"], in: folder.path)
    #expect(precision.exitCode == 64 && precision.standardError.contains("fp16"), "\(precision)")
    let none = try await Program.run(["serve", "decoding.beam=2"], in: folder.path)
    #expect(none.exitCode == 64 && none.standardError.contains("at least one run"), "\(none)")
  }
}
