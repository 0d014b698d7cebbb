import CMPI
import Synchronization

/// An operation that combines the elements of several ranks into one.
public struct Reduction<Element: MPIElement> {
  let handle: MPI_Op

  /// The sum.
  public static var sum: Reduction { Reduction(handle: shim_sum()) }
  /// The product.
  public static var product: Reduction { Reduction(handle: shim_product()) }
  /// The minimum.
  public static var minimum: Reduction { Reduction(handle: shim_minimum()) }
  /// The maximum.
  public static var maximum: Reduction { Reduction(handle: shim_maximum()) }
}

extension Reduction where Element: FixedWidthInteger {
  /// The bits set on all ranks.
  public static var bitwiseAnd: Reduction { Reduction(handle: shim_bitwise_and()) }
  /// The bits set on any rank.
  public static var bitwiseOr: Reduction { Reduction(handle: shim_bitwise_or()) }
  /// The bits set on an odd number of ranks.
  public static var bitwiseXor: Reduction { Reduction(handle: shim_bitwise_xor()) }
  /// Non-zero if every rank has a non-zero element, otherwise 0.
  public static var logicalAnd: Reduction { Reduction(handle: shim_logical_and()) }
  /// Non-zero if any rank has a non-zero element, otherwise 0.
  public static var logicalOr: Reduction { Reduction(handle: shim_logical_or()) }
}

/// A reduction written in Swift.
///
/// MPI passes no context to a reduction. Each live reduction therefore occupies one of `UserReduction.limit` slots,
/// and each slot has a C function that calls the closure in it. Call `free()` to release the slot.
public struct UserReduction<Element: MPIElement>: ~Copyable {
  /// The number of user-defined reductions, of all element types together, that can exist at a time.
  public static var limit: Int { trampolines.count }

  private let slot: Int
  private let handle: MPI_Op

  /// Defines a reduction. This is a local call, but all ranks of a collective must use the same operation.
  ///
  /// `combine(accumulator, other)` must set `accumulator[i]` to `other[i] ∘ accumulator[i]` for every i; both
  /// buffers have the same length, and `other` comes from lower ranks. The operation must be associative. With
  /// `commutative`, MPI may change the order of the ranks. MPI calls `combine` on the thread that calls MPI, with
  /// any part of the vector. Throws `MPIError` of kind `reductionsExhausted` if all slots are in use.
  public init(
    commutative: Bool = true,
    _ combine:
      @escaping @Sendable (
        _ accumulator: UnsafeMutableBufferPointer<Element>, _ other: UnsafeBufferPointer<Element>
      ) -> Void
  ) throws(MPIError) {
    let erased: ErasedCombine = { other, accumulator, count in
      combine(
        UnsafeMutableBufferPointer(start: accumulator.assumingMemoryBound(to: Element.self), count: count),
        UnsafeBufferPointer(start: other.assumingMemoryBound(to: Element.self), count: count))
    }
    let free = combines.withLock { table in
      let index = table.firstIndex { $0 == nil }
      if let index { table[index] = erased }
      return index
    }
    guard let free else {
      throw MPIError(
        kind: .reductionsExhausted(limit: trampolines.count), call: "MPI_Op_create", rank: nil,
        message: "all \(trampolines.count) user-defined reductions are in use; free one first")
    }
    var created: OperationSlot = shim_op_null()
    do throws(MPIError) {
      try requireSuccess(
        "MPI_Op_create", MPI_Op_create(trampolines[free], commutative ? 1 : 0, &created), rank: nil)
    } catch {
      combines.withLock { $0[free] = nil }
      throw error
    }
    guard let created = created as MPI_Op? else {
      preconditionFailure("MPI_Op_create succeeded without an operation")
    }
    slot = free
    handle = created
  }

  /// The operation to pass to a collective, valid until `free()`.
  public var operation: Reduction<Element> { Reduction(handle: handle) }

  /// Releases the slot. The operation must not be in use by a collective.
  public consuming func free() throws(MPIError) {
    var handle: OperationSlot = handle
    try requireSuccess("MPI_Op_free", MPI_Op_free(&handle), rank: nil)
    combines.withLock { $0[slot] = nil }
  }
}

private typealias ErasedCombine = @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void
private typealias Trampoline =
  @convention(c) (
    UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int32>?,
    UnsafeMutablePointer<DatatypeSlot>?
  ) -> Void

private let combines = Mutex<[ErasedCombine?]>(Array(repeating: nil, count: 8))

/// Each function calls the closure in its own slot of the table.
private let trampolines: [Trampoline] = [
  { other, accumulator, count, _ in call(0, other, accumulator, count) },
  { other, accumulator, count, _ in call(1, other, accumulator, count) },
  { other, accumulator, count, _ in call(2, other, accumulator, count) },
  { other, accumulator, count, _ in call(3, other, accumulator, count) },
  { other, accumulator, count, _ in call(4, other, accumulator, count) },
  { other, accumulator, count, _ in call(5, other, accumulator, count) },
  { other, accumulator, count, _ in call(6, other, accumulator, count) },
  { other, accumulator, count, _ in call(7, other, accumulator, count) },
]

private func call(
  _ slot: Int, _ other: UnsafeMutableRawPointer?, _ accumulator: UnsafeMutableRawPointer?,
  _ count: UnsafeMutablePointer<Int32>?
) {
  guard let other, let accumulator, let count, let combine = combines.withLock({ $0[slot] }) else { return }
  combine(other, accumulator, Int(count.pointee))
}
