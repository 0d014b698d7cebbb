import CKernels

/// In which precision the operands of a product are multiplied. Sums are in single precision either way, and so is
/// everything outside of products.
public enum ProductPrecision: Sendable, Hashable, CaseIterable {
  case fp32
  /// Both operands rounded to bfloat16 (8 bits of mantissa), to nearest, ties to even.
  case bf16
}

/// The instruction sets with product kernels of their own.
public enum InstructionSet: Int32, Sendable, Hashable, CaseIterable {
  /// Vectors of four numbers, on every processor.
  case portable = 0
  case avx2 = 1
  case avx512 = 2
  /// AVX-512 with instructions that multiply bfloat16; the other sets round and multiply in fp32.
  case avx512BF16 = 3

  /// True if this processor has the instructions.
  public var isAvailable: Bool { rnd_set_available(rawValue) != 0 }

  /// The best set of this processor.
  public static let best = InstructionSet(rawValue: rnd_best_set()) ?? .portable
}

/// How a product is computed: precision, and for tests and measurements the instruction set.
///
/// The choice is a rule of processor and precision, never of a measurement, so that ranks on equal processors compute
/// equal bits.
public struct ProductMode: Sendable, Hashable {
  public let precision: ProductPrecision
  let instructionSet: InstructionSet
  /// True if the kernels of CKernels compute a product of floats, false if the BLAS does.
  let usesKernels: Bool

  /// - Parameter instructionSet: nil takes the best of this processor, and for fp32 the BLAS where that has nothing
  ///   better than the portable kernels (measured: they beat OpenBLAS with AVX2 and with AVX-512; on x86-64 without
  ///   either they don't).
  public init(_ precision: ProductPrecision = .fp32, on instructionSet: InstructionSet? = nil) {
    self.precision = precision
    self.instructionSet = instructionSet ?? .best
    usesKernels = instructionSet != nil || precision == .bf16 || InstructionSet.best != .portable
  }

  var kernelMode: rnd_product_mode {
    rnd_product_mode(set: instructionSet.rawValue, precision: Int32(precision == .bf16 ? rnd_bf16 : rnd_fp32))
  }
}

/// What the multiply-add units of a core do when nothing is loaded or stored: the measure of all products.
public enum MultiplyAddPeak {
  /// Multiplies and adds in registers for a number of rounds, with the best instructions for a precision.
  ///
  /// - Returns: the floating-point operations that were done, to be divided by the time they took.
  public static func run(_ precision: ProductPrecision, rounds: Int) -> Double {
    var sink: Float = 0
    let operations = rnd_multiply_add_operations(
      Int64(rounds), ProductMode(precision, on: .best).kernelMode, &sink)
    // The result is used, so that nothing is left out.
    precondition(sink != .infinity, "the sums of zeros are not zero")
    return operations
  }
}
