import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import RunLog

@Suite("MetricsWriter")
struct MetricsWriterTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private var path: String { directory.file("metrics.jsonl") }

  @Test("each line is in the file before the call returns, and lines are appended")
  func appends() throws {
    let writer = try MetricsWriter(path: path)
    try writer.write(["event": "train", "step": 1, "loss": 0.25])
    #expect(try directory.text("metrics.jsonl") == "{\"event\":\"train\",\"step\":1,\"loss\":0.25}\n")
    try MetricsWriter(path: path).write([JSONMember("step", 2), JSONMember("loss", .double(.nan))])
    #expect(
      try directory.text("metrics.jsonl")
        == "{\"event\":\"train\",\"step\":1,\"loss\":0.25}\n{\"step\":2,\"loss\":null}\n")
    try writer.flush()
  }

  @Test("a resumed run drops lines of later steps and incomplete lines")
  func rewinds() throws {
    try directory.write(
      """
      {"event":"start"}
      {"event":"train","step":9}
      {"event":"train","step":10,"loss":1e5}
      {"event":"train","step":11}
      {"event":"valid","step":10}
      {"event":"tra{"event":"train","step":3}
      {"event":"train","step":2
      """, to: "metrics.jsonl")
    let writer = try MetricsWriter(path: path, resumedStep: 10)
    try writer.write(["step": 11])
    #expect(
      try directory.text("metrics.jsonl") == """
        {"event":"start"}
        {"event":"train","step":9}
        {"event":"train","step":10,"loss":1e5}
        {"event":"valid","step":10}
        {"step":11}

        """)
    #expect(directory.tree(".") == ["metrics.jsonl"])
  }

  @Test("a line without a line end is incomplete even if it is valid JSON")
  func missingNewline() throws {
    try directory.write("{\"step\":1}\n{\"step\":2}", to: "metrics.jsonl")
    _ = try MetricsWriter(path: path, resumedStep: 5)
    #expect(try directory.text("metrics.jsonl") == "{\"step\":1}\n")
  }

  @Test(
    "a file that needs no change, is empty or doesn't exist isn't changed",
    arguments: ["{\"step\":5}\n", "", nil])
  func nothingToRewind(text: String?) throws {
    if let text { try directory.write(text, to: "metrics.jsonl") }
    let writer = try MetricsWriter(path: path, resumedStep: 5)
    try writer.write(["step": 6])
    #expect(try directory.text("metrics.jsonl") == (text ?? "") + "{\"step\":6}\n")
  }

  @Test("a line that is too long is dropped")
  func endlessLine() throws {
    let endless = String(repeating: "[", count: MetricsWriter.longestLine + 1)
    try directory.write(endless + "\n{\"step\":1}\n", to: "metrics.jsonl")
    _ = try MetricsWriter(path: path, resumedStep: 1)
    #expect(try directory.text("metrics.jsonl") == "{\"step\":1}\n")
  }

  @Test("a full disk is reported, leaves no part of a line, and writing can continue", arguments: [0, 1, 11])
  func fullDisk(room: Int) throws {
    let disk = SmallDisk(room: 11 + room)
    let writer = try MetricsWriter(path: path, write: disk.write)
    try writer.write(["step": 1])
    let failure = #expect(throws: FileFailure.self) { try writer.write(["step": 2, "loss": 1]) }
    #expect(failure == FileFailure(path: path, operation: .write, errno: ENOSPC))
    #expect(failure?.exitCode == 74)
    #expect(try directory.text("metrics.jsonl") == "{\"step\":1}\n")
    disk.room = 100
    try writer.write(["step": 3])
    #expect(try directory.text("metrics.jsonl") == "{\"step\":1}\n{\"step\":3}\n")
  }

  @Test("a file that can't be created causes a typed failure")
  func uncreatable() throws {
    let path = directory.file("none/metrics.jsonl")
    #expect(throws: FileFailure(path: path, operation: .create, errno: ENOENT)) {
      try MetricsWriter(path: path)
    }
  }
}

extension MetricsWriter {
  /// Appends one line: `write(["event": "train", "step": 3])`.
  fileprivate func write(_ members: KeyValuePairs<String, JSONValue>) throws {
    try write(members.map { JSONMember($0.key, $0.value) })
  }
}
