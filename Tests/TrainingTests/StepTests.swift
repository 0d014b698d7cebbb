import Checkpoints
import Communication
import Datasets
import Foundation
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks
import TestSupport
import Testing

@Suite("A training step computed by hand")
struct StepTests {
  let directory: TemporaryDirectory
  let text: String

  init() throws { (directory, text) = try temporaryText(characters: 400) }

  @Test(
    "Two steps of two accumulated chunks are updates with the mean over the tokens of both, its elements clipped or not",
    arguments: [1, 2], [0, 0.002])
  func accumulatedSteps(ranks: Int, clipValue: Double) throws {
    let configuration = RunConfiguration.small(text) {
      $0.model.network.layers = 2
      $0.data.validFraction = 0
      $0.training.batchSize = 3
      $0.training.bptt = 4
      $0.training.accumulate = 2
      $0.training.steps = 2
      $0.training.optimizer.kind = .sgd
      $0.training.learningRate = 0.5
      $0.training.clipNorm = 0
      $0.training.clipValue = clipValue
    }
    let run = directory.file("run")
    let recorder = Recorder()
    try Job(configuration, ranks: ranks, directory: run).run(recorder)

    var byHand = try HandTraining(configuration)
    for (step, chunks) in [[0, 1], [2, 3]].enumerated() {
      let (loss, norm) = byHand.update(chunks: chunks, learningRate: 0.5, clipValue: Float(clipValue))
      #expect(abs(recorder.losses[step] - loss) < 1e-6)
      #expect(abs(recorder.steps[step].gradientNorm - norm) < 1e-6)
    }
    let file = try SafetensorsFile(path: "\(run)/checkpoints/last/model.safetensors")
    for parameter in byHand.model.layout.parameters {
      let found = try file.readDoubles(parameter.name).map(Float.init)
      let expected = Array(byHand.parameters.elements(parameter))
      #expect(found.count == expected.count)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "\(parameter.name)")
    }
  }

  /// Plain gradient descent, independent of the trainer.
  private struct HandTraining {
    let model: LanguageModel<Float>
    let parameters: ParameterBuffer<Float>
    private let corpus: TextCorpus
    private let batcher: StreamBatches
    private let state: [AlignedBuffer<Float>]
    private let workspace = Workspace<Float>()

    init(_ configuration: RunConfiguration) throws {
      let training = configuration.training
      corpus = try TextCorpus.load(
        train: .file(try #require(configuration.data.train?.file)), valid: nil, test: nil, validFraction: 0,
        options: TextOptions(.char))
      model = try LanguageModel(
        LanguageModelShape(configuration.model, vocabularySize: corpus.vocabulary.count))
      parameters = ParameterBuffer(model.layout, seed: UInt64(configuration.seed))
      batcher = try StreamBatches(
        corpus.train, streams: training.batchSize, steps: training.bptt)
      state = model.stateParts.map { AlignedBuffer(count: training.batchSize * $0) }
    }

    /// Returns the mean loss and the norm of the mean gradient before its elements are clipped.
    mutating func update(
      chunks: [Int], learningRate: Float, clipValue: Float
    ) -> (loss: Double, norm: Double) {
      let gradient = ParameterBuffer<Float>(model.layout)
      var loss = LossSum()
      for chunk in chunks {
        guard let batch = batcher.batch(chunk, shard: 0, of: 1) else { continue }
        let layout = PackedLayout(lengths: batch.lengths)
        var inputs = [Int32](repeating: 0, count: layout.rowCount)
        var targets = inputs
        inputs.withUnsafeMutableBufferPointer { inputs in
          targets.withUnsafeMutableBufferPointer { targets in
            batch.fill(inputs: inputs, targets: targets)
            guard let tokens = inputs.baseAddress, let next = targets.baseAddress else { return }
            loss += model.evaluate(
              LanguageModelBatch(layout: layout, tokens: UnsafePointer(tokens), targets: UnsafePointer(next)),
              state: zip(state, model.stateParts).map {
                MatrixView($0.base, rows: batcher.streams, columns: $1)
              },
              into: gradient, LayerContext(parameters: parameters, workspace: workspace))
          }
        }
      }
      let mean = gradient.elements.map { $0 / Float(loss.tokens) }
      let limit = clipValue > 0 ? clipValue : .infinity
      for (index, value) in mean.enumerated() {
        parameters.elements[index] -= learningRate * max(-limit, min(limit, value))
      }
      parameters.didChange()
      return (loss.mean, mean.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot())
    }
  }

  // MARK: Learning rates

  private func rates(_ change: (inout Schedule) -> Void) throws -> (Recorder, [Double]) {
    let recorder = Recorder()
    let configuration = RunConfiguration.small(text) {
      $0.training.steps = 40  // 18 steps an epoch
      change(&$0.training.schedule)
    }
    try Job(configuration, ranks: 2).run(recorder)
    return (recorder, recorder.steps.map { $0.learningRate / 0.01 })
  }

  @Test(
    "The rates used are those of the schedule, by step and epoch",
    arguments: Schedule.Kind.allCases)
  func schedules(_ kind: Schedule.Kind) throws {
    let (recorder, rates) = try rates {
      $0.kind = kind
      $0.warmupSteps = 4
      $0.minimum = 0.05
    }
    #expect(rates.count == 40)
    #expect(
      relativeDifference(Array(rates[..<4]), [0.25, 0.5, 0.75, 1].map { $0 * rates[3] }) < 1e-9
        || kind == .cosine)
    let expected = (4..<40).map { step -> Double in
      switch kind {
      case .constant: 1
      case .exponential, .step: pow(0.5, Double(step / 18))
      case .inverseSqrt: (4 / Double(step + 1)).squareRoot()
      case .cosine: 0.05 + 0.95 * 0.5 * (1 + cos(Double.pi * Double(step - 4) / 36))
      case .plateau: rates[step]
      }
    }
    #expect(relativeDifference(Array(rates[4...]), expected) < 1e-9)
    #expect(recorder.evaluations.map(\.step) == [18, 36, 40])
  }

  @Test("Plateau halves the rate after an evaluation without improvement")
  func plateau() throws {
    let recorder = Recorder()
    let configuration = RunConfiguration.small(text) {
      $0.training.steps = 9
      $0.training.optimizer.kind = .sgd
      $0.training.learningRate = 1e-30  // nothing moves, nothing improves
      $0.training.schedule.kind = .plateau
      $0.evaluation.everySteps = 2
    }
    try Job(configuration, ranks: 2).run(recorder)
    let factors = recorder.steps.map { $0.learningRate / 1e-30 }
    #expect(relativeDifference(factors, [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]) < 1e-9)
    #expect(recorder.evaluations.map(\.isBest) == [true, false, false, false, false])
    // The best model and the last one are saved.
    #expect(recorder.evaluations.filter(\.isSaveDue).map(\.step) == [2, 9])
  }
}
