import COpenMPI

/// How elements of several ranks become one.
public struct Reduction<Element: MPIElement> {
  let handle: MPI_Op

  /// The sum.
  public static var sum: Reduction { Reduction(handle: shim_sum()) }
  /// The product.
  public static var product: Reduction { Reduction(handle: shim_product()) }
  /// The smallest.
  public static var minimum: Reduction { Reduction(handle: shim_minimum()) }
  /// The largest.
  public static var maximum: Reduction { Reduction(handle: shim_maximum()) }
}

extension Reduction where Element: FixedWidthInteger {
  /// The bits set on all ranks.
  public static var bitwiseAnd: Reduction { Reduction(handle: shim_bitwise_and()) }
  /// The bits set on any rank.
  public static var bitwiseOr: Reduction { Reduction(handle: shim_bitwise_or()) }
  /// The bits set on an odd number of ranks.
  public static var bitwiseXor: Reduction { Reduction(handle: shim_bitwise_xor()) }
  /// Non-zero where every rank has a non-zero element, else 0.
  public static var logicalAnd: Reduction { Reduction(handle: shim_logical_and()) }
  /// Non-zero where any rank has a non-zero element, else 0.
  public static var logicalOr: Reduction { Reduction(handle: shim_logical_or()) }
}
