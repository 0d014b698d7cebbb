import NumericKernels
import Options
import Parameters

/// How the decoder's initial state is made.
public struct BridgeShape: Sendable, Hashable {
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// The decoder starts from zeros.
    case zero
    /// The state is taken over as it is; requires equal widths.
    case identity
    /// tanh(W x + b), with weights of their own for every layer and part.
    case transform
  }
  /// The states that it is made from.
  public enum Source: String, Sendable, Hashable, CaseIterable {
    /// c, for every layer.
    case summary
    /// The final states of the encoder's layer at the same height (its top layer for further layers of the decoder).
    case finalStates
  }

  /// The usual bridges, by name.
  public enum Name: String, OptionChoice {
    /// A transform of c; the cell state of an LSTM starts from zeros.
    case transform
    /// The final states of the encoder, which must be as wide.
    case copy
  }

  public var form: Form
  public var source: Source
  /// The cell state of an LSTM is made as well, from the encoder's cell state if there is one, else from what makes h;
  /// otherwise it starts from zeros.
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
  /// c, [B, C]; nil if the bridge doesn't ask for it.
  var summary: MatrixView<Element>?
  /// For each layer of the decoder the final hidden states, and cell states of no columns where there are none; empty if
  /// the bridge doesn't ask for them.
  var layers: [(hidden: MatrixView<Element>, cell: MatrixView<Element>)] = []
}

/// From an encoder's states, or the summary of a source, to the initial state of every layer and part of a decoder.
///
/// Parameters of the transform: `h_l0.weight` [H, C], `h_l0.bias` …, and `c_l0.…` for cell states.
struct Bridge<Element: Scalar>: Sendable {
  /// Where a part of the decoder's state comes from.
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
  ///   - stateSize: of the decoder, one entry for each layer.
  ///   - summarySize: width of c.
  ///   - layerSizes: widths of the encoder's hidden and cell states for each layer of the decoder; a cell state of width 0
  ///     doesn't exist.
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
  /// - Parameter stateGradient: of the initial state; overwritten.
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
