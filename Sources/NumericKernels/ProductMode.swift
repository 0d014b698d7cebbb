import CKernels

/// The precision of the operands of matrix products. Results and everything else are in single precision.
public enum ProductPrecision: String, Sendable, Hashable, CaseIterable {
  case fp32
  /// Both operands rounded to bfloat16 (8 bits of mantissa), to nearest, ties to even.
  case bf16
  /// For inference: weights of eight bits with one scale per column (symmetric), states of up to 14 bits with one scale per row.
  /// It applies only to products with packed weights; all others are in single precision.
  case int8

  /// The precisions in which a model can be trained.
  public static let ofTraining: [ProductPrecision] = [.fp32, .bf16]
}

/// The way a matrix product is computed: its precision, and whether the kernels or the BLAS compute it.
///
/// Without a table, the choice depends on processor and precision and never on a measurement, so ranks on equal
/// processors compute equal bits. A table of choices must be the same on all ranks.
public struct ProductMode: Sendable, Hashable {
  public let precision: ProductPrecision
  let instructionSet: InstructionSet
  /// The backend of products that are not in the table.
  private let rule: ProductBackend
  /// Choices for single shapes.
  private let table: ProductTable?
  /// Whether the backend is chosen by rule or table rather than given.
  let isChosen: Bool
  /// Whether sums over the depth are cut in the same way with AVX2 and AVX-512, so that both have the same bits in fp32.
  public let hasOneOrder: Bool

  private init(
    _ precision: ProductPrecision, _ set: InstructionSet, _ rule: ProductBackend, _ table: ProductTable?,
    isChosen: Bool, hasOneOrder: Bool = false
  ) {
    self.hasOneOrder = hasOneOrder
    self.precision = precision
    instructionSet = set
    self.rule = rule
    self.table = table
    self.isChosen = isChosen
  }

  /// - Parameters:
  ///   - table: choices for shapes; other shapes follow ``rule``. In bf16, which the BLAS does not have, the kernels
  ///     compute everything.
  ///   - hasOneOrder: see ``hasOneOrder``.
  public init(
    _ precision: ProductPrecision = .fp32, choosing table: ProductTable? = nil, hasOneOrder: Bool = false
  ) {
    let (rule, isChosen): (ProductBackend, Bool) = precision == .fp32 ? (Self.rule, true) : (.kernels, false)
    self.init(
      precision, .inUse, rule, isChosen ? table : nil, isChosen: isChosen, hasOneOrder: hasOneOrder)
  }

  /// The product kernels of an instruction set for all shapes.
  public init(
    _ precision: ProductPrecision = .fp32, on instructionSet: InstructionSet, hasOneOrder: Bool = false
  ) {
    self.init(
      precision, instructionSet, .kernels, nil, isChosen: false, hasOneOrder: hasOneOrder)
  }

  /// The BLAS in single precision for all shapes.
  public static var blas: ProductMode { ProductMode(.fp32, .inUse, .blas, nil, isChosen: false) }

  /// The backend of single-precision products without a table: the kernels, or the BLAS if only the portable kernels are
  /// in use. Measured: the kernels beat OpenBLAS with AVX2 and with AVX-512, but not on x86-64 without either.
  public static var rule: ProductBackend { InstructionSet.inUse == .portable ? .blas : .kernels }

  /// Whether the kernels compute all products of floats; otherwise the BLAS may compute some.
  public var usesOnlyKernels: Bool { rule == .kernels && table == nil }

  /// The backend of a product of floats.
  @inline(__always)
  func backend(_ form: ProductForm, _ rows: Int, _ columns: Int, _ depth: Int) -> ProductBackend {
    guard let table, let code = ProductShape.code(form, rows, columns, depth) else { return rule }
    return table.backend(code: code) ?? rule
  }

  /// One bit per power of two of rows, set if the kernels multiply with a packed matrix.
  func kernelRows(_ form: ProductForm, _ columns: Int, _ depth: Int) -> UInt64 {
    ProductShape.exponents.reduce(rule == .kernels ? .max : 0) { bits, exponent in
      let bit = UInt64(1) << UInt64(exponent)
      return backend(form, 1 << exponent, columns, depth) == .kernels ? bits | bit : bits & ~bit
    }
  }

  /// Bytes of a packed weight.
  public var bytesPerWeight: Int {
    switch precision {
    case .fp32: 4
    // AVX-512 without instructions for bfloat16 keeps rounded floats.
    case .bf16: instructionSet == .avx512 ? 4 : 2
    case .int8: 1
    }
  }

  var kernelMode: rnd_product_mode {
    let code =
      switch precision {
      case .fp32: rnd_fp32
      case .bf16: rnd_bf16
      case .int8: rnd_int8
      }
    return rnd_product_mode(set: instructionSet.rawValue, precision: Int32(code), one_order: hasOneOrder)
  }
}

/// The speed of the multiply-add units of a core when nothing is loaded or stored: the upper bound of all products.
public enum MultiplyAddPeak {
  /// Multiplies and adds in registers for a number of rounds, with the instruction set in use.
  ///
  /// - Returns: the number of floating-point operations, to be divided by the time they took.
  public static func run(_ precision: ProductPrecision, rounds: Int) -> Double {
    var sink: Float = 0
    let operations = rnd_multiply_add_operations(
      Int64(rounds), ProductMode(precision, on: .inUse).kernelMode, &sink)
    // The result is used so that the compiler does not remove the computation.
    precondition(sink != .infinity, "the sums of zeros are not zero")
    return operations
  }
}

/// The speed at which the threads of this process read memory: the upper bound of products with few rows, which read each
/// weight once.
public enum ReadBandwidth {
  /// Reads a block once, shared among the threads; returns its bytes, to be divided by the time that it took.
  public static func run(_ block: AlignedBuffer<Float>) -> Double {
    KernelThreads.split(block.count, elements: block.count, unit: 64) { first, end in
      let sum = rnd_sum(rnd_f32, rnd_numbers(count: end - first, x: block.base + first))
      // The result is used so that the compiler does not remove the computation.
      precondition(sum != .infinity, "the numbers of the block must be finite")
    }
    return Double(block.count * MemoryLayout<Float>.stride)
  }
}
