import Configuration
import Foundation
import RunLog

/// The JSON text of answers.
enum JSONText {
  /// `{"error": …}`
  static func error(_ message: String) -> String {
    JSONValue.object([JSONMember("error", .string(message))]).text + "\n"
  }

  /// The bytes written by a model as text. Bytes that are not UTF-8, which byte-level models can write, become U+FFFD.
  static func string(_ bytes: some Collection<UInt8>) -> JSONValue {
    .string(String(decoding: bytes, as: UTF8.self))
  }
}

/// The object in the body of a request, whose members are read one by one. Members that were not read are rejected, so
/// that a mistyped name is not ignored.
struct RequestObject {
  /// A JSON value in the form that Foundation reads.
  private enum Value: Decodable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case texts([String])
    case other

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if container.decodeNil() {
        self = .null
      } else if let value = try? container.decode(Bool.self) {
        self = .bool(value)
      } else if let value = try? container.decode(Int.self) {
        self = .integer(value)
      } else if let value = try? container.decode(Double.self) {
        self = .number(value)
      } else if let value = try? container.decode(String.self) {
        self = .text(value)
      } else if let values = try? container.decode([String].self) {
        self = .texts(values)
      } else {
        self = .other
      }
    }
  }

  private var members: [String: Value]
  private var known: [String] = []

  /// Parses a body. Throws ``HTTPProblem`` 400 for a body that is not a JSON object.
  init(_ body: [UInt8]) throws(HTTPProblem) {
    do {
      members = try JSONDecoder().decode([String: Value].self, from: Data(body))
    } catch {
      throw HTTPProblem(400, "the body must be a JSON object, for example {\"input\": \"May 3, 2017\"}")
    }
  }

  private mutating func take(_ name: String) -> Value? {
    known.append(name)
    guard let value = members.removeValue(forKey: name) else { return nil }
    if case .null = value { return nil }
    return value
  }

  mutating func text(_ name: String) throws(HTTPProblem) -> String? {
    guard let value = take(name) else { return nil }
    guard case .text(let text) = value else { throw HTTPProblem(400, "\"\(name)\" must be a string") }
    return text
  }

  /// A string or an array of strings.
  mutating func texts(_ name: String) throws(HTTPProblem) -> [String]? {
    switch take(name) {
    case nil: return nil
    case .text(let text): return [text]
    case .texts(let texts): return texts
    default: throw HTTPProblem(400, "\"\(name)\" must be a string or an array of strings")
    }
  }

  mutating func flag(_ name: String) throws(HTTPProblem) -> Bool {
    guard let value = take(name) else { return false }
    guard case .bool(let flag) = value else { throw HTTPProblem(400, "\"\(name)\" must be true or false") }
    return flag
  }

  mutating func integer(_ name: String, in range: ClosedRange<Int>) throws(HTTPProblem) -> Int? {
    guard let value = take(name) else { return nil }
    guard case .integer(let number) = value, range.contains(number) else {
      let bounds =
        range.upperBound == .max
        ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
      throw HTTPProblem(400, "\"\(name)\" must be an integer \(bounds)")
    }
    return number
  }

  /// Reads a finite number that satisfies a condition; `bounds` describes it, as in `above 0`.
  mutating func number(_ name: String, _ bounds: String, _ fits: (Double) -> Bool) throws(HTTPProblem)
    -> Double?
  {
    let number: Double
    switch take(name) {
    case nil: return nil
    case .integer(let value): number = Double(value)
    case .number(let value): number = value
    default: throw HTTPProblem(400, "\"\(name)\" must be a number \(bounds)")
    }
    guard number.isFinite, fits(number) else {
      throw HTTPProblem(400, "\"\(name)\" must be a number \(bounds)")
    }
    return number
  }

  /// Throws ``HTTPProblem`` 400 if there are members that were not read.
  func end() throws(HTTPProblem) {
    guard let unknown = members.keys.min() else { return }
    let nearest =
      nearestName(to: unknown, among: known).map { "; did you mean \"\($0)\"?" }
      ?? " (known: \(known.joined(separator: ", ")))"
    throw HTTPProblem(400, "unknown member \"\(unknown.prefix(64))\"" + nearest)
  }
}
