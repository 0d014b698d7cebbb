// The rules for text and white space that every reader follows.

/// The reason why a line is not text, or nil.
func textProblem(in line: some Collection<UInt8>) -> LineProblem? {
  let found = line.withContiguousStorageIfAvailable { textProblem(in: $0) }
  return found ?? Array(line).withUnsafeBufferPointer { textProblem(in: $0) }
}

private func textProblem(in bytes: UnsafeBufferPointer<UInt8>) -> LineProblem? {
  var decoder = UTF8Decoder()
  var start = 0
  for index in bytes.indices {
    let byte = bytes[index]
    if decoder.isComplete {
      if byte &- 1 < 0x7F { continue }
      guard byte != 0 else { return .zeroByte(byte: index) }
      start = index
    }
    if case .invalid = decoder.next(byte) { return .invalidUTF8(byte: start) }
  }
  return decoder.isComplete ? nil : .invalidUTF8(byte: start)
}

/// Unicode's White_Space property, by its short list: the general look-up is too slow for every character.
@inline(__always)
func isWhiteSpace(_ scalar: UInt32) -> Bool {
  switch scalar {
  case 0x20, 0x09...0x0D: true
  case ..<0x85: false
  case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
  default: false
  }
}

/// True for the white space of ASCII, which separates the fields of columns, tags and numbers.
@inline(__always)
func isASCIISpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }

extension Collection<UInt8> where Self: BidirectionalCollection, SubSequence: BidirectionalCollection<UInt8> {
  /// Without the white space of ASCII at both ends.
  func trimmed() -> SubSequence {
    var rest = self[...]
    while let first = rest.first, isASCIISpace(first) { rest = rest.dropFirst() }
    while let last = rest.last, isASCIISpace(last) { rest = rest.dropLast() }
    return rest
  }
}

/// Decodes UTF-8 byte by byte, so that a character may lie across two parts of a file.
///
/// Well-formed sequences are those of the Unicode Standard, table 3-7: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
struct UTF8Decoder {
  /// The result of a byte.
  enum Step {
    case scalar(Unicode.Scalar)
    case incomplete
    case invalid
  }

  private var value: UInt32 = 0
  private var missingBytes = 0
  /// The range of the next byte; narrower than 80...BF after some first bytes.
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
