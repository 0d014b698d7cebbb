import Communication
import Datasets
import Foundation
import Parameters
import RecurrentNN
import RunLog
import TestSupport
import Testing

@testable import Inference
@testable import Tasks
@testable import Training

/// Training that starts from the weights of another run, or from word vectors.
@Suite struct StartingWeightsTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func text(_ characters: String) -> String {
    (0..<300).map { String(Array(characters)[($0 * $0 + $0 / 3) % characters.count]) }.joined()
  }

  private func languageModel(
    _ characters: String, _ change: (inout RunConfiguration) -> Void = { _ in }
  ) throws -> RunConfiguration {
    .small(try directory.write(text(characters), to: "\(UUID())"), change)
  }

  private func weights(_ configuration: RunConfiguration) throws -> StartingWeights {
    let run = directory.file(UUID().uuidString)
    try Job(configuration, directory: run).run()
    let saved = try SavedModel(run: RunPaths(existing: run), configuration: configuration)
    return StartingWeights(name: "old", saved.parameters, saved.encoding)
  }

  private func task(_ configuration: RunConfiguration) throws -> any TrainingTask {
    try TaskKind.make(configuration, plan: .alone)
  }

  @Test func equalModelsTakeEverything() throws {
    let configuration = try languageModel("abcd\n")
    let (weights, task) = (try weights(configuration), try task(configuration))
    #expect(!weights.parameters.elements.elementsEqual(task.parameters.elements))
    let notes = try task.start(from: weights)
    #expect(weights.parameters.elements.elementsEqual(task.parameters.elements))
    let count = task.parameters.layout.parameters.count
    #expect(notes == ["starts from old: \(count) of \(count) parameters"])
  }

  /// Tokens in both vocabularies keep their vectors even if their ids differ; new tokens keep their initial values.
  @Test func rowsAreMatchedByToken() throws {
    let old = try weights(languageModel("abcd\n"))
    let task = try task(languageModel("dbxa\n"))
    let initial = ParameterBuffer<Float>(task.parameters.layout, seed: 7)
    let notes = try task.start(from: old)
    let learner = try #require((task as? LearningTask<LanguageModelLearner>)?.learner)
    let vocabulary = try #require(old.encoding.stream)
    for name in ["embedding.weight", "output.weight", "output.bias"] {
      let (mine, theirs) = (
        try #require(task.parameters.layout[name]), try #require(old.parameters.layout[name])
      )
      for id in 0..<Int32(learner.vocabulary.count) {
        func row(_ buffer: ParameterBuffer<Float>, _ parameter: Parameter, _ id: Int32) -> [Float] {
          let width = parameter.count / parameter.shape[0]
          return Array(buffer.elements(parameter)[Int(id) * width..<(Int(id) + 1) * width])
        }
        let token = learner.vocabulary[id]
        let expected =
          vocabulary.id(of: token).map { row(old.parameters, theirs, $0) } ?? row(initial, mine, id)
        #expect(row(task.parameters, mine, id) == expected, "\(name), \(token)")
      }
    }
    let rows = "\(learner.vocabulary.count - 1) of \(learner.vocabulary.count) rows"
    #expect(notes.contains("embedding.weight: \(rows)") && notes.contains("output.bias: \(rows)"))
    #expect(
      task.parameters.elements(named: "rnn.weight_hh_l0")
        == old.parameters.elements(named: "rnn.weight_hh_l0"))
  }

  @Test func otherShapesAreNamed() throws {
    let old = try weights(languageModel("abcd\n"))
    let task = try task(
      languageModel("abcd\n") {
        $0.model.network.layers = 2
        $0.model.network.hiddenSize = 5
      })
    let notes = try task.start(from: old)
    #expect(
      notes.contains("rnn.weight_hh_l0: not copied: its shape is [32, 8], but this model needs [20, 5]"),
      "\(notes)")
    #expect(
      notes.contains("rnn.weight_hh_l1: new") && !notes.contains { $0.hasPrefix("embedding") }, "\(notes)")
  }

  @Test func nothingInCommonIsRefused() throws {
    let old = try weights(languageModel("abcd\n"))
    let lines = (0..<20).map { "\($0 % 2),\($0),2,3\n" }.joined()
    let task = try task(
      .small(directory.write(lines, to: "series")) {
        $0.task = .classifier
        $0.data.format = .csv
        $0.model.network.hiddenSize = 3
      })
    let error = #expect(throws: TrainingFailure.self) { try task.start(from: old) }
    #expect("\(String(describing: error))".contains("--init-from old"))
  }

  /// Only rank 0 has the weights; all ranks train with them.
  @Test func everyRankStartsFromThem() throws {
    let configuration = try languageModel("abcd\n") { $0.training.steps = 3 }
    let weights = try weights(configuration)
    func losses(ranks: Int, starts: Bool) throws -> [Double] {
      let recorder = Recorder()
      let values = Array(weights.parameters.elements)
      _ = try InProcessCommunicator.run(ranks: ranks) { communicator in
        let own = try communicator.rank == 0 && starts ? copy(values, configuration) : nil
        return try TrainingJob(
          TrainingJob.Request(configuration: configuration, runDirectory: nil), communicator: communicator,
          observer: recorder, signals: StopSignals(), startsFromWeights: starts, startingWeights: own
        ).run().step
      }
      return recorder.losses
    }
    let alone = try losses(ranks: 1, starts: true)
    #expect(relativeDifference(try losses(ranks: 2, starts: true), alone) < 1e-5)
    #expect(alone[0] < (try losses(ranks: 1, starts: false))[0])
  }

  /// A copy of weights for one thread.
  private func copy(_ values: [Float], _ configuration: RunConfiguration) throws -> StartingWeights {
    let task = try #require(task(configuration) as? LearningTask<LanguageModelLearner>)
    _ = task.parameters.elements.update(fromContentsOf: values)
    return StartingWeights(name: "old", task.parameters, task.corpus.encoding)
  }

  @Test func wordVectorsAreInitialEmbeddings() throws {
    let vectors = try directory.write("cat 1 2 3\nowl 4 5 6\ndog 7 8 9\n", to: "vectors")
    let lines = (0..<20).map { "\($0 % 2)\t\(["cat dog", "hen cat"][$0 % 2]) \($0)\n" }.joined()
    let configuration = RunConfiguration.small(try directory.write(lines, to: "classes")) {
      $0.task = .classifier
      $0.data.format = .tsv
      $0.data.tokens = .word
      $0.data.validFraction = 0
      $0.data.embeddings = vectors
      $0.model.embeddingSize = 3
    }
    let task = try #require(task(configuration) as? LearningTask<ClassifierLearner>)
    let vocabulary = try #require(task.corpus.encoding.source)
    let table = try #require(task.parameters.layout["embedding.weight"])
    func row(_ token: String) throws -> [Float] {
      let id = Int(try #require(vocabulary.id(of: token)))
      return Array(task.parameters.elements(table)[3 * id..<3 * id + 3])
    }
    #expect(try row("cat") == [1, 2, 3] && row("dog") == [7, 8, 9])
    #expect(try !row("hen").contains { $0 == $0.rounded() })
    #expect(task.notes == ["\(vectors): vectors of 2 of \(vocabulary.count) tokens"])
    var other = configuration
    other.model.embeddingSize = 4
    #expect(throws: DataError.line(name: vectors, line: 1, problem: .width(found: 3, expected: 4))) {
      try self.task(other)
    }
  }
}

extension ParameterBuffer<Float> {
  fileprivate func elements(named name: String) -> [Float] {
    layout[name].map { Array(elements($0)) } ?? []
  }
}
