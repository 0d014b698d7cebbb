import Configuration
import NumericKernels
import Optimizers

extension OptimizerSettings {
  /// The update rule a configuration asks for.
  package init(_ training: TrainingConfiguration) {
    let kind: Kind =
      switch training.optimizer {
      case .sgd: .sgd
      case .momentum: .momentum
      case .nesterov: .nesterov
      case .rmsprop: .rmsprop
      case .adagrad: .adagrad
      case .adam: .adam
      case .adamw: .adamw
      }
    self.init(
      kind: kind, momentum: training.momentum, decay: training.decay, beta1: training.beta1,
      beta2: training.beta2,
      epsilon: training.epsilon, weightDecay: training.weightDecay)
  }
}

extension TrainingConfiguration {
  /// The ratio of teacher forcing at an update, counted from 0: constant, or on a straight line to its end.
  package func teacherForcing(at update: Int) -> Double {
    guard let end = teacherForcingEnd else { return teacherForcing }
    guard update < teacherForcingSteps else { return end }
    return teacherForcing + (end - teacherForcing) * Double(update) / Double(teacherForcingSteps)
  }

  /// The first update, and one at the end of the schedule if the ratio changes.
  package var extremesOfTeacherForcing: [Int] {
    teacherForcing(at: teacherForcingSteps) == teacherForcing(at: 0) ? [0] : [0, teacherForcingSteps]
  }
}

extension Schedule {
  /// The schedule a configuration asks for.
  package init(_ schedule: ScheduleConfiguration) {
    let kind: Kind =
      switch schedule.kind {
      case .constant: .constant
      case .exponential: .exponential
      case .step: .step
      case .plateau: .plateau
      case .inverseSquareRoot: .inverseSqrt
      case .cosine: .cosine
      }
    self.init(
      kind: kind, warmupSteps: schedule.warmupSteps, startEpoch: schedule.startEpoch, factor: schedule.factor,
      patience: schedule.patience, minimum: schedule.minimum)
  }
}

extension ProductPrecision {
  /// The precision a configuration asks for.
  package init(_ precision: TrainingConfiguration.Precision) {
    switch precision {
    case .fp32: self = .fp32
    case .bf16: self = .bf16
    }
  }
}
