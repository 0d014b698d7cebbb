import NumericKernels
import Parameters

/// The decoder of an encoder-decoder or a generator, one token at a time, for many rows at once.
///
/// Sources are read and keys projected once. Rows of one sequence share its source; a row keeps its state, the output
/// vector for input feeding, and the weights and coverage that attention needs.
public final class SequenceDecoder<Element: Scalar>: StepwiseDecoder {
  private let decoder: Decoder<Element>
  private let context: LayerContext<Element>
  /// Memory that lasts as long as the batch.
  private let kept: Arena<Element>
  private let attention: [PreparedAttention<Element>]
  private let condition: MatrixView<Element>?
  public let sequenceCount: Int

  /// The rows of the last call.
  private var rows: DecoderRows<Element>
  /// The memory of these rows, and that of the next call's rows.
  private var (arena, spare) = (Arena<Element>(), Arena<Element>())
  private var time = 0

  /// - Parameters:
  ///   - count: sequences of the batch.
  ///   - start: creates the initial state, conditions and sources in the given arena, in the order of the sequences.
  init(
    _ decoder: Decoder<Element>, count: Int, _ context: LayerContext<Element>,
    start: (Arena<Element>, LayerContext<Element>) -> DecoderStart<Element>
  ) {
    self.decoder = decoder
    let context = context.withoutMasks
    self.context = context
    sequenceCount = count
    let (kept, arena) = (Arena<Element>(), self.arena)
    self.kept = kept
    (attention, condition, rows) = context.arena.scoped {
      let start = start(kept, context)
      let prepared = zip(decoder.attentions, start.memories).map { $0.prepare($1, in: kept, context) }
      return (
        prepared, start.condition.map { $0.copied(to: kept) },
        DecoderRows(
          sequences: (0..<Int32(count)).map { $0 }, state: start.state.map { $0.copied(to: arena) },
          feed: arena.zeros(count, decoder.feedColumns.count),
          attention: prepared.map { .init($0.memory, (0..<Int32(count)).map { $0 }, arena) })
      )
    }
  }

  public var vocabularySize: Int { decoder.shape.vocabularySize }
  /// The tokens of the first step: the begin mark for each sequence.
  public var startTokens: [Int32] {
    Array(repeating: Int32(decoder.shape.beginToken), count: sequenceCount)
  }

  public func advance(
    tokens: UnsafeBufferPointer<Int32>, parents: UnsafeBufferPointer<Int32>, logits: MatrixView<Element>
  ) {
    precondition(
      parents.count == tokens.count && logits.rows == tokens.count && logits.columns == vocabularySize,
      "\(tokens.count) tokens, \(parents.count) parents, logits of [\(logits.rows), \(logits.columns)]")
    guard let ids = tokens.baseAddress else { return }
    for (token, parent) in zip(tokens, parents) {
      precondition(token >= 0 && token < vocabularySize, "id \(token) for a vocabulary of \(vocabularySize)")
      precondition(parent >= 0 && parent < rows.count, "parent \(parent) of \(rows.count) rows")
    }
    spare.reset()
    let next = rows.continued(by: parents, attention.map(\.memory), in: spare)
    rows = context.arena.scoped { step(ids, next, logits) }
    swap(&arena, &spare)
    time += 1
  }

  /// Runs one step of rows in the order of the tokens, and returns the rows after it.
  private func step(
    _ ids: UnsafePointer<Int32>, _ rows: DecoderRows<Element>, _ logits: MatrixView<Element>
  ) -> DecoderRows<Element> {
    let (scratch, n) = (context.arena, rows.count)
    let x = scratch.matrix(n, decoder.inputSize)
    let y = x.columns(decoder.embeddingColumns)
    decoder.embed(ids, into: y, context)
    addCondition(rows.sequences, to: x)
    if decoder.shape.inputFeeding { x.columns(decoder.feedColumns).copy(from: rows.feed) }
    let contexts =
      decoder.contextColumns.isEmpty
      ? scratch.matrix(n, decoder.contextSize) : x.columns(decoder.contextColumns)
    let layout = PackedLayout(steps: 1, batchSize: n)
    // The same two products as in training, so that no other copy of the weights is packed.
    let rest = decoder.inputSize > y.columns ? y.columns..<x.columns : 0..<x.columns
    let trace = decoder.cell.begin(
      layout, from: rows.state, precomputing: rest.lowerBound > 0 ? .dense(y) : nil, context)
    if decoder.attendsBefore { attend(rows, trace.state(before: 0), into: contexts) }
    decoder.cell.forward(step: 0, x.columns(rest), trace, context)
    if !decoder.attendsBefore { attend(rows, trace.output, into: contexts) }
    var r = trace.output
    if !decoder.readout.isOutput {
      r = scratch.matrix(n, decoder.readout.size)
      decoder.readout.forward(trace.output, context: contexts, input: y, into: r, context)
    }
    decoder.output.logits(r, into: logits, context)
    for (part, state) in rows.state.enumerated() { state.copy(from: trace.state(part: part, after: 0)) }
    if decoder.shape.inputFeeding { rows.feed.copy(from: r) }
    return rows
  }

  private func addCondition(_ sequences: [Int32], to x: MatrixView<Element>) {
    guard let condition, decoder.condition != .none else { return }
    let vectors = context.arena.matrix(sequences.count, condition.columns)
    vectors.gatherRows(of: condition, at: sequences)
    if decoder.condition == .everyStep {
      x.columns(decoder.contextColumns).copy(from: vectors)
    } else if time == 0 {
      decoder.embedCondition(vectors, into: x.columns(decoder.embeddingColumns), context)
    }
  }

  private func attend(
    _ rows: DecoderRows<Element>, _ state: MatrixView<Element>, into contexts: MatrixView<Element>
  ) {
    for (index, columns) in decoder.attentionColumns.enumerated() {
      decoder.attentions[index].forward(
        step: time, state: state, attention[index], rows.attention[index], into: contexts.columns(columns),
        context)
    }
  }

  public func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>? { attention(ofRow: row, source: 0) }

  /// The attention weights over one of several sources; nil without attention or before the first step.
  public func attention(ofRow row: Int, source: Int) -> UnsafeBufferPointer<Element>? {
    guard time > 0, source < rows.attention.count else { return nil }
    return rows.attention[source].weights(ofRow: row)
  }
}

/// The unfinished texts of a decoder that is advanced token by token.
struct DecoderRows<Element: Scalar> {
  /// The sequence of the batch each row belongs to.
  let sequences: [Int32]
  /// The state, [rows, part] for each part.
  let state: [MatrixView<Element>]
  /// r of the last step, [rows, R]; without columns if there is no input feeding.
  let feed: MatrixView<Element>
  /// The attention state of each source.
  let attention: [AttentionRowState<Element>]

  var count: Int { sequences.count }

  /// Returns rows that continue some of these rows, in the given arena.
  func continued(
    by parents: UnsafeBufferPointer<Int32>, _ memories: [SourceMemory<Element>], in arena: Arena<Element>
  ) -> DecoderRows {
    func gather(_ source: MatrixView<Element>) -> MatrixView<Element> {
      let view = arena.matrix(parents.count, source.columns)
      if let rows = parents.baseAddress, source.columns > 0 {
        view.gatherRows(of: source, at: rows)
      }
      return view
    }
    let chosen = parents.map { sequences[Int($0)] }
    return DecoderRows(
      sequences: chosen, state: state.map(gather), feed: gather(feed),
      attention: zip(attention, memories).map { before, memory in
        let after = AttentionRowState(memory, chosen, arena)
        after.copy(from: before, parents)
        return after
      })
  }
}
