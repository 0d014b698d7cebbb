import NumericKernels
import Parameters

/// The input of a model at every step, and how it becomes a vector.
public enum InputShape: Sendable, Hashable {
  /// Token ids, looked up in a table [vocabularySize, embeddingSize].
  case tokens(vocabularySize: Int, embeddingSize: Int)
  /// Token ids together with the characters of the words: the row of the table, and beside it the vector of a
  /// `CharacterEncoder`.
  case words(vocabularySize: Int, embeddingSize: Int, characters: CharacterShape)
  /// Vectors of numbers, used as they are.
  case vectors(size: Int)

  /// Width of a step's vector.
  package var width: Int {
    switch self {
    case .tokens(_, let embeddingSize): embeddingSize
    case .words(_, let embeddingSize, let characters):
      embeddingSize + characters.outputSize
    case .vectors(let size): size
    }
  }
}

/// Randomly replaces token ids with the id of the unknown token, so that its vector is trained even if the training data
/// contains no unknown tokens (Kiperwasser & Goldberg 2016, section 4.1, with one rate for all words). The characters of a
/// replaced word are left unchanged.
public struct WordDropout: Sendable, Hashable {
  /// Probability of replacing an id, when training.
  public var rate: Double
  /// Id of the unknown token.
  public var unknown: Int32

  public init(rate: Double, unknown: Int32) {
    self.rate = rate
    self.unknown = unknown
  }
}

/// The lowest layer of a model: token ids become vectors by a table [V, E], optionally with the vector of a
/// `CharacterEncoder` beside it; inputs that are vectors stay as they are.
public struct InputEmbedding<Element: Scalar>: Sendable {
  public let shape: InputShape
  /// Probability of dropping a unit of the vectors, when training.
  public let dropout: Double
  /// Whether whole words are replaced when training.
  public let wordDropout: WordDropout?
  /// The table; nil for inputs that are vectors.
  public let table: Parameter?
  private let characters: CharacterEncoder<Element>?

  /// Adds the table `embedding.weight`, drawn from N(0, 1) as torch.nn.Embedding does, and the parameters `characters.…`.
  ///
  /// - Parameter dropout: probability of dropping a unit, in 0..<1.
  public init(
    _ shape: InputShape, dropout: Double = 0, wordDropout: WordDropout? = nil,
    in builder: inout ParameterLayout.Builder
  ) {
    func makeTable(_ vocabularySize: Int, _ embeddingSize: Int) -> Parameter {
      Self.require(wordDropout, vocabularySize)
      return builder.add(
        "embedding.weight", [vocabularySize, embeddingSize], .normal(standardDeviation: 1), isTable: true)
    }
    self.shape = shape
    self.dropout = dropout
    self.wordDropout = wordDropout
    switch shape {
    case .tokens(let vocabularySize, let embeddingSize):
      table = makeTable(vocabularySize, embeddingSize)
      characters = nil
    case .words(let vocabularySize, let embeddingSize, let shape):
      table = makeTable(vocabularySize, embeddingSize)
      characters = builder.scoped("characters") { CharacterEncoder(shape, in: &$0) }
    case .vectors:
      precondition(wordDropout == nil, "word dropout for inputs that are vectors")
      (table, characters) = (nil, nil)
    }
  }

  /// Creates the layer with an existing table, [V, E]: `embedding.weight` becomes a second name of it.
  public init(
    sharing table: Parameter, dropout: Double = 0, wordDropout: WordDropout? = nil,
    in builder: inout ParameterLayout.Builder
  ) {
    builder.tie("embedding.weight", to: table)
    self.table = table
    self.dropout = dropout
    Self.require(wordDropout, table.shape[0])
    self.wordDropout = wordDropout
    characters = nil
    shape = .tokens(vocabularySize: table.shape[0], embeddingSize: table.shape[1])
  }

  private static func require(_ wordDropout: WordDropout?, _ vocabularySize: Int) {
    guard let wordDropout else { return }
    precondition(
      (0...1).contains(wordDropout.rate) && wordDropout.unknown >= 0
        && Int(wordDropout.unknown) < vocabularySize,
      "\(wordDropout) for a vocabulary of \(vocabularySize)")
  }

  /// Width of a step's vector.
  public var outputSize: Int { shape.width }

  /// The forward cache.
  public struct Trace {
    /// The vectors of all packed rows, or the ids that still have to be looked up.
    public let output: SequenceInput<Element>
    /// Ids of the packed rows; nil for vectors.
    let ids: UnsafePointer<Int32>?
    /// The words' characters, and for each packed row its word.
    var words: (trace: CharacterEncoder<Element>.Trace, rows: UnsafePointer<Int32>)?
  }

  // MARK: Forward

  /// Returns the packed rows of a batch. Embeddings are looked up here only if units are dropped or characters are
  /// joined, because a layer may project the table instead of the rows.
  ///
  /// - Parameter context: with the masks of `layout`; stream 0 is used.
  public func forward(
    _ input: InputSequences<Element>, _ layout: PackedLayout, _ context: LayerContext<Element>
  ) -> Trace {
    let callerRows = layout.callerRows(context.arena)
    switch (input.content, table, characters) {
    case (.tokens(let ids, _), .some(let table), .none):
      let index = pack(ids, callerRows, layout.rowCount, table, context)
      return Trace(
        output: context.embedded(index, count: layout.rowCount, table: table, dropout: dropout), ids: index)
    case (.tokens(let ids, .some(let forms)), .some(let table), .some(let characters)):
      let index = pack(ids, callerRows, layout.rowCount, table, context)
      let x = context.arena.matrix(layout.rowCount, outputSize)
      x.columns(0..<table.shape[1]).gatherRows(of: context.parameters.matrix(table), at: index)
      let encoded = characters.forward(forms, context)
      let rows = wordRows(forms, encoded.layout, callerRows, layout.rowCount, context)
      x.columns(table.shape[1]..<outputSize).gatherRows(of: encoded.words, at: rows)
      context.drop(x, rate: dropout, stream: 0)
      return Trace(output: .dense(x), ids: index, words: (encoded, rows))
    case (.vectors(let values, let width), .none, .none):
      precondition(width == outputSize, "vectors of \(width) numbers for a model that reads \(outputSize)")
      let x = context.arena.matrix(layout.rowCount, width)
      x.gatherRows(of: values, at: callerRows)
      context.drop(x, rate: dropout, stream: 0)
      return Trace(output: .dense(x), ids: nil)
    default:
      preconditionFailure("the input of a batch is not what the model reads: \(shape)")
    }
  }

  /// Ids of the packed rows, some of them replaced if words are dropped.
  private func pack(
    _ ids: UnsafePointer<Int32>, _ callerRows: UnsafePointer<Int32>, _ count: Int, _ table: Parameter,
    _ context: LayerContext<Element>
  ) -> UnsafePointer<Int32> {
    context.arena.indexes(count) { row in
      let id = Int(ids[Int(callerRows[row])])
      precondition(id >= 0 && id < table.shape[0], "id \(id) for a vocabulary of \(table.shape[0])")
      guard let wordDropout, let masks = context.dropout, wordDropout.rate > 0 else { return id }
      let random = CounterRandom(
        key: RandomKey(seed: masks.seed, purpose: .augmentation, step: masks.step),
        sample: UInt64(masks.rows.samples[row]), stream: UInt32(masks.firstStream))
      let isDropped = random.uniform(at: UInt64(masks.rows.times?[row] ?? 0)) < wordDropout.rate
      return isDropped ? Int(wordDropout.unknown) : id
    }
  }

  /// The row of each packed row's word among the distinct words.
  private func wordRows(
    _ forms: InputSequences<Element>.WordForms, _ words: PackedLayout, _ callerRows: UnsafePointer<Int32>,
    _ count: Int, _ context: LayerContext<Element>
  ) -> UnsafePointer<Int32> {
    let positions = words.positions
    return context.arena.indexes(count) { row in
      let word = Int(forms.index[Int(callerRows[row])])
      precondition(word >= 0 && word < words.batchSize, "word \(word) of \(words.batchSize) distinct words")
      return positions[word]
    }
  }

  // MARK: Backward

  /// True if the backward pass needs the gradient of the vectors; an indexed input has added its gradient to the table
  /// already, in the layer that read it.
  public func needsGradient(_ trace: Trace) -> Bool {
    if case .dense = trace.output { return trace.ids != nil }
    return false
  }

  /// Adds to the gradients of all parameters, given that of the vectors [rowCount, outputSize], which is overwritten.
  public func backward(
    _ trace: Trace, gradient dx: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    guard let ids = trace.ids, let table else { return }
    context.drop(dx, rate: dropout, stream: 0)
    let width = table.shape[1]
    gradients.addRows(dx.columns(0..<width), at: ids, of: table)
    guard let words = trace.words, let characters else { return }
    context.arena.scoped {
      let right = dx.columns(width..<outputSize)
      let dWords = context.arena.zeros(words.trace.words.rows, right.columns)
      dWords.scatterAddRows(right, at: words.rows)
      characters.backward(words.trace, gradient: dWords, into: gradients, context)
    }
  }
}
