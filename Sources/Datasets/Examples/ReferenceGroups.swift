/// Entries of a part that have the same source: a word with several pronunciations is scored once, against
/// all.
public struct ReferenceGroups: Sendable, Equatable {
  private let order: [Int32]
  private let offsets: [Int]

  /// Number of distinct sources, in the order of their first appearance.
  public var count: Int { offsets.count - 1 }

  /// The entries of a group in their order.
  public func members(_ group: Int) -> ArraySlice<Int32> { order[offsets[group]..<offsets[group + 1]] }

  /// The first entry of a group.
  public func representative(_ group: Int) -> Int { Int(order[offsets[group]]) }

  /// Groups of entries of which the n-th belongs to group `groups[n]`; groups are numbered as they first
  /// appear.
  init(_ groups: [Int32], count: Int) {
    var offsets = [Int](repeating: 0, count: count + 1)
    for group in groups { offsets[Int(group) + 1] += 1 }
    for group in 0..<count { offsets[group + 1] += offsets[group] }
    var next = offsets
    var order = [Int32](repeating: 0, count: groups.count)
    for (entry, group) in groups.enumerated() {
      order[next[Int(group)]] = Int32(entry)
      next[Int(group)] += 1
    }
    self.order = order
    self.offsets = offsets
  }
}

extension ExampleSet {
  /// The entries with the same source: by the text where it is kept (of an array its path), else by the tokens. Every entry
  /// is a group of its own where the source is a class, numbers whose text is not kept, or nothing.
  public func groups() -> ReferenceGroups {
    var table = WordTable()
    var key: [UInt8] = []
    let hasKey = source?.tokenSequences != nil || source?.vectorSequences != nil && sourceTexts != nil
    let groups = (0..<count).map { entry -> Int32 in
      key.removeAll(keepingCapacity: true)
      guard hasKey else { return Int32(entry) }
      append(entry, sourceTexts, source, to: &key)
      // No byte of text, so that two fields never look like one.
      key.append(0xFF)
      append(entry, secondSourceTexts, secondSource, to: &key)
      return table.intern(key)
    }
    return ReferenceGroups(groups, count: hasKey ? table.count : count)
  }

  private func append(
    _ entry: Int, _ texts: TextLines?, _ field: ExampleField?, to key: inout [UInt8]
  ) {
    if let texts {
      key.append(contentsOf: texts[entry])
    } else if let tokens = field?.tokenSequences {
      for id in tokens[entry] { withUnsafeBytes(of: id.littleEndian) { key.append(contentsOf: $0) } }
    }
  }
}
