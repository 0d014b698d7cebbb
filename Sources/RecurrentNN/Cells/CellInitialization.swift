import NumericKernels
import Options
import Parameters

/// How the initial values of a cell's parameters are drawn.
public enum CellInitialization: String, OptionChoice {
  /// Everything from U(±1/√H), as torch.nn.LSTM, GRU and RNN do.
  case pytorch
  /// The weights of each gate from U(±√(6 / (fanIn + fanOut))) (Glorot & Bengio 2010), biases zero.
  case xavier
  /// As `xavier`, but the recurrent weights of each gate are a random orthogonal matrix (Saxe et al. 2013).
  case orthogonal

  /// A weight [gates · rows, columns], every gate a matrix of its own.
  func weight(gates: Int, rows: Int, columns: Int, units: Int) -> Initializer {
    switch self {
    case .pytorch: .uniform(1 / Double(units).squareRoot())
    case .xavier, .orthogonal: .xavier(fanIn: columns, fanOut: rows)
    }
  }

  /// The recurrent weight.
  func recurrent(gates: Int, rows: Int, columns: Int, units: Int) -> Initializer {
    self == .orthogonal
      ? .blocks(Array(repeating: .orthogonal, count: gates))
      : weight(gates: gates, rows: rows, columns: columns, units: units)
  }

  /// A vector of biases or peepholes.
  func vector(units: Int) -> Initializer {
    switch self {
    case .pytorch: .uniform(1 / Double(units).squareRoot())
    case .xavier, .orthogonal: .constant(0)
    }
  }

  /// A bias [gates · units] whose forget gate, if a value is given, begins with it.
  func bias(gates: Int, units: Int, forgetGate: Int?, forget: Double?, zero: Bool) -> Initializer {
    let plain = zero ? Initializer.constant(0) : vector(units: units)
    guard let forget, let forgetGate else { return plain }
    return .blocks((0..<gates).map { $0 == forgetGate ? .constant(forget) : plain })
  }
}
