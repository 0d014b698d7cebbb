import Foundation

/// Text that isn't the expected JSON.
struct JSONProblem: Error {
  /// The number of bytes before the problem.
  let offset: Int
  let explanation: String
}

/// A strict reader of JSON bytes for the header of a safetensors file. It builds no tree of values.
///
/// Foundation's reader silently keeps one of two equal keys, while the rules of the format forbid them. This reader
/// refuses equal keys and allocates only the strings that it returns.
struct StrictJSON {
  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  // MARK: - Values

  /// Reads an object. Calls `member` with each key; it must read the value.
  mutating func object(member: (inout StrictJSON, String) throws -> Void) throws {
    try expect("{", or: "an object")
    if take("}") { return }
    var keys: Set<String> = []
    repeat {
      skipSpace()
      let start = offset
      let key = try string()
      guard keys.insert(key).inserted else {
        throw JSONProblem(offset: start, explanation: "key \"\(key)\" occurs twice")
      }
      try expect(":")
      try member(&self, key)
    } while take(",")
    try expect("}", or: "',' or '}'")
  }

  /// Reads an array. Calls `element` for each value; it must read the value.
  mutating func array(element: (inout StrictJSON) throws -> Void) throws {
    try expect("[", or: "an array")
    if take("]") { return }
    repeat { try element(&self) } while take(",")
    try expect("]", or: "',' or ']'")
  }

  /// Reads an integer from 0 to the largest `Int`, written without sign, fraction or exponent.
  mutating func count() throws -> Int {
    skipSpace()
    let start = offset
    var value = 0
    while let digit = peek, digit >= 0x30, digit <= 0x39 {
      let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = scaled.addingReportingOverflow(Int(digit - 0x30))
      guard !overflow, !carry, offset == start || value > 0 else {
        throw problem("an integer below 2^63 without leading zeros", at: start)
      }
      value = sum
      offset += 1
    }
    let follower = peek.map { Character(Unicode.Scalar($0)) }
    if offset == start || follower == "." || follower == "e" || follower == "E" {
      throw problem("a non-negative integer", at: start)
    }
    return value
  }

  /// Reads a string.
  mutating func string() throws -> String {
    try expect("\"", or: "a string")
    let start = offset
    var hasEscapes = false
    while let byte = peek, byte != UInt8(ascii: "\""), byte >= 0x20 {
      let isEscape = byte == UInt8(ascii: "\\")
      hasEscapes = hasEscapes || isEscape
      offset += isEscape ? 2 : 1
    }
    guard let end = peek, end >= 0x20 else {
      throw problem("the end of the string", at: min(offset, bytes.count))
    }
    guard let text = String(validating: bytes[start..<offset], as: UTF8.self) else {
      throw JSONProblem(offset: start, explanation: "not UTF-8")
    }
    offset += 1
    guard hasEscapes else { return text }
    guard let unescaped = try? JSONDecoder().decode(String.self, from: Data("\"\(text)\"".utf8)) else {
      throw problem("a string with valid escapes", at: start)
    }
    return unescaped
  }

  /// Reads the end of the bytes, after optional white space.
  mutating func end() throws {
    skipSpace()
    if peek != nil { throw problem("the end of the JSON") }
  }

  // MARK: - Pieces

  /// Returns whether `character` comes next, after optional white space.
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
    guard isNext(character) else { return false }
    offset += 1
    return true
  }

  private func problem(_ expected: String, at offset: Int? = nil) -> JSONProblem {
    JSONProblem(offset: offset ?? self.offset, explanation: "expected \(expected)")
  }
}

/// Returns a string as JSON, with its quotation marks. The same string always gives the same bytes.
package func quotedJSON(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\t": result += "\\t"
    // Some line readers also split at U+2028 and U+2029.
    case "\u{0}"..."\u{1f}", "\u{2028}", "\u{2029}":
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
