import Foundation

/// Inputs that libFuzzer found: each reaches code that the others of the same reader don't. `.ci/fuzz --minimize` writes them to
/// one text file per reader, with one input per line, so an input that found a bug belongs in a test of its own. Backslashes and
/// all bytes except printable ASCII are escaped as in C (`\n`, `\\`, `\xff`).
public enum Corpus {
  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Corpus")

  /// The names of the files without .txt.
  public static func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).map { String($0.dropLast(".txt".count)) }
  }

  /// The inputs of a reader.
  public static func inputs(of reader: FuzzedReader) throws -> [[UInt8]] {
    let text = try Data(contentsOf: folder.appendingPathComponent("\(reader.name).txt"))
    return try text.split(separator: UInt8(ascii: "\n")).map { line in
      guard let bytes = bytes(of: Array(line)) else {
        throw DamagedCorpus(reader: reader.name, line: String(decoding: line, as: UTF8.self))
      }
      return bytes
    }
  }

  struct DamagedCorpus: Error {
    let reader: String
    let line: String
  }

  private static let escapes: [(code: UInt8, byte: UInt8)] = [
    (UInt8(ascii: "n"), 0x0A), (UInt8(ascii: "r"), 0x0D), (UInt8(ascii: "t"), 0x09),
    (UInt8(ascii: "\\"), UInt8(ascii: "\\")),
  ]

  /// An input as a line of text.
  public static func line(_ bytes: [UInt8]) -> String {
    bytes.map { byte -> String in
      if let escape = escapes.first(where: { $0.byte == byte }) {
        "\\\(Character(Unicode.Scalar(escape.code)))"
      } else if 0x20..<0x7F ~= byte {
        String(Character(Unicode.Scalar(byte)))
      } else {
        String(format: "\\x%02x", byte)
      }
    }.joined()
  }

  /// The input in a line, or nil if the line has another form.
  public static func bytes(of line: [UInt8]) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = line[...]
    while let first = rest.popFirst() {
      guard first == UInt8(ascii: "\\") else {
        bytes.append(first)
        continue
      }
      guard let code = rest.popFirst() else { return nil }
      if code == UInt8(ascii: "x") {
        guard rest.count >= 2, let byte = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
        else {
          return nil
        }
        bytes.append(byte)
        rest = rest.dropFirst(2)
      } else {
        guard let escape = escapes.first(where: { $0.code == code }) else { return nil }
        bytes.append(escape.byte)
      }
    }
    return bytes
  }

  /// The files of a folder as lines, small ones first, up to a number of bytes in all.
  public static func lines(ofFilesIn folder: String, room: Int) throws -> [String] {
    let files = try FileManager.default.contentsOfDirectory(
      at: URL(fileURLWithPath: folder), includingPropertiesForKeys: nil)
    let lines = try files.map { line([UInt8](try Data(contentsOf: $0))) }.filter { !$0.isEmpty }
    var (chosen, size) = ([String](), 0)
    for line in lines.sorted(by: { ($0.utf8.count, $0) < ($1.utf8.count, $1) }) {
      size += line.utf8.count + 1
      guard size <= room else { break }
      chosen.append(line)
    }
    return chosen
  }
}
