import Testing

@testable import Serving

@Suite struct RequestParserTests {
  private static let limits = RequestParser.Limits(head: 512, body: 100)

  /// The requests in a text that arrives in pieces of a given number of bytes.
  private func requests(_ text: String, pieces: Int = .max, _ limits: RequestParser.Limits = limits)
    throws(HTTPProblem)
    -> [HTTPRequest]
  {
    var parser = RequestParser(limits)
    var found: [HTTPRequest] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      parser.append(Array(rest.prefix(pieces)))
      rest = rest.dropFirst(pieces)
      while let request = try parser.next() { found.append(request) }
    }
    return found
  }

  private func status(_ text: String) -> Int? {
    do throws(HTTPProblem) {
      _ = try requests(text)
      return nil
    } catch {
      return error.status
    }
  }

  private static let two =
    "POST /v1/predict?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX-Any:  b c \r\n\r\nhello"
    + "\r\nGET / HTTP/1.0\nConnection: Keep-Alive\n\n"

  @Test(arguments: [1, 2, 7, 1000]) func requestsArriveInAnyPieces(_ pieces: Int) throws {
    let requests = try requests(Self.two, pieces: pieces)
    #expect(requests.map(\.method) == ["POST", "GET"])
    #expect(requests.map(\.path) == ["/v1/predict", "/"])
    #expect(requests[0].body == Array("hello".utf8) && requests[1].body.isEmpty)
    #expect(requests[0].fields["x-any"] == "b c")
    #expect(requests.map(\.keepsAlive) == [true, true])
    #expect(requests.map(\.isVersion10) == [false, true])
  }

  @Test(arguments: [1, 3, 1000]) func chunksAreJoined(_ pieces: Int) throws {
    let text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0a\r\n0123456789\r\n"
      + "0\r\nTrailer: x\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    let requests = try requests(text, pieces: pieces)
    #expect(requests.count == 2 && requests.last?.path == "/next")
    #expect(requests.first?.body == Array("abc0123456789".utf8))
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\n\r\n", 400),  // without Host
    ("GET /\r\n\r\n", 400), ("\u{16}\u{3}\u{1} x\r\n\r\n", 400), ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505), ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \u{1}\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n", 413),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
  ]) func whatIsWrongHasAStatus(_ text: String, _ code: Int) {
    #expect(status(text) == code)
  }

  @Test func headsAreLimitedBeforeTheyEnd() {
    let long = String(repeating: "x", count: 600)
    #expect(status("GET /\(long)") == 431)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\nX: \(long)\r\n\r\n") == 431)
    #expect(status("GET / HTTP/1.1\r\nHost: a\r\n") == nil)
  }

  @Test func continueIsDueOnce() throws {
    var parser = RequestParser(Self.limits)
    parser.append(
      Array("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n".utf8))
    #expect(try parser.next() == nil)
    #expect(parser.takeContinue() && !parser.takeContinue())
    parser.append([0x61])
    #expect(try parser.next()?.body == [0x61])
  }
}
