import CKernels

/// The instruction sets that the kernels are compiled for, from the slowest to the fastest.
///
/// All kernels of a process use one set: the best of the processor, the one that the environment variable
/// `RNN_DIST_KERNELS` names, or the one selected by ``use()``.
public enum InstructionSet: Int32, Sendable, Hashable, CaseIterable {
  /// Vectors of four numbers, for every processor: SSE2 on x86-64, NEON on ARM.
  case portable = 0
  /// AVX2 with FMA (x86-64-v3).
  case avx2 = 1
  /// AVX-512 (x86-64-v4).
  case avx512 = 2
  /// AVX-512 with instructions that multiply bfloat16; the other sets round and multiply in fp32.
  case avx512BF16 = 3

  /// The name in options and in `RNN_DIST_KERNELS`: portable, avx2, avx512 or avx512-bf16.
  public var name: String { String(cString: rnd_set_name(rawValue)) }

  /// The set of this name; nil for an unknown name.
  public init?(name: String) { self.init(rawValue: rnd_set_named(name)) }

  /// True if this processor has the instructions.
  public var isAvailable: Bool { rnd_set_available(rawValue) != 0 }

  /// The sets that this processor can run.
  public static let available = allCases.filter(\.isAvailable)

  /// The best set of this processor.
  public static let best = InstructionSet(rawValue: rnd_best_set()) ?? .portable

  /// The set that the kernels of this process use.
  public static var inUse: InstructionSet { InstructionSet(rawValue: rnd_set_in_use()) ?? .portable }

  /// The value of `RNN_DIST_KERNELS` if it names no set that this processor can run; nil otherwise. The kernels ignore it.
  public static var unusableRequest: String? {
    rnd_unusable_set_request().map { String(cString: $0) }
  }

  /// Makes the kernels of this process use this set. Call it first: no kernel may be running, and matrices that were
  /// packed before can't be used after the call.
  ///
  /// - Precondition: the set is available.
  public func use() {
    precondition(isAvailable, "this processor can't run the kernels for \(name)")
    rnd_use_set(rawValue)
  }
}

extension InstructionSet: CustomStringConvertible {
  public var description: String { name }
}
