import NumericKernels

/// Units that keep their previous state instead of taking the new one (Krueger et al. 2016, "Zoneout").
///
///     s_t = d_t ∘ s_{t−1} + (1 − d_t) ∘ s̃_t,   d_t ~ Bernoulli(rate)
///
/// s̃ is what the cell computes; hidden and cell state have masks of their own, so h̃ is computed from c̃. When
/// evaluating, d_t is its mean, the rate.
struct Zoneout: Sendable {
  /// Probability of a unit of the cell state (LSTM).
  var cell: Double
  /// Probability of a unit of the hidden state.
  var hidden: Double

  var isActive: Bool { cell > 0 || hidden > 0 }
}

/// Dropout with one mask for all time steps of a sequence (Gal & Ghahramani 2016, section 4).
///
///     gates = W_ih (x_t ∘ m_x) + W_hh (h_{t−1} ∘ m_h) + b
///
/// The masks are inverted (0 or 1/(1 − rate)) and the same for all gates; the state itself is not masked, only
/// what the products see of it. When evaluating nothing is dropped.
struct VariationalDropout: Sendable {
  /// Probability to drop a unit of the input.
  var input: Double
  /// Probability to drop a unit of the hidden state.
  var state: Double

  var isActive: Bool { input > 0 || state > 0 }
}

/// Where a cell stands in its network.
public struct CellPosition: Sendable, Hashable {
  /// Counted from 0 at the bottom.
  public var layer: Int
  /// The cell reads the sequences from their ends.
  public var isReverse: Bool

  public init(layer: Int = 0, isReverse: Bool = false) {
    self.layer = layer
    self.isReverse = isReverse
  }
}

/// What a random mask inside a cell is for.
public enum CellMask: Int, Sendable, Hashable, CaseIterable {
  case input, state, hiddenZoneout, cellZoneout
}

extension DropoutContext {
  /// The key of a mask inside a cell. Masks inside cells have streams far above those between layers; like them
  /// they are told apart by ``firstStream``, of which a part of a model takes as many as it has layers.
  public func key(_ mask: CellMask, at position: CellPosition) -> DropoutKey {
    let cell = (firstStream + position.layer) * 2 + (position.isReverse ? 1 : 0)
    return DropoutKey(
      seed: seed, step: step, stream: 1 << 20 + UInt32(cell * CellMask.allCases.count + mask.rawValue))
  }
}

/// What a cell does at random, and where it stands.
struct CellRegularization: Sendable {
  let zoneout: Zoneout
  let variational: VariationalDropout
  let position: CellPosition

  init(_ options: CellOptions, at position: CellPosition) {
    zoneout = options.zoneoutRates
    variational = options.variationalRates
    self.position = position
  }
}

/// The masks of a cell for all steps; a view that is not used is empty.
struct CellMasks<Element: Scalar> {
  /// Variational dropout: the masked inputs of all rows, [rowCount, inputSize].
  var inputs: MatrixView<Element>
  /// Variational dropout: the mask of each sequence, [sequences that run, P], and the masked previous states of all
  /// rows, [rowCount, P].
  var state: MatrixView<Element>
  var maskedStates: MatrixView<Element>
  /// Zoneout: 0 where a unit keeps its state, of every row; empty when evaluating.
  var hiddenZoneout: MatrixView<Element>
  var cellZoneout: MatrixView<Element>
  let zoneout: Zoneout

  /// - Parameter widths: of input, hidden state and cell state.
  init(
    _ regularization: CellRegularization, _ layout: PackedLayout,
    widths: (input: Int, hidden: Int, cell: Int),
    _ context: LayerContext<Element>
  ) {
    let none = context.arena.matrix(0, 0)
    (inputs, state, maskedStates, hiddenZoneout, cellZoneout) = (none, none, none, none, none)
    zoneout = regularization.zoneout
    guard let dropout = context.dropout, layout.rowCount > 0 else { return }
    let (N, position) = (layout.rowCount, regularization.position)
    if regularization.variational.input > 0 { inputs = context.arena.matrix(N, widths.input) }
    func mask(_ rows: Int, _ width: Int, _ purpose: CellMask, _ coordinates: RowCoordinates, _ rate: Double)
      -> MatrixView<Element>
    {
      guard rate > 0 else { return none }
      let mask = context.arena.matrix(rows, width)
      mask.fill(1)
      Element.dropout(from: mask, to: mask, coordinates, dropout.key(purpose, at: position), rate: rate)
      return mask
    }
    state = mask(
      layout.activeCounts[0], widths.hidden, .state, dropout.rows.withoutTimes,
      regularization.variational.state)
    if state.count > 0 { maskedStates = context.arena.matrix(N, widths.hidden) }
    hiddenZoneout = mask(N, widths.hidden, .hiddenZoneout, dropout.rows, zoneout.hidden)
    cellZoneout = mask(N, widths.cell, .cellZoneout, dropout.rows, zoneout.cell)
  }

  /// The rows of a step of a zoneout mask; nil when evaluating.
  func rows(_ mask: MatrixView<Element>, _ t: Int, _ layout: PackedLayout) -> UnsafePointer<Element>? {
    mask.count == 0 ? nil : UnsafePointer(mask.row(layout.offsets[t]))
  }
}
