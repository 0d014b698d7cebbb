import Options

/// The function of a basic RNN cell.
public enum RNNActivation: String, OptionChoice { case tanh, relu }

/// Where a GRU applies its reset gate: to the product of state and recurrent matrix, or to the state before that product.
public enum GRUReset: String, OptionChoice { case after, before }

/// A cell with all its options. An option that the kind of cell does not have must keep its default.
public struct CellOptions: Options, Hashable {
  public var kind = CellKind.lstm
  /// RNN: the nonlinearity.
  public var activation = RNNActivation.tanh
  /// GRU: reset gate after the recurrent product (PyTorch) or before it (Cho et al. 2014).
  public var gruReset = GRUReset.after
  /// LSTM: a constant that is added to the forget gate before its sigmoid (TensorFlow); it is not a parameter.
  public var forgetBias = 0.0
  /// LSTM: the gates see the cell state, i and f the previous one, o the new one (Gers & Schmidhuber 2000).
  public var peepholes = false
  /// LSTM: the hidden state is a projection of this width, smaller than the number of units (Sak et al. 2014;
  /// torch.nn.LSTM(proj_size:)).
  public var projectionSize: Int?
  /// LSTM: the cell state is limited to ± this.
  public var cellClip: Double?
  /// LSTM with a projection: the hidden state is limited to ± this.
  public var projectionClip: Double?
  /// LSTM: the input gate is i = 1 − f (Greff et al. 2017), which leaves three gates.
  public var coupledGates = false
  /// LSTM, and GRU with reset after the product: layer normalization (Ba et al. 2016).
  public var layerNorm = false
  /// Probability that a unit of the hidden state keeps its previous value in a step (Krueger et al. 2017).
  public var zoneout = 0.0
  /// LSTM: the same for the cell state; nil: as `zoneout`.
  public var zoneoutCell: Double?
  /// Probability of dropping a unit of the recurrent state, with one mask for all steps (Gal & Ghahramani 2016).
  public var variationalDropout = 0.0
  /// Probability of dropping a unit of the cell's input, with one mask for all steps.
  public var variationalInputDropout = 0.0
  /// How the initial values of the parameters are drawn.
  public var initialization = CellInitialization.pytorch
  /// LSTM: the initial value of the forget gate's bias, a parameter (Jozefowicz et al. 2015, section 2.2: 1); nil: drawn
  /// like the other biases. The first of the two biases has this value; the second is zero.
  public var forgetGateInit: Double?

  public init() {}

  /// A cell whose other options have their defaults.
  public init(_ kind: CellKind) { self.kind = kind }

  // The cells whose other options have their defaults.
  public static func rnn(activation: RNNActivation = .tanh) -> CellOptions {
    var options = CellOptions()
    (options.kind, options.activation) = (.rnn, activation)
    return options
  }
  public static func gru(reset: GRUReset = .after) -> CellOptions {
    var options = CellOptions()
    (options.kind, options.gruReset) = (.gru, reset)
    return options
  }
  public static func lstm(forgetBias: Double = 0) -> CellOptions {
    var options = CellOptions()
    options.forgetBias = forgetBias
    return options
  }

  /// Whether a cell draws masks in training.
  public var isRandom: Bool { zoneoutRates.isActive || variationalRates.isActive }

  /// Width of the output and of the hidden state of a cell of `hiddenSize` units.
  public func outputSize(hiddenSize: Int) -> Int { projectionSize ?? hiddenSize }

  package var zoneoutRates: Zoneout {
    Zoneout(cell: kind == .lstm ? zoneoutCell ?? zoneout : 0, hidden: zoneout)
  }
  var variationalRates: VariationalDropout {
    VariationalDropout(input: variationalInputDropout, state: variationalDropout)
  }

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.forgetBias, .within(-100...100))
    checks.bound(\.projectionSize, .within(1...65_536))
    checks.bound(\.cellClip, .above(0))
    checks.bound(\.projectionClip, .above(0))
    checks.bound(\.zoneout, .from(0, below: 1))
    checks.bound(\.zoneoutCell, .from(0, below: 1))
    checks.bound(\.variationalDropout, .from(0, below: 1))
    checks.bound(\.variationalInputDropout, .from(0, below: 1))
    checks.bound(\.forgetGateInit, .within(-100...100))
    requireOwn(\.activation, &checks)
    requireOwn(\.gruReset, &checks)
    requireOwn(\.forgetBias, &checks)
    requireOwn(\.peepholes, &checks)
    requireOwn(\.projectionSize, &checks)
    requireOwn(\.cellClip, &checks)
    requireOwn(\.projectionClip, &checks)
    requireOwn(\.coupledGates, &checks)
    requireOwn(\.layerNorm, &checks)
    requireOwn(\.zoneoutCell, &checks)
    requireOwn(\.forgetGateInit, &checks)
    kind.definition.check(&checks)
  }

  /// Requires that an option has its default unless the kind of cell has this option.
  private func requireOwn<Value: Equatable>(
    _ option: KeyPath<Self, Value>, _ checks: inout OptionChecks<Self>
  ) {
    checks.read(
      option, if: \.kind, isOneOf: CellKind.allCases.filter { $0.definition.ownOptions.contains(option) })
  }
}
