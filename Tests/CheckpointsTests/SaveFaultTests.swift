import Checkpoints
import Foundation
import Testing

/// Where a save is interrupted: a checkpoint that exists is written again, or a new one beside it.
struct Interruption: Sendable, CustomTestStringConvertible {
  let step: Int
  let call: Int
  var testDescription: String { "step \(step), call \(call)" }

  /// Every call of either save, counted in a save that nothing happens to.
  static let all: [Interruption] = [20, 21].flatMap { step in
    let count = (try? callsOfSave(step: step)) ?? 0
    return (0..<max(count, 1)).map { Interruption(step: step, call: $0) }
  }

  static func callsOfSave(step: Int) throws -> Int {
    let directory = try TemporaryDirectory()
    try prepare(directory)
    let system = FaultySystem()
    try save(in: directory, step: step, system)
    return system.calls.count
  }

  static func prepare(_ directory: TemporaryDirectory) throws {
    let store = CheckpointStore(directory: directory.file("c"), keep: 2)
    for step in [18, 19, 20] { try store.saveTest(step: step, isBest: step == 18) }
  }

  static func save(in directory: TemporaryDirectory, step: Int, _ system: FaultySystem) throws {
    let store = CheckpointStore(directory: directory.file("c"), keep: 2, operations: system.operations)
    try store.saveTest(step: step, isBest: true, seed: 77)
  }
}

@Suite("Faults of every step of a save")
struct SaveFaultTests {
  let directory: TemporaryDirectory
  let store: CheckpointStore

  init() throws {
    directory = try TemporaryDirectory()
    store = CheckpointStore(directory: directory.file("c"), keep: 2)
    try Interruption.prepare(directory)
  }

  /// The newest checkpoint is the old one or the new one, whole; and all that were there can still be loaded.
  private func expectNothingLost(_ step: Int) throws {
    let loaded = try #require(try store.loadNewestValid())
    #expect(loaded.rejected.isEmpty)
    #expect(loaded.step == 20 || loaded.step == step)
    let values = try loaded.model.readFloats("rnn.bias_ih_l0")
    #expect(values == Tensors(seed: 20).list[1].values || values == Tensors(seed: 77).list[1].values)
    let best = try CheckpointStore.load(path: #require(store.best()))
    #expect(best.step == 18 || best.step == step)
  }

  @Test("the save has the steps that these tests are about")
  func steps() throws {
    let system = FaultySystem()
    try Interruption.save(in: directory, step: 20, system)
    #expect(system.calls.count > 40)
    let kinds: [FileOperation] = [
      .createDirectory, .create, .link, .open, .write, .flush, .close, .rename, .remove,
    ]
    for kind in kinds { #expect(system.calls.contains(kind), "\(kind)") }
  }

  @Test(
    "a death at any call leaves the old or the new checkpoint, and the next save works",
    arguments: Interruption.all)
  func death(_ interruption: Interruption) throws {
    let system = FaultySystem(at: interruption.call, .death)
    #expect(throws: Death.self) { try Interruption.save(in: directory, step: interruption.step, system) }
    try expectNothingLost(interruption.step)

    try store.saveTest(step: 30, isBest: true)
    #expect(try store.loadNewestValid()?.step == 30)
    let names = try directory.names(in: "c")
    #expect(names.filter { $0.hasPrefix(".") } == [])
    #expect(names.filter { $0.hasPrefix("step-") }.count == 2)
  }

  @Test(
    "a call that fails is reported or tidied over, and what was there still is", arguments: Interruption.all)
  func failure(_ interruption: Interruption) throws {
    let system = FaultySystem(at: interruption.call, .failure(ENOSPC))
    let failure = #expect(throws: FileFailure.self) {
      try Interruption.save(in: directory, step: interruption.step, system)
    }
    #expect(failure?.errno == ENOSPC)
    #expect(failure?.operation == system.calls[interruption.call])
    try expectNothingLost(interruption.step)

    // The caller's retry.
    try Interruption.save(in: directory, step: interruption.step, FaultySystem())
    #expect(try store.load(step: interruption.step).model.readFloats("rnn.bias_ih_l0").first == 77)
    #expect(try directory.names(in: "c").filter { $0.hasPrefix(".") } == [])
  }
}
