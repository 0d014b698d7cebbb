import NumericKernels

/// Distributes examples of any length over batches, in random order but with similar lengths within each batch.
///
/// An epoch is a random order of all examples, cut into windows of many batches. A window is sorted by length
/// and cut into batches, and the batches of all windows are shuffled. Order and batches depend only on seed and epoch, so
/// every rank makes the same plan for any number of ranks.
public struct BatchPlanner: Sendable {
  public let size: BatchOptions.Size
  /// Whether windows are sorted by length. If not, batches are cut from the random order as it is.
  public let bucketing: Bool
  public let seed: UInt64
  /// The number of batches per window; fewer if an epoch would not have four windows.
  public let windowBatches: Int
  /// The cost of an example, and a second length that is similar within a batch.
  private let lengths: [Int32]
  private let secondLengths: [Int32]

  /// - Parameters:
  ///   - lengths: tokens of each example on its longer side.
  ///   - secondLengths: lengths that order examples of the same length; unused if empty.
  public init(
    lengths: [Int32], secondLengths: [Int32] = [], size: BatchOptions.Size, bucketing: Bool = true,
    seed: UInt64,
    windowBatches: Int = 50
  ) {
    precondition(
      secondLengths.isEmpty || secondLengths.count == lengths.count,
      "\(secondLengths.count) second lengths of \(lengths.count) examples")
    precondition(windowBatches > 0, "windows of at least a batch, not of \(windowBatches)")
    switch size {
    case .examples(let count): precondition(count > 0, "batches of at least an example, not of \(count)")
    case .tokens(let count): precondition(count > 0, "batches of at least a token, not of \(count)")
    }
    self.size = size
    self.bucketing = bucketing
    self.seed = seed
    self.windowBatches = windowBatches
    self.lengths = lengths
    self.secondLengths = secondLengths
  }

  /// Plans batches of the examples of a set. An example is as long as its longest side, where a target of tokens has one
  /// more step for its end mark.
  init(_ set: ExampleSet, _ options: BatchOptions) {
    let source = set.lengths(.source)
    var longest = source
    for side in [ExampleSet.Side.secondSource, .target] {
      let end: Int32 = side == .target && set.target?.tokenSequences != nil ? 1 : 0
      for (index, length) in set.lengths(side).enumerated() {
        longest[index] = max(longest[index], length &+ end)
      }
    }
    self.init(
      lengths: longest, secondLengths: source, size: options.size, bucketing: options.bucketing,
      seed: options.seed)
  }

  /// The batches of an epoch in training order.
  public func epoch(_ epoch: Int) -> BatchPlan {
    let key = RandomKey(seed: seed, purpose: .shuffle, step: UInt64(epoch))
    var order = permutation(count: lengths.count, key: key, stream: 0).map { Int32($0) }
    var offsets = [0]
    for window in windows(order) {
      if bucketing { sort(&order, window) }
      cut(order, window, &offsets)
    }
    if !bucketing {
      for batch in 1..<max(1, offsets.count) { sort(&order, offsets[batch - 1]..<offsets[batch]) }
    }
    return BatchPlan(order, offsets, batches: permutation(count: offsets.count - 1, key: key, stream: 1))
  }

  /// All examples by decreasing length, in batches of the same size: `order` holds their indexes in the part.
  public func evaluation() -> BatchPlan {
    var order = (0..<Int32(lengths.count)).map { $0 }
    order.sort { (lengths[Int($0)], second($0), $1) > (lengths[Int($1)], second($1), $0) }
    var offsets = [0]
    cut(order, 0..<order.count, &offsets)
    return BatchPlan(order: order, offsets: offsets)
  }

  private func second(_ example: Int32) -> Int32 {
    secondLengths.isEmpty ? 0 : secondLengths[Int(example)]
  }

  // MARK: Windows

  private func windows(_ order: [Int32]) -> [Range<Int>] {
    switch size {
    case .examples(let count):
      let batches = (order.count + count - 1) / count
      let length = max(1, min(windowBatches, batches / 4)) * count
      return stride(from: 0, to: order.count, by: length).map { $0..<min($0 + length, order.count) }
    case .tokens(let count):
      let total = lengths.reduce(0) { $0 + cost($1) }
      let tokens = max(count, min(windowBatches * count, total / 4))
      var windows: [Range<Int>] = []
      var (start, sum) = (0, 0)
      for (position, example) in order.enumerated() {
        sum += cost(lengths[Int(example)])
        guard sum >= tokens else { continue }
        windows.append(start..<position + 1)
        (start, sum) = (position + 1, 0)
      }
      return start < order.count ? windows + [start..<order.count] : windows
    }
  }

  /// Every example costs at least 1.
  private func cost(_ length: Int32) -> Int { max(1, Int(length)) }

  /// Sorts a range by decreasing length, then by the second length, then by its present order. It sorts numbers that
  /// combine all three, which is much faster than comparing elements of two arrays. Lengths above 65,535 count as equal.
  private func sort(_ order: inout [Int32], _ range: Range<Int>) {
    let most = UInt64(UInt16.max)
    let keys = range.map { position -> UInt64 in
      let example = order[position]
      let longest = most - min(most, UInt64(max(0, lengths[Int(example)])))
      let other = most - min(most, UInt64(max(0, second(example))))
      return longest << 48 | other << 32 | UInt64(position - range.lowerBound)
    }.sorted()
    let before = Array(order[range])
    for (place, key) in keys.enumerated() {
      order[range.lowerBound + place] = before[Int(truncatingIfNeeded: UInt32(truncatingIfNeeded: key))]
    }
  }

  /// Appends the end offsets of the batches of a range.
  private func cut(_ order: [Int32], _ range: Range<Int>, _ offsets: inout [Int]) {
    switch size {
    case .examples(let count):
      for start in stride(from: range.lowerBound, to: range.upperBound, by: count) {
        offsets.append(min(start + count, range.upperBound))
      }
    case .tokens(let count):
      var sum = 0
      for position in range {
        let cost = cost(lengths[Int(order[position])])
        if sum > 0, sum + cost > count {
          offsets.append(position)
          sum = 0
        }
        sum += cost
      }
      if !range.isEmpty { offsets.append(range.upperBound) }
    }
  }
}

/// Examples distributed over batches, each exactly once.
public struct BatchPlan: Sendable, Equatable {
  /// The examples, batch after batch.
  public let order: [Int32]
  /// The index in `order` at which each batch begins, followed by the number of examples.
  public let offsets: [Int]

  /// Number of batches.
  public var count: Int { offsets.count - 1 }

  /// The examples of a batch, the longest first.
  public subscript(batch: Int) -> ArraySlice<Int32> { order[offsets[batch]..<offsets[batch + 1]] }

  init(order: [Int32], offsets: [Int]) { (self.order, self.offsets) = (order, offsets) }

  /// Creates a plan of the batches that end at `offsets`, in the order of `batches`.
  fileprivate init(_ order: [Int32], _ offsets: [Int], batches: [Int]) {
    var moved: [Int32] = []
    moved.reserveCapacity(order.count)
    var ends = [0]
    for batch in batches {
      moved.append(contentsOf: order[offsets[batch]..<offsets[batch + 1]])
      ends.append(moved.count)
    }
    self.init(order: moved, offsets: ends)
  }
}

/// The batches of a list of examples.
public struct ExampleBatches: BatchSource {
  /// The examples of one shard of a batch.
  public struct Batch: Sendable {
    public let set: ExampleSet
    /// The examples, as indexes in the set, the longest first.
    public let examples: [Int32]
    /// The place of each example in the whole batch, which does not depend on the number of shards.
    public let places: [UInt32]

    /// A batch of one example.
    public init(of example: Int32, in set: ExampleSet) {
      (self.set, examples, places) = (set, [example], [0])
    }

    init(set: ExampleSet, examples: [Int32], places: [UInt32]) {
      (self.set, self.examples, self.places) = (set, examples, places)
    }
  }

  public let set: ExampleSet
  private let planner: BatchPlanner?
  /// The batches of the current epoch.
  public private(set) var plan: BatchPlan

  /// The batches of a training set, initially those of epoch 0.
  init(training set: ExampleSet, _ options: BatchOptions) {
    let planner = BatchPlanner(set, options)
    (self.set, self.planner, plan) = (set, planner, planner.epoch(0))
  }

  /// The batches of an evaluation, by decreasing length.
  init(evaluating set: ExampleSet, _ options: BatchOptions, including includes: (Int32) -> Bool) {
    (self.set, planner) = (set, nil)
    let whole = BatchPlanner(set, options).evaluation()
    var (order, offsets) = ([Int32](), [0])
    for batch in 0..<whole.count {
      order += whole[batch].filter(includes)
      if order.count > offsets[offsets.count - 1] { offsets.append(order.count) }
    }
    plan = BatchPlan(order: order, offsets: offsets)
  }

  public var count: Int { plan.count }

  public var largestBatch: Int? {
    let costs = (0..<plan.count).map { batch in
      plan[batch].reduce(0) { sum, example in
        sum + [.source, .target].reduce(0) { $0 + (set.field($1)?.length(Int(example)) ?? 0) }
      }
    }
    return costs.indices.max { costs[$0] < costs[$1] }
  }

  public mutating func beginEpoch(_ epoch: Int) {
    if let planner { plan = planner.epoch(epoch) }
  }

  /// The shard with every `shardCount`-th example, starting with example `shard`.
  ///
  /// Neighbors in a batch have nearly the same length, so the shards have nearly as many tokens each. Contiguous shards
  /// would not.
  public func batch(_ index: Int, shard: Int, of shardCount: Int) -> Batch? {
    precondition(shard >= 0 && shard < shardCount, "shard \(shard) of \(shardCount)")
    let whole = plan[index]
    let places = Array(stride(from: shard, to: whole.count, by: shardCount))
    guard !places.isEmpty else { return nil }
    return Batch(
      set: set, examples: places.map { whole[whole.startIndex + $0] }, places: places.map { UInt32($0) })
  }
}

extension ExampleSet: Dataset {
  public var exampleCount: Int { count }

  public var tokenCount: Int {
    [Side.source, .target].map { side in lengths(side).reduce(0) { $0 + Int($1) } }.max() ?? 0
  }

  public var firstExample: String? { report.firstExample }
  public func warnings(of part: String) -> [String] { report.warnings(of: part) }

  public func trainingBatches(_ options: BatchOptions) throws -> ExampleBatches {
    ExampleBatches(training: self, options)
  }

  public func evaluationBatches(
    _ options: BatchOptions, including includes: (_ example: Int32) -> Bool
  ) -> ExampleBatches {
    ExampleBatches(evaluating: self, options, including: includes)
  }
}
