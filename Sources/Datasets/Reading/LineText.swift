// The rules for text and white space that every reader follows.

/// The reason why a line is not text, or nil.
func textProblem(in line: some Collection<UInt8>) -> LineProblem? {
  if !line.contains(0), String(validating: line, as: UTF8.self) != nil { return nil }
  var parser = Unicode.UTF8.ForwardParser()
  var bytes = line.makeIterator()
  var position = 0
  while true {
    switch parser.parseScalar(from: &bytes) {
    case .valid(let scalar):
      if scalar.first == 0 { return .zeroByte(byte: position) }
      position += scalar.count
    case .error: return .invalidUTF8(byte: position)
    case .emptyInput: return nil
    }
  }
}

/// Unicode's White_Space property, from its short list of scalars, because the general look-up is too slow for every
/// character.
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
  /// The bytes without ASCII white space at both ends.
  func trimmed() -> SubSequence {
    var rest = self[...]
    while let first = rest.first, isASCIISpace(first) { rest = rest.dropFirst() }
    while let last = rest.last, isASCIISpace(last) { rest = rest.dropLast() }
    return rest
  }
}
