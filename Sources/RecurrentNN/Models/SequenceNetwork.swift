import NumericKernels
import Options
import Parameters

/// The sizes and options of the part that taggers and classifiers have in common: what is read, and the recurrent layers.
public struct SequenceNetworkShape: Sendable, Hashable {
  public var input: InputShape
  /// Cells, units, layers, directions, and dropout between layers.
  public var recurrent: NetworkOptions
  /// Probability to drop a unit of the input vectors (looked up, joined with letters, or given as numbers), when training.
  public var inputDropout: Double
  /// Probability to drop a unit before the output layer.
  public var outputDropout: Double
  /// Whether ids of whole words are replaced by that of the unknown word.
  public var wordDropout: WordDropout?
  /// If set, every parameter starts from U(-bound, bound).
  public var uniformInitialization: Double?

  public init(
    input: InputShape, recurrent: NetworkOptions, inputDropout: Double = 0, outputDropout: Double = 0,
    wordDropout: WordDropout? = nil, uniformInitialization: Double? = nil
  ) {
    self.input = input
    self.recurrent = recurrent
    self.inputDropout = inputDropout
    self.outputDropout = outputDropout
    self.wordDropout = wordDropout
    self.uniformInitialization = uniformInitialization
  }

  /// The usual options only, with one dropout between layers and before the output layer.
  public init(
    input: InputShape, hiddenSize: Int, layers: Int = 1, cell: CellOptions = .lstm(),
    bidirectional: Bool = false,
    dropout: Double = 0, inputDropout: Double = 0, wordDropout: WordDropout? = nil,
    uniformInitialization: Double? = nil
  ) {
    self.init(
      input: input,
      recurrent: NetworkOptions(
        cell, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional,
        dropout: dropout),
      inputDropout: inputDropout, outputDropout: dropout, wordDropout: wordDropout,
      uniformInitialization: uniformInitialization)
  }
}

/// Input embedding and a stack of recurrent layers from the state zero: a vector for every step of every sequence.
///
/// Parameters: `embedding.weight`, `characters.…` as the input needs them, and `rnn.weight_ih_l0`, ….
struct SequenceNetwork<Element: Scalar>: Sendable {
  let shape: SequenceNetworkShape
  let embedding: InputEmbedding<Element>
  let stack: LayerStack<Element>

  init(_ shape: SequenceNetworkShape, in builder: inout ParameterLayout.Builder) throws(OptionError) {
    self.shape = shape
    let embedding = InputEmbedding<Element>(
      shape.input, dropout: shape.inputDropout, wordDropout: shape.wordDropout, name: "embedding",
      in: &builder)
    self.embedding = embedding
    stack = try builder.scoped("rnn") { builder throws(OptionError) in
      try LayerStack<Element>(shape.recurrent, inputSize: embedding.outputSize, in: &builder)
    }
  }

  var outputSize: Int { stack.outputSize }

  /// Weights of the recurrent layers that are multiplied with every step, forwards.
  var multipliedWeights: Int {
    stack.parameters.filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
  }

  /// What the forward pass keeps for the backward pass.
  struct Trace {
    let input: InputEmbedding<Element>.Trace
    let unrolled: Unrolled<Element>

    /// The output of every packed row, [rowCount, outputSize].
    var output: MatrixView<Element> { unrolled.output }
  }

  /// - Parameter context: with the masks of `layout`.
  func forward(
    _ input: InputSequences<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> Trace {
    let vectors = embedding.forward(input, layout, context)
    return Trace(
      input: vectors,
      unrolled: stack.unroll(vectors.output, layout, from: zeroState(layout, context), context))
  }

  private func zeroState(_ layout: PackedLayout, _ context: LayerContext<Element>) -> [MatrixView<Element>] {
    stack.stateParts.map { context.arena.zeros(layout.batchSize, $0) }
  }

  /// Adds the gradients of all parameters, given that of the output.
  func backward(
    _ trace: Trace, outputGradient: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let layout = trace.unrolled.layout
      let dx =
        embedding.needsGradient(trace.input)
        ? context.arena.matrix(layout.rowCount, embedding.outputSize) : nil
      stack.backpropagate(
        trace.unrolled, outputGradient: outputGradient, stateGradient: zeroState(layout, context),
        inputGradient: dx, into: gradients, context)
      if let dx { embedding.backward(trace.input, gradient: dx, into: gradients, context) }
    }
  }

  // MARK: Dropout before the output layer

  /// Number of the masks' stream behind those of the layers.
  private var outputStream: Int { shape.recurrent.layers }

  /// A copy with dropped units, or the matrix itself if nothing is dropped.
  func dropped(_ x: MatrixView<Element>, _ context: LayerContext<Element>) -> MatrixView<Element> {
    guard let masks = context.dropout, shape.outputDropout > 0 else { return x }
    let result = context.arena.matrix(x.rows, x.columns)
    Element.dropout(
      from: x, to: result, masks.rows, masks.key(stream: outputStream), rate: shape.outputDropout)
    return result
  }

  /// The backward pass of ``dropped(_:_:)``, in place.
  func dropGradient(_ dx: MatrixView<Element>, _ context: LayerContext<Element>) {
    guard let masks = context.dropout, shape.outputDropout > 0 else { return }
    Element.dropout(from: dx, to: dx, masks.rows, masks.key(stream: outputStream), rate: shape.outputDropout)
  }
}

extension PackedLayout {
  /// Rows of numbers [rowCount, width] of a caller's sequences in packed order.
  func pack<Element>(
    _ values: UnsafePointer<Element>, width: Int, _ callerRows: UnsafePointer<Int32>, _ arena: Arena<Element>
  ) -> MatrixView<Element> {
    let packed = arena.matrix(rowCount, width)
    packed.gatherRows(of: values, at: callerRows)
    return packed
  }
}

/// Classes in another order.
///
/// - Parameters:
///   - rows: for each row of the result the row it comes from.
///   - classes: how many there are; negative numbers (no target) are allowed, larger ones are not.
func gatherClasses<Element>(
  _ targets: UnsafePointer<Int32>, _ rows: UnsafePointer<Int32>, _ count: Int, classes: Int,
  _ arena: Arena<Element>
) -> (targets: UnsafePointer<Int32>, known: Int) {
  let packed = arena.words(count, of: Int32.self)
  var known = 0
  for row in 0..<count {
    let target = targets[Int(rows[row])]
    precondition(Int(target) < classes, "target \(target) of \(classes) classes")
    packed[row] = target
    known += target >= 0 ? 1 : 0
  }
  return (UnsafePointer(packed.baseAddress!), known)
}

/// The rows of a matrix put where a caller has them: row r becomes row `rows[r]` of the result, row after row.
func inCallerOrder<Element>(_ matrix: MatrixView<Element>, _ rows: UnsafePointer<Int32>) -> [Element] {
  Array(unsafeUninitializedCapacity: matrix.count) { result, count in
    guard let base = result.baseAddress else { return }
    for row in 0..<matrix.rows {
      (base + Int(rows[row]) * matrix.columns).copyElements(from: matrix.row(row), count: matrix.columns)
    }
    count = matrix.count
  }
}

/// The same for one class a row.
func inCallerOrder(_ classes: UnsafeMutableBufferPointer<Int32>, _ rows: UnsafePointer<Int32>) -> [Int32] {
  var result = [Int32](repeating: 0, count: classes.count)
  for row in classes.indices { result[Int(rows[row])] = classes[row] }
  return result
}
