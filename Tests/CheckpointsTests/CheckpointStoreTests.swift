import Foundation
import TestSupport
import Testing

@testable import Checkpoints

/// A state that a trainer might save in addition to its tensors.
struct TrainerState: Codable, Sendable, Equatable {
  var cursor: UInt64 = .max - 12345
  var bestLoss = Double.infinity
  var learningRate = 0.1 + 0.2
  var tiny = Double.leastNonzeroMagnitude
  var note = "läuft \"weiter\" / \u{1}"
  var losses: [Float] = [0.1, 1e-30]
}

@Suite("CheckpointStore")
struct CheckpointStoreTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func store(keep: Int = 3) -> CheckpointStore {
    CheckpointStore(directory: directory.file("checkpoints"), keep: keep)
  }

  private func names() throws -> [String] { try directory.names(in: "checkpoints") }

  @Test("a saved checkpoint is loaded bit for bit")
  func roundTrip() throws {
    let path = try store().saveTest(step: 12, isBest: true)
    #expect(path == directory.file("checkpoints/step-12"))
    #expect(try names() == ["best", "last", "step-12"])
    #expect(
      try directory.names(in: "checkpoints/step-12")
        == ["model.safetensors", "optimizer.safetensors", "state.json"])
    let loaded = try #require(try store().loadNewestValid())
    #expect(loaded.step == 12 && loaded.path == path && loaded.rejected.isEmpty)
    #expect(try loaded.state(as: TrainerState.self) == TrainerState())
    for tensor in Tensors(seed: 12).list {
      #expect(try loaded.model.readFloats(tensor.name) == tensor.values)
    }
    for tensor in Tensors(seed: -12).list {
      #expect(try loaded.optimizer.readFloats(tensor.name) == tensor.values)
    }
    #expect(loaded.model.metadata["format"] == "pt")
  }

  @Test("the same state has the same bytes")
  func deterministic() throws {
    let other = CheckpointStore(directory: directory.file("other"), keep: 1)
    try store().saveTest(step: 3)
    try other.saveTest(step: 3)
    for name in ["model.safetensors", "optimizer.safetensors", "state.json"] {
      let (a, b) = (directory.file("checkpoints/step-3/\(name)"), directory.file("other/step-3/\(name)"))
      #expect(try contents(a) == contents(b))
    }
  }

  @Test("the newest and best are kept, and the links are relative and correct")
  func pruning() throws {
    for step in [5, 10, 15, 20, 100] { try store(keep: 2).saveTest(step: step, isBest: step == 10) }
    #expect(try names() == ["best", "last", "step-10", "step-100", "step-20"])
    #expect(store().best() == directory.file("checkpoints/step-10"))
    #expect(store().last() == directory.file("checkpoints/step-100"))
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: directory.file("checkpoints/best"))
    #expect(link == "step-10")
    #expect(try store().steps() == [10, 20, 100])
    try store(keep: 1).saveTest(step: 101, isBest: true)
    #expect(try names() == ["best", "last", "step-101"])
  }

  @Test("a damaged checkpoint isn't counted among the kept ones")
  func pruningAroundDamage() throws {
    for step in [1, 2, 3] { try store(keep: 2).saveTest(step: step) }
    try Data().write(to: URL(fileURLWithPath: directory.file("checkpoints/step-3/model.safetensors")))
    try store(keep: 2).saveTest(step: 4)
    #expect(try names() == ["last", "step-2", "step-3", "step-4"])
    try store(keep: 2).saveTest(step: 5)
    #expect(try names() == ["last", "step-4", "step-5"])
  }

  @Test("after resuming from an earlier checkpoint the one just saved is kept")
  func returnToEarlier() throws {
    for step in [8, 9] { try store().saveTest(step: step) }
    try store(keep: 1).saveTest(step: 4)
    #expect(try names() == ["last", "step-4", "step-8", "step-9"])
    #expect(store().last() == directory.file("checkpoints/step-4"))
  }

  @Test("saving a step again replaces it")
  func again() throws {
    try store().saveTest(step: 7, seed: 1)
    try store().saveTest(step: 7, seed: 2)
    #expect(try names() == ["last", "step-7"])
    #expect(try store().load(step: 7).model.readFloats("rnn.bias_ih_l0") == Tensors(seed: 2).list[1].values)
  }

  @Test("checkpoints are loaded by step, by path and by link")
  func loading() throws {
    for step in [1, 2] { try store().saveTest(step: step, isBest: step == 1) }
    #expect(try store().load(step: 1).step == 1)
    #expect(try CheckpointStore.load(path: directory.file("checkpoints/best")).step == 1)
    #expect(try CheckpointStore.load(path: directory.file("checkpoints/step-2")).step == 2)
    let path = directory.file("checkpoints/step-3")
    #expect(throws: CheckpointFailure(path: path, reason: .missing)) { try store().load(step: 3) }
    #expect(throws: CheckpointFailure(path: path, reason: .missing)) { try CheckpointStore.load(path: path) }
  }

  @Test("the best checkpoint can be loaded while a run replaces and removes it")
  func loadingFromABusyRun() throws {
    let store = CheckpointStore(directory: directory.file("checkpoints"), keep: 1)
    try store.saveTest(step: 1, isBest: true)
    let run = Thread { for step in 2...60 { _ = try? store.saveTest(step: step, isBest: true) } }
    run.start()
    var loads = 0
    while !run.isFinished {
      #expect(try store.loadBest() != nil)
      loads += 1
    }
    #expect(loads > 0)
    #expect(try store.loadBest()?.step == 60)
  }

  @Test("without checkpoints, nothing is loaded and nothing is thrown")
  func nothing() throws {
    #expect(try store().loadNewestValid() == nil)
    #expect(store().best() == nil && store().last() == nil)
    try FileManager.default.createDirectory(
      atPath: directory.file("checkpoints/.step-4.tmp-999999999"), withIntermediateDirectories: true)
    #expect(try store().loadNewestValid() == nil)
  }

  @Test("a save removes the leftovers of dead processes, but not the files of living ones")
  func leftovers() throws {
    // Process 1 is always alive; no process has the largest number.
    for name in [".step-4.tmp-1", ".step-5.tmp-\(Int32.max)", ".step-6.tmp-\(getpid())"] {
      let path = directory.file("checkpoints/\(name)/model.safetensors")
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    try store().saveTest(step: 7)
    #expect(try names() == [".step-4.tmp-1", "last", "step-7"])
  }

  @Test("a replacement that is interrupted between its two renames loses nothing")
  func cutReplacement() throws {
    try store().saveTest(step: 7)
    try FileManager.default.moveItem(
      atPath: directory.file("checkpoints/step-7"), toPath: directory.file("checkpoints/.step-7.replaced"))
    #expect(try store().loadNewestValid()?.step == 7)
    try store().saveTest(step: 8)
    #expect(try names() == ["last", "step-7", "step-8"])
  }

  @Test("a state of another type and a directory of another name are reported")
  func mismatches() throws {
    struct Other: Codable { var missing: Int }
    try store().saveTest(step: 7)
    let loaded = try store().load(step: 7)
    let failure = try #require(throws: CheckpointFailure.self) { try loaded.state(as: Other.self) }
    #expect(failure.exitCode == 65 && failure.description.contains("missing"))
    let wrong = directory.file("checkpoints/step-9")
    try FileManager.default.moveItem(atPath: loaded.path, toPath: wrong)
    #expect(throws: CheckpointFailure(path: wrong, reason: .wrongStep(recorded: 7, expected: 9))) {
      try store().load(step: 9)
    }
  }

  @Test("a directory that can't be written causes a typed failure")
  func unwritable() throws {
    _ = try directory.write("".utf8, to: "file")
    let store = CheckpointStore(directory: directory.file("file/checkpoints"), keep: 1)
    let failure = #expect(throws: FileFailure.self) { try store.saveTest(step: 1) }
    #expect(failure?.errno == ENOTDIR && failure?.exitCode == 73)
  }
}

extension CheckpointStore {
  /// Saves a state, and tensors that depend on the step or on another seed.
  @discardableResult func saveTest(step: Int, isBest: Bool = false, seed: Float? = nil) throws -> String {
    let seed = seed ?? Float(step)
    return try Tensors(seed: seed).withTensors { model in
      try Tensors(seed: -seed).withTensors { optimizer in
        try save(step: step, model: model, optimizer: optimizer, state: TrainerState(), isBest: isBest)
      }
    }
  }
}
