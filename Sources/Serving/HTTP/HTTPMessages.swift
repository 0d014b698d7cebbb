import Foundation

/// A complete request.
package struct HTTPRequest: Sendable, Equatable {
  var method: String
  /// The path in the form in which it was sent, without the query.
  var path: String
  /// The values of the header fields by their names in lower case; repeated fields are joined with a comma.
  var fields: [String: String]
  var body: [UInt8] = []
  /// Whether the version is HTTP/1.0, which has no chunked transfer coding.
  var isVersion10: Bool

  /// Whether the client wants to send another request on the same connection (RFC 9112, section 9.3).
  var keepsAlive: Bool {
    let options = (fields["connection"] ?? "").lowercased().split(separator: ",").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    return isVersion10 ? options.contains("keep-alive") : !options.contains("close")
  }
}

/// An answer.
package struct HTTPResponse: Sendable {
  enum Body: Sendable {
    case bytes([UInt8])
    /// A body that is sent in pieces. The function calls its argument with each piece; the argument throws if the
    /// client is gone.
    case stream(
      @Sendable (_ send: (_ piece: [UInt8]) throws(Connection.Failure) -> Void) throws(Connection.Failure) ->
        Void)
  }

  package var status: Int
  /// Header fields other than those that follow from the body and the connection.
  var fields: [(name: String, value: String)] = []
  var body: Body

  init(status: Int = 200, type: String, _ body: Body, fields: [(name: String, value: String)] = []) {
    self.status = status
    self.body = body
    self.fields = [(name: "Content-Type", value: type)] + fields
  }

  /// Returns the status line and the fields, up to and including the empty line.
  func head(keepsAlive: Bool, isVersion10: Bool) -> [UInt8] {
    var lines = ["HTTP/1.1 \(status) \(Self.reason(status))", "Date: \(Self.date(Date()))"]
    lines += fields.map { "\($0.name): \($0.value)" }
    switch body {
    case .bytes(let bytes): lines.append("Content-Length: \(bytes.count)")
    case .stream: if !isVersion10 { lines.append("Transfer-Encoding: chunked") }
    }
    lines += [
      "Connection: \(keepsAlive ? "keep-alive" : "close")", "X-Content-Type-Options: nosniff",
      "Cache-Control: no-store",
    ]
    return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 422: "Unprocessable Content"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 505: "HTTP Version Not Supported"
    default: "Status \(status)"
    }
  }

  /// A date as in RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
  static func date(_ date: Date) -> String {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = .gmt
    let parts = calendar.dateComponents([.weekday, .day, .month, .year, .hour, .minute, .second], from: date)
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    func two(_ number: Int?) -> String { String(format: "%02d", number ?? 0) }
    return
      "\(days[((parts.weekday ?? 1) - 1) % 7]), \(two(parts.day)) \(months[((parts.month ?? 1) - 1) % 12]) "
      + "\(parts.year ?? 0) \(two(parts.hour)):\(two(parts.minute)):\(two(parts.second)) GMT"
  }
}

/// A rejected request, with the reason for the client.
package struct HTTPProblem: Error, Sendable, Equatable {
  package var status: Int
  var message: String
  /// Other header fields, such as `Allow`.
  var fields: [String: String] = [:]

  init(_ status: Int, _ message: String, fields: [String: String] = [:]) {
    self.status = status
    self.message = message
    self.fields = fields
  }
}
