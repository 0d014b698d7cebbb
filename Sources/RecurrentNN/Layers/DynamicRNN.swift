import NumericKernels
import Parameters

/// The results of ``dynamicRNN(_:_:sequenceLengths:initialState:parameters:)``, ready to be differentiated.
public struct DynamicRNNResult<Element: Scalar> {
  /// [batchSize, steps, outputSize]; zero past the length of a sequence.
  public let outputs: Tensor<Element>
  /// The state of every sequence after its own last step.
  public let state: CellState<Element>

  let layer: any SequenceLayer<Element>
  let unrolled: Unrolled<Element>
  let context: LayerContext<Element>
  let steps: Int
  private let trace = Trace()

  /// The backward pass overwrites the caches of the forward pass, so it can run only once.
  private final class Trace {
    var isSpent = false
  }

  /// Computes the gradients of inputs [batchSize, steps, inputSize] (zero past the lengths) and initial state, given
  /// those of the results; the gradients of the parameters are ADDED to `gradients`. Call it at most once, before the
  /// parameters change.
  public func backpropagate(
    outputGradient: Tensor<Element>, stateGradient: CellState<Element>? = nil,
    into gradients: ParameterBuffer<Element>
  ) -> (inputs: Tensor<Element>, initialState: CellState<Element>) {
    precondition(!trace.isSpent, "a second backpropagate of the same result: call dynamicRNN again before it")
    trace.isSpent = true
    let (layout, arena) = (unrolled.layout, context.arena)
    precondition(
      outputGradient.shape == outputs.shape,
      "gradient of shape \(outputGradient.shape) for outputs of shape \(outputs.shape)")
    let state = stateGradient ?? .zero(layer.stateSize, batchSize: layout.batchSize)
    // The views do not keep the arena alive.
    return withExtendedLifetime(context) {
      let parts = sortedParts(state, of: layer.stateSize, layout, arena)
      let dInput = arena.matrix(layout.rowCount, layer.inputSize)
      layer.backpropagate(
        unrolled, outputGradient: pack(outputGradient, layout, arena), stateGradient: parts,
        inputGradient: dInput, into: gradients, context)
      return (
        unpack(dInput, layout, steps: steps), CellState(layer.stateSize, parts: callerOrder(parts, layout))
      )
    }
  }
}

/// Runs a cell (or any layer) over whole sequences in one fused call: TensorFlow's tf.nn.dynamic_rnn.
///
/// The results equal those of calling the cell once per time step, but the input products of all steps are one product,
/// and sequences that have ended cost nothing. No units are dropped: dropout is for models that train with a
/// ``LayerContext`` of their own.
///
/// - Parameters:
///   - layer: a cell, stacked cells, or a bidirectional layer.
///   - inputs: [batchSize, steps, inputSize]; values past the length of a sequence are ignored.
///   - sequenceLengths: length of each sequence, in 0...steps; all `steps` long if nil.
///   - initialState: the state before the first step; zeros if nil.
///   - parameters: the buffer of the layout the layer was built in.
/// - Returns: outputs (zero past a sequence's length) and the state after each sequence's last step (carried
///   through past its length), with which gradients can be computed.
public func dynamicRNN<Element: Scalar>(
  _ layer: any SequenceLayer<Element>, _ inputs: Tensor<Element>, sequenceLengths: [Int]? = nil,
  initialState: CellState<Element>? = nil, parameters: ParameterBuffer<Element>
) -> DynamicRNNResult<Element> {
  precondition(
    inputs.shape.count == 3 && inputs.shape[2] == layer.inputSize,
    "inputs of shape \(inputs.shape) for a layer that takes [batchSize, steps, \(layer.inputSize)]")
  let (batchSize, steps) = (inputs.shape[0], inputs.shape[1])
  let lengths = sequenceLengths ?? Array(repeating: steps, count: batchSize)
  precondition(
    lengths.count == batchSize && lengths.allSatisfy { (0...steps).contains($0) },
    "sequence lengths \(lengths) for \(batchSize) sequences of \(steps) steps")
  let layout = PackedLayout(lengths: lengths)
  let context = LayerContext(parameters: parameters, workspace: Workspace<Element>())
  let state = initialState ?? .zero(layer.stateSize, batchSize: batchSize)
  let parts = sortedParts(state, of: layer.stateSize, layout, context.arena)
  let unrolled = layer.unroll(.dense(pack(inputs, layout, context.arena)), layout, from: parts, context)
  precondition(unrolled.layout == layout, "a layer whose output has fewer steps than its input")
  return DynamicRNNResult(
    outputs: unpack(unrolled.output, layout, steps: steps),
    state: CellState(layer.stateSize, parts: callerOrder(unrolled.finalState, layout)),
    layer: layer, unrolled: unrolled, context: context, steps: steps)
}

// MARK: - Between padded and packed

/// [batchSize, steps, width] to packed rows.
private func pack<Element>(
  _ padded: Tensor<Element>, _ layout: PackedLayout, _ arena: Arena<Element>
) -> MatrixView<Element> {
  let (steps, width) = (padded.shape[1], padded.shape[2])
  let packed = arena.matrix(layout.rowCount, width)
  padded.values.withUnsafeBufferPointer { source in
    guard let base = source.baseAddress else { return }
    for step in 0..<layout.steps {
      for position in 0..<layout.activeCounts[step] {
        packed.row(layout.offsets[step] + position).update(
          from: base + (layout.order[position] * steps + step) * width, count: width)
      }
    }
  }
  return packed
}

/// Packed rows to [batchSize, steps, width], zero past the lengths.
private func unpack<Element>(
  _ packed: MatrixView<Element>, _ layout: PackedLayout, steps: Int
) -> Tensor<Element> {
  var padded = Tensor<Element>.zeros([layout.batchSize, steps, packed.columns])
  for step in 0..<layout.steps {
    for position in 0..<layout.activeCounts[step] {
      let first = (layout.order[position] * steps + step) * packed.columns
      let row = packed.row(layout.offsets[step] + position)
      for column in 0..<packed.columns { padded.values[first + column] = row[column] }
    }
  }
  return padded
}

/// The parts of a state with their rows in sorted order.
private func sortedParts<Element>(
  _ state: CellState<Element>, of size: StateSize, _ layout: PackedLayout, _ arena: Arena<Element>
) -> [MatrixView<Element>] {
  let (shapes, expected) = (state.parts.map(\.shape), size.parts.map { [layout.batchSize, $0] })
  precondition(
    shapes == expected, "a state of shapes \(shapes) where a state of size \(size) has \(expected)")
  return state.parts.map { part in
    let width = part.shape[1]
    let sorted = arena.matrix(layout.batchSize, width)
    for (position, original) in layout.order.enumerated() {
      for column in 0..<width { sorted[position, column] = part.values[original * width + column] }
    }
    return sorted
  }
}

/// The inverse of ``sortedParts``.
private func callerOrder<Element>(_ parts: [MatrixView<Element>], _ layout: PackedLayout) -> [Tensor<Element>]
{
  parts.map { part in
    var tensor = Tensor<Element>.zeros([part.rows, part.columns])
    for (position, original) in layout.order.enumerated() {
      for column in 0..<part.columns {
        tensor.values[original * part.columns + column] = part[position, column]
      }
    }
    return tensor
  }
}
