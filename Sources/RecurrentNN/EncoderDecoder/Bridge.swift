import NumericKernels
import Options
import Parameters

/// How the decoder's initial state is made.
public struct BridgeShape: Sendable, Hashable {
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// The decoder starts from zeros.
    case zero
    /// The state is used unchanged; requires equal widths.
    case identity
    /// tanh(W x + b), with separate weights for every layer and part.
    case transform
  }
  /// The states from which the initial state is computed.
  public enum Source: String, Sendable, Hashable, CaseIterable {
    /// c, for every layer.
    case summary
    /// The final states of the encoder's layer at the same height (its top layer for additional layers of the decoder).
    case finalStates
  }

  /// The usual bridges, by name.
  public enum Name: String, OptionChoice {
    /// A transform of c; the cell state of an LSTM starts from zeros.
    case transform
    /// The final states of the encoder, which must have the widths of the decoder's states.
    case copy
  }

  public var form: Form
  public var source: Source
  /// Whether the cell state of an LSTM is computed from the encoder's cell state, or from the input for h if there is
  /// none. If false, it starts from zeros.
  public var cellState: Bool

  public init(_ form: Form = .transform, from source: Source = .summary, cellState: Bool = false) {
    self.form = form
    self.source = source
    self.cellState = cellState
  }

  public init(_ name: Name) {
    switch name {
    case .transform: self.init()
    case .copy: self.init(.identity, from: .finalStates, cellState: true)
    }
  }
}

/// The input of a bridge, rows in the order of the decoder.
struct BridgeInput<Element: Scalar> {
  /// c, [B, C]; nil if the bridge doesn't use it.
  var summary: MatrixView<Element>?
  /// The final hidden and cell states for each layer of the decoder. Missing cell states have no columns. Empty if the
  /// bridge doesn't use them.
  var layers: [(hidden: MatrixView<Element>, cell: MatrixView<Element>)] = []
}

/// Computes the initial state of every layer and part of a decoder from an encoder's states or the summary of a source.
///
/// Parameters of the transform: `h_l0.weight` [H, C], `h_l0.bias` …, and `c_l0.…` for cell states.
struct Bridge<Element: Scalar>: Sendable {
  /// The origin of a part of the decoder's initial state.
  private enum Origin: Sendable {
    case zeros
    case summary
    case hidden(layer: Int)
    case cell(layer: Int)
  }
  private struct Part: Sendable {
    let size: Int
    let origin: Origin
    let transform: Linear<Element>?
  }
  private let parts: [Part]

  /// - Parameters:
  ///   - stateSize: the size of the decoder's state, one entry per layer.
  ///   - summarySize: width of c.
  ///   - layerSizes: widths of the encoder's hidden and cell states for each layer of the decoder; width 0 means no cell
  ///     state.
  init(
    _ shape: BridgeShape, to stateSize: StateSize, summarySize: Int, layerSizes: [(hidden: Int, cell: Int)],
    in builder: inout ParameterLayout.Builder
  ) {
    let sizes = stateSize.parts
    var parts = sizes.map { Part(size: $0, origin: .zeros, transform: nil) }
    var next = 0
    for (layer, size) in stateSize.layers.enumerated() {
      let kinds = size.kindsOfParts(from: &next)
      let origin: (part: Origin, size: Int) =
        shape.source == .summary
        ? (.summary, summarySize) : (.hidden(layer: layer), layerSizes[layer].hidden)
      let cellOrigin: (part: Origin, size: Int) =
        shape.source == .finalStates && layerSizes[layer].cell > 0
        ? (.cell(layer: layer), layerSizes[layer].cell) : origin
      func add(_ part: Int, _ name: String, _ origin: (part: Origin, size: Int)) {
        switch shape.form {
        case .zero: break
        case .identity:
          precondition(
            origin.size == sizes[part],
            "an identity bridge from \(origin.size) units to a state of \(sizes[part]): ask for a transform")
          parts[part] = Part(size: sizes[part], origin: origin.part, transform: nil)
        case .transform:
          let linear = builder.scoped("\(name)_l\(layer)") {
            Linear<Element>(inputSize: origin.size, outputSize: sizes[part], activation: .tanh, in: &$0)
          }
          parts[part] = Part(size: sizes[part], origin: origin.part, transform: linear)
        }
      }
      for part in kinds.hidden { add(part, "h", origin) }
      for part in kinds.cell where shape.cellState { add(part, "c", cellOrigin) }
    }
    self.parts = parts
  }

  private func source(_ origin: Origin, _ input: BridgeInput<Element>) -> MatrixView<Element>? {
    switch origin {
    case .zeros: nil
    case .summary: input.summary
    case .hidden(let layer): input.layers[layer].hidden
    case .cell(let layer): input.layers[layer].cell
    }
  }

  /// The initial state, [batchSize, part] for each part.
  func forward(
    _ input: BridgeInput<Element>, batchSize: Int, _ context: LayerContext<Element>
  ) -> [MatrixView<Element>] {
    parts.map { part in
      let state = context.arena.zeros(batchSize, part.size)
      guard let x = source(part.origin, input) else { return state }
      if let transform = part.transform {
        transform.forward(x, into: state, context)
      } else {
        state.copy(from: x)
      }
      return state
    }
  }

  /// ADDS to the gradients of the bridge's input and of the parameters.
  ///
  /// - Parameter stateGradient: the gradient of the initial state; overwritten.
  func backward(
    _ input: BridgeInput<Element>, _ state: [MatrixView<Element>], stateGradient: [MatrixView<Element>],
    inputGradient: BridgeInput<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    for (index, part) in parts.enumerated() {
      guard let x = source(part.origin, input), let dx = source(part.origin, inputGradient) else { continue }
      guard let transform = part.transform else {
        dx.add(stateGradient[index])
        continue
      }
      context.arena.scoped {
        let partGradient = context.arena.matrix(x.rows, x.columns)
        transform.backward(
          x, state[index], stateGradient[index], inputGradient: partGradient, into: gradients, context)
        dx.add(partGradient)
      }
    }
  }
}
