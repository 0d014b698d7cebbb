/// How the parameters are learnt.
public struct TrainingConfiguration: Sendable, Equatable {
  /// Rule of the parameter update.
  public enum Optimizer: String, ConfigurationChoice {
    case sgd, momentum, nesterov, rmsprop, adagrad, adam, adamw
  }

  /// How the operands of matrix products are rounded.
  public enum Precision: String, ConfigurationChoice { case fp32, bf16 }

  /// Who decides whether the kernels or the BLAS compute a product.
  public enum Products: String, ConfigurationChoice { case rule, tuned }

  public var batchSize = 32
  /// Tokens of a step over all ranks; nil: `batchSize` sequences.
  public var batchTokens: Int?
  public var bucketing = true
  public var bptt = 50
  public var epochs = 10
  public var steps = 0
  public var optimizer = Optimizer.adam
  public var learningRate = 0.002
  public var momentum = 0.9
  public var decay = 0.99
  public var beta1 = 0.9
  public var beta2 = 0.999
  /// Nil: the optimizer's own, as in PyTorch (1e-10 for adagrad, 1e-8 for the others).
  public var epsilon: Double?
  public var weightDecay = 0.0
  public var schedule = ScheduleConfiguration()
  public var clipNorm = 5.0
  public var reproducible = false
  /// Steps between the states a language model keeps for the way back; 0: all.
  public var recompute = 0
  public var precision = Precision.fp32
  public var products = Products.rule
  public var accumulate = 1
  public var skipLimit = 5
  public var dropLastChunk = false
  public var labelSmoothing = 0.0
  public var teacherForcing = 1.0
  /// Ratio of teacher forcing at the end of its schedule; nil: constant.
  public var teacherForcingEnd: Double?
  public var teacherForcingSteps = 0
  public var coverageWeight = 1.0
  /// Decay of the moving average of the weights; 0: none.
  public var averageDecay = 0.0

  public init() {}
}

/// How the learning rate changes during the run.
public struct ScheduleConfiguration: Sendable, Equatable {
  /// Shape of the learning rate over time.
  public enum Kind: String, ConfigurationChoice {
    case constant, exponential, step, plateau
    case inverseSquareRoot = "inverse-sqrt"
    case cosine
  }

  public var kind = Kind.constant
  public var warmupSteps = 0
  public var startEpoch = 1
  public var factor = 0.5
  public var patience = 1
  public var minimum = 0.0

  public init() {}
}
