import NumericKernels
import Parameters

/// Which cell a network is made of, with the options that belong to one kind alone.
public enum CellKind: Sendable, Hashable {
  case rnn(activation: RNNActivation = .tanh)
  case gru(reset: GRUReset = .after)
  case lstm(forgetBias: Double = 0)

  /// The function of a basic RNN cell.
  public enum RNNActivation: String, Sendable, CaseIterable {
    case tanh, relu
  }
  /// Where a GRU's reset gate acts.
  public enum GRUReset: String, Sendable, CaseIterable {
    case after, before
  }

  var isLSTM: Bool { if case .lstm = self { true } else { false } }

  /// `rnn`, `gru` or `lstm`.
  var name: String {
    switch self {
    case .rnn: "rnn"
    case .gru: "gru"
    case .lstm: "lstm"
    }
  }
}

/// A cell with all its options: what a configuration fills.
public struct CellOptions: Sendable, Hashable {
  public var kind: CellKind
  /// LSTM: the gates see the cell state, i and f the previous one, o the new one (Gers & Schmidhuber 2000).
  public var peepholes = false
  /// LSTM: the hidden state is a projection of that width, smaller than the number of units (Sak et al. 2014;
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
  /// Units that keep their previous state at random (Krueger et al. 2016).
  public var zoneout = Zoneout()
  /// One dropout mask for all time steps (Gal & Ghahramani 2016).
  public var variationalDropout = VariationalDropout()

  /// Whether a cell draws masks in training.
  public var isRandom: Bool { zoneout.isActive || variationalDropout.isActive }
  /// The first values of the parameters.
  public var initialization = CellInitialization()

  public init(_ kind: CellKind = .lstm()) { self.kind = kind }

  // The cells without further options.
  public static func rnn(activation: CellKind.RNNActivation = .tanh) -> CellOptions {
    CellOptions(.rnn(activation: activation))
  }
  public static func gru(reset: CellKind.GRUReset = .after) -> CellOptions { CellOptions(.gru(reset: reset)) }
  public static func lstm(forgetBias: Double = 0) -> CellOptions {
    CellOptions(.lstm(forgetBias: forgetBias))
  }

  /// True if only ``ExtendedLSTMCell`` has what is asked for.
  var needsExtendedLSTM: Bool {
    kind.isLSTM && (peepholes || projectionSize != nil || cellClip != nil || coupledGates || layerNorm)
  }

  /// Width of the output and of the hidden state of a cell of `hiddenSize` units.
  public func outputSize(hiddenSize: Int) -> Int { projectionSize ?? hiddenSize }

  /// Throws ``CellOptionsError`` if options exclude each other or are out of range.
  public func validate(hiddenSize: Int) throws(CellOptionsError) {
    try validateKind()
    if let size = projectionSize, !(1..<hiddenSize).contains(size) {
      throw .outOfRange("projection_size", "\(size)", allowed: "1 to hidden_size - 1 = \(hiddenSize - 1)")
    }
    if projectionClip != nil && projectionSize == nil {
      throw .incompatible(
        "projection_clip", "no projection_size", because: "there is no projection to be limited")
    }
    for (name, clip) in [("cell_clip", cellClip), ("projection_clip", projectionClip)] {
      if let clip, !(clip > 0 && clip.isFinite) {
        throw .outOfRange(name, "\(clip)", allowed: "a number above 0")
      }
    }
    try zoneout.validate(kind)
    try variationalDropout.validate()
    try initialization.validate(kind)
  }

  private func validateKind() throws(CellOptionsError) {
    let asked = [
      ("peepholes", peepholes), ("projection_size", projectionSize != nil), ("cell_clip", cellClip != nil),
      ("coupled_gates", coupledGates),
    ]
    if !kind.isLSTM, let (name, _) = asked.first(where: \.1) {
      throw .incompatible(name, "cell: \(kind.name)", because: "only an LSTM has a cell state")
    }
    guard layerNorm else { return }
    switch kind {
    case .rnn:
      throw .incompatible(
        "layer_norm", "cell: rnn", because: "layer normalization is there for LSTM and GRU")
    case .gru(.before):
      throw .incompatible(
        "layer_norm", "gru_reset: before",
        because:
          "a normalized GRU applies the reset gate to the normalized product (Ba et al. 2016): take after")
    case .gru(.after), .lstm: break
    }
  }

  /// A cell with these options, its parameters added to a layout with a suffix such as `_l0`. The options must be
  /// valid.
  ///
  /// - Parameter position: where the cell stands in its network, which tells its random masks from those of others.
  func makeCell<Element: Scalar>(
    inputSize: Int, hiddenSize: Int, suffix: String, at position: CellPosition = CellPosition(),
    in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element> {
    if needsExtendedLSTM {
      return ExtendedLSTMCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, self, at: position, suffix: suffix, in: &builder)
    }
    return switch kind {
    case .rnn(let activation):
      RNNCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, activation, self, at: position, suffix: suffix,
        in: &builder)
    case .gru(let reset):
      GRUCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, reset, self, at: position, suffix: suffix, in: &builder)
    case .lstm(let forgetBias):
      LSTMCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, forgetBias, self, at: position, suffix: suffix,
        in: &builder)
    }
  }
}

/// A single cell made from its options, for those who need no network.
///
/// - Returns: the cell, its parameters added to the layout.
/// - Throws: ``CellOptionsError`` if options exclude each other or are out of range.
public func makeCell<Element: Scalar>(
  _ options: CellOptions, inputSize: Int, hiddenSize: Int, suffix: String = "",
  in builder: inout ParameterLayout.Builder
) throws(CellOptionsError) -> any RecurrentCell<Element> {
  try options.validate(hiddenSize: hiddenSize)
  return options.makeCell(inputSize: inputSize, hiddenSize: hiddenSize, suffix: suffix, in: &builder)
}

/// Options that do not go together, or a value that an option can't have.
public enum CellOptionsError: Error, Hashable, CustomStringConvertible {
  case incompatible(String, String, because: String)
  case outOfRange(String, String, allowed: String)

  public var description: String {
    switch self {
    case .incompatible(let one, let other, let reason):
      "the options \(one) and \(other) do not go together: \(reason)"
    case .outOfRange(let name, let value, let allowed): "\(name) is \(value), allowed is \(allowed)"
    }
  }
}
