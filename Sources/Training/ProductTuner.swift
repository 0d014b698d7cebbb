import NumericKernels

/// How long one shape of matrix product takes with our own kernels and with BLAS.
public struct ProductMeasurement: Codable, Sendable, Equatable {
  public var shape: ProductShape
  public var backend: ProductBackend
  /// Microseconds per product, including its share of packing.
  public var kernels: Double
  public var blas: Double

  /// Chooses the faster method. If it is not the method of the rule, it must be clearly faster, so that noise does not
  /// decide.
  ///
  /// - Parameter rule: the method for products that were not measured.
  public init(_ shape: ProductShape, kernels: Double, blas: Double, rule: ProductBackend = ProductMode.rule) {
    self.shape = shape
    self.kernels = kernels
    self.blas = blas
    let (usual, other) = rule == .kernels ? (kernels, blas) : (blas, kernels)
    let isClear = other < (1 - Self.margin) * usual
    backend = isClear == (rule == .kernels) ? .blas : .kernels
  }

  private static let margin = 0.03
}

/// Measures matrix products with the kernels and with the BLAS in the given order until the time is over.
public struct ProductTuner: Sendable {
  /// The microseconds of one product with the kernels and with the BLAS.
  public typealias Times = (kernels: Double, blas: Double)

  /// The seconds for all classes together. A measurement that has started is finished.
  public var budget: Double
  /// Measures one class in about the given number of seconds.
  var time: @Sendable (_ use: ProductUse, _ seconds: Double) -> Times

  public init(budget: Double = 2) { self.init(budget: budget, time: Self.measureTimes) }

  init(budget: Double = 2, time: @escaping @Sendable (_ use: ProductUse, _ seconds: Double) -> Times) {
    self.budget = budget
    self.time = time
  }

  /// Returns the measurements of the first products, up to the limit of time.
  public func measure(_ uses: [ProductUse]) -> [ProductMeasurement] {
    let clock = ContinuousClock()
    let started = clock.now
    let work = uses.reduce(0) { $0 + $1.operations }
    var results: [ProductMeasurement] = []
    for use in uses {
      guard clock.now - started < .seconds(budget) else { break }
      // Half of the time is divided by the share of the work and half evenly, because many small products add up.
      let share = 0.5 * use.operations / max(1, work) + 0.5 / Double(uses.count)
      let times = time(use, budget * share)
      results.append(ProductMeasurement(use.shape, kernels: times.kernels, blas: times.blas))
    }
    return results
  }

  // MARK: One class

  private static let fewestRounds = 2
  private static let mostRounds = 20

  /// Times both methods alternately and keeps the best of several rounds. The first round touches all memory; the later
  /// ones are long enough for the clock.
  private static func measureTimes(_ use: ProductUse, seconds: Double) -> Times {
    let bench = ProductBench(use)
    let clock = ContinuousClock()
    let started = clock.now
    var best: Times = (.infinity, .infinity)
    var packing = use.packingsPerCall > 0 ? Double.infinity : 0
    var repeats = 1
    func microseconds(_ body: () -> Void) -> Double {
      let start = clock.now
      for _ in 0..<repeats { body() }
      return max(1e-3, (clock.now - start) / .microseconds(1) / Double(repeats))
    }
    for round in 0..<mostRounds {
      if round >= fewestRounds, clock.now - started >= .seconds(seconds) { break }
      best.kernels = min(best.kernels, microseconds { bench.multiply(.kernels) })
      best.blas = min(best.blas, microseconds { bench.multiply(.blas) })
      if packing > 0 {
        packing = min(packing, max(0, microseconds { bench.packAndMultiply() } - best.kernels))
      }
      repeats = max(1, Int(shortest / min(best.kernels, best.blas)))
    }
    best.kernels += use.packingsPerCall * packing
    return best
  }

  /// The duration of the shortest round that the clock can measure, in microseconds.
  private static let shortest = 100.0
}

/// A product of zeros with the sizes of a class, for both methods.
private final class ProductBench {
  private let use: ProductUse
  private let arena = Arena<Float>()
  private let (a, b, c): (MatrixView<Float>, MatrixView<Float>, MatrixView<Float>)
  private let packed: [ProductBackend: PackedMatrix<Float>]

  init(_ use: ProductUse) {
    self.use = use
    let (m, n, k) = (use.rows, use.shape.columns, use.depth)
    a = use.shape.form == .left ? arena.zeros(k, m) : arena.zeros(m, k)
    let isTransposed = use.shape.form == .right || use.shape.form == .packedTransposed
    let b = isTransposed ? arena.zeros(n, k) : arena.zeros(k, n)
    self.b = b
    c = arena.zeros(m, n)
    let isPacked = use.shape.form == .packed || use.shape.form == .packedTransposed
    packed =
      isPacked
      ? Dictionary(
        uniqueKeysWithValues: ProductBackend.allCases.map {
          ($0, PackedMatrix(b, transposed: isTransposed, mode: $0.mode))
        }) : [:]
  }

  func multiply(_ backend: ProductBackend) {
    if let matrix = packed[backend] {
      matrix.multiply(a, into: c, accumulate: true)
    } else {
      NumericKernels.multiply(a, b, transposition, into: c, accumulate: true, mode: backend.mode)
    }
  }

  func packAndMultiply() {
    packed[.kernels]?.repack()
    multiply(.kernels)
  }

  private var transposition: Transposition {
    switch use.shape.form {
    case .plain, .packed: .none
    case .left: .left
    case .right, .packedTransposed: .right
    }
  }
}

extension ProductBackend {
  /// The mode in which all products are computed in single precision with this method.
  var mode: ProductMode { self == .kernels ? ProductMode(.fp32, on: .inUse) : .blas }
}
