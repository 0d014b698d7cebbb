import NumericKernels

/// Measures the machine's matrix products: its peak, and what the shapes of a recurrent step reach of it.
public enum ProductBenchmark {
  /// One shape, [rows, depth] times [depth, columns].
  public struct Measurement: Sendable {
    public var rows: Int
    public var columns: Int
    public var depth: Int
    /// GFLOP/s with weights packed once and used many times; nil where the processor has no such kernel.
    public var packed: Double?
    /// GFLOP/s of the BLAS on the same product.
    public var blas: Double
  }

  /// Rows (batch), columns (gates), depth (units) of recurrent steps, and a large square for the BLAS at its best.
  public static let shapes: [(rows: Int, columns: Int, depth: Int)] = [
    (64, 2048, 512), (32, 2048, 512), (20, 2560, 640), (48, 4096, 1024), (32, 1024, 256), (20, 800, 200),
    (1, 2048, 512), (1024, 1024, 1024),
  ]

  /// The largest GFLOP/s of one core's multiply-add units that a product out of the first-level cache reaches.
  public static func peak() -> Double {
    let measured = measure(rows: 48, columns: 64, depth: 64, seconds: 0.2)
    return max(measured.packed ?? 0, measured.blas)
  }

  /// Times one shape, the two ways in turn, and keeps the best of five.
  public static func measure(rows: Int, columns: Int, depth: Int, seconds: Double = 0.1) -> Measurement {
    let arena = Arena<Float>()
    let (a, weight) = (arena.zeros(rows, depth), arena.zeros(columns, depth))
    let c = arena.zeros(rows, columns)
    var packed = 0.0
    var blas = 0.0
    let prepared = PackedMatrix(weight, transposed: true)
    for _ in 0..<5 {
      if Float.hasPackedProduct {
        packed = max(
          packed, rate(rows, columns, depth, seconds / 10) { prepared.multiply(a, into: c, accumulate: true) }
        )
      }
      blas = max(
        blas,
        rate(rows, columns, depth, seconds / 10) { multiply(a, weight, .right, into: c, accumulate: true) })
    }
    return Measurement(
      rows: rows, columns: columns, depth: depth, packed: Float.hasPackedProduct ? packed : nil, blas: blas)
  }

  /// GFLOP/s of a product repeated for about `seconds`.
  private static func rate(_ m: Int, _ n: Int, _ k: Int, _ seconds: Double, _ product: () -> Void) -> Double {
    let clock = ContinuousClock()
    product()
    let started = clock.now
    var count = 0
    repeat {
      for _ in 0..<8 { product() }
      count += 8
    } while (clock.now - started).inSeconds < seconds
    return 2e-9 * Double(m * n * k) * Double(count) / (clock.now - started).inSeconds
  }
}
