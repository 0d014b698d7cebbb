import NumericKernels
import Parameters

/// A language model that decodes several streams, one token at a time. Every stream starts from the zero state, or from
/// the state after its prompt.
public final class LanguageModelDecoder<Element: Scalar>: StepwiseDecoder {
  private let model: LanguageModel<Element>
  private let context: LayerContext<Element>
  public let sequenceCount: Int
  /// The state of every row, and a buffer for gathering the states of the next rows' parents.
  private var state: StateRows<Element>
  private var gathered: StateRows<Element>

  /// - Parameters:
  ///   - streams: number of sequences.
  ///   - context: parameters and workspace. Its masks are ignored: nothing is dropped.
  public init(_ model: LanguageModel<Element>, streams: Int = 1, _ context: LayerContext<Element>) {
    self.model = model
    self.context = context.withoutMasks
    sequenceCount = streams
    state = StateRows(parts: model.stateParts, count: streams)
    gathered = StateRows(parts: model.stateParts, count: 0)
  }

  public var vocabularySize: Int { model.shape.vocabularySize }

  /// Reads a text into each stream before the first step, without computing logits.
  ///
  /// - Parameter prompts: token ids of each stream; some may be empty. Leave out the last token of each prompt: it is the
  ///   input of the first step.
  public func read(_ prompts: [[Int32]]) {
    precondition(prompts.count == sequenceCount, "\(prompts.count) prompts for \(sequenceCount) streams")
    let longest = prompts.map(\.count).max() ?? 0
    // In pieces, so that scratch memory does not grow with the prompt.
    for first in stride(from: 0, to: longest, by: Self.stepsAtATime) {
      readPiece(prompts.map { Array($0.dropFirst(first).prefix(Self.stepsAtATime)) })
    }
  }

  private static var stepsAtATime: Int { 256 }

  private func readPiece(_ prompts: [[Int32]]) {
    let layout = PackedLayout(lengths: prompts.map(\.count))
    layout.pack(prompts).withUnsafeBufferPointer { ids in
      guard let tokens = ids.baseAddress else { return }
      model.requireInVocabulary(tokens, ids.count, lowest: 0)
      context.arena.scoped {
        // The stream at each place of the sorted order, and the place of each stream.
        let order = context.arena.indexes(sequenceCount) { layout.order[$0] }
        let positions = layout.positions
        let places = context.arena.indexes(sequenceCount) { positions[$0] }
        let sorted = state.views.map { kept in
          let copy = context.arena.matrix(kept.rows, kept.columns)
          copy.gatherRows(of: kept, at: order)
          return copy
        }
        let unrolled = model.stack.unroll(
          .indexed(tokens, count: ids.count, table: model.embedding), layout, from: sorted, context)
        for (kept, final) in zip(state.views, unrolled.finalState) { kept.gatherRows(of: final, at: places) }
      }
    }
  }

  public func advance(
    tokens: UnsafeBufferPointer<Int32>, parents: UnsafeBufferPointer<Int32>, logits: MatrixView<Element>
  ) {
    precondition(
      parents.count == tokens.count && logits.rows == tokens.count,
      "\(tokens.count) tokens, \(parents.count) parents, \(logits.rows) rows of logits")
    guard let rows = parents.baseAddress else { return }
    if parents.count != state.count || !parents.enumerated().allSatisfy({ $0.offset == Int($0.element) }) {
      gathered.gather(rows, parents.count, of: state)
      swap(&state, &gathered)
    }
    model.step(tokens, state: state.views, logits: logits, context)
  }

  /// A text depends on nothing but its state.
  public var independentRows: IndependentRows<Element>? {
    IndependentRows(parameters: context.parameters, state: state)
  }

  public func join(_ other: any StepwiseDecoder<Element>) -> Int? {
    guard let rows = other.independentRows, rows.parameters === context.parameters else { return nil }
    let count = state.count
    state.append(rows.state)
    return count
  }
}

/// The rows of a decoder that depend on their state and on the parameters alone, so that another decoder of the same model can
/// take them over.
public struct IndependentRows<Element: Scalar> {
  let parameters: ParameterBuffer<Element>
  let state: StateRows<Element>
}

/// The state of a number of rows, one matrix for each part, in memory that grows to the largest number of rows so far.
struct StateRows<Element: Scalar> {
  let parts: [Int]
  private(set) var count: Int
  private(set) var views: [MatrixView<Element>]
  private var buffers: [AlignedBuffer<Element>]

  /// Creates zero states.
  init(parts: [Int], count: Int) {
    self.parts = parts
    self.count = count
    buffers = parts.map { AlignedBuffer(count: count * $0) }
    views = zip(buffers, parts).map { MatrixView($0.base, rows: count, columns: $1) }
  }

  /// Appends the rows of another state.
  mutating func append(_ other: StateRows) {
    let joined = StateRows(parts: parts, count: count + other.count)
    for index in parts.indices {
      joined.views[index].rows(0..<count).copy(from: views[index])
      joined.views[index].rows(count..<joined.count).copy(from: other.views[index])
    }
    self = joined
  }

  /// Overwrites the rows with rows of another state.
  mutating func gather(_ rows: UnsafePointer<Int32>, _ count: Int, of other: StateRows) {
    for row in 0..<count {
      precondition(rows[row] >= 0 && rows[row] < other.count, "parent \(rows[row]) of \(other.count) rows")
    }
    for (index, part) in parts.enumerated() {
      if buffers[index].count < count * part { buffers[index] = AlignedBuffer(count: count * part) }
      views[index] = MatrixView(buffers[index].base, rows: count, columns: part)
      views[index].gatherRows(of: other.views[index], at: rows)
    }
    self.count = count
  }
}
