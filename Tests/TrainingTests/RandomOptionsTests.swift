import Foundation
import RecurrentNN
import Tasks
import TestSupport
import Testing

@Suite("Random options draw new numbers in every training step")
struct RandomOptionsTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// An option that makes training random by itself.
  struct Option: Sendable, CustomTestStringConvertible {
    var name: String
    var set: @Sendable (inout ModelOptions) -> Void
    var testDescription: String { name }

    static let all = [
      Option(name: "dropout") { $0.network.dropout = 0.5 },
      Option(name: "embedding_dropout") { $0.embeddingDropout = 0.5 },
      Option(name: "variational_dropout") { $0.network.cell.variationalDropout = 0.5 },
      Option(name: "zoneout") { $0.network.cell.zoneout = 0.5 },
      Option(name: "zoneout_cell") { $0.network.cell.zoneoutCell = 0.5 },
    ]
  }

  /// The losses of two epochs of a single step each, at a learning rate so small that the parameters hardly change: they differ
  /// only in random numbers.
  private func losses(_ task: String, _ change: (inout ModelOptions) -> Void) throws -> [Double] {
    var configuration: RunConfiguration
    if let test = LearnerCase.sequences.first(where: { $0.name == task }) {
      configuration = try test.configuration(in: directory)
      configuration.training.batchTokens = nil
      configuration.training.batchSize = 1000
      configuration.training.teacherForcing = 1
      configuration.training.teacherForcingEnd = nil
    } else {
      configuration = .small(try directory.write(sampleText(characters: 400), to: "text.txt")) {
        $0.training.bptt = 400
      }
    }
    configuration.model.network.cell.kind = .lstm
    configuration.model.network.dropout = 0
    configuration.model.wordDropout = 0
    configuration.training.learningRate = 1e-30
    configuration.training.steps = 2
    configuration.training.averageDecay = 0
    configuration.evaluation.everySteps = 0
    change(&configuration.model)
    let recorder = Recorder()
    try Job(configuration).run(recorder)
    #expect(recorder.steps.map(\.epoch) == [1, 2])
    return recorder.losses
  }

  static let tasks = ["language-model"] + LearnerCase.sequences.map(\.name)

  @Test("Each option alone", arguments: tasks, Option.all)
  func alone(task: String, option: Option) throws {
    let losses = try losses(task, option.set)
    #expect(abs(losses[0] - losses[1]) > 1e-6 * losses[0], "\(losses)")
  }

  @Test("Recomputation in the backward pass draws the same masks", arguments: Option.all)
  func recomputed(option: Option) throws {
    let text = try directory.write(sampleText(characters: 400), to: "text.txt")
    func losses(_ steps: Int) throws -> [Double] {
      let recorder = Recorder()
      let configuration = RunConfiguration.small(text) {
        option.set(&$0.model)
        $0.training.recompute = steps
      }
      try Job(configuration).run(recorder)
      return recorder.losses
    }
    #expect(relativeDifference(try losses(2), try losses(0)) < 1e-5)
  }

  @Test("Without random options, two epochs are equal", arguments: tasks)
  func none(task: String) throws {
    let losses = try losses(task) { _ in }
    #expect(abs(losses[0] - losses[1]) < 1e-6 * losses[0], "\(losses)")
  }

  @Test("Word dropout", arguments: ["tagger", "classifier"])
  func words(task: String) throws {
    let losses = try losses(task) { $0.wordDropout = 0.5 }
    #expect(abs(losses[0] - losses[1]) > 1e-5 * losses[0], "\(losses)")
  }
}
