import NumericKernels

/// Logits of all rows of a step; it grows to the largest number of rows seen and is then used again.
struct LogitsBlock<Element: Scalar> {
  private var buffer = AlignedBuffer<Element>(count: 0)
  let vocabularySize: Int

  init(vocabularySize: Int) { self.vocabularySize = vocabularySize }

  mutating func rows(_ count: Int) -> MatrixView<Element> {
    let needed = count * vocabularySize
    if buffer.count < needed { buffer = AlignedBuffer(count: needed) }
    return MatrixView(buffer.base, rows: count, columns: vocabularySize)
  }
}

/// What the kernels that select continuations read and write for the rows of one sequence.
final class ContinuationBuffer {
  /// Most continuations that are selected, and most rows they are selected from.
  let limit: Int
  private let numbers: AlignedBuffer<Double>
  private let ids: UnsafeMutablePointer<Int32>

  init(limit: Int) {
    self.limit = limit
    numbers = AlignedBuffer(count: 3 * limit)
    ids = .allocate(capacity: 2 * limit)
    ids.initialize(repeating: 0, count: 2 * limit)
  }

  deinit { ids.deallocate() }

  /// log P of each row's text so far.
  var base: UnsafeMutablePointer<Double> { numbers.base }
  /// log Σ exp of each row's logits.
  var normalizers: UnsafeMutablePointer<Double> { numbers.base + limit }
  /// log P of each continuation, best first.
  var scores: UnsafeMutablePointer<Double> { numbers.base + 2 * limit }
  /// The row each continuation belongs to.
  var sources: UnsafeMutablePointer<Int32> { ids }
  var tokens: UnsafeMutablePointer<Int32> { ids + limit }

  /// Selects the best continuations of all rows of `logits`; returns their number.
  func select<Element: Scalar>(from logits: MatrixView<Element>) -> Int {
    Element.bestContinuations(
      logits.base, logits.stride, logits.rows, logits.columns, base, normalizers, limit, scores, sources,
      tokens)
  }
}
