import COpenMPI
import Synchronization

/// A reduction written in Swift.
///
/// MPI hands a reduction no context, so each one alive occupies one of `UserReduction.limit` C functions
/// that know which closure to call. Free it explicitly to give the place back.
public struct UserReduction<Element: MPIElement>: ~Copyable {
  /// How many user-defined reductions, of all element types together, can exist at a time.
  public static var limit: Int { trampolines.count }

  private let slot: Int
  private let handle: MPI_Op

  /// Defines a reduction (local, but all ranks of a collective must use the same one).
  ///
  /// `combine(accumulator, other)` overwrites `accumulator[i]` with `other[i] ∘ accumulator[i]` for every i of
  /// the two equally long buffers, in which `other` stems from lower ranks. The operation must be
  /// associative; `commutative` lets MPI reorder. It is called on the thread that calls MPI, on any part of
  /// the whole vector. Throws `MPIError` of kind `reductionsExhausted` if all places are taken.
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
    var created: MPI_Op?
    do throws(MPIError) {
      try requireSuccess(
        "MPI_Op_create", MPI_Op_create(trampolines[free], commutative ? 1 : 0, &created), rank: nil)
    } catch {
      combines.withLock { $0[free] = nil }
      throw error
    }
    guard let created else { preconditionFailure("MPI_Op_create succeeded without an operation") }
    slot = free
    handle = created
  }

  /// The operation to pass to a collective, valid until `free()`.
  public var operation: Reduction<Element> { Reduction(handle: handle) }

  /// Gives the place back; no collective may still use the operation.
  public consuming func free() throws(MPIError) {
    var handle: MPI_Op? = handle
    try requireSuccess("MPI_Op_free", MPI_Op_free(&handle), rank: nil)
    combines.withLock { $0[slot] = nil }
  }
}

private typealias ErasedCombine = @Sendable (UnsafeRawPointer, UnsafeMutableRawPointer, Int) -> Void
private typealias Trampoline =
  @convention(c) (
    UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int32>?,
    UnsafeMutablePointer<MPI_Datatype?>?
  ) -> Void

private let combines = Mutex<[ErasedCombine?]>(Array(repeating: nil, count: 8))

/// Each calls the closure at its own place of the table, the only thing it can know.
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
