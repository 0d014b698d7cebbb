import Communication
import Datasets
import NumericKernels
import TestSupport
import Testing

@testable import Training
@testable import Tasks

@Suite("The memory plan")
struct MemoryPlanTests {
  @Test(
    "The plan before the first step equals the memory of the steps",
    arguments: [TrainingConfiguration.Products.rule, .tuned])
  func whatIsPlannedIsTaken(products: TrainingConfiguration.Products) throws {
    let configuration = RunConfiguration.small("not read") {
      // Several blocks of an arena.
      $0.model.network.hiddenSize = 64
      $0.training.batchSize = 16
      $0.training.bptt = 40
      $0.training.epochs = 0
      $0.training.steps = 3
      $0.training.products = products
    }
    let corpus = try TextCorpus.load(
      train: .memory(Array(sampleText(characters: 16 * 80 + 1).utf8), name: "a test"), valid: nil, test: nil,
      validFraction: 0, options: TextOptions(.char))
    let plan = try ShardPlan(rank: 0, worldSize: 1, reproducible: false)
    let task = try LearningTask<LanguageModelLearner>(
      configuration, corpus: corpus, plan: plan)
    let recorder = Recorder()
    let selection = ProductSelection(cache: nil, tuner: ProductTuner(budget: 0.1))
    _ = try Trainer(
      configuration, task: task, plan: plan, communicator: SoloCommunicator(), store: nil, observer: recorder,
      signals: StopSignals(), products: products == .tuned ? selection : nil
    ).run()
    let planned = recorder.events.compactMap { if case .planned(let plan) = $0 { plan } else { nil } }
    #expect(planned.count == 1)
    #expect(planned.first?.activations == task.workspace.arena.capacityInBytes)
    #expect(planned.first?.packedWeights == task.workspace.packedBytes)
  }

  @Test("The plan covers a model that starts to read its own tokens", arguments: [1, 0.3])
  func laterSteps(end: Double) throws {
    let directory = try TemporaryDirectory()
    var configuration = try LearnerCase.seq2seq.configuration(in: directory)
    // Every batch is as large as the largest: all entries.
    configuration.training.batchSize = 100
    configuration.training.steps = 4
    configuration.training.teacherForcingEnd = end
    configuration.training.teacherForcingSteps = 2
    configuration.data.valid = nil
    configuration.data.validFraction = 0
    configuration.evaluation.metric = .loss
    let plan = try ShardPlan(rank: 0, worldSize: 1, reproducible: false)
    let task = try TaskKind.make(configuration, plan: plan)
    let recorder = Recorder()
    _ = try Trainer(
      configuration, task: task, plan: plan, communicator: SoloCommunicator(), store: nil, observer: recorder,
      signals: StopSignals()
    ).run()
    let planned = recorder.events.compactMap { if case .planned(let plan) = $0 { plan } else { nil } }
    #expect(planned.first?.activations == task.workspace.arena.capacityInBytes)
    #expect(planned.first?.packedWeights == task.workspace.packedBytes)
  }
}
