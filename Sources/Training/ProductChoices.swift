import Communication
import NumericKernels

/// The way that was chosen for a class of products.
public struct ProductChoice: Codable, Sendable, Equatable {
  public var shape: ProductShape
  public var backend: ProductBackend

  public init(_ shape: ProductShape, _ backend: ProductBackend) {
    self.shape = shape
    self.backend = backend
  }
}

/// The choices of a run: what all ranks multiply by, and what a checkpoint keeps.
public struct ProductChoices: Codable, Sendable, Equatable {
  public var choices: [ProductChoice]
  /// Classes that were met and not measured in the time there was: they follow the rule.
  public var unmeasured: Int

  public init(_ choices: [ProductChoice] = [], unmeasured: Int = 0) {
    self.choices = choices
    self.unmeasured = unmeasured
  }

  /// In the form in which products ask.
  public var table: ProductTable {
    ProductTable(Dictionary(choices.map { ($0.shape, $0.backend) }) { first, _ in first })
  }

  /// One line, such as `14 of 17 shapes by our kernels, 3 by OpenBLAS`.
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

/// Lays down for all ranks how the products of a run are computed, by measurement.
package struct ProductSelection {
  /// Where measurements are kept; nil: nowhere.
  package var cache: ProductCache?
  package var tuner: ProductTuner

  package init(cache: ProductCache?, tuner: ProductTuner = ProductTuner()) {
    (self.cache, self.tuner) = (cache, tuner)
  }

  /// What was chosen, and what rank 0 should say about the cache.
  package struct Result: Sendable {
    package var choices: ProductChoices
    package var measurements: [ProductMeasurement]
    package var warnings: [String]
  }

  /// Rank 0's choices for the products that any rank has met, on every rank. Collective.
  ///
  /// Measured on rank 0 alone and only where the cache knows nothing: two ranks that measure would not come to the same.
  /// `measurements` and `warnings` are empty on the others.
  package func choose(_ uses: [ProductUse], on communicator: any Communicator) throws -> Result {
    let everyone = try communicator.allgather(try JSONText.encode(uses))
    var result = Result(choices: ProductChoices(), measurements: [], warnings: [])
    let bytes = try communicator.agree { () -> [UInt8] in
      guard communicator.rank == 0 else { return [] }
      let met = Self.merged(try everyone.map { try JSONText.decode([ProductUse].self, from: $0) })
      result = measure(met)
      return try JSONText.encode(result.choices)
    }
    let first = try communicator.allgather(bytes)[0]
    result.choices = try JSONText.decode(ProductChoices.self, from: first)
    return result
  }

  /// The uses of all ranks, the largest share of the work first.
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
