import NumericKernels

/// Consecutive ranges of these sizes, starting at 0: the columns of joined matrices, the parts of a stack's state.
func consecutiveRanges(_ sizes: [Int]) -> [Range<Int>] {
  var next = 0
  return sizes.map { size in
    defer { next += size }
    return next..<next + size
  }
}

/// The memory layout of a batch of sequences of different lengths, without padding (PyTorch calls it a packed sequence).
///
/// Sequences are sorted by length, longest first, so that the sequences still running at a step are a prefix.
/// Step t has `activeCounts[t]` rows, which begin at row `offsets[t]`; row i of a step belongs to the
/// sequence `order[i]` of the caller. All products and cell steps run over these rows only: padding costs
/// nothing.
public struct PackedLayout: Sendable, Hashable {
  /// Number of sequences, those of length zero included.
  public let batchSize: Int
  /// Sequences still running at each step: never increasing.
  public let activeCounts: [Int]
  /// First row of each step, and after the last step the number of rows.
  public let offsets: [Int]
  /// Index of the caller's sequence at each sorted position.
  public let order: [Int]
  /// Lengths in sorted order.
  public let lengths: [Int]

  /// Number of time steps of the longest sequence.
  public var steps: Int { activeCounts.count }
  /// Number of rows: the tokens of all sequences.
  public var rowCount: Int { offsets[offsets.count - 1] }
  /// The number of steps, from the first one on, in which all sequences run.
  var commonSteps: Int { lengths.last ?? 0 }
  /// True if all sequences have the same length.
  public var isUniform: Bool { activeCounts.isEmpty || activeCounts[activeCounts.count - 1] == batchSize }

  /// Requires lengths of at least zero. The sort is stable, so equal lengths keep the caller's order.
  public init(lengths callerLengths: [Int]) {
    precondition(callerLengths.allSatisfy { $0 >= 0 }, "negative sequence length in \(callerLengths)")
    var order = Array(callerLengths.indices)
    let isSorted = order.dropFirst().allSatisfy { callerLengths[$0 - 1] >= callerLengths[$0] }
    guard !isSorted else {
      self.init(order: order, sortedLengths: callerLengths)
      return
    }
    order.sort { (callerLengths[$0], $1) > (callerLengths[$1], $0) }
    self.init(order: order, sortedLengths: order.map { callerLengths[$0] })
  }

  /// Lengths that are sorted already.
  private init(order: [Int], sortedLengths: [Int]) {
    self.order = order
    lengths = sortedLengths
    batchSize = lengths.count
    let steps = lengths.first ?? 0
    // Arrays are allocated at their final length, because a training step calls this several times.
    var active = [Int](repeating: 0, count: steps)
    var offsets = [Int](repeating: 0, count: steps + 1)
    var count = batchSize
    for step in 0..<steps {
      while count > 0 && lengths[count - 1] <= step { count -= 1 }
      active[step] = count
      offsets[step + 1] = offsets[step] + count
    }
    activeCounts = active
    self.offsets = offsets
  }

  /// `batchSize` sequences of `steps` steps each, in the caller's order.
  public init(steps: Int, batchSize: Int) {
    self.init(lengths: Array(repeating: steps, count: batchSize))
  }

  /// The layout of sequences half as long, in the same sorted order; odd lengths are rounded up.
  public var halved: PackedLayout {
    PackedLayout(order: order, sortedLengths: lengths.map { ($0 + 1) / 2 })
  }

  /// The layout of some of the time steps, for the sequences that have not ended before them, in the same order.
  func segment(_ steps: Range<Int>) -> PackedLayout {
    let running = steps.isEmpty ? batchSize : activeCounts[steps.lowerBound]
    if steps.count == self.steps && running == batchSize { return self }
    return PackedLayout(
      order: Array(order[0..<running]),
      sortedLengths: lengths[0..<running].map { min($0, steps.upperBound) - steps.lowerBound })
  }

  /// The rows of a step.
  public func rows(_ step: Int) -> Range<Int> { offsets[step]..<offsets[step + 1] }

  /// One value for each step of each of the caller's sequences, in the order of the packed rows, [rowCount].
  ///
  /// - Parameter sequences: in the caller's order, with the lengths that this layout was made from.
  public func pack<Value>(_ sequences: [[Value]]) -> [Value] {
    (0..<steps).flatMap { step in (0..<activeCounts[step]).map { sequences[order[$0]][step] } }
  }

  // MARK: States over time
  //
  // The states of all steps are kept in one matrix of batchSize + rowCount rows: slab 0 is the initial state,
  // slab t + 1 the state after step t. No step is a special case, and the previous states of a step are a
  // prefix of a slab.

  /// First row of the slab that holds the state before `step`.
  func previousSlab(_ step: Int) -> Int { step == 0 ? 0 : batchSize + offsets[step - 1] }
  /// First row of the slab that holds the state after `step`.
  func slab(_ step: Int) -> Int { batchSize + offsets[step] }

  /// Row of the slabs that holds the last state of the sequence at a sorted position.
  private func finalRow(_ position: Int) -> Int {
    let length = lengths[position]
    return length == 0 ? position : slab(length - 1) + position
  }

  /// Copies every sequence's last state out of the slabs: [batchSize, H].
  func finalState<Element>(_ slabs: MatrixView<Element>, _ arena: Arena<Element>) -> MatrixView<Element> {
    let final = arena.matrix(batchSize, slabs.columns)
    for position in 0..<batchSize {
      final.row(position).copyElements(from: slabs.row(finalRow(position)), count: slabs.columns)
    }
    return final
  }

  /// The previous state of every row, [rowCount, H], for the weight gradient: a view if all lengths are equal
  /// (the slabs without the last one), otherwise a copy without the gaps.
  func previousStates<Element>(_ slabs: MatrixView<Element>, _ arena: Arena<Element>) -> MatrixView<Element> {
    if isUniform { return slabs.rows(0..<rowCount) }
    let previous = arena.matrix(rowCount, slabs.columns)
    for step in 0..<steps {
      let first = previousSlab(step)
      previous.rows(rows(step)).copy(from: slabs.rows(first..<first + activeCounts[step]))
    }
    return previous
  }

  /// The row of the same sequence at the mirrored time for every row, [rowCount], in arena memory. This index reverses
  /// sequences and is its own inverse.
  func reversal<Element>(_ arena: Arena<Element>) -> UnsafePointer<Int32> {
    rowIndex(arena) { step, position in offsets[lengths[position] - 1 - step] + position }
  }

  // MARK: Indexes

  /// An index for every packed row, [rowCount], in arena memory: that of the step and the sorted position of the row.
  func rowIndex<Element>(
    _ arena: Arena<Element>, _ index: (_ step: Int, _ position: Int) -> Int
  ) -> UnsafePointer<Int32> {
    let indexes = arena.buffer(rowCount, of: Int32.self)
    for step in 0..<steps {
      for (position, row) in rows(step).enumerated() { indexes[row] = Int32(index(step, position)) }
    }
    return UnsafePointer(indexes.baseAddress!)
  }

  /// The position of each packed row's step in the caller's sequences laid one after the other, [rowCount], in arena
  /// memory.
  func callerRows<Element>(_ arena: Arena<Element>) -> UnsafePointer<Int32> {
    let sequences = consecutiveRanges(positions.map { lengths[$0] })
    return rowIndex(arena) { step, position in sequences[order[position]].lowerBound + step }
  }

  /// The sorted position of each of the caller's sequences: the inverse of ``order``.
  var positions: [Int] {
    var positions = [Int](repeating: 0, count: batchSize)
    for (position, caller) in order.enumerated() { positions[caller] = position }
    return positions
  }
}

extension Arena {
  /// `count` indexes in arena memory.
  func indexes(_ count: Int, _ index: (Int) -> Int) -> UnsafePointer<Int32> {
    let indexes = buffer(count, of: Int32.self)
    for place in 0..<count { indexes[place] = Int32(index(place)) }
    return UnsafePointer(indexes.baseAddress!)
  }
}
