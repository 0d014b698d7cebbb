/// Decodes UTF-8 byte by byte, so that a character may lie across two parts of a file.
///
/// Well-formed sequences are those of the Unicode Standard, table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
struct UTF8Decoder {
  /// What a byte completes.
  enum Step {
    case scalar(Unicode.Scalar)
    case incomplete
    case invalid
  }

  private var value: UInt32 = 0
  private var missingBytes = 0
  /// What the next byte may be; narrower than 80...BF after some first bytes.
  private var low: UInt8 = 0x80
  private var high: UInt8 = 0xBF

  /// True between characters.
  var isComplete: Bool { missingBytes == 0 }

  @inline(__always)
  mutating func next(_ byte: UInt8) -> Step {
    if missingBytes == 0 {
      return byte < 0x80 ? .scalar(Unicode.Scalar(byte)) : start(byte)
    }
    guard byte >= low, byte <= high else { return .invalid }
    (low, high) = (0x80, 0xBF)
    value = value << 6 | UInt32(byte & 0x3F)
    missingBytes -= 1
    guard missingBytes == 0 else { return .incomplete }
    return Unicode.Scalar(value).map { .scalar($0) } ?? .invalid
  }

  private mutating func start(_ byte: UInt8) -> Step {
    switch byte {
    case 0xC2...0xDF:
      missingBytes = 1
      value = UInt32(byte & 0x1F)
    case 0xE0...0xEF:
      missingBytes = 2
      value = UInt32(byte & 0x0F)
      if byte == 0xE0 { low = 0xA0 }
      if byte == 0xED { high = 0x9F }
    case 0xF0...0xF4:
      missingBytes = 3
      value = UInt32(byte & 0x07)
      if byte == 0xF0 { low = 0x90 }
      if byte == 0xF4 { high = 0x8F }
    default:
      return .invalid
    }
    return .incomplete
  }
}
