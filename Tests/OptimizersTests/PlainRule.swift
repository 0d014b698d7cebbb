import Foundation
import Optimizers

/// The update rules for one parameter, with the same order of operations as the kernels.
struct PlainRule {
  let settings: OptimizerSettings
  var parameter: Float
  private var first: Float = 0
  private var second: Float = 0
  private var updates = 0.0

  init(settings: OptimizerSettings, parameter: Float) {
    self.settings = settings
    self.parameter = parameter
  }

  mutating func update(gradient: Float, learningRate: Double) {
    updates += 1
    let decays = settings.kind != .adamw
    let g = gradient + (decays ? Float(settings.weightDecay) : 0) * parameter
    let rate = Float(learningRate)
    let epsilon = Float(settings.resolvedEpsilon)
    switch settings.kind {
    case .sgd:
      parameter -= rate * g
    case .momentum:
      first = Float(settings.momentum) * first + g
      parameter -= rate * first
    case .nesterov:
      first = Float(settings.momentum) * first + g
      parameter -= rate * (g + Float(settings.momentum) * first)
    case .rmsprop:
      first = Float(settings.decay) * first + Float(1 - settings.decay) * (g * g)
      parameter -= rate * (g / (first.squareRoot() + epsilon))
    case .adagrad:
      first += g * g
      parameter -= rate * (g / (first.squareRoot() + epsilon))
    case .adam, .adamw:
      first += Float(1 - settings.beta1) * (g - first)
      second = Float(settings.beta2) * second + Float(1 - settings.beta2) * (g * g)
      let corrected = Float(learningRate / (1 - pow(settings.beta1, updates)))
      let root = Float(1 / (1 - pow(settings.beta2, updates)).squareRoot())
      let keep = decays ? 1 : Float(1 - learningRate * settings.weightDecay)
      parameter = parameter * keep - corrected * (first / (second.squareRoot() * root + epsilon))
    }
  }
}
