import NumericKernels
import Parameters

/// Which cell a network is made of, with the options of that cell.
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

  /// A cell of this kind, its parameters added to the layout with a suffix such as `_l0`.
  func makeCell<Element: Scalar>(
    inputSize: Int, hiddenSize: Int, suffix: String, in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element> {
    switch self {
    case .rnn(let activation):
      RNNCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, activation: activation, suffix: suffix, in: &builder)
    case .gru(let reset):
      GRUCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, reset: reset, suffix: suffix, in: &builder)
    case .lstm(let forgetBias):
      LSTMCell<Element>(
        inputSize: inputSize, hiddenSize: hiddenSize, forgetBias: forgetBias, suffix: suffix, in: &builder)
    }
  }
}

extension LayerStack {
  /// A network of equal layers with PyTorch's parameter names: `weight_ih_l0`, …, `weight_ih_l0_reverse`, …
  ///
  /// - Parameters:
  ///   - inputSize: width of the input vectors.
  ///   - hiddenSize: units of each cell; a bidirectional layer's output is twice as wide.
  ///   - dropout: probability to drop a unit between two layers, in 0..<1.
  public init(
    _ kind: CellKind, inputSize: Int, hiddenSize: Int, layers: Int, bidirectional: Bool = false,
    dropout: Double = 0, in builder: inout ParameterLayout.Builder
  ) throws(RepeatedCellError) {
    var stack: [any SequenceLayer<Element>] = []
    var width = inputSize
    for layer in 0..<layers {
      let cell: any RecurrentCell<Element> = kind.makeCell(
        inputSize: width, hiddenSize: hiddenSize, suffix: "_l\(layer)", in: &builder)
      if bidirectional {
        let reverse: any RecurrentCell<Element> = kind.makeCell(
          inputSize: width, hiddenSize: hiddenSize, suffix: "_l\(layer)_reverse", in: &builder)
        stack.append(try Bidirectional(forward: cell, backward: reverse))
        width = 2 * hiddenSize
      } else {
        stack.append(cell)
        width = hiddenSize
      }
    }
    try self.init(stack, dropout: dropout)
  }
}
