import Checkpoints
import Foundation
import TestSupport
import Testing

/// A kind of damage to a file.
enum Damage: String, CaseIterable, Sendable {
  case empty, truncated, extended, headerBit, dataBit, missing, fromOtherStep

  func apply(to path: String, other: String) throws {
    var bytes = try contents(path)
    switch self {
    case .empty: bytes = []
    case .truncated: bytes.removeLast()
    case .extended: bytes.append(0x20)
    case .headerBit: bytes[20] ^= 4
    case .dataBit: bytes[bytes.count - 3] ^= 1
    case .fromOtherStep: bytes = try contents(other)
    case .missing: return try FileManager.default.removeItem(atPath: path)
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }
}

@Suite("Damaged checkpoints")
struct DamagedCheckpointTests {
  static let files = ["model.safetensors", "optimizer.safetensors", "state.json"]
  let directory: TemporaryDirectory
  let store: CheckpointStore

  init() throws {
    directory = try TemporaryDirectory()
    store = CheckpointStore(directory: directory.file("checkpoints"), keep: 3)
    for step in [9, 10, 11] { try store.saveTest(step: step) }
  }

  private func path(_ step: Int, _ file: String = "") -> String {
    directory.file("checkpoints/step-\(step)" + (file.isEmpty ? "" : "/\(file)"))
  }

  /// Replaces the state of the newest checkpoint by another one with its digest.
  private func writeState(_ content: String) throws {
    let digest = Array(content.utf8).withUnsafeBytes { Digest.hexadecimal(of: $0) }
    let text = "{\"digest\":\"xxh3-128:\(digest)\",\"content\":\(content)}\n"
    try directory.write(text, to: "checkpoints/step-11/state.json")
  }

  @Test(
    "the newest intact checkpoint is used, the damaged one is named and kept", arguments: files,
    Damage.allCases)
  func fallsBack(file: String, damage: Damage) throws {
    try damage.apply(to: path(11, file), other: path(9, file))
    let loaded = try #require(try store.loadNewestValid())
    #expect(loaded.step == 10)
    #expect(loaded.rejected.map(\.path) == [path(11)])
    #expect(loaded.rejected.first?.description.contains(path(11)) == true)
    #expect(FileManager.default.fileExists(atPath: path(11)))
  }

  @Test("if all are damaged, an error names them all", arguments: Damage.allCases)
  func noneVerifies(damage: Damage) throws {
    for step in [9, 10, 11] {
      try damage.apply(to: path(step, "model.safetensors"), other: path(step, "optimizer.safetensors"))
    }
    let failure = try #require(throws: NoValidCheckpoint.self) { try store.loadNewestValid() }
    #expect(failure.exitCode == 65)
    #expect(failure.rejected.map(\.path) == [path(11), path(10), path(9)])
    for step in [9, 10, 11] { #expect(failure.description.contains(path(step))) }
  }

  @Test("a flipped bit in any byte of any file is noticed", arguments: files)
  func everyBit(file: String) throws {
    let original = try contents(path(11, file))
    for position in original.indices {
      var bytes = original
      bytes[position] ^= 1 << UInt8(position % 8)
      try Data(bytes).write(to: URL(fileURLWithPath: path(11, file)))
      #expect(throws: (any Error).self, "byte \(position)") { try store.load(step: 11) }
    }
    try Data(original).write(to: URL(fileURLWithPath: path(11, file)))
    #expect(try store.load(step: 11).step == 11)
  }

  @Test("an intact state of a later format is refused with both format numbers")
  func laterFormat() throws {
    try writeState(#"{"files":{},"format":2,"state":{},"step":11}"#)
    let failure = try #require(throws: CheckpointFailure.self) { try store.load(step: 11) }
    #expect(failure.reason == .damagedState("it has format 2, this program reads format 1"))
  }

  @Test("a deeply nested state is refused without a stack overflow")
  func nesting() throws {
    try writeState("{\"state\":" + String(repeating: "[", count: 200_000))
    let failure = try #require(throws: CheckpointFailure.self) { try store.load(step: 11) }
    #expect(failure.path == path(11, "state.json") && failure.exitCode == 65)
  }
}
