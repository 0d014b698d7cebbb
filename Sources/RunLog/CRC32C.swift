/// The CRC-32C (Castagnoli) checksum: polynomial 0x1EDC6F41, reflected, as in RFC 3720, appendix B.4.
public enum CRC32C {
  /// Returns the checksum of bytes.
  public static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
  }

  /// Returns the checksum as TFRecord files store it, turned and shifted by a constant so that the checksum of
  /// data that contain checksums isn't degenerate.
  public static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = checksum(bytes)
    return (crc >> 15 | crc << 17) &+ 0xa282_ead8
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
  }
}
