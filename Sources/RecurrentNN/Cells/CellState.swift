import NumericKernels

/// The size of a cell's state: one number, the pair of an LSTM, or one entry for each of several stacked
/// cells.
///
/// Prints as TensorFlow's `state_size` does: `128`, `LSTMStateSize(c=128, h=128)`, `(128, 128, 128)`.
public indirect enum StateSize: Sendable, Hashable, CustomStringConvertible, ExpressibleByIntegerLiteral {
  case vector(Int)
  case lstm(c: Int, h: Int)
  case stacked([StateSize])

  public init(integerLiteral value: Int) { self = .vector(value) }

  public var description: String {
    switch self {
    case .vector(let size): "\(size)"
    case .lstm(let c, let h): "LSTMStateSize(c=\(c), h=\(h))"
    case .stacked(let sizes): "(" + sizes.map(\.description).joined(separator: ", ") + ")"
    }
  }

  /// Width of each matrix of the state in the order the engine keeps them: h before c, lower cells first.
  public var parts: [Int] {
    switch self {
    case .vector(let size): [size]
    case .lstm(let c, let h): [h, c]
    case .stacked(let sizes): sizes.flatMap(\.parts)
    }
  }
}

/// The state of a cell for a batch: every tensor is [batchSize, size].
public indirect enum CellState<Element: Scalar>: Sendable, Equatable {
  /// RNN and GRU: the hidden state.
  case vector(Tensor<Element>)
  /// LSTM: the cell state c and the hidden state h.
  case lstm(c: Tensor<Element>, h: Tensor<Element>)
  /// One state for each stacked cell (or direction), the lowest first.
  case stacked([CellState])

  /// The hidden state; for a stack, that of its top cell.
  public var h: Tensor<Element> {
    switch self {
    case .vector(let h): h
    case .lstm(_, let h): h
    case .stacked(let states): states[states.count - 1].h
    }
  }

  /// The cell state of an LSTM; nil for cells that have none.
  public var c: Tensor<Element>? {
    switch self {
    case .vector: nil
    case .lstm(let c, _): c
    case .stacked(let states): states[states.count - 1].c
    }
  }

  /// The states of a stack, or the state itself as the only entry.
  public var layers: [CellState] {
    if case .stacked(let states) = self { states } else { [self] }
  }

  /// The state of one stacked cell.
  public subscript(index: Int) -> CellState { layers[index] }

  /// Zeros for every part.
  public static func zero(_ size: StateSize, batchSize: Int) -> CellState {
    switch size {
    case .vector(let width): .vector(.zeros([batchSize, width]))
    case .lstm(let c, let h): .lstm(c: .zeros([batchSize, c]), h: .zeros([batchSize, h]))
    case .stacked(let sizes): .stacked(sizes.map { .zero($0, batchSize: batchSize) })
    }
  }

  /// The tensors in the engine's order (see ``StateSize/parts``).
  var parts: [Tensor<Element>] {
    switch self {
    case .vector(let h): [h]
    case .lstm(let c, let h): [h, c]
    case .stacked(let states): states.flatMap(\.parts)
    }
  }

  /// Rebuilds a state of the given size from tensors in the engine's order.
  init(_ size: StateSize, parts: [Tensor<Element>]) {
    var rest = parts[...]
    self.init(size, consuming: &rest)
  }

  private init(_ size: StateSize, consuming rest: inout ArraySlice<Tensor<Element>>) {
    switch size {
    case .vector: self = .vector(rest.removeFirst())
    case .lstm:
      let h = rest.removeFirst()
      self = .lstm(c: rest.removeFirst(), h: h)
    case .stacked(let sizes):
      var states: [CellState] = []
      for size in sizes { states.append(CellState(size, consuming: &rest)) }
      self = .stacked(states)
    }
  }
}
