import CXXHash

/// A streaming XXH3-128 digest. It doesn't depend on how the bytes are split into pieces.
///
/// It detects accidents, such as a flipped bit, a truncated file or replicas that differ. It doesn't protect against
/// files that are forged on purpose.
public struct Digest: ~Copyable {
  private let state: OpaquePointer

  /// Creates the digest of an empty input.
  public init() {
    guard let state = XXH3_createState() else { preconditionFailure("no memory for the state of a digest") }
    self.state = state
    XXH3_128bits_reset(state)
  }

  deinit { XXH3_freeState(state) }

  /// Adds bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    XXH3_128bits_update(state, bytes.baseAddress, bytes.count)
  }

  /// Adds the UTF-8 bytes of a text.
  public mutating func update(_ text: String) {
    var text = text
    text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
  }

  /// Returns the digest of all bytes added so far as 32 lowercase hexadecimal digits, high half first.
  public borrowing func hexadecimal() -> String {
    let value = XXH3_128bits_digest(state)
    return Self.hexadecimal(value.high64) + Self.hexadecimal(value.low64)
  }

  /// Returns the 128-bit digest of one buffer as 32 hexadecimal digits.
  public static func hexadecimal(of bytes: UnsafeRawBufferPointer) -> String {
    var digest = Digest()
    digest.update(bytes)
    return digest.hexadecimal()
  }

  /// Returns the XXH3-64 digest of one buffer, which is cheap enough to compare replicas.
  public static func digest64(of bytes: UnsafeRawBufferPointer) -> UInt64 {
    XXH3_64bits(bytes.baseAddress, bytes.count)
  }

  private static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
