import Foundation

/// The content of `state.json`: the trainer's state and the digests of the tensor files.
///
///     {"digest":"xxh3-128:…","content":{"files":{NAME:{"bytes":N,"digest":"…"},…},"format":1,"state":…,"step":N}}
///
/// The digest covers the bytes of the content. Only the bytes above are allowed around the content, so that a change of
/// any single bit is detected.
struct CheckpointState: Sendable {
  struct File: Codable, Sendable {
    var bytes: Int
    var digest: String
  }

  static let fileName = "state.json"
  private static let format = 1
  /// The limit for `state.json`. Everything whose size depends on the model is in the tensor files.
  private static let maximumBytes = 256 << 20
  private static let opening = "{\"digest\":\""
  private static let middle = "\",\"content\":"
  private static let closing = "}\n"

  let step: Int
  let files: [String: File]
  /// The JSON of the content, verified.
  private let content: Data

  // MARK: - Writing

  private struct Content<State: Encodable>: Encodable {
    let files: [String: File]
    let format = CheckpointState.format
    let state: State
    let step: Int
  }

  /// Returns the bytes of `state.json`; the same arguments give the same bytes. Throws `EncodingError`.
  static func encode(step: Int, files: [String: File], state: some Encodable) throws -> Data {
    let content = Data(try ExactJSON.encode(Content(files: files, state: state, step: step)))
    return Data((opening + digest(of: content) + middle).utf8) + content + Data(closing.utf8)
  }

  private static func digest(of content: Data) -> String {
    "xxh3-128:" + content.withUnsafeBytes { Digest.hexadecimal(of: $0) }
  }

  // MARK: - Reading

  private struct Summary: Decodable {
    let files: [String: File]?
    let format: Int
    let step: Int?
  }

  private struct StateOnly<State: Decodable>: Decodable {
    let state: State
  }

  /// Reads and verifies `state.json` in the directory of a checkpoint; throws `CheckpointFailure` and `FileFailure`.
  init(checkpoint: String) throws {
    let path = checkpoint + "/" + Self.fileName
    func damage(_ problem: String) -> CheckpointFailure {
      CheckpointFailure(path: path, reason: .damagedState(problem))
    }
    guard let data = try DurableFile.read(path, limit: Self.maximumBytes) else {
      throw damage("not a regular file of at most \(Self.maximumBytes) bytes")
    }
    let (head, digestBytes) = (Self.opening.utf8.count, Self.digest(of: Data()).utf8.count)
    let start = head + digestBytes + Self.middle.utf8.count
    guard data.count >= start + Self.closing.utf8.count else { throw damage("truncated") }
    content = data[start..<(data.count - Self.closing.utf8.count)]
    let frame = [data[..<head], data[(head + digestBytes)..<start], data[content.endIndex...]]
    guard frame.elementsEqual([Self.opening, Self.middle, Self.closing].map { Data($0.utf8) }) else {
      throw damage("truncated, extended or not the state of a checkpoint")
    }
    let recorded = String(decoding: data[head..<(head + digestBytes)], as: UTF8.self)
    let computed = Self.digest(of: content)
    guard recorded == computed else {
      throw damage("the digest is \(computed), but \(recorded) was recorded")
    }
    let summary: Summary
    do { summary = try ExactJSON.decode(Summary.self, from: content) } catch {
      throw damage(decodingProblem(error))
    }
    guard summary.format == Self.format else {
      throw damage("it has format \(summary.format), this program reads format \(Self.format)")
    }
    guard let step = summary.step, let files = summary.files else {
      throw damage("step or files are missing")
    }
    (self.step, self.files) = (step, files)
  }

  /// Returns the trainer's state bit for bit, infinities and NaN included; throws `DecodingError`.
  func decode<State: Decodable>(_ type: State.Type) throws -> State {
    try ExactJSON.decode(StateOnly<State>.self, from: content).state
  }
}

/// Values as JSON, bit for bit: infinities and NaN are texts. The same value gives the same bytes.
package enum ExactJSON {
  private static let (infinity, negativeInfinity, notANumber) = ("inf", "-inf", "nan")

  /// Throws `EncodingError`.
  package static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: infinity, negativeInfinity: negativeInfinity, nan: notANumber)
    return [UInt8](try encoder.encode(value))
  }

  /// Throws `DecodingError`.
  package static func decode<Value: Decodable>(
    _ type: Value.Type, from json: some Sequence<UInt8>
  ) throws -> Value {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: infinity, negativeInfinity: negativeInfinity, nan: notANumber)
    return try decoder.decode(type, from: Data(json))
  }
}

/// The reason why JSON can't be decoded, in words for a user. The decoder's own description is that of a Swift value.
package func decodingProblem(_ error: any Error) -> String {
  guard let error = error as? DecodingError else { return "\(error)" }
  func name(_ path: [any CodingKey], _ last: (any CodingKey)? = nil) -> String {
    let keys = path + (last.map { [$0] } ?? [])
    return keys.isEmpty
      ? "the value" : keys.map { $0.intValue.map { "\($0)" } ?? $0.stringValue }.joined(separator: ".")
  }
  return switch error {
  case .keyNotFound(let key, let context): "\(name(context.codingPath, key)) is missing"
  case .valueNotFound(_, let context): "\(name(context.codingPath)) is null"
  case .typeMismatch(_, let context): "\(name(context.codingPath)) is of another type"
  case .dataCorrupted(let context):
    context.codingPath.isEmpty ? "not JSON" : "\(name(context.codingPath)): \(context.debugDescription)"
  @unknown default: "not the JSON that was expected"
  }
}
