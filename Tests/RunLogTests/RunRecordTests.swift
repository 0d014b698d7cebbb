import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import RunLog

@Suite("RunRecord")
struct RunRecordTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var record: RunRecord {
    RunRecord(
      versions: ["swift": "6.3"], commandLine: ["rnn-dist", "train", "a/b"], ranks: 2, hosts: ["n1"],
      seed: .max,
      started: Date(timeIntervalSince1970: 1_000_000_000))
  }

  @Test("the file has the documented keys and times in ISO 8601")
  func layout() throws {
    try record.write(to: directory.file("run.json"))
    #expect(
      try directory.text("run.json") == """
        {
          "command_line" : [
            "rnn-dist",
            "train",
            "a/b"
          ],
          "hosts" : [
            "n1"
          ],
          "ranks" : 2,
          "seed" : 18446744073709551615,
          "started" : "2001-09-09T01:46:40Z",
          "status" : "running",
          "versions" : {
            "swift" : "6.3"
          }
        }

        """)
    #expect(directory.tree(".") == ["run.json"])
  }

  @Test("each status is read as written, with end and message", arguments: RunRecord.Status.allCases)
  func roundTrip(status: RunRecord.Status) throws {
    var ended = record
    ended.status = status
    ended.ended = Date(timeIntervalSince1970: 1_000_000_100)
    ended.message = "because"
    try record.write(to: directory.file("run.json"))
    try ended.write(to: directory.file("run.json"))
    #expect(try RunRecord(contentsOf: directory.file("run.json")) == ended)
  }

  @Test("invalid and missing files cause typed failures", arguments: ["", "{", "[]", "{\"ranks\":\"two\"}"])
  func garbage(text: String) throws {
    let path = try directory.write(text, to: "run.json")
    let failure = #expect(throws: RunRecordFailure.self) { try RunRecord(contentsOf: path) }
    #expect(failure?.path == path && failure?.exitCode == 65)
    // In words, not as the decoder's Swift value.
    #expect(failure.map { "\($0)".contains("Context") } == false, "\(String(describing: failure))")
    #expect(throws: RunRecordFailure.self) { try RunRecord(contentsOf: directory.path) }
    let missing = directory.file("none")
    #expect(throws: FileFailure(path: missing, operation: .open, errno: ENOENT)) {
      try RunRecord(contentsOf: missing)
    }
    #expect(FileFailure(path: missing, operation: .open, errno: ENOENT).exitCode == 66)
  }
}
