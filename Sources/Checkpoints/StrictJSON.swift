/// Text that isn't the JSON expected, and where.
struct JSONProblem: Error, Equatable {
  enum Kind: Equatable {
    case expected(String)
    case notUTF8
    case duplicateKey(String)
  }
  /// Bytes before the problem.
  let offset: Int
  let kind: Kind
}

/// A strict reader of JSON bytes that takes each value as it comes and builds no tree.
///
/// The JSON readers at hand silently keep one of two equal keys and accept what a checkpoint must not contain.
/// This one refuses equal keys, never recurses without limit, and allocates nothing but the text it returns.
struct StrictJSON {
  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  // MARK: - Values

  /// Reads an object, giving each key in turn to `member`, which must read the value.
  mutating func object(member: (inout StrictJSON, String) throws -> Void) throws {
    try expect("{", or: "an object")
    if take("}") { return }
    var keys: Set<String> = []
    repeat {
      skipSpace()
      let start = offset
      let key = try string()
      guard keys.insert(key).inserted else { throw JSONProblem(offset: start, kind: .duplicateKey(key)) }
      try expect(":")
      try member(&self, key)
    } while take(",")
    try expect("}", or: "',' or '}'")
  }

  /// Reads an array, calling `element` to read each of its values.
  mutating func array(element: (inout StrictJSON) throws -> Void) throws {
    try expect("[", or: "an array")
    if take("]") { return }
    repeat { try element(&self) } while take(",")
    try expect("]", or: "',' or ']'")
  }

  /// Reads a whole number from 0 to the largest `Int`, written without sign, fraction or exponent.
  mutating func count() throws -> Int {
    skipSpace()
    let start = offset
    var value = 0
    while let digit = peek, digit >= 0x30, digit <= 0x39 {
      let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = scaled.addingReportingOverflow(Int(digit - 0x30))
      guard !overflow, !carry, offset == start || value > 0 else {
        throw problem("a whole number below 2^63 without leading zeros", at: start)
      }
      value = sum
      offset += 1
    }
    let follower = peek.map { Character(Unicode.Scalar($0)) }
    if offset == start || follower == "." || follower == "e" || follower == "E" {
      throw problem("a non-negative whole number", at: start)
    }
    return value
  }

  /// Reads a text.
  mutating func string() throws -> String {
    try expect("\"", or: "a text")
    let start = offset
    while let byte = peek, byte != 0x22, byte != 0x5c, byte >= 0x20 { offset += 1 }
    var text = try utf8(bytes[start..<offset], at: start)
    while !take(raw: 0x22) {
      guard let byte = peek, byte >= 0x20 else { throw problem("the end of the text") }
      if byte == 0x5c {
        text.unicodeScalars.append(try escape())
      } else {
        let start = offset
        while let byte = peek, byte != 0x22, byte != 0x5c, byte >= 0x20 { offset += 1 }
        text += try utf8(bytes[start..<offset], at: start)
      }
    }
    return text
  }

  /// Skips a value of any kind and returns where it was, without the space before it.
  mutating func skip(deepest: Int = 64) throws -> Range<Int> {
    skipSpace()
    let start = offset
    switch peek {
    case 0x7b:
      guard deepest > 0 else { throw problem("less nesting") }
      try object { json, _ in _ = try json.skip(deepest: deepest - 1) }
    case 0x5b:
      guard deepest > 0 else { throw problem("less nesting") }
      try array { json in _ = try json.skip(deepest: deepest - 1) }
    case 0x22: _ = try string()
    default: try skipWord()
    }
    return start..<offset
  }

  /// Reads the end of the text; only space may come before it.
  mutating func end() throws {
    skipSpace()
    if peek != nil { throw problem("the end") }
  }

  // MARK: - Pieces

  /// Returns whether `character` comes next, space left aside.
  mutating func isNext(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    return peek == UInt8(ascii: character)
  }

  private mutating func expect(_ character: Unicode.Scalar, or name: String? = nil) throws {
    if !take(character) { throw problem(name ?? "'\(character)'") }
  }

  private var peek: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { offset += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    return take(raw: UInt8(ascii: character))
  }

  private mutating func take(raw byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    offset += 1
    return true
  }

  private func problem(_ expected: String, at offset: Int? = nil) -> JSONProblem {
    JSONProblem(offset: offset ?? self.offset, kind: .expected(expected))
  }

  private func utf8(_ slice: Slice<UnsafeRawBufferPointer>, at offset: Int) throws -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw JSONProblem(offset: offset, kind: .notUTF8)
    }
    return text
  }

  /// Reads a number, `true`, `false` or `null` without asking for more than the characters they are made of.
  private mutating func skipWord() throws {
    let start = offset
    while let byte = peek,
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || "+-.0123456789E".utf8.contains(byte)
    {
      offset += 1
    }
    let word = try utf8(bytes[start..<offset], at: start)
    let isNumber = !"ni".contains(word.first ?? "n") && Double(word) != nil
    guard ["true", "false", "null"].contains(word) || isNumber else { throw problem("a value", at: start) }
  }

  private mutating func escape() throws -> Unicode.Scalar {
    offset += 1
    let start = offset
    guard let kind = peek else { throw problem("an escaped character") }
    offset += 1
    switch Unicode.Scalar(kind) {
    case "\"": return "\""
    case "\\": return "\\"
    case "/": return "/"
    case "b": return "\u{8}"
    case "f": return "\u{c}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u": return try unicodeEscape(at: start)
    default: throw problem("an escaped character", at: start)
    }
  }

  private mutating func unicodeEscape(at start: Int) throws -> Unicode.Scalar {
    let first = try hexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    // The first half of a surrogate pair: the second must follow at once.
    guard first < 0xdc00, take(raw: 0x5c), take(raw: UInt8(ascii: "u")) else {
      throw problem("a pair of surrogates", at: start)
    }
    let second = try hexadecimal()
    guard 0xdc00..<0xe000 ~= second,
      let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + second - 0xdc00)
    else { throw problem("a pair of surrogates", at: start) }
    return scalar
  }

  private mutating func hexadecimal() throws -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = peek.flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
        throw problem("four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      offset += 1
    }
    return value
  }
}

/// Returns a text as JSON, quotes included; the same text always gives the same bytes.
func quotedJSON(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\u{0}"..."\u{1f}":
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
