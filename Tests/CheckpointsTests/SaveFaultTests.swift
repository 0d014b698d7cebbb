import Checkpoints
import Foundation
import TestSupport
import Testing

/// The point at which a save is interrupted, which replaces the existing checkpoint 20 or adds checkpoint 21.
struct Interruption: Sendable, CustomTestStringConvertible {
  let step: Int
  let call: Int
  var testDescription: String { "step \(step), call \(call)" }

  /// Every system call of both saves, counted in a save without interruption.
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

@Suite("Faults at every system call of a save")
struct SaveFaultTests {
  let directory: TemporaryDirectory
  let store: CheckpointStore

  init() throws {
    directory = try TemporaryDirectory()
    store = CheckpointStore(directory: directory.file("c"), keep: 2)
    try Interruption.prepare(directory)
  }

  /// The newest checkpoint is the complete old or the complete new one, and the best one can be loaded.
  private func expectNothingLost(_ step: Int) throws {
    let loaded = try #require(try store.loadNewestValid())
    #expect(loaded.rejected.isEmpty)
    #expect(loaded.step == 20 || loaded.step == step)
    let values = try loaded.model.readFloats("rnn.bias_ih_l0")
    #expect(values == Tensors(seed: 20).list[1].values || values == Tensors(seed: 77).list[1].values)
    let best = try CheckpointStore.load(path: #require(store.best()))
    #expect(best.step == 18 || best.step == step)
  }

  @Test("a save makes all kinds of system calls")
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

  @Test("a failing call is reported, and no earlier checkpoint is lost", arguments: Interruption.all)
  func failure(_ interruption: Interruption) throws {
    let system = FaultySystem(at: interruption.call, .failure(ENOSPC))
    let failure = #expect(throws: FileFailure.self) {
      try Interruption.save(in: directory, step: interruption.step, system)
    }
    #expect(failure?.errno == ENOSPC)
    #expect(failure?.operation == system.calls[interruption.call])
    try expectNothingLost(interruption.step)

    // The caller tries again.
    try Interruption.save(in: directory, step: interruption.step, FaultySystem())
    #expect(try store.load(step: interruption.step).model.readFloats("rnn.bias_ih_l0").first == 77)
    #expect(try directory.names(in: "c").filter { $0.hasPrefix(".") } == [])
  }
}
