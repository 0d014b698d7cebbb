import NumericKernels

/// Measures matrix products on this machine: the peak of its multiply-add units, and the fraction of it that the
/// products of training steps reach.
public enum ProductBenchmark {
  /// The use of a matrix product, which determines the form of its operands.
  public enum Role: String, Sendable {
    /// States times weights that are packed once for all time steps.
    case recurrent
    /// Rows times a transposed weight that is used once: the logits.
    case output
    /// Rows times a weight that is used once: the gradient of the input.
    case back
    /// Transposed gradients times rows: the gradient of a weight.
    case gradient
  }

  /// A matrix product of [rows, depth] and [depth, columns].
  public struct Shape: Sendable {
    public var role: Role
    public var rows: Int
    public var columns: Int
    public var depth: Int
  }

  /// The GFLOP/s of one shape.
  public struct Measurement: Sendable {
    public var shape: Shape
    public var fp32: Double
    public var bf16: Double
    /// The GFLOP/s of the BLAS for the same product in fp32.
    public var blas: Double
  }

  /// The products of the models in Benchmarks on two ranks, and of larger batches.
  public static let shapes: [Shape] =
    [
      (64, 2048, 512), (32, 2048, 512), (20, 2048, 512), (20, 2560, 640), (10, 2600, 650), (48, 4096, 1024),
      (32, 512, 2048), (10, 800, 200), (1, 2048, 512), (1600, 2048, 512),
    ].map { Shape(role: .recurrent, rows: $0, columns: $1, depth: $2) } + [
      Shape(role: .gradient, rows: 2048, columns: 512, depth: 1600),
      Shape(role: .gradient, rows: 2600, columns: 650, depth: 350),
      Shape(role: .gradient, rows: 800, columns: 200, depth: 200),
      Shape(role: .output, rows: 350, columns: 10_000, depth: 650),
      Shape(role: .back, rows: 350, columns: 650, depth: 10_000),
      Shape(role: .gradient, rows: 10_000, columns: 650, depth: 350),
      Shape(role: .output, rows: 1600, columns: 65, depth: 512),
    ]

  /// The same products and others, used to choose between kernels and BLAS: the backward pass through packed weights,
  /// square matrices, and products of one row or few columns.
  public static var uses: [ProductUse] {
    let further: [(ProductForm, Int, Int, Int)] = [
      (.packed, 64, 512, 2048), (.packed, 10, 200, 800), (.packed, 10, 650, 2600), (.packed, 1600, 512, 2048),
      (.packed, 350, 650, 2600), (.packedTransposed, 200, 800, 200), (.packedTransposed, 350, 2600, 650),
      (.packedTransposed, 1, 10_000, 650), (.right, 200, 10_000, 200), (.plain, 200, 200, 10_000),
      (.left, 10_000, 200, 200), (.right, 1280, 8000, 256), (.plain, 1280, 256, 8000),
      (.left, 8000, 256, 1280),
      (.plain, 64, 64, 64), (.plain, 256, 256, 256), (.plain, 1024, 1024, 1024), (.right, 1024, 1024, 1024),
      (.left, 1024, 1024, 1024), (.plain, 1, 512, 512), (.right, 32, 8, 512), (.left, 7, 5, 3000),
    ]
    let all = shapes.map { ($0.role.form, $0.rows, $0.columns, $0.depth) } + further
    var seen: Set<ProductShape> = []
    return all.compactMap { form, rows, columns, depth in
      guard let shape = ProductShape(form, rows: rows, columns: columns, depth: depth),
        seen.insert(shape).inserted
      else { return nil }
      return ProductUse(shape, extent: form == .left ? depth : rows, calls: 1)
    }
  }

  /// Times one shape with three methods alternately, and keeps the best of five rounds.
  public static func measure(_ shape: Shape, seconds: Double = 0.1) -> Measurement {
    let arena = Arena<Float>()
    // The views don't retain the memory that they point to.
    return withExtendedLifetime(arena) { measure(shape, seconds: seconds, arena) }
  }

  private static func measure(_ shape: Shape, seconds: Double, _ arena: Arena<Float>) -> Measurement {
    let (m, n, k) = (shape.rows, shape.columns, shape.depth)
    let transposition = shape.role.transposition
    let a = transposition == .left ? arena.zeros(k, m) : arena.zeros(m, k)
    let b = transposition == .right ? arena.zeros(n, k) : arena.zeros(k, n)
    let c = arena.zeros(m, n)
    var result = Measurement(shape: shape, fp32: 0, bf16: 0, blas: 0)
    let packed = [ProductPrecision.fp32, .bf16].map {
      PackedMatrix(b, transposed: transposition == .right, mode: ProductMode($0))
    }
    func rate(_ product: () -> Void) -> Double {
      best(of: 1, seconds: seconds / 10) {
        product()
        return 2 * Double(m) * Double(n) * Double(k)
      }
    }
    func kernels(_ precision: Int) -> Double {
      rate {
        if shape.role == .recurrent {
          packed[precision].multiply(a, into: c, accumulate: true)
        } else {
          multiply(
            a, b, transposition, into: c, accumulate: true, mode: ProductMode(precision == 0 ? .fp32 : .bf16))
        }
      }
    }
    for _ in 0..<5 {
      result.fp32 = max(result.fp32, kernels(0))
      result.bf16 = max(result.bf16, kernels(1))
      result.blas = max(
        result.blas,
        rate {
          BLAS.multiply(a, b, transposition, into: c, accumulate: true)
        })
    }
    return result
  }

  /// The highest rate, in billions per second, of several runs of about `seconds`. `operations` returns the number of
  /// operations that it has done.
  fileprivate static func best(of runs: Int, seconds: Double, _ operations: () -> Double) -> Double {
    let clock = ContinuousClock()
    return (0..<runs).reduce(0.0) { best, _ in
      var (count, started) = (0.0, clock.now)
      _ = operations()
      started = clock.now
      repeat { count += operations() } while clock.now - started < .seconds(seconds)
      return max(best, count / ((clock.now - started) / .nanoseconds(1)))
    }
  }
}

extension ProductBenchmark.Role {
  var form: ProductForm {
    switch self {
    case .recurrent: .packedTransposed
    case .output: .right
    case .back: .plain
    case .gradient: .left
    }
  }

  var transposition: Transposition {
    switch self {
    case .recurrent, .output: .right
    case .back: .none
    case .gradient: .left
    }
  }
}

extension MultiplyAddPeak {
  /// The GFLOP/s of one core's multiply-add units without loads and stores. The measurement takes a tenth of a second.
  public static func measured(_ precision: ProductPrecision) -> Double {
    ProductBenchmark.best(of: 5, seconds: 0.02) { run(precision, rounds: 20_000) }
  }
}

extension ReadBandwidth {
  /// The bytes per second when a block of `bytes` is read repeatedly, from the cache or the memory that holds it. The
  /// measurement takes a tenth of a second.
  public static func measured(bytes: Int) -> Double {
    let block = AlignedBuffer<Float>(count: max(1 << 12, bytes / MemoryLayout<Float>.stride))
    return 1e9 * ProductBenchmark.best(of: 5, seconds: 0.02) { run(block) }
  }
}
