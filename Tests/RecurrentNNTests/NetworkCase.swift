import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The networks that the tests of layers run over: every cell with every option, alone and combined.
struct NetworkCase: Sendable, CustomTestStringConvertible {
  let kind: CellKind
  var layers = 1
  var bidirectional = false
  var dropout = 0.0

  var testDescription: String {
    "\(kind) x \(layers)" + (bidirectional ? " bidirectional" : "")
      + (dropout > 0 ? " dropout \(dropout)" : "")
  }

  static let kinds: [CellKind] = [
    .rnn(activation: .tanh), .rnn(activation: .relu), .gru(reset: .after), .gru(reset: .before),
    .lstm(forgetBias: 0), .lstm(forgetBias: 1),
  ]

  /// Every cell alone, stacked, in two directions, and both.
  static let all: [NetworkCase] = kinds.flatMap { kind in
    [
      NetworkCase(kind: kind), NetworkCase(kind: kind, layers: 2),
      NetworkCase(kind: kind, bidirectional: true),
      NetworkCase(kind: kind, layers: 2, bidirectional: true),
    ]
  }

  /// The network and its parameters, with names as PyTorch has them.
  func make<Element: Scalar>(
    inputSize: Int, hiddenSize: Int, seed: UInt64 = 5
  ) throws -> (LayerStack<Element>, ParameterBuffer<Element>) {
    var builder = ParameterLayout.Builder()
    let stack = try LayerStack<Element>(
      kind, inputSize: inputSize, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional,
      dropout: dropout, in: &builder)
    return (stack, ParameterBuffer(builder.build(), seed: seed))
  }
}
