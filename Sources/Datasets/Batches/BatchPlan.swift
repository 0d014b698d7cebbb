/// Examples dealt out to batches, every one once.
public struct BatchPlan: Sendable, Equatable {
  /// The examples, batch after batch.
  public let order: [Int32]
  /// Where each batch begins in `order`, and after the last one the number of examples.
  public let offsets: [Int]

  /// Number of batches.
  public var count: Int { offsets.count - 1 }

  /// The examples of a batch, the longest first.
  public subscript(batch: Int) -> ArraySlice<Int32> { order[offsets[batch]..<offsets[batch + 1]] }

  /// One of `count` parts of a batch: every `count`-th example from example `index` on.
  ///
  /// Neighbours in a batch are of nearly the same length, and so the parts have nearly as many tokens each;
  /// those of a contiguous cut would not. Example k of the part is example `index + k * count` of the batch.
  public static func shard(_ batch: ArraySlice<Int32>, _ index: Int, of count: Int) -> [Int32] {
    precondition(index >= 0 && index < count, "shard \(index) of \(count)")
    return stride(from: batch.startIndex + index, to: batch.endIndex, by: count).map { batch[$0] }
  }
}
