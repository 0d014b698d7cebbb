import Foundation

/// The content of `state.json`: the trainer's state and the digests of the files beside it.
///
///     {"digest":"xxh3-128:…","content":{"files":{NAME:{"bytes":N,"digest":"…"},…},"format":1,"state":…,"step":N}}
///
/// The digest is that of the content's bytes as they stand; around them nothing but the bytes above is allowed,
/// so that every change of a single bit is noticed.
struct CheckpointState: Sendable, Equatable {
  struct File: Codable, Sendable, Equatable {
    var bytes: Int
    var digest: String
  }

  static let fileName = "state.json"
  static let format = 1
  /// A larger `state.json` is none of ours: what grows with the model is in the tensor files.
  static let maximumBytes = 256 << 20

  var step: Int
  var files: [String: File]
  /// The trainer's state as JSON.
  var state: Data

  private static let opening = "{\"digest\":\""
  private static let middle = "\",\"content\":"
  private static let closing = "}\n"

  init(step: Int, files: [String: File], state: Data) {
    self.step = step
    self.files = files
    self.state = state
  }

  // MARK: - Writing

  /// Returns the file's bytes; the same state gives the same bytes.
  func encoded() -> Data {
    let list = files.sorted { $0.key < $1.key }.map { name, file in
      "\(quotedJSON(name)):{\"bytes\":\(file.bytes),\"digest\":\(quotedJSON(file.digest))}"
    }
    var content = Data(
      "{\"files\":{\(list.joined(separator: ","))},\"format\":\(Self.format),\"state\":".utf8)
    content += state
    content += Data(",\"step\":\(step)}".utf8)
    return Data((Self.opening + Self.digest(of: content) + Self.middle).utf8) + content
      + Data(Self.closing.utf8)
  }

  private static func digest(of content: Data) -> String {
    "xxh3-128:" + content.withUnsafeBytes { Digest.hexadecimal(of: $0) }
  }

  // MARK: - Reading

  /// Reads `state.json` in a checkpoint's directory; throws `CheckpointFailure` and `FileFailure`.
  init(checkpoint: String) throws {
    let path = checkpoint + "/" + Self.fileName
    guard let data = try InputFile.contents(of: path, limit: Self.maximumBytes) else {
      throw CheckpointFailure(path: path, reason: .damagedState("not a file of a credible size"))
    }
    do {
      try self.init(content: try Self.verifiedContent(of: data))
    } catch let problem as Damage {
      throw CheckpointFailure(path: path, reason: .damagedState(problem.explanation))
    } catch let problem as JSONProblem {
      let text = "byte \(problem.offset) of its content: \(problem.explanation)"
      throw CheckpointFailure(path: path, reason: .damagedState(text))
    }
  }

  private struct Damage: Error {
    let explanation: String
  }

  private static func verifiedContent(of data: Data) throws -> Data {
    let head = opening.utf8.count
    let digestBytes = digest(of: Data()).utf8.count
    let contentStart = head + digestBytes + middle.utf8.count
    guard data.count >= contentStart + closing.utf8.count else { throw Damage(explanation: "cut") }
    let content = data[contentStart..<(data.count - closing.utf8.count)]
    let frame = [data[..<head], data[(head + digestBytes)..<contentStart], data[content.endIndex...]]
    guard frame.elementsEqual([opening, middle, closing].map { Data($0.utf8) }) else {
      throw Damage(explanation: "cut, extended or not a checkpoint's state")
    }
    let recorded = String(decoding: data[head..<(head + digestBytes)], as: UTF8.self)
    let computed = digest(of: content)
    guard recorded == computed else {
      throw Damage(explanation: "its digest is \(computed), but \(recorded) was recorded")
    }
    return content
  }

  private init(content: Data) throws {
    var (step, format) = (0, 0)
    var files: [String: File] = [:]
    var stateRange = 0..<0
    try content.withUnsafeBytes { bytes in
      var json = StrictJSON(bytes)
      try json.object { json, key in
        switch key {
        case "files": try json.object { json, name in files[name] = try Self.file(&json) }
        case "format": format = try json.count()
        case "state": stateRange = try json.skip()
        case "step": step = try json.count()
        default: throw Damage(explanation: "unknown key \"\(key)\"")
        }
      }
      try json.end()
    }
    guard format == Self.format else {
      throw Damage(explanation: "format \(format), this program knows \(Self.format)")
    }
    let start = content.startIndex + stateRange.lowerBound
    self.init(step: step, files: files, state: Data(content[start..<(start + stateRange.count)]))
  }

  private static func file(_ json: inout StrictJSON) throws -> File {
    var file = File(bytes: 0, digest: "")
    try json.object { json, key in
      switch key {
      case "bytes": file.bytes = try json.count()
      case "digest": file.digest = try json.string()
      default: throw Damage(explanation: "unknown key \"\(key)\"")
      }
    }
    return file
  }
}

/// How the trainer's state becomes JSON and comes back bit for bit, infinities and NaN included.
enum StateCoding {
  static func encode(_ state: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy =
      .convertToString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try encoder.encode(state)
  }

  static func decode<State: Decodable>(_ type: State.Type, from data: Data) throws -> State {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy =
      .convertFromString(positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try decoder.decode(type, from: data)
  }
}
