/// What makes a line unfit as text, or nil.
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

/// True for the white space of ASCII.
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
