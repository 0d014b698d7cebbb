import Checkpoints
import Communication
import Datasets
import NumericKernels
import Parameters
import Testing

@testable import Tasks

private typealias LanguageModelTask = LearningTask<LanguageModelLearner>

@Suite("The carried states of a language model's streams")
struct CarriedStateTests {
  /// Four streams of 20 steps; the character z is read in the first step of streams 0 and 3 only.
  private static let text = ["z", "a", "a", "z"].map { $0 + sampleText(characters: 19) }.joined() + "a"

  /// The states of all streams, gathered on rank 0, after `body` did something with each rank's task:
  /// [part][stream].
  private func states(
    ranks: Int, _ body: @escaping @Sendable (LanguageModelTask, any Communicator) throws -> Void
  ) throws -> [[[Float]]] {
    try InProcessCommunicator.run(ranks: ranks) { communicator in
      let configuration = RunConfiguration.small("not read") { $0.model.network.layers = 2 }
      let corpus = try TextCorpus.load(
        train: .memory(Array(Self.text.utf8), name: "a test"), valid: nil, test: nil, validFraction: 0,
        options: TextOptions(.char))
      let plan = try ShardPlan(rank: communicator.rank, worldSize: ranks, reproducible: false)
      let task = try LanguageModelTask(
        configuration, corpus: corpus, plan: plan)
      try body(task, communicator)
      return try task.carriedState.gather(communicator).map { tensor in
        let values = Array(tensor.bytes.bindMemory(to: Float.self))
        return stride(from: 0, to: values.count, by: tensor.shape[1]).map {
          Array(values[$0..<$0 + tensor.shape[1]])
        }
      }
    }[0]
  }

  private static func readChunk(_ number: Int, _ task: LanguageModelTask, _ rank: Int) throws {
    let gradient = ParameterBuffer<Float>(task.parameters.layout)
    _ = try task.addGradient(
      of: Microbatch(index: number, serial: number, update: 0), shard: rank, into: gradient)
  }

  @Test(
    "Only streams with a state that is not finite are reset, on any number of ranks",
    arguments: [1, 2, 3])
  func nonFinite(ranks: Int) throws {
    let good = try states(ranks: 1) { task, communicator in try Self.readChunk(0, task, communicator.rank) }
    #expect(good.count == 4 && good.allSatisfy { $0.count == 4 && $0.allSatisfy { $0.contains { $0 != 0 } } })
    let left = try states(ranks: ranks) { task, communicator in
      let token = try #require(task.learner.vocabulary.id(of: "z"))
      let table = try #require(task.parameters.layout["embedding.weight"])
      task.parameters.matrix(table)[Int(token), 0] = .nan
      task.parameters.didChange()
      try Self.readChunk(0, task, communicator.rank)
      task.dropNonFiniteState()
    }
    for (part, expected) in zip(left, good) {
      #expect(part[0].allSatisfy { $0 == 0 } && part[3].allSatisfy { $0 == 0 })
      for stream in [1, 2] {
        #expect(zip(part[stream], expected[stream]).allSatisfy { abs($0 - $1) < 1e-6 })
      }
    }
  }

  @Test(
    "States gathered at one number of ranks and restored at another are the same",
    arguments: [(1, 3), (3, 2), (2, 5)])
  func redistributed(before: Int, after: Int) throws {
    let gathered = try states(ranks: before) { task, communicator in
      for chunk in 0..<2 { try Self.readChunk(chunk, task, communicator.rank) }
    }
    let restored = try states(ranks: after) { task, _ in
      task.carriedState.restore(gathered.map { $0.flatMap { $0 } })
    }
    #expect(restored == gathered)
    // An epoch begins with states of zero.
    let begun = try states(ranks: after) { task, _ in
      task.carriedState.restore(gathered.map { $0.flatMap { $0 } })
      task.beginEpoch(1, isResumed: false)
    }
    #expect(begun.allSatisfy { $0.allSatisfy { $0.allSatisfy { $0 == 0 } } })
  }
}
