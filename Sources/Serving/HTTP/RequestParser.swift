/// Parses the bytes of a connection into requests (HTTP/1.1, RFC 9112), within limits of size.
///
/// The parser rejects everything that two parsers could interpret differently: two lengths, a length together with a
/// transfer coding, folded fields, white space before a colon.
///
/// It is visible in the whole package for Tests/Fuzzing: that is built for release too, where `@testable` is not available.
package struct RequestParser {
  /// The maximum sizes of a request in bytes.
  package struct Limits: Sendable {
    /// The request line and the header fields together.
    var head: Int
    var body: Int

    package init(head: Int = 16 << 10, body: Int = 64 << 10) { (self.head, self.body) = (head, body) }
  }

  private enum Part {
    case head
    case body(length: Int)
    case chunkSize
    case chunk(length: Int)
    case chunkEnd
    case trailer
  }

  private let limits: Limits
  private var buffer: [UInt8] = []
  /// The number of bytes in the buffer that have already been searched for the end of the head.
  private var searched = 0
  private var part = Part.head
  private var request = HTTPRequest(method: "", path: "", fields: [:], isVersion10: false)
  private var trailerSize = 0
  /// Whether the client waits for `100 Continue` before it sends the body. Reading the body clears it.
  private var isContinueDue = false

  package init(_ limits: Limits) { self.limits = limits }

  /// Whether no part of a request has arrived.
  var isEmpty: Bool { if case .head = part { buffer.isEmpty } else { false } }

  package mutating func append(_ bytes: [UInt8]) { buffer += bytes }

  /// Returns true once for every request whose client waits for `100 Continue`.
  mutating func takeContinue() -> Bool {
    defer { isContinueDue = false }
    return isContinueDue
  }

  /// Returns the next request, or nil if more bytes are needed. After an error the connection can't be used any more.
  package mutating func next() throws(HTTPProblem) -> HTTPRequest? {
    while true {
      switch part {
      case .head:
        guard let head = try takeHead() else { return nil }
        if try readHead(head) { return request }
      case .body(let length):
        guard buffer.count >= length else { return nil }
        return take(length)
      case .chunkSize:
        guard let line = try takeLine() else { return nil }
        let size = try Self.chunkSize(line)
        guard request.body.count + size <= limits.body else { throw tooLarge }
        part = size == 0 ? .trailer : .chunk(length: size)
      case .chunk(let length):
        guard buffer.count >= length else { return nil }
        request.body += buffer.prefix(length)
        buffer.removeFirst(length)
        part = .chunkEnd
      case .chunkEnd:
        guard let line = try takeLine() else { return nil }
        guard line.isEmpty else { throw HTTPProblem(400, "a chunk of the body is longer than its size") }
        part = .chunkSize
      case .trailer:
        guard let line = try takeLine() else { return nil }
        trailerSize += line.count
        guard trailerSize <= limits.head else { throw HTTPProblem(431, "the trailer is too long") }
        if line.isEmpty { return take(0) }
      }
    }
  }

  /// Returns the finished request, after the last `length` bytes of its body.
  private mutating func take(_ length: Int) -> HTTPRequest {
    request.body += buffer.prefix(length)
    buffer.removeFirst(length)
    (part, trailerSize, isContinueDue) = (.head, 0, false)
    return request
  }

  private var tooLarge: HTTPProblem {
    HTTPProblem(413, "the body has more than \(limits.body) bytes")
  }

  // MARK: Lines

  /// Returns a line of a chunked body without its end, or nil if it has not arrived.
  private mutating func takeLine() throws(HTTPProblem) -> [UInt8]? {
    guard let end = buffer.firstIndex(of: UInt8(ascii: "\n")) else {
      guard buffer.count <= limits.head else { throw HTTPProblem(400, "a line of the body is too long") }
      return nil
    }
    var line = Array(buffer[..<end])
    buffer.removeFirst(end + 1)
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    return line
  }

  private static func chunkSize(_ line: [UInt8]) throws(HTTPProblem) -> Int {
    // Extensions after a semicolon are ignored.
    let digits = String(decoding: line.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
    guard digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }), digits.utf8.count <= 8,
      let size = Int(digits, radix: 16)
    else { throw HTTPProblem(400, "the size of a chunk is not a hexadecimal number") }
    return size
  }

  /// Returns the lines of the head without the empty one, or nil if the head is not complete.
  private mutating func takeHead() throws(HTTPProblem) -> [Substring]? {
    // Empty lines before a request are ignored (RFC 9112, section 2.2).
    while searched == 0, let first = buffer.first, first == UInt8(ascii: "\r") || first == UInt8(ascii: "\n")
    {
      buffer.removeFirst()
    }
    var index = searched
    while index < buffer.count {
      if buffer[index] == UInt8(ascii: "\n"), endsHead(at: index) { break }
      index += 1
    }
    guard index < buffer.count, index < limits.head else {
      searched = index
      guard buffer.count <= limits.head else {
        throw HTTPProblem(431, "the request line and the header fields have more than \(limits.head) bytes")
      }
      return nil
    }
    let head = Array(buffer[...index])
    buffer.removeFirst(index + 1)
    searched = 0
    guard let text = String(validating: head, as: UTF8.self) else {
      throw HTTPProblem(400, "the header is not UTF-8 text")
    }
    // A carriage return followed by a line feed is a single Character in Swift.
    return text.unicodeScalars.split(separator: "\n").map { line in
      Substring(line.last == "\r" ? line.dropLast() : line)
    }.filter { !$0.isEmpty }
  }

  /// Whether the line feed at `index` ends an empty line.
  private func endsHead(at index: Int) -> Bool {
    let before = index > 0 && buffer[index - 1] == UInt8(ascii: "\r") ? index - 2 : index - 1
    return before >= 0 && buffer[before] == UInt8(ascii: "\n")
  }

  // MARK: The head

  /// Parses the head; returns true if the request has no body.
  private mutating func readHead(_ lines: [Substring]) throws(HTTPProblem) -> Bool {
    let words = (lines.first ?? "").split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 3, !words[0].isEmpty, words[0].utf8.allSatisfy(Self.isTokenByte) else {
      throw HTTPProblem(400, "the request line is not METHOD TARGET HTTP/1.1")
    }
    guard words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0" else {
      guard words[2].hasPrefix("HTTP/") else {
        throw HTTPProblem(400, "the request line is not METHOD TARGET HTTP/1.1")
      }
      throw HTTPProblem(505, "the version is not HTTP/1.1 or HTTP/1.0")
    }
    guard words[1].hasPrefix("/") || words[1] == "*" else {
      throw HTTPProblem(400, "the target of the request is not a path")
    }
    request = HTTPRequest(
      method: String(words[0]), path: String(words[1].prefix { $0 != "?" }),
      fields: try Self.fields(lines.dropFirst()), isVersion10: words[2] == "HTTP/1.0")
    guard request.isVersion10 || request.fields["host"] != nil else {
      throw HTTPProblem(400, "the header field Host is missing")
    }
    return try beginBody()
  }

  private static func fields(_ lines: ArraySlice<Substring>) throws(HTTPProblem) -> [String: String] {
    var fields: [String: String] = [:]
    for line in lines {
      guard let colon = line.firstIndex(of: ":"), colon > line.startIndex,
        line[..<colon].utf8.allSatisfy(isTokenByte)
      else { throw HTTPProblem(400, "a header field is not NAME: VALUE") }
      let name = line[..<colon].lowercased()
      let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
      guard value.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F || $0 == "\t" }) else {
        throw HTTPProblem(400, "the header field \(name) has control characters")
      }
      var trimmed = value
      while trimmed.last == " " || trimmed.last == "\t" { trimmed.removeLast() }
      if let earlier = fields[name] {
        guard !["content-length", "host", "transfer-encoding"].contains(name) else {
          throw HTTPProblem(400, "the header field \(name) is given twice")
        }
        fields[name] = "\(earlier), \(trimmed)"
      } else {
        fields[name] = String(trimmed)
      }
    }
    return fields
  }

  /// Prepares to read the body; returns true if there is none.
  private mutating func beginBody() throws(HTTPProblem) -> Bool {
    let length = request.fields["content-length"]
    isContinueDue = !request.isVersion10 && request.fields["expect"]?.lowercased() == "100-continue"
    if let coding = request.fields["transfer-encoding"] {
      guard length == nil, !request.isVersion10 else {
        throw HTTPProblem(400, "Transfer-Encoding goes neither with Content-Length nor with HTTP/1.0")
      }
      guard coding.lowercased() == "chunked" else {
        throw HTTPProblem(501, "of the transfer codings only chunked is known")
      }
      part = .chunkSize
      return false
    }
    guard let length else {
      isContinueDue = false
      return true
    }
    guard !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw HTTPProblem(400, "Content-Length is not a number")
    }
    guard let count = Int(length), count <= limits.body else { throw tooLarge }
    guard count > 0 else {
      isContinueDue = false
      return true
    }
    part = .body(length: count)
    return false
  }

  /// Whether a byte may be part of a method or of a field name (RFC 9110, section 5.6.2).
  private static func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
  }
}
