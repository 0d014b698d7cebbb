import Options

/// The cells that a network can be made of.
public enum CellKind: String, OptionChoice {
  case rnn, gru, lstm

  /// The options that this cell has and not every other one.
  var ownOptions: [PartialKeyPath<CellOptions>] {
    switch self {
    case .rnn: [\.activation]
    case .gru: [\.gruReset, \.layerNorm]
    case .lstm:
      [
        \.forgetBias, \.peepholes, \.projectionSize, \.cellClip, \.projectionClip, \.coupledGates,
        \.layerNorm,
        \.zoneoutCell, \.forgetGateInit,
      ]
    }
  }
}
