import Checkpoints
import Communication
import Parameters

/// The values that must be the same on all ranks when they sum a step: the number of collectives that they have called
/// and, every ``parameterInterval`` steps, the bits of the parameters.
///
/// The check adds one number to the totals of a step. Each rank contributes a 32-bit hash, and the sum of p equal
/// hashes is p times the hash, exactly in double precision for up to 2²¹ ranks. The ranks exchange their values only if
/// the sum differs.
struct ReplicaCheck {
  /// The parameters are compared only every few steps, because their digest costs a pass over them.
  static let parameterInterval = 100

  /// The number of collectives that this rank has called so far.
  let collectives: Int
  /// The digest of the parameters; nil if they aren't compared in this step.
  let parameters: UInt64?

  /// Whether the parameters are compared in the step after `step` steps.
  static func isDue(after step: Int) -> Bool { step % parameterInterval == parameterInterval - 1 }

  /// - Parameter parameters: nil if they aren't compared.
  init(_ parameters: ParameterBuffer<Float>?, collectives: Int) {
    self.collectives = collectives
    self.parameters = parameters?.digest
  }

  /// The value that this rank adds to the totals.
  var hash: Double {
    // The finalizer of MurmurHash3.
    var bits = UInt64(collectives) &* 0x9e37_79b9_7f4a_7c15 ^ (parameters ?? 0)
    bits = (bits ^ bits >> 33) &* 0xff51_afd7_ed55_8ccd
    bits = (bits ^ bits >> 33) &* 0xc4ce_b9fe_1a85_ec53
    return Double(bits >> 32)
  }

  /// Throws `ReplicaMismatch` unless `sum` is the sum of equal hashes. The call is collective if it is not.
  func require(sum: Double, on communicator: any Communicator) throws {
    guard sum != hash * Double(communicator.worldSize) else { return }
    func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    try communicator.allEqual(bytes(collectives), what: "the number of collectives called so far")
    try communicator.allEqual(bytes(parameters ?? 0), what: "the parameters after the last update")
  }
}

extension ParameterBuffer<Float> {
  /// The digest for the comparison of replicas.
  var digest: UInt64 { Digest.digest64(of: UnsafeRawBufferPointer(elements)) }
}
