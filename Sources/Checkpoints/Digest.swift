import CXXHash

/// A streaming XXH3-128 digest: the same bytes give the same digest, in whatever pieces they arrive.
///
/// It finds accidents (a flipped bit, a cut file, replicas that drifted apart); it is no protection against
/// somebody who forges a file on purpose.
public struct Digest: ~Copyable {
  private let state: OpaquePointer

  /// An empty digest. Digests with different seeds of the same bytes are unrelated.
  public init(seed: UInt64 = 0) {
    guard let state = XXH3_createState() else { preconditionFailure("no memory for a digest's 576 bytes") }
    self.state = state
    XXH3_128bits_reset_withSeed(state, seed)
  }

  deinit { XXH3_freeState(state) }

  /// Adds bytes to what has been digested so far.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  /// Adds the UTF-8 bytes of a text to what has been digested so far.
  public mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// Returns the digest of everything added so far: 32 lower-case hexadecimal digits, high half first.
  public borrowing func hexadecimal() -> String {
    let value = XXH3_128bits_digest(state)
    return Self.hexadecimal(value.high64) + Self.hexadecimal(value.low64)
  }

  /// Returns the 128-bit digest of one buffer as 32 hexadecimal digits.
  public static func hexadecimal(of bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> String {
    var digest = Digest(seed: seed)
    digest.update(bytes)
    return digest.hexadecimal()
  }

  /// Returns the XXH3-64 digest of one buffer: the cheap comparison of a replica with the others.
  public static func digest64(of bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    XXH3_64bits_withSeed(bytes.baseAddress, bytes.count, seed)
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
