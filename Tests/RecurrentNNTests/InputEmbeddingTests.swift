import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct InputEmbeddingTests {
  private let shape = InputShape.words(
    vocabularySize: 5, embeddingSize: 2,
    characters: CharacterShape(vocabularySize: 3, embeddingSize: 2, hiddenSize: 3))

  /// The vectors of all steps of one sequence.
  private func vectors(
    _ embedding: InputEmbedding<Double>, _ parameters: ParameterBuffer<Double>, _ data: SequenceData,
    _ dropout: DropoutContext? = nil
  ) -> [[Double]] {
    let scratch = Scratch<Double>()
    let context = LayerContext(parameters: parameters, workspace: Workspace<Double>(), dropout: dropout)
    let trace = embedding.forward(data.input(scratch), PackedLayout(lengths: data.lengths), context)
    return withExtendedLifetime((scratch, context.workspace)) {
      guard case .dense(let x) = trace.output else { return [] }
      return (0..<x.rows).map { values(x.rows($0..<$0 + 1)) }
    }
  }

  private func make(
    _ shape: InputShape, wordDropout: WordDropout? = nil
  ) -> (InputEmbedding<Double>, ParameterBuffer<Double>) {
    var builder = ParameterLayout.Builder()
    let embedding = InputEmbedding<Double>(shape, wordDropout: wordDropout, in: &builder)
    return (embedding, ParameterBuffer(builder.build(), seed: 1))
  }

  /// The right part depends only on the characters of the word, the left only on its id; a word without characters has zeros.
  @Test func idsAndCharactersAreSideBySide() {
    let (embedding, parameters) = make(shape)
    let data = SequenceData(
      lengths: [5],
      content: .words(
        [3, 3, 1, 0, 4], index: [2, 0, 2, 1, 3], lengths: [2, 0, 3, 2], characters: [0, 1, 2, 1, 0, 0, 1])
    )
    let x = vectors(embedding, parameters, data)
    #expect(embedding.outputSize == 8 && x.map(\.count) == [8, 8, 8, 8, 8])
    #expect(x[0][..<2] == x[1][..<2] && x[0][..<2] != x[2][..<2])
    #expect(x[0][2...] == x[2][2...] && x[0][2...] != x[1][2...])
    // Word 3 is spelled like word 0.
    #expect(x[4][2...] == x[1][2...])
    #expect(x[3][2...].allSatisfy { $0 == 0 } && x[4][2...].allSatisfy { $0 != 0 })
  }

  /// Ids are replaced at their rate, by sample and time, in training only.
  @Test func wordsAreDroppedAtTheirRate() {
    let (embedding, parameters) = make(shape, wordDropout: WordDropout(rate: 0.3, unknown: 1))
    let data = SequenceData(
      lengths: Array(repeating: 50, count: 40),
      content: .words(
        Array(repeating: 2, count: 2000), index: Array(repeating: 0, count: 2000), lengths: [2],
        characters: [1, 2]))
    let coordinates = Coordinates(PackedLayout(lengths: data.lengths))
    func dropped(seed: UInt64, step: UInt64) -> [Bool] {
      let masks = DropoutContext(seed: seed, step: step, rows: coordinates.rows)
      let rows = vectors(embedding, parameters, data, masks)
      let table = parameters.layout["embedding.weight"].map { values(parameters.matrix($0)) } ?? []
      let characters = rows[0][2...]
      #expect(rows.allSatisfy { $0[2...] == characters })
      #expect(rows.allSatisfy { [Array(table[2..<4]), Array(table[4..<6])].contains(Array($0[..<2])) })
      return rows.map { Array($0[..<2]) == Array(table[2..<4]) }
    }
    let first = dropped(seed: 1, step: 1)
    #expect(abs(Double(first.count { $0 }) - 600) < 4 * 20.5)  // four standard deviations
    #expect(dropped(seed: 1, step: 1) == first)
    #expect(dropped(seed: 1, step: 2) != first && dropped(seed: 2, step: 1) != first)
    let whole = vectors(embedding, parameters, data)
    #expect(whole.allSatisfy { $0 == whole[0] })
  }

  /// Replacing every id is the same as reading only unknown words.
  @Test func allWordsDropped() {
    let shape = InputShape.tokens(vocabularySize: 5, embeddingSize: 2)
    let (embedding, _) = make(shape, wordDropout: WordDropout(rate: 1, unknown: 3))
    let coordinates = Coordinates(PackedLayout(lengths: [3]))
    let scratch = Scratch<Double>()
    let parameters = ParameterBuffer<Double>(ParameterLayout.Builder().build())
    let context = LayerContext(
      parameters: parameters, workspace: Workspace<Double>(),
      dropout: DropoutContext(seed: 1, step: 1, rows: coordinates.rows))
    let data = SequenceData(lengths: [3], content: .tokens([0, 1, 2]))
    let trace = embedding.forward(data.input(scratch), PackedLayout(lengths: [3]), context)
    withExtendedLifetime((scratch, context.workspace, coordinates)) {
      guard case .indexed(let ids, let count, _) = trace.output else {
        Issue.record("ids were looked up although nothing is dropped from their vectors")
        return
      }
      #expect((0..<count).map { ids[$0] } == [3, 3, 3])
    }
  }
}
