import NumericKernels

/// What a class of products takes, both ways.
public struct ProductMeasurement: Codable, Sendable, Equatable {
  public var shape: ProductShape
  public var backend: ProductBackend
  /// Microseconds a product, its share in packing included.
  public var kernels: Double
  public var blas: Double

  /// The faster way; the other than the rule's only where it is clearly faster, lest noise decides.
  ///
  /// - Parameter rule: who computes products that were not measured.
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

/// Measures products both ways, those with the largest share of the work first, until the time for it is over.
public struct ProductTuner: Sendable {
  /// Microseconds of one product with the kernels and with the BLAS.
  public typealias Times = (kernels: Double, blas: Double)

  /// Seconds for all classes together; the one that is being measured when they are over is measured to its end.
  public var budget: Double
  /// Measures one class in about so many seconds.
  var time: @Sendable (_ use: ProductUse, _ seconds: Double) -> Times

  public init(budget: Double = 2) { self.init(budget: budget, time: Self.measureTimes) }

  init(budget: Double = 2, time: @escaping @Sendable (_ use: ProductUse, _ seconds: Double) -> Times) {
    self.budget = budget
    self.time = time
  }

  /// The measurements of as many of the products as there was time for, in their order.
  public func measure(_ uses: [ProductUse]) -> [ProductMeasurement] {
    let clock = ContinuousClock()
    let started = clock.now
    let work = uses.reduce(0) { $0 + $1.operations }
    var results: [ProductMeasurement] = []
    for use in uses {
      guard (clock.now - started).inSeconds < budget else { break }
      // Half of the time by share of the work, half evenly: small products add up as well.
      let share = 0.5 * use.operations / max(1, work) + 0.5 / Double(uses.count)
      let times = time(use, budget * share)
      results.append(ProductMeasurement(use.shape, kernels: times.kernels, blas: times.blas))
    }
    return results
  }

  // MARK: One class

  private static let fewestRounds = 2
  private static let mostRounds = 20

  /// Both ways in turn, the best of several rounds each. All but the first, which touches all memory, are long enough for
  /// the clock.
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
      return max(1e-3, 1e6 * (clock.now - start).inSeconds / Double(repeats))
    }
    for round in 0..<mostRounds {
      if round >= fewestRounds, (clock.now - started).inSeconds >= seconds { break }
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

  /// Microseconds that are long enough to be timed.
  private static let shortest = 100.0
}

/// A product of zeros with the sizes of a class, computed either way.
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
  /// Everything in single precision by this way.
  var mode: ProductMode { self == .kernels ? ProductMode(.fp32, on: .best) : .blas }
}
