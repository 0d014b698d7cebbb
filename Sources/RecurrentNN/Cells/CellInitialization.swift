import NumericKernels
import Parameters

/// The first values of a cell's parameters.
public struct CellInitialization: Sendable, Hashable {
  /// How weights and biases are drawn.
  public enum Scheme: Sendable, Hashable {
    /// Everything from U(±1/√H), as torch.nn.LSTM, GRU and RNN do.
    case pytorch
    /// Everything from U(±bound).
    case uniform(Double)
    /// The weights of each gate from U(±√(6 / (fanIn + fanOut))) (Glorot & Bengio 2010), biases zero.
    case xavier
  }

  public var scheme: Scheme
  /// The recurrent weights of each gate are a random orthogonal matrix (Saxe et al. 2013).
  public var orthogonalRecurrent: Bool
  /// LSTM: the sum of the forget gate's two biases begins with this value (Jozefowicz et al. 2015, section 2.2: 1).
  /// It is a parameter's first value, not the constant that `CellKind.lstm(forgetBias:)` adds at run time.
  public var forgetBias: Double?

  public init(_ scheme: Scheme = .pytorch, orthogonalRecurrent: Bool = false, forgetBias: Double? = nil) {
    self.scheme = scheme
    self.orthogonalRecurrent = orthogonalRecurrent
    self.forgetBias = forgetBias
  }

  func validate(_ kind: CellKind) throws(CellOptionsError) {
    if forgetBias != nil && !kind.isLSTM {
      throw .incompatible("init_forget_bias", "cell: \(kind.name)", because: "only an LSTM has a forget gate")
    }
    if case .uniform(let bound) = scheme, !(bound > 0 && bound.isFinite) {
      throw .outOfRange("init_uniform", "\(bound)", allowed: "a number above 0")
    }
  }

  /// A weight [gates · rows, columns], every gate a matrix of its own.
  func weight(gates: Int, rows: Int, columns: Int, units: Int) -> Initializer {
    switch scheme {
    case .pytorch: .uniform(1 / Double(units).squareRoot())
    case .uniform(let bound): .uniform(bound)
    case .xavier: .xavier(fanIn: columns, fanOut: rows)
    }
  }

  /// The recurrent weight.
  func recurrent(gates: Int, rows: Int, columns: Int, units: Int) -> Initializer {
    orthogonalRecurrent
      ? .blocks(Array(repeating: .orthogonal, count: gates))
      : weight(gates: gates, rows: rows, columns: columns, units: units)
  }

  /// A vector of biases or peepholes.
  func vector(units: Int) -> Initializer {
    switch scheme {
    case .pytorch: .uniform(1 / Double(units).squareRoot())
    case .uniform(let bound): .uniform(bound)
    case .xavier: .constant(0)
    }
  }

  /// A bias [gates · units] whose forget gate, if asked for, begins with `forget`.
  func bias(gates: Int, units: Int, forgetGate: Int?, forget: Double, zero: Bool) -> Initializer {
    let plain = zero ? Initializer.constant(0) : vector(units: units)
    guard forgetBias != nil, let forgetGate else { return plain }
    return .blocks((0..<gates).map { $0 == forgetGate ? .constant(forget) : plain })
  }
}
