import NumericKernels
import Parameters

/// Two cells, one reading each sequence forwards and one backwards from ITS OWN last step (Schuster & Paliwal
/// 1997).
///
/// The output of a step is the two outputs side by side, [forward, backward], of width 2H. The state is the pair of
/// states; that of the backward cell is the one after the first step, which it reads last.
public struct Bidirectional<Element: Scalar>: SequenceLayer {
  public let forward: any RecurrentCell<Element>
  public let backward: any RecurrentCell<Element>
  /// The number of parts of the state that belong to the forward cell.
  private let forwardParts: Int

  /// Throws ``RepeatedCellError`` if both directions are the same cell. Requires equal input sizes.
  public init(
    forward: any RecurrentCell<Element>, backward: any RecurrentCell<Element>
  ) throws(RepeatedCellError) {
    precondition(
      forward.inputSize == backward.inputSize,
      "directions of input sizes \(forward.inputSize) and \(backward.inputSize)")
    try requireDistinct([forward, backward])
    self.init(distinct: forward, backward)
  }

  /// Requires cells that are known to be distinct.
  init(distinct forward: any RecurrentCell<Element>, _ backward: any RecurrentCell<Element>) {
    self.forward = forward
    self.backward = backward
    forwardParts = forward.stateSize.parts.count
  }

  public var inputSize: Int { forward.inputSize }
  public var outputSize: Int { forward.outputSize + backward.outputSize }
  public var stateSize: StateSize { .stacked([forward.stateSize, backward.stateSize]) }
  public var parameters: [Parameter] { forward.parameters + backward.parameters }

  private var forwardColumns: Range<Int> { 0..<forward.outputSize }
  private var backwardColumns: Range<Int> { forward.outputSize..<outputSize }

  public func unroll(
    _ input: SequenceInput<Element>, _ layout: PackedLayout, from initial: [MatrixView<Element>],
    _ context: LayerContext<Element>
  ) -> Unrolled<Element> {
    let reversal = layout.reversal(context.arena)
    let ahead = forward.unroll(input, layout, from: Array(initial[..<forwardParts]), context)
    let back = backward.unroll(
      reversed(input, reversal, context), layout, from: Array(initial[forwardParts...]), context)
    let output = context.arena.matrix(layout.rowCount, outputSize)
    output.columns(forwardColumns).copy(from: ahead.output)
    output.columns(backwardColumns).gatherRows(of: back.output, at: reversal)
    var trace = Unrolled(layout: layout, output: output, slabs: [])
    trace.input = input
    trace.finalState = ahead.finalState + back.finalState
    trace.children = [ahead, back]
    return trace
  }

  public func backpropagate(
    _ unrolled: Unrolled<Element>, outputGradient: MatrixView<Element>, stateGradient: [MatrixView<Element>],
    inputGradient: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let layout = unrolled.layout
      let reversal = layout.reversal(context.arena)
      let dBack = context.arena.matrix(layout.rowCount, backward.outputSize)
      dBack.gatherRows(of: outputGradient.columns(backwardColumns), at: reversal)
      let dInputBack = inputGradient.map { context.arena.matrix($0.rows, $0.columns) }
      backward.backpropagate(
        unrolled.children[1], outputGradient: dBack, stateGradient: Array(stateGradient[forwardParts...]),
        inputGradient: dInputBack, into: gradients, context)
      // Cells need contiguous rows; the memory of the other direction can be reused.
      let dAhead =
        forward.outputSize == backward.outputSize
        ? dBack : context.arena.matrix(layout.rowCount, forward.outputSize)
      dAhead.copy(from: outputGradient.columns(forwardColumns))
      forward.backpropagate(
        unrolled.children[0], outputGradient: dAhead, stateGradient: Array(stateGradient[..<forwardParts]),
        inputGradient: inputGradient, into: gradients, context)
      if let inputGradient, let dInputBack {
        // Reversing is its own inverse, so adding the reversed rows is a scatter by the same index.
        inputGradient.scatterAddRows(dInputBack, at: reversal)
      }
    }
  }

  // MARK: Reversing sequences

  private func reversed(
    _ input: SequenceInput<Element>, _ reversal: UnsafePointer<Int32>, _ context: LayerContext<Element>
  ) -> SequenceInput<Element> {
    switch input {
    case .dense(let x):
      let copy = context.arena.matrix(x.rows, x.columns)
      copy.gatherRows(of: x, at: reversal)
      return .dense(copy)
    case .indexed(let index, let count, let table):
      let reversed = context.arena.indexes(count) { Int(index[Int(reversal[$0])]) }
      return .indexed(reversed, count: count, table: table)
    }
  }
}
