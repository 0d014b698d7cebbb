import CKernels
import NumericKernels
import Parameters

/// Dropout with one mask for all time steps of a sequence (Gal & Ghahramani 2016, section 4).
///
///     gates = W_ih (x_t ∘ m_x) + W_hh (h_{t−1} ∘ m_h) + b
///
/// The masks are inverted (0 or 1/(1 − rate)) and the same for all gates; the state itself is not masked, only
/// the operands of the products. In evaluation, nothing is dropped.
struct VariationalDropout: Sendable {
  /// Probability of dropping a unit of the input.
  var input: Double
  /// Probability of dropping a unit of the hidden state.
  var state: Double

  var isActive: Bool { input > 0 || state > 0 }
}

/// The regularization that wraps a cell, and the position that its masks depend on.
public struct CellRegularization: Sendable {
  let zoneout: Zoneout
  let variational: VariationalDropout
  let position: CellPosition

  /// No regularization.
  public init() {
    zoneout = Zoneout(cell: 0, hidden: 0)
    variational = VariationalDropout(input: 0, state: 0)
    position = CellPosition()
  }

  init(_ setup: CellSetup) {
    zoneout = setup.options.zoneoutRates
    variational = setup.options.variationalRates
    position = setup.position
  }

  /// A mask of 0 and 1/(1 − rate); nil if nothing is dropped.
  func mask<Element>(
    _ rows: Int, _ width: Int, _ purpose: CellMask, _ coordinates: RowCoordinates, rate: Double,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element>? {
    guard let dropout = context.dropout, rate > 0, rows > 0 else { return nil }
    let mask = context.arena.matrix(rows, width)
    mask.fill(1)
    Element.dropout(from: mask, to: mask, coordinates, dropout.key(purpose, at: position), rate: rate)
    return mask
  }
}

/// The purpose of a random mask of a cell.
public enum CellMask: Int, Sendable, Hashable, CaseIterable {
  case input, state, hiddenZoneout, cellZoneout
}

extension DropoutContext {
  /// The key of a cell's mask. Masks of cells use streams far above those of the masks between layers. In both ranges
  /// ``firstStream`` separates the parts of a model, which use one number per layer.
  public func key(_ mask: CellMask, at position: CellPosition) -> DropoutKey {
    let cell = (firstStream + position.layer) * 2 + (position.isReverse ? 1 : 0)
    return DropoutKey(
      seed: seed, step: step, stream: 1 << 20 + UInt32(cell * CellMask.allCases.count + mask.rawValue))
  }
}

/// The variational dropout of a forward pass, around the products of the cell.
struct VariationalDropoutPass<Element: Scalar> {
  private let regularization: CellRegularization
  /// The masked inputs of all rows, [rowCount, inputSize]; nil if inputs are not dropped.
  let maskedInputs: MatrixView<Element>?
  /// The mask of each sequence, [sequences that run, P], and the masked previous states of all rows, [rowCount, P]; nil if
  /// states are not dropped.
  private let mask: MatrixView<Element>?
  private let maskedStates: MatrixView<Element>?

  /// nil if nothing is dropped.
  init?(
    _ regularization: CellRegularization, _ layout: PackedLayout, inputSize: Int, stateSize: Int,
    _ context: LayerContext<Element>
  ) {
    guard let dropout = context.dropout, layout.rowCount > 0, regularization.variational.isActive else {
      return nil
    }
    self.regularization = regularization
    let (N, rates) = (layout.rowCount, regularization.variational)
    maskedInputs = rates.input > 0 ? context.arena.matrix(N, inputSize) : nil
    mask = regularization.mask(
      layout.activeCounts[0], stateSize, .state, dropout.rows.withoutTimes, rate: rates.state, context)
    maskedStates = mask.map { _ in context.arena.matrix(N, stateSize) }
  }

  // MARK: States

  /// The mask of some sequences.
  func stateMask(_ sequences: Range<Int>) -> MatrixView<Element>? { mask?.rows(sequences) }

  /// The masked previous states of some rows.
  func maskedState(_ rows: Range<Int>) -> MatrixView<Element>? { maskedStates?.rows(rows) }

  /// out = x ∘ y of contiguous matrices; out may be x.
  static func multiply(_ x: MatrixView<Element>, _ y: MatrixView<Element>, into out: MatrixView<Element>) {
    rnd_multiply(Element.kernelType, rnd_factors(count: x.count, x: x.base, y: y.base, out: out.base))
  }

  /// out += x ∘ y of contiguous matrices.
  static func multiplyAdd(_ x: MatrixView<Element>, _ y: MatrixView<Element>, to out: MatrixView<Element>) {
    rnd_multiply_add(Element.kernelType, rnd_factors(count: x.count, x: x.base, y: y.base, out: out.base))
  }

  // MARK: Inputs

  /// y = x ∘ m, where m is each sequence's mask for all its steps.
  private func apply(
    _ x: MatrixView<Element>, to y: MatrixView<Element>, firstRow: Int, _ context: LayerContext<Element>
  ) {
    guard let dropout = context.dropout else {
      preconditionFailure("the step was begun with dropout masks that its context no longer has")
    }
    Element.dropout(
      from: x, to: y, dropout.rows.dropFirst(firstRow).withoutTimes,
      dropout.key(.input, at: regularization.position), rate: regularization.variational.input)
  }

  /// The input of a step as the product reads it.
  func maskInput(
    _ x: MatrixView<Element>, rows: Range<Int>, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    guard let masked = maskedInputs?.rows(rows) else { return x }
    apply(x, to: masked, firstRow: rows.lowerBound, context)
    return masked
  }

  /// The input of all steps as the product reads it.
  func maskInputs(
    _ input: SequenceInput<Element>, _ context: LayerContext<Element>
  ) -> SequenceInput<Element> {
    guard let x = maskedInputs else { return input }
    switch input {
    case .dense(let dense): apply(dense, to: x, firstRow: 0, context)
    case .indexed(let index, _, let table):
      x.gatherRows(of: context.parameters.matrix(table), at: index)
      apply(x, to: x, firstRow: 0, context)
    }
    return .dense(x)
  }

  /// The gradient of an input from that of the masked one, in place.
  func maskInputGradient(_ d: MatrixView<Element>, firstRow: Int, _ context: LayerContext<Element>) {
    if maskedInputs != nil { apply(d, to: d, firstRow: firstRow, context) }
  }

  /// The backward pass of the product with masked inputs: the gradient of the weight, and through the mask that of the input
  /// or of its table.
  func backpropagate(
    _ projection: InputProjection<Element>, _ dGates: MatrixView<Element>, _ input: SequenceInput<Element>,
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let x = maskedInputs else { return }
    var dx = inputGradient
    if case .indexed = input { dx = context.arena.matrix(x.rows, x.columns) }
    projection.backward(dGates, .dense(x), inputGradient: dx, into: gradients, context)
    guard let dx else { return }
    maskInputGradient(dx, firstRow: 0, context)
    if case .indexed(let index, let count, let table) = input {
      gradients.addRows(dx.rows(0..<count), at: index, of: table)
    }
  }
}
