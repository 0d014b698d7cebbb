import Checkpoints
import Communication
import NumericKernels

/// The chosen method for a class of matrix products.
public struct ProductChoice: Codable, Sendable, Equatable {
  public var shape: ProductShape
  public var backend: ProductBackend

  public init(_ shape: ProductShape, _ backend: ProductBackend) {
    self.shape = shape
    self.backend = backend
  }
}

/// The choices of a run, the same on all ranks and kept in its checkpoints.
public struct ProductChoices: Codable, Sendable, Equatable {
  public var choices: [ProductChoice]
  /// The number of classes that were not measured because the time was over. They follow the rule.
  public var unmeasured: Int

  public init(_ choices: [ProductChoice] = [], unmeasured: Int = 0) {
    self.choices = choices
    self.unmeasured = unmeasured
  }

  /// The choices as the table that products look up.
  public var table: ProductTable {
    ProductTable(Dictionary(choices.map { ($0.shape, $0.backend) }) { first, _ in first })
  }

  /// A summary in one line, such as `14 of 17 shapes by our kernels, 3 by OpenBLAS`.
  public var summary: String {
    func count(_ backend: ProductBackend) -> Int { choices.count { $0.backend == backend } }
    let all = choices.count + unmeasured
    let rest =
      unmeasured == 0
      ? ""
      : ", \(unmeasured) not measured and so by \(ProductMode.rule == .kernels ? "our kernels" : "OpenBLAS")"
    return "\(count(.kernels)) of \(all) \(all == 1 ? "shape" : "shapes") by our kernels, \(count(.blas)) by "
      + "OpenBLAS" + rest
  }
}

/// Measures the matrix products of a run and chooses the method of each for all ranks.
package struct ProductSelection {
  /// The cache of measurements; nil: they are not kept.
  package var cache: ProductCache?
  package var tuner: ProductTuner

  package init(cache: ProductCache?, tuner: ProductTuner = ProductTuner()) {
    (self.cache, self.tuner) = (cache, tuner)
  }

  /// The choices, and the warnings about the cache that rank 0 reports.
  package struct Result: Sendable {
    package var choices: ProductChoices
    package var measurements: [ProductMeasurement]
    package var warnings: [String]
  }

  /// Returns rank 0's choices for the products of all ranks on every rank (collective).
  ///
  /// Only rank 0 measures, because two ranks would come to different choices. It measures only products that are not in
  /// the cache. `measurements` and `warnings` are empty on the other ranks.
  package func choose(_ uses: [ProductUse], on communicator: any Communicator) throws -> Result {
    let everyone = try communicator.allgather(try ExactJSON.encode(uses))
    var result = Result(choices: ProductChoices(), measurements: [], warnings: [])
    let choices = try communicator.readOnRank0 {
      let met = Self.merged(try everyone.map { try ExactJSON.decode([ProductUse].self, from: $0) })
      result = measure(met)
      return try ExactJSON.encode(result.choices)
    }
    result.choices = try ExactJSON.decode(ProductChoices.self, from: choices)
    return result
  }

  /// Merges the uses of all ranks and sorts them, the largest share of the work first.
  private static func merged(_ ranks: [[ProductUse]]) -> [ProductUse] {
    var all: [ProductShape: ProductUse] = [:]
    for use in ranks.joined() {
      guard var sum = all[use.shape] else {
        all[use.shape] = use
        continue
      }
      let packings = sum.packingsPerCall * Double(sum.calls) + use.packingsPerCall * Double(use.calls)
      sum.calls += use.calls
      sum.packingsPerCall = packings / Double(max(1, sum.calls))
      sum.extent = max(sum.extent, use.extent)
      all[use.shape] = sum
    }
    return all.values.sorted { ($1.operations, $0.shape.description) < ($0.operations, $1.shape.description) }
  }

  private func measure(_ uses: [ProductUse]) -> Result {
    var (known, warnings) = cache?.load() ?? ([:], [])
    let missing = uses.filter { known[$0.shape] == nil }
    let new = tuner.measure(missing)
    for measurement in new { known[measurement.shape] = measurement }
    if let cache, !new.isEmpty, let warning = cache.save(known) { warnings.append(warning) }
    let found = uses.compactMap { known[$0.shape] }
    return Result(
      choices: ProductChoices(
        found.map { ProductChoice($0.shape, $0.backend) }, unmeasured: uses.count - found.count),
      measurements: found, warnings: warnings)
  }
}
