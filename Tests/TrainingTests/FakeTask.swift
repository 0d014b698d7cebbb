import Checkpoints
import Communication
import Parameters
import RecurrentNN
import RunLog

@testable import Tasks

extension RunConfiguration {
  /// Plain gradient descent without an end: a step moves every parameter by -0.5 × the mean gradient.
  static func plainDescent(_ change: (inout RunConfiguration) -> Void) -> RunConfiguration {
    var configuration = RunConfiguration()
    configuration.training.optimizer.kind = .sgd
    configuration.training.learningRate = 0.5
    configuration.training.clipNorm = 0
    configuration.training.epochs = 0
    configuration.log.everySteps = 1
    configuration.checkpoint.everySteps = 0
    change(&configuration)
    return configuration
  }
}

/// A task without data or network, whose gradients a test decides.
///
/// Every shard of microbatch n contributes two tokens, or as many as a test sets, with the gradient 1 for each parameter:
/// for two tokens, a sum of 2.
final class FakeTask: TrainingTask {
  /// Changes a shard's gradient in a test, given the number of the microbatch in the run; may throw.
  typealias Fault = @Sendable (_ serial: Int, _ shard: Int, ParameterBuffer<Float>) throws -> Void

  /// A requested microbatch.
  struct Call: Sendable, Equatable {
    var epoch: Int
    var microbatch: Int
    var serial: Int
    var update: Int
  }

  let parameters: ParameterBuffer<Float>
  var microbatchesPerEpoch: Int { microbatches(max(0, epoch)) }
  let dataDigest: UInt64 = 1
  private let microbatches: (_ epoch: Int) -> Int
  private let tokens: (_ serial: Int) -> Int
  private let fault: Fault
  private let evaluation: (@Sendable (_ shard: Int) throws -> LossSum)?
  private(set) var calls: [Call] = []
  private(set) var droppedStates = 0
  private(set) var rehearsals = 0
  private var epoch = -1

  convenience init(
    microbatches: Int = 100, evaluation: (@Sendable (_ shard: Int) throws -> LossSum)? = nil,
    fault: @escaping Fault = { _, _, _ in }
  ) {
    self.init(microbatches: { _ in microbatches }, evaluation: evaluation, fault: fault)
  }

  /// - Parameters:
  ///   - microbatches: the number of microbatches per epoch. - tokens: the number of tokens of each microbatch of the run.
  init(
    microbatches: @escaping (_ epoch: Int) -> Int, tokens: @escaping (_ serial: Int) -> Int = { _ in 2 },
    evaluation: (@Sendable (_ shard: Int) throws -> LossSum)? = nil,
    fault: @escaping Fault = { _, _, _ in }
  ) {
    var builder = ParameterLayout.Builder()
    _ = builder.add("first", [2], .constant(0))
    _ = builder.add("second", [3], .constant(0))
    parameters = ParameterBuffer(builder.build())
    self.microbatches = microbatches
    self.tokens = tokens
    self.evaluation = evaluation
    self.fault = fault
  }

  let size = TaskSize(vocabulary: 0, trainTokens: 0, validTokens: 0, trainExamples: 0, validExamples: 0)

  let (warnings, notes): ([String], [String]) = ([], [])

  func start(from weights: StartingWeights) -> [String] { [] }
  func samples(_ count: Int) -> [RunSamples.Sample] { [] }
  func writeInputs(to run: RunPaths) {}

  let workspace = Workspace<Float>()
  let carriedState = CarriedState(plan: .alone)

  /// Adds a gradient that must be discarded.
  func rehearse(into gradients: ParameterBuffer<Float>) {
    rehearsals += 1
    for index in gradients.elements.indices { gradients.elements[index] += 1000 }
  }

  func beginEpoch(_ epoch: Int, isResumed: Bool) { self.epoch = epoch }

  func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) throws -> LossSum {
    let serial = microbatch.serial
    calls.append(
      Call(epoch: epoch, microbatch: microbatch.index, serial: serial, update: microbatch.update))
    let tokens = tokens(serial)
    for index in gradients.elements.indices { gradients.elements[index] += Float(tokens) }
    try fault(serial, shard, gradients)
    return LossSum(total: 1.5 * Double(tokens), tokens: tokens)
  }

  func dropNonFiniteState() { droppedStates += 1 }

  /// The accuracy of every evaluation, if there is one.
  var accuracy: Double?

  func result(of sums: ScoreSums) -> EvaluationResult {
    EvaluationResult(
      loss: sums.loss, examples: sums.examples, compared: accuracy.map { [(.accuracy, $0)] } ?? [])
  }

  func evaluationPass(_ split: DataSplit) -> (any EvaluationPass)? { evaluation.map(Pass.init) }

  private final class Pass: EvaluationPass {
    let pieces = 2
    private let body: @Sendable (Int) throws -> LossSum

    init(_ body: @escaping @Sendable (Int) throws -> LossSum) { self.body = body }

    func score(piece: Int, shard: Int) throws -> ScoreSums { ScoreSums(loss: try body(shard)) }
  }
}
