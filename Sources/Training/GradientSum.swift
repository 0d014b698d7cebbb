import Communication
import NumericKernels
import Optimizers
import Parameters
import RecurrentNN
import Tasks

/// What all ranks learn of a step besides the gradient: summed in double precision.
package struct StepTotals: Equatable {
  /// Summed loss over the tokens of the global batch, nats.
  package var loss = 0.0
  /// Target tokens of the global batch.
  package var tokens = 0.0
  /// Ranks that were asked to stop, and ranks that were asked for a checkpoint.
  package var stopRequests = 0.0
  package var saveRequests = 0.0

  package static let count = 4
  package var values: [Double] { [loss, tokens, stopRequests, saveRequests] }

  package init(_ loss: LossSum = LossSum()) {
    self.loss = loss.total
    tokens = Double(loss.tokens)
  }

  package init(values: [Double]) {
    loss = values[0]
    tokens = values[1]
    stopRequests = values[2]
    saveRequests = values[3]
  }
}

/// Adds gradients over the shards of this rank and over all ranks: a SUM over tokens, never a mean of means,
/// because shards hold different numbers of tokens. Loss and token count travel along; the one division by
/// the global count comes after.
package final class GradientSum {
  /// The gradient of the global batch after ``reduce(requests:over:)``, on every rank.
  package let total: ParameterBuffer<Float>
  /// Where ``total`` may differ from zero: the same on every rank.
  package var spans: [Range<Int>] {
    // The tree's sums have no record of touched rows.
    plan.isReproducible ? whole : total.spans
  }
  private let whole: [Range<Int>]
  private let vector: any SummedVector
  private let plan: ShardPlan
  private let communicator: any Communicator
  /// Reproducible mode: sums of 1, 2, 4… shards that wait for their sibling in the tree, and a spare buffer.
  private var pending: [(level: Int, gradient: ParameterBuffer<Float>, totals: StepTotals)] = []
  private var spare: [ParameterBuffer<Float>] = []
  private var scratch: AlignedBuffer<Float>?
  private let clock = ContinuousClock()
  /// Time spent in reductions since the start, waiting for other ranks included.
  package private(set) var communicationTime = Duration.zero

  /// Collective.
  package init(layout: ParameterLayout, plan: ShardPlan, communicator: any Communicator) throws {
    vector = try communicator.makeSummedVector(count: layout.count)
    total = ParameterBuffer(layout, in: vector.elements, owner: vector)
    whole = [0..<total.count]
    self.plan = plan
    self.communicator = communicator
  }

  /// Runs `compute` for every shard of this rank, giving it a buffer to add its gradient to, and sums over
  /// all ranks.
  ///
  /// - Parameters:
  ///   - requests: stop and checkpoint requests of this rank, added to the totals.
  ///   - compute: adds the gradient of a shard to the buffer, returns its loss.
  package func reduce(
    requests: (stop: Bool, save: Bool),
    over compute: (_ shard: Int, ParameterBuffer<Float>) throws -> LossSum
  ) throws -> StepTotals {
    var totals = plan.isReproducible ? try treeOfShards(compute) : try plainSum(compute)
    totals.stopRequests = requests.stop ? 1 : 0
    totals.saveRequests = requests.save ? 1 : 0
    let started = clock.now
    if communicator.worldSize > 1 { totals = try sumOverRanks(totals) }
    communicationTime += clock.now - started
    return totals
  }

  /// The norm of ``total``, in the same order on every rank.
  package var norm: Double {
    StepProfile.measure(.optimizer) { gradientNorm(UnsafeBufferPointer(total.elements), in: spans) }
  }

  private func sumOverRanks(_ totals: StepTotals) throws -> StepTotals {
    var values = totals.values
    if plan.isReproducible {
      try treeOverRanks(&values)
    } else {
      try values.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
      try uniteTouchedRows()
      try vector.sum(total.spans)
    }
    return StepTotals(values: values)
  }

  /// Every rank learns which rows of tables any rank has added to, if there are tables at all.
  private func uniteTouchedRows() throws {
    guard !total.layout.tables.isEmpty else { return }
    for (rank, bytes) in try communicator.allgather(TouchedRowsCode.bytes(total.touchedRows)).enumerated()
    where rank != communicator.rank {
      TouchedRowsCode.forEachTable(bytes) { total.touch($1, ofTable: $0) }
    }
  }

  private func plainSum(_ compute: (Int, ParameterBuffer<Float>) throws -> LossSum) throws -> StepTotals {
    total.clear()
    var loss = LossSum()
    for shard in plan.own { loss += try compute(shard, total) }
    return StepTotals(loss)
  }

  // MARK: The fixed tree

  /// Adds this rank's shards in pairs, pairs of pairs and so on, like a binary counter: log2 buffers suffice.
  private func treeOfShards(_ compute: (Int, ParameterBuffer<Float>) throws -> LossSum) throws -> StepTotals {
    for shard in plan.own {
      var gradient = spare.popLast() ?? ParameterBuffer<Float>(total.layout)
      gradient.fill(0)
      var totals = StepTotals(try compute(shard, gradient))
      var level = 0
      while let sibling = pending.last, sibling.level == level {
        pending.removeLast()
        Float.axpy(1, gradient.elements.baseAddress!, sibling.gradient.elements.baseAddress!, gradient.count)
        spare.append(gradient)
        gradient = sibling.gradient
        totals = StepTotals(values: zip(sibling.totals.values, totals.values).map { $0 + $1 })
        level += 1
      }
      pending.append((level, gradient, totals))
    }
    // A power-of-two number of shards leaves exactly one sum.
    let root = pending.removeLast()
    _ = total.elements.update(fromContentsOf: UnsafeBufferPointer(root.gradient.elements))
    spare.append(root.gradient)
    return root.totals
  }

  private func treeOverRanks(_ values: inout [Double]) throws {
    let scratch = self.scratch ?? AlignedBuffer<Float>(count: min(max(1, total.count), 1 << 20))
    self.scratch = scratch
    var room = [Double](repeating: 0, count: values.count)
    try values.withUnsafeMutableBufferPointer { values in
      try room.withUnsafeMutableBufferPointer { room in
        try communicator.treeSum(values, scratch: room)
      }
    }
    try communicator.treeSum(total.elements, scratch: scratch.elements)
  }
}

/// Rows of tables as bytes for other ranks of the same job: for each table its number of rows, -1 for all, then the rows.
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
