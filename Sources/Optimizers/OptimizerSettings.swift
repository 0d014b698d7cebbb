import Options

/// An update rule and its constants. The learning rate isn't among them, because it is passed with each update.
public struct OptimizerSettings: Options {
  /// The update rules, with the formulas of torch.optim (PyTorch 2).
  ///
  /// θ are the parameters, g the scaled gradient, η the learning rate, t the number of the update, counted from 1.
  public enum Kind: String, OptionChoice {
    /// θ ← θ − η·g
    case sgd
    /// b ← μ·b + g;  θ ← θ − η·b
    case momentum
    /// b ← μ·b + g;  θ ← θ − η·(g + μ·b).  Y. Nesterov 1983, in the form of Sutskever et al., ICML 2013.
    case nesterov
    /// v ← α·v + (1 − α)·g²;  θ ← θ − η·g / (√v + ε).  T. Tieleman and G. Hinton, lecture 6.5, 2012.
    case rmsprop
    /// v ← v + g²;  θ ← θ − η·g / (√v + ε).  J. Duchi et al., JMLR 12, 2011.
    case adagrad
    /// m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  θ ← θ − η·m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and
    /// v̂ = v / (1 − β₂ᵗ).  D. Kingma and J. Ba, ICLR 2015, algorithm 1.
    case adam
    /// θ ← (1 − η·λ)·θ, then as `adam` without weight decay.  I. Loshchilov and F. Hutter, ICLR 2019,
    /// algorithm 2.
    case adamw
  }

  public var kind = Kind.adam
  /// μ of `momentum` and `nesterov`.
  public var momentum = 0.9
  /// α of `rmsprop`.
  public var decay = 0.99
  /// β₁ of `adam` and `adamw`.
  public var beta1 = 0.9
  /// β₂ of `adam` and `adamw`.
  public var beta2 = 0.999
  /// ε; nil means PyTorch's default for the kind.
  public var epsilon: Double?
  /// λ: λ·θ is added to the gradient (L2 penalty), except in `adamw`, where it shrinks the parameters.
  public var weightDecay = 0.0

  public init() {}

  public init(
    kind: Kind, momentum: Double = 0.9, decay: Double = 0.99, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double? = nil, weightDecay: Double = 0
  ) {
    self.kind = kind
    self.momentum = momentum
    self.decay = decay
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.momentum, .from(0, below: 1))
    checks.bound(\.decay, .from(0, below: 1))
    checks.bound(\.beta1, .from(0, below: 1))
    checks.bound(\.beta2, .from(0, below: 1))
    checks.bound(\.epsilon, .above(0))
    checks.bound(\.weightDecay, .atLeast(0))
    checks.read(\.momentum, if: \.kind, isOneOf: [.momentum, .nesterov])
    checks.read(\.decay, if: \.kind, isOneOf: [.rmsprop])
    checks.read(\.beta1, if: \.kind, isOneOf: [.adam, .adamw])
    checks.read(\.beta2, if: \.kind, isOneOf: [.adam, .adamw])
    checks.read(\.epsilon, if: \.kind, isOneOf: [.rmsprop, .adagrad, .adam, .adamw])
  }

  /// The ε that is used: the one set, or 1e-10 for `adagrad` and 1e-8 for all others.
  public var resolvedEpsilon: Double { epsilon ?? (kind == .adagrad ? 1e-10 : 1e-8) }

  /// Whether a parameter whose gradient is zero remains unchanged, together with its moments.
  public var leavesWithoutGradient: Bool { weightDecay == 0 && (kind == .sgd || kind == .adagrad) }
}

extension OptimizerSettings.Kind {
  /// The names of the moments in PyTorch's state dictionaries, in the order of `Optimizer.moments`.
  public var momentNames: [String] {
    switch self {
    case .sgd: []
    case .momentum, .nesterov: ["momentum_buffer"]
    case .rmsprop: ["square_avg"]
    case .adagrad: ["sum"]
    case .adam, .adamw: ["exp_avg", "exp_avg_sq"]
    }
  }
}
