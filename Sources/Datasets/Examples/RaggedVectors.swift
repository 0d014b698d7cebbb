/// Sequences of vectors of one width, one after the other in one array.
public struct RaggedVectors: Sendable, Equatable {
  /// Numbers of one step.
  public let width: Int
  /// The vectors of all sequences, step after step.
  public private(set) var values: [Float] = []
  /// The step at which each sequence begins, and after the last one the number of steps.
  public private(set) var offsets = [0]

  public init(width: Int) {
    precondition(width > 0, "a width above 0, not \(width)")
    self.width = width
  }

  /// Number of sequences.
  public var count: Int { offsets.count - 1 }

  /// Steps of all sequences.
  public var stepCount: Int { offsets[offsets.count - 1] }

  /// Steps of a sequence.
  public func length(_ index: Int) -> Int { offsets[index + 1] - offsets[index] }

  /// The vectors of a sequence, step after step.
  public subscript(index: Int) -> ArraySlice<Float> {
    values[offsets[index] * width..<offsets[index + 1] * width]
  }

  /// Adds a sequence of whole steps at the end.
  public mutating func append(_ steps: some Sequence<Float>) {
    values.append(contentsOf: steps)
    precondition(
      values.count % width == 0, "\(values.count) numbers are no whole steps of width \(width)")
    offsets.append(values.count / width)
  }

  /// Overwrites the beginning of `destination` with the selected sequences, one after the other, and returns
  /// the number of steps written.
  @discardableResult
  public func gather(
    _ selected: ArraySlice<Int32>, into destination: UnsafeMutableBufferPointer<Float>
  ) -> Int {
    let steps = selected.reduce(0) { $0 + length(Int($1)) }
    precondition(
      destination.count >= steps * width, "room for \(destination.count) numbers, \(steps * width) to write")
    var position = 0
    values.withUnsafeBufferPointer { values in
      guard let source = values.baseAddress, let target = destination.baseAddress else { return }
      for index in selected {
        let count = length(Int(index)) * width
        (target + position).update(from: source + offsets[Int(index)] * width, count: count)
        position += count
      }
    }
    return steps
  }

  /// A hash of the sequences that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(UInt64(width))
    for offset in offsets { hash.combine(UInt64(offset)) }
    for value in values { hash.combine(UInt64(value.bitPattern)) }
    return hash.value
  }
}
