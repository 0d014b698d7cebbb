import NumericKernels
import Parameters

/// How the characters of a word become a vector.
public struct CharacterShape: Sendable, Hashable {
  public var vocabularySize: Int
  public var embeddingSize: Int
  /// Units of each of the two directions.
  public var hiddenSize: Int
  public var cell: CellOptions

  public init(vocabularySize: Int, embeddingSize: Int, hiddenSize: Int, cell: CellOptions = .lstm()) {
    self.vocabularySize = vocabularySize
    self.embeddingSize = embeddingSize
    self.hiddenSize = hiddenSize
    self.cell = cell
  }

  /// Width of a word's vector: the states of both directions.
  var outputSize: Int { 2 * cell.outputSize(hiddenSize: hiddenSize) }
}

/// Words as vectors made of their characters: the final states of two cells that read a word forwards and backwards, side
/// by side (Ling et al. 2015, section 3; Lample et al. 2016, section 4.1).
///
///     w = [h→ after the last character, h← after the first character],   width 2H
///
/// Parameters: `embedding.weight` [characters, E], `rnn.weight_ih_l0`, …, `rnn.weight_ih_l0_reverse`, …: those of a
/// bidirectional torch.nn.LSTM over the characters. A word without characters has the zero state.
struct CharacterEncoder<Element: Scalar>: Sendable {
  private let table: Parameter
  private let cells: Bidirectional<Element>
  /// The parts of the state that are hidden states, one for each direction.
  private let hiddenParts: [Int]

  init(_ shape: CharacterShape, in builder: inout ParameterLayout.Builder) {
    table = builder.scoped("embedding") { builder in
      builder.add("weight", [shape.vocabularySize, shape.embeddingSize], .normal(standardDeviation: 1))
    }
    cells = builder.scoped("rnn") { builder -> Bidirectional<Element> in
      func makeCell(_ suffix: String) -> any RecurrentCell<Element> {
        CellSetup(
          inputSize: shape.embeddingSize, hiddenSize: shape.hiddenSize, options: shape.cell, suffix: suffix
        ).makeCell(in: &builder)
      }
      let forward = makeCell("_l0")
      return Bidirectional(distinct: forward, makeCell("_l0_reverse"))
    }
    precondition(
      cells.outputSize == shape.outputSize, "vectors of \(cells.outputSize) numbers, not \(shape.outputSize)")
    var next = 0
    hiddenParts = cells.stateSize.kindsOfParts(from: &next).hidden
  }

  var outputSize: Int { cells.outputSize }

  /// The forward cache.
  struct Trace {
    /// A vector for each distinct word, in the order of the layout, [words, 2H].
    let words: MatrixView<Element>
    let unrolled: Unrolled<Element>

    var layout: PackedLayout { unrolled.layout }
  }

  /// The vectors of all distinct words. Nothing is dropped within a word.
  func forward(_ forms: InputSequences<Element>.WordForms, _ context: LayerContext<Element>) -> Trace {
    let (layout, context) = (PackedLayout(lengths: forms.lengths), context.withoutMasks)
    let rows = layout.callerRows(context.arena)
    let ids = context.arena.indexes(layout.rowCount) { row in
      let id = Int(forms.characters[Int(rows[row])])
      precondition(id >= 0 && id < table.shape[0], "character \(id) of \(table.shape[0])")
      return id
    }
    let unrolled = cells.unroll(
      .indexed(ids, count: layout.rowCount, table: table), layout,
      from: cells.zeroState(layout.batchSize, in: context.arena), context)
    let words = context.arena.matrix(layout.batchSize, outputSize)
    for (part, columns) in hiddenColumns(unrolled.finalState) {
      words.columns(columns).copy(from: unrolled.finalState[part])
    }
    return Trace(words: words, unrolled: unrolled)
  }

  /// The hidden states with their places in a word's vector.
  private func hiddenColumns(_ state: [MatrixView<Element>]) -> some Sequence<(Int, Range<Int>)> {
    zip(hiddenParts, consecutiveRanges(hiddenParts.map { state[$0].columns }))
  }

  /// Adds to the gradients of all parameters, given that of the words' vectors [words, 2H].
  func backward(
    _ trace: Trace, gradient dWords: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let context = context.withoutMasks
    context.arena.scoped {
      let dState = cells.zeroState(trace.layout.batchSize, in: context.arena)
      for (part, columns) in hiddenColumns(dState) { dState[part].copy(from: dWords.columns(columns)) }
      cells.backpropagate(
        trace.unrolled, outputGradient: context.arena.zeros(trace.layout.rowCount, outputSize),
        stateGradient: dState, inputGradient: nil, into: gradients, context)
    }
  }
}
