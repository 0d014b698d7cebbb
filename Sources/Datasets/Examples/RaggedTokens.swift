/// Sequences of ids, one after the other in one array.
public struct RaggedTokens: Sendable, Equatable {
  /// The ids of all sequences.
  public private(set) var ids: [Int32] = []
  /// Where each sequence begins, and after the last one the number of ids.
  public private(set) var offsets = [0]

  public init() {}

  /// The sequences given.
  public init(_ sequences: some Sequence<some Sequence<Int32>>) {
    for sequence in sequences { append(sequence) }
  }

  /// Number of sequences.
  public var count: Int { offsets.count - 1 }

  /// Ids of all sequences.
  public var tokenCount: Int { ids.count }

  /// Number of ids of a sequence.
  public func length(_ index: Int) -> Int { offsets[index + 1] - offsets[index] }

  public subscript(index: Int) -> ArraySlice<Int32> { ids[offsets[index]..<offsets[index + 1]] }

  /// Adds a sequence at the end.
  public mutating func append(_ sequence: some Sequence<Int32>) {
    ids.append(contentsOf: sequence)
    offsets.append(ids.count)
  }

  /// Number of ids that `gather` writes for these sequences.
  public func gatheredCount(_ selected: ArraySlice<Int32>, begin: Int32? = nil, end: Int32? = nil) -> Int {
    let added = (begin == nil ? 0 : 1) + (end == nil ? 0 : 1)
    return selected.reduce(0) { $0 + length(Int($1)) + added }
  }

  /// Overwrites the beginning of `destination` with the selected sequences one after the other, each between
  /// `begin` and `end` if given, and returns the number of ids written.
  @discardableResult
  public func gather(
    _ selected: ArraySlice<Int32>, begin: Int32? = nil, end: Int32? = nil,
    into destination: UnsafeMutableBufferPointer<Int32>
  ) -> Int {
    let count = gatheredCount(selected, begin: begin, end: end)
    precondition(destination.count >= count, "room for \(destination.count) ids, \(count) to write")
    var position = 0
    ids.withUnsafeBufferPointer { ids in
      guard let target = destination.baseAddress else { return }
      for index in selected {
        if let begin {
          destination[position] = begin
          position += 1
        }
        let count = length(Int(index))
        if let source = ids.baseAddress {
          (target + position).update(from: source + offsets[Int(index)], count: count)
        }
        position += count
        if let end {
          destination[position] = end
          position += 1
        }
      }
    }
    return position
  }

  /// A hash of the sequences that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(UInt64(count))
    for offset in offsets { hash.combine(UInt64(offset)) }
    for id in ids { hash.combine(UInt64(UInt32(bitPattern: id))) }
    return hash.value
  }
}
