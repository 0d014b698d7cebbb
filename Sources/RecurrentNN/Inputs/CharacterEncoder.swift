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
}

/// Words as vectors made of their characters: the final states of two cells that read a word forwards and backwards, side
/// by side (Ling et al. 2015, section 3; Lample et al. 2016, section 4.1).
///
///     w = [h→ after the last character, h← after the first character],   width 2H
///
/// Parameters: `embedding.weight` [characters, E], `rnn.weight_ih_l0`, …, `rnn.weight_ih_l0_reverse`, …: those of a
/// bidirectional torch.nn.LSTM over the characters. A word without characters has the state zero.
struct CharacterEncoder<Element: Scalar>: Sendable {
  private let table: Parameter
  private let directions: [any RecurrentCell<Element>]

  init(_ shape: CharacterShape, in builder: inout ParameterLayout.Builder) {
    table = builder.scoped("embedding") { builder in
      builder.add("weight", [shape.vocabularySize, shape.embeddingSize], .normal(standardDeviation: 1))
    }
    directions = builder.scoped("rnn") { builder in
      ["_l0", "_l0_reverse"].map { suffix in
        CellSetup(
          inputSize: shape.embeddingSize, hiddenSize: shape.hiddenSize, options: shape.cell, suffix: suffix
        ).makeCell(in: &builder)
      }
    }
  }

  var outputSize: Int { directions.reduce(0) { $0 + $1.stateSize.parts[0] } }
  var parameters: [Parameter] { [table] + directions.flatMap(\.parameters) }

  /// The forward cache.
  struct Trace {
    /// A vector for each distinct word, in the order of the layout, [words, 2H].
    let words: MatrixView<Element>
    let layout: PackedLayout
    let unrolled: [Unrolled<Element>]
  }

  /// The vectors of all distinct words. Nothing is dropped inside of a word.
  func forward(_ forms: InputSequences<Element>.WordForms, _ context: LayerContext<Element>) -> Trace {
    let layout = PackedLayout(lengths: forms.lengths)
    let context = context.withoutMasks
    let words = context.arena.matrix(layout.batchSize, outputSize)
    var unrolled: [Unrolled<Element>] = []
    var first = 0
    for (direction, cell) in directions.enumerated() {
      let ids = characters(forms, layout, reversed: direction == 1, context)
      let initial = cell.zeroState(layout.batchSize, in: context.arena)
      let trace = cell.unroll(
        .indexed(ids, count: layout.rowCount, table: table), layout, from: initial, context)
      let width = trace.finalState[0].columns
      words.columns(first..<first + width).copy(from: trace.finalState[0])
      first += width
      unrolled.append(trace)
    }
    return Trace(words: words, layout: layout, unrolled: unrolled)
  }

  /// Ids of the characters of every packed row; the backward direction reads each word from its own end.
  private func characters(
    _ forms: InputSequences<Element>.WordForms, _ layout: PackedLayout, reversed: Bool,
    _ context: LayerContext<Element>
  ) -> UnsafePointer<Int32> {
    let source = layout.callerRows(context.arena)
    let packed = context.arena.words(layout.rowCount, of: Int32.self)
    for step in 0..<layout.steps {
      for (position, row) in layout.rows(step).enumerated() {
        // The first character's place, then `step` characters on, or back from the last.
        let start = Int(source[row]) - step
        let id = forms.characters[start + (reversed ? layout.lengths[position] - 1 - step : step)]
        precondition(id >= 0 && Int(id) < table.shape[0], "character \(id) of \(table.shape[0])")
        packed[row] = id
      }
    }
    return UnsafePointer(packed.baseAddress!)
  }

  /// Adds to the gradients of all parameters, given that of the words' vectors [words, 2H].
  func backward(
    _ trace: Trace, gradient dWords: MatrixView<Element>, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    let context = context.withoutMasks
    context.arena.scoped {
      var first = 0
      for (cell, unrolled) in zip(directions, trace.unrolled) {
        let parts = cell.stateSize.parts
        let dState = cell.zeroState(trace.layout.batchSize, in: context.arena)
        dState[0].copy(from: dWords.columns(first..<first + parts[0]))
        first += parts[0]
        cell.backpropagate(
          unrolled, outputGradient: context.arena.zeros(trace.layout.rowCount, cell.outputSize),
          stateGradient: dState, inputGradient: nil, into: gradients, context)
      }
    }
  }
}

extension LayerContext {
  /// The same context for a part whose rows are not those the masks belong to.
  var withoutMasks: LayerContext { LayerContext(parameters: parameters, workspace: workspace) }
}
