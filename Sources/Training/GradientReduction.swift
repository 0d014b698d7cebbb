import Communication
import Foundation
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks

/// The sums of a step, other than the gradient, that all ranks receive. They are in double precision.
package struct StepTotals: Equatable {
  /// The summed loss over the tokens of the global batch, in nats.
  package var loss = 0.0
  /// The number of target tokens in the global batch.
  package var tokens = 0.0
  /// The number of ranks that were asked to stop, and of those that were asked for a checkpoint.
  package var stopRequests = 0.0
  package var saveRequests = 0.0
  /// The sum of the hashes of ``ReplicaCheck``.
  var replicaHash = 0.0
  /// Local steps: the sum of the gradient norms of the ranks, and the number of ranks whose gradient was not finite.
  var norm = 0.0
  var failures = 0.0

  var values: [Double] { [loss, tokens, stopRequests, saveRequests, replicaHash, norm, failures] }

  package init(_ loss: LossSum = LossSum()) {
    self.loss = loss.total
    tokens = Double(loss.tokens)
  }

  init(values: [Double]) {
    loss = values[0]
    tokens = values[1]
    stopRequests = values[2]
    saveRequests = values[3]
    replicaHash = values[4]
    norm = values[5]
    failures = values[6]
  }
}

/// The requests that this rank received before a step. Requests travel with the loss, so that all ranks act on them after the same
/// step.
package struct StepRequests: Sendable {
  package var stop = false
  package var save = false

  package init(stop: Bool = false, save: Bool = false) { (self.stop, self.save) = (stop, save) }
}

/// The time that a rank has spent so far, in seconds of its own clock. A rank may wait in a reduction while rank 0
/// writes a checkpoint, so the clock of one rank can't measure another.
package struct RankTime: Equatable {
  /// The time of all steps.
  var steps = 0.0
  /// The part of the steps spent in reductions, including waiting.
  var communication = 0.0
}

/// The method by which gradients are summed over the ranks, and the times that it was chosen by.
public struct SumChoice: Sendable {
  public var method: SumMethod
  /// The time of a sum of the whole gradient by each method, on the slowest rank; empty if an earlier process of the run measured.
  public var times: [(method: SumMethod, seconds: Double)]

  /// `shared-memory (shared-memory 12.1 ms, messages 30.5 ms)`
  public var summary: String {
    guard !times.isEmpty else { return method.rawValue }
    let all = times.map { "\($0.method.rawValue) \(String(format: "%.1f", $0.seconds * 1e3)) ms" }
    return "\(method.rawValue) (\(all.joined(separator: ", ")))"
  }
}

/// Adds gradients over the shards of this rank and over all ranks.
///
/// A gradient is a SUM over tokens, never a mean of means, because shards hold different numbers of tokens. The loss and the
/// number of tokens are added with it, and the update divides by the global number. A step is
///
///     clear(), then for each shard of this rank buffer(for:), add(_:of:), and last reduce(_:)
package final class GradientReduction {
  /// The gradient of the global batch after ``reduce(_:)``, on every rank.
  package let total: ParameterBuffer<Float>
  private let whole: [Range<Int>]
  private let vector: any SummedVector
  private let plan: ShardPlan
  private let communicator: any Communicator
  private let clock = ContinuousClock()
  /// The time spent in reductions so far, including waiting for other ranks.
  package private(set) var communicationTime = Duration.zero
  /// The time of every rank before the last step; empty for a single rank. The rank that waits the least is the one
  /// that the others wait for.
  package private(set) var rankTimes: [RankTime] = []
  /// The sums over the shards added since ``clear()``, if the fixed tree is not used.
  private var totals = StepTotals()
  /// Whether ``total`` has held parameters or moments since the last step, so that all of it has to be cleared. They are sent
  /// from there because the ranks on a host share its memory; a second such vector would take as much memory as the gradient.
  private var holdsOther = false
  /// Gradients are not added over ranks, only totals are.
  private let isLocal: Bool
  /// The tokens of this rank in this step.
  private(set) var ownTokens = 0.0

  // A node of the fixed tree in reproducible mode.
  private typealias Node = (level: Int, gradient: ParameterBuffer<Float>, totals: StepTotals)
  /// Sums of 1, 2, 4… shards that wait for their sibling in the tree.
  private var pending: [Node] = []
  private var spare: [ParameterBuffer<Float>] = []

  /// Collective.
  package init(
    layout: ParameterLayout, plan: ShardPlan, communicator: any Communicator,
    reduction: ReductionOptions = ReductionOptions()
  ) throws {
    isLocal = reduction.localSteps > 1
    vector = try communicator.makeSummedVector(count: layout.count, wire: reduction.wire)
    if let method = reduction.method.sum { vector.use(method) }
    total = ParameterBuffer(layout, in: vector.elements, owner: vector)
    whole = [0..<total.count]
    self.plan = plan
    self.communicator = communicator
  }

  /// The method by which gradients are summed.
  package var method: SumMethod { vector.method }

  /// The order in which the gradients of ranks are added.
  private var order: SumOrder { plan.isReproducible ? .tree : .any }

  /// Measures every method to sum a gradient, and uses the fastest from now on. Collective; ``total`` must be zero.
  ///
  /// - Parameter known: an earlier choice to use without a measurement, if it is possible here.
  package func chooseMethod(known: SumMethod? = nil) throws -> SumChoice {
    if let known { vector.use(known) }
    guard known == nil, vector.methods.count > 1 else { return SumChoice(method: vector.method, times: []) }
    let times: [(method: SumMethod, seconds: Double)] = try vector.methods.map { method in
      // Another method frees the buffers of the one before.
      vector.method = method
      var rounds = try (0..<4).map { _ in try communicator.slowest { try vector.sum(whole, order) } }
      // The first round allocates memory and opens connections.
      rounds.removeFirst()
      return (method, rounds.sorted()[1])
    }
    // All ranks have the same times, so they choose the same method.
    vector.method = times.min { $0.seconds < $1.seconds }?.method ?? vector.method
    return SumChoice(method: vector.method, times: times)
  }

  /// The share of the elements that the last step summed, above 0.
  package var density: Double {
    let summed = spans.reduce(0) { $0 + $1.count }
    return Double(max(1, summed)) / Double(max(1, total.count))
  }

  /// The ranges in which ``total`` may differ from zero, the same on every rank.
  package var spans: [Range<Int>] {
    // The tree's sums don't record which rows were touched.
    plan.isReproducible ? whole : total.spans
  }

  /// The norm of ``total``, summed in the same order on every rank.
  package var norm: Double {
    StepProfile.measure(.optimizer) { gradientNorm(UnsafeBufferPointer(total.elements), in: spans) }
  }

  /// Sets the gradient of the last step to zero.
  package func clear() {
    totals = StepTotals()
    if holdsOther {
      total.fill(0)
      holdsOther = false
    } else if !plan.isReproducible {
      total.clear()
    }
  }

  /// Returns the buffer to which the gradient of a shard is added. The shards of this rank must come in order.
  package func buffer(for shard: Int) -> ParameterBuffer<Float> {
    guard plan.isReproducible else { return total }
    let gradient = spare.popLast() ?? ParameterBuffer<Float>(total.layout)
    gradient.fill(0)
    pending.append((0, gradient, StepTotals()))
    return gradient
  }

  /// Adds the loss of a shard whose gradient is complete.
  package func add(_ loss: LossSum, of shard: Int) {
    guard plan.isReproducible, var node = pending.popLast() else {
      totals.loss += loss.total
      totals.tokens += Double(loss.tokens)
      return
    }
    // Shards are added in pairs, pairs of pairs and so on, like the digits of a binary counter: log2 buffers suffice.
    node.totals = StepTotals(loss)
    while let sibling = pending.last, sibling.level == node.level {
      pending.removeLast()
      let (part, sum) = (node.gradient.elements, sibling.gradient.elements)
      if let part = part.baseAddress, let sum = sum.baseAddress { sum.addScaled(1, part, count: total.count) }
      spare.append(node.gradient)
      let totals = zip(sibling.totals.values, node.totals.values).map { $0 + $1 }
      node = (node.level + 1, sibling.gradient, StepTotals(values: totals))
    }
    pending.append(node)
  }

  /// Sums the gradients over all ranks (collective).
  ///
  /// - Parameters:
  ///   - check: throws if the ranks differ; nil: the ranks are not compared.
  ///   - stepTime: the time of all earlier steps of this rank.
  func reduce(
    _ requests: StepRequests = StepRequests(), _ check: ReplicaCheck? = nil, stepTime: Duration = .zero
  ) throws -> StepTotals {
    // A power-of-two number of shards leaves exactly one sum.
    if plan.isReproducible, let root = pending.popLast() {
      _ = total.elements.update(fromContentsOf: UnsafeBufferPointer(root.gradient.elements))
      spare.append(root.gradient)
      totals = root.totals
    }
    totals.stopRequests = requests.stop ? 1 : 0
    totals.saveRequests = requests.save ? 1 : 0
    totals.replicaHash = check?.hash ?? 0
    ownTokens = totals.tokens
    if isLocal {
      let norm = totals.tokens > 0 ? self.norm / totals.tokens : 0
      (totals.norm, totals.failures) = norm.isFinite && totals.loss.isFinite ? (norm, 0) : (0, 1)
    }
    guard communicator.worldSize > 1 else { return totals }
    return try measure { try sum(check, stepTime: stepTime) }
  }

  /// Sums the totals and, unless steps are local, the gradients.
  private func sum(_ check: ReplicaCheck?, stepTime: Duration) throws -> StepTotals {
    let ranks = communicator.worldSize
    // Behind the totals each rank has numbers of its own, which it adds to zeros. Losses are among them, because their sum must
    // not depend on the number of ranks.
    let own = [totals.loss, stepTime / .seconds(1), communicationTime / .seconds(1)]
    let count = totals.values.count
    var values = totals.values + [Double](repeating: 0, count: own.count * ranks)
    func place(_ rank: Int) -> Int { count + own.count * rank }
    values.replaceSubrange(place(communicator.rank)..<place(communicator.rank + 1), with: own)
    try values.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
    if !isLocal {
      if !plan.isReproducible { try uniteTouchedRows() }
      try vector.sum(spans, order)
    }
    rankTimes = (0..<ranks).map {
      RankTime(steps: values[place($0) + 1], communication: values[place($0) + 2])
    }
    var sums = StepTotals(values: values)
    sums.loss = Self.sumInPairs((0..<ranks).map { values[place($0)] })
    try check?.require(sum: sums.replicaHash, on: communicator)
    return sums
  }

  /// The sum in the binary tree of reproducible mode.
  private static func sumInPairs(_ values: [Double]) -> Double {
    var level = values
    while level.count > 1 {
      level = stride(from: 0, to: level.count, by: 2).map { index in
        index + 1 < level.count ? level[index] + level[index + 1] : level[index]
      }
    }
    return level[0]
  }

  /// Overwrites ``total`` with parameters, of which each rank has its ``vectorPart(of:rank:ranks:)``. Collective.
  ///
  /// The gradient has been used by then. ``clear()`` makes ``total`` a gradient again.
  func gather(_ parameters: UnsafeBufferPointer<Float>, part: Range<Int>) throws {
    holdsOther = true
    _ = total.elements[part].update(fromContentsOf: parameters[part])
    try measure { try vector.gatherParts() }
  }

  /// Sums all elements of ``total`` over the ranks, whatever they are. Collective. ``clear()`` makes it a gradient again.
  func sumAll() throws {
    holdsOther = true
    try measure { try vector.sum(whole) }
  }

  /// Adds the time of `body` to ``communicationTime``.
  func measure<Value>(_ body: () throws -> Value) rethrows -> Value {
    let started = clock.now
    defer { communicationTime += clock.now - started }
    return try body()
  }

  /// Exchanges the rows of tables to which any rank has added, if there are tables.
  private func uniteTouchedRows() throws {
    guard !total.layout.tables.isEmpty else { return }
    for (rank, bytes) in try communicator.allgather(TouchedRowsCode.bytes(total.touchedRows)).enumerated()
    where rank != communicator.rank {
      TouchedRowsCode.forEachTable(bytes) { total.touch($1, ofTable: $0) }
    }
  }
}

/// The encoding of table rows for other ranks of the same job: for each table its number of rows, -1 for all, then the
/// rows.
private enum TouchedRowsCode {
  static func bytes(_ rows: [[Int32]?]) -> [UInt8] {
    var words: [Int32] = []
    words.reserveCapacity(rows.reduce(0) { $0 + 1 + ($1?.count ?? 0) })
    for table in rows {
      words.append(table.map { Int32($0.count) } ?? -1)
      if let table { words.append(contentsOf: table) }
    }
    return words.withUnsafeBytes(Array.init)
  }

  /// Calls `body` for each table with its rows.
  static func forEachTable(_ bytes: [UInt8], _ body: (_ table: Int, UnsafeBufferPointer<Int32>?) -> Void) {
    bytes.withUnsafeBytes { raw in
      let words = raw.bindMemory(to: Int32.self)
      var (table, next) = (0, 0)
      while next < words.count {
        let count = Int(words[next])
        let rows = next + 1..<next + 1 + max(0, count)
        body(table, count < 0 ? nil : UnsafeBufferPointer(rebasing: words[rows]))
        (table, next) = (table + 1, rows.upperBound)
      }
    }
  }
}
