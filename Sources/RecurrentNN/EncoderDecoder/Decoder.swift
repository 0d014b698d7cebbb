import NumericKernels
import Parameters

/// The decoder of every model that writes a sequence: stacked cells that read the previous token, and with it a condition
/// or attention's contexts, and a softmax over the vocabulary.
///
///     x_i = [E[y_{i-1}]; X or c_i; r_{i-1}],   s_i = cells(x_i, s_{i-1}),   r_i = readout(s_i, c_i, E[y_{i-1}])
///     p(y_i) = softmax(W r_i + b)
///
/// Bahdanau et al. 2014; Cho et al. 2014 for X at every step. Parameters: `embedding.weight` [V, E], `condition.weight`
/// [E, C] and `condition.bias` (initial input), `rnn.weight_ih_l0` …, `read.weight` …, `output.weight` [V, R],
/// `output.bias` [V].
struct Decoder<Element: Scalar>: Sendable {
  let shape: DecoderShape
  let condition: DecoderCondition
  let attentions: [Attention<Element>]
  let embedding: Parameter
  /// X to the first input.
  let firstInput: Linear<Element>?
  let cell: StackedCell<Element>
  let readout: Readout<Element>
  let output: SoftmaxOutput<Element>
  /// Places in the input of E[y], of X or c, and of r.
  let embeddingColumns: Range<Int>
  let contextColumns: Range<Int>
  let feedColumns: Range<Int>
  /// Places of each attention's context among all contexts.
  let attentionColumns: [Range<Int>]
  /// The contexts enter the cell; attention asks with the state before.
  let attendsBefore: Bool

  /// Adds the parameters to a layout.
  ///
  /// - Parameters:
  ///   - conditionSize: width of X; 0 without.
  ///   - attentions: over each source; the contexts are joined in this order.
  ///   - sharedTable: an embedding that exists already.
  ///   - tieOutput: the output layer's weight is the embedding; requires r to be as wide.
  init(
    _ shape: DecoderShape, condition: DecoderCondition, conditionSize: Int, attentions: [Attention<Element>],
    sharedTable: Parameter?, tieOutput: Bool, in builder: inout ParameterLayout.Builder
  ) throws(CellOptionsError) {
    for mark in [shape.beginToken, shape.endToken] {
      precondition(
        (0..<shape.vocabularySize).contains(mark), "mark \(mark), vocabulary \(shape.vocabularySize)")
    }
    self.shape = shape
    self.condition = condition
    self.attentions = attentions
    if let sharedTable {
      precondition(
        sharedTable.shape == [shape.vocabularySize, shape.embeddingSize],
        "shared table of shape \(sharedTable.shape) for a vocabulary of \(shape.vocabularySize)")
      builder.tie("embedding.weight", to: sharedTable)
      embedding = sharedTable
    } else {
      embedding = builder.add(
        "embedding.weight", [shape.vocabularySize, shape.embeddingSize], .normal(standardDeviation: 1),
        isTable: true)
    }
    firstInput =
      condition == .initialInput
      ? builder.scoped("condition") {
        Linear(inputSize: conditionSize, outputSize: shape.embeddingSize, in: &$0)
      } : nil
    let contextSize =
      condition == .everyStep ? conditionSize : attentions.reduce(0) { $0 + $1.memorySize }
    var next = 0
    attentionColumns = attentions.map { attention in
      defer { next += attention.memorySize }
      return next..<next + attention.memorySize
    }
    attendsBefore = attentions.contains { $0.shape.query == .previous }
    let readsContext = condition == .everyStep || attendsBefore
    // The width of r has to be known before the cells are built, whose parameters come before those of the readout.
    let readoutSize =
      switch shape.readout {
      case .direct(let withContext): shape.network.outputSize + (withContext ? contextSize : 0)
      case .hidden(let size, _, _): size
      }
    embeddingColumns = 0..<shape.embeddingSize
    contextColumns = shape.embeddingSize..<shape.embeddingSize + (readsContext ? contextSize : 0)
    feedColumns =
      contextColumns.upperBound..<contextColumns.upperBound + (shape.inputFeeding ? readoutSize : 0)
    let inputSize = feedColumns.upperBound
    cell = try builder.scoped("rnn") { builder throws(CellOptionsError) in
      try StackedCell(shape.network, inputSize: inputSize, in: &builder)
    }
    readout = Readout(
      shape.readout, outputSize: cell.outputSize, contextSize: contextSize, inputSize: shape.embeddingSize,
      in: &builder)
    precondition(
      !tieOutput || readoutSize == shape.embeddingSize,
      "tied embeddings of size \(shape.embeddingSize) with output vectors of \(readoutSize)")
    let table = embedding
    output = builder.scoped("output") { builder in
      tieOutput
        ? SoftmaxOutput(sharing: table, in: &builder)
        : SoftmaxOutput(inputSize: readoutSize, classes: shape.vocabularySize, in: &builder)
    }
  }

  var inputSize: Int { feedColumns.upperBound }
  /// Width of all contexts, or of X at every step.
  var contextSize: Int {
    condition == .everyStep ? contextColumns.count : attentions.reduce(0) { $0 + $1.memorySize }
  }

  /// Weights multiplied for each target token.
  var multipliedWeights: Int {
    let attention = attentions.reduce(0) { $0 + ($1.query?.weight.count ?? 0) }
    return attention
      + (cell.parameters + readout.parameters).filter { $0.shape.count == 2 }.reduce(0) { $0 + $1.count }
      + output.classes * output.inputSize
  }

  // MARK: Pieces of a step

  /// Looks embeddings up, [n, E]; drops units if `masks` are given.
  func embed(
    _ ids: UnsafePointer<Int32>, into y: MatrixView<Element>, _ context: LayerContext<Element>,
    firstRow: Int = 0
  ) {
    let table = context.parameters.matrix(embedding)
    Element.gatherRows(table.base, table.stride, ids, y.rows, y.columns, y.base, y.stride)
    dropEmbedding(y, context, firstRow: firstRow)
  }

  func dropsEmbedding(_ context: LayerContext<Element>) -> Bool {
    context.dropout != nil && shape.embeddingDropout > 0
  }

  /// Forward and backward alike.
  func dropEmbedding(_ y: MatrixView<Element>, _ context: LayerContext<Element>, firstRow: Int = 0) {
    guard dropsEmbedding(context), let masks = context.dropout else { return }
    Element.dropout(
      from: y, to: y, masks.rows.dropFirst(firstRow), masks.key(stream: 0), rate: shape.embeddingDropout)
  }

  /// Overwrites the embeddings of step 0, which are the first rows, with the projection of X.
  func embedCondition(
    _ condition: MatrixView<Element>, into embedded: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard let firstInput else { return }
    let y = embedded.rows(0..<condition.rows)
    firstInput.forward(condition, into: y, context.parameters)
    dropEmbedding(y, context)
  }

  /// r with dropped units, or r itself.
  func droppedReadout(_ r: MatrixView<Element>, _ context: LayerContext<Element>) -> MatrixView<Element> {
    guard let masks = context.dropout, shape.readoutDropout > 0 else { return r }
    let result = context.arena.matrix(r.rows, r.columns)
    Element.dropout(
      from: r, to: result, masks.rows, masks.key(stream: shape.network.layers), rate: shape.readoutDropout)
    return result
  }
}
