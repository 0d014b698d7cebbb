import Foundation
import Testing
import UnicodeText

/// unicode-lowercase.json, which Tests/Golden/make_metrics.py has written.
private struct GoldenLowercase: Decodable {
  /// The version of Unicode that Python knew.
  var unicode: String
  /// Each scalar whose lower case differs, followed by its lower case.
  var mapped: [[UInt32]]
  /// Texts and their lower case.
  var texts: [[String]]

  static func load() throws -> GoldenLowercase {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.appendingPathComponent("Golden/unicode-lowercase.json")
    return try JSONDecoder().decode(GoldenLowercase.self, from: Data(contentsOf: file))
  }
}

@Suite struct LowercaseTests {
  /// All Unicode scalars except those that are newer than Python's tables.
  @Test func everyScalarIsThatOfPython() throws {
    let golden = try GoldenLowercase.load()
    let mapped = Dictionary(uniqueKeysWithValues: golden.mapped.map { ($0[0], Array($0[1...])) })
    #expect(mapped.count == golden.mapped.count && mapped.count > 1400)
    let newest = try #require(golden.unicode.split(separator: ".").first.flatMap { Int($0) })
    var wrong: [UInt32] = []
    for value in 0...0x10FFFF as ClosedRange<UInt32> {
      guard let age = Unicode.Scalar(value)?.properties.age, age.major <= newest else { continue }
      if lowercased([value]) != mapped[value] ?? [value] { wrong.append(value) }
    }
    #expect(wrong == [])
  }

  @Test func finalSigmasAreThoseOfPython() throws {
    let texts = try GoldenLowercase.load().texts
    #expect(texts.count > 20 && texts.contains { $0[1].unicodeScalars.contains("\u{3C2}") })
    for pair in texts {
      #expect(lowercased(scalars(of: pair[0])) == scalars(of: pair[1]), "\(pair)")
      #expect(lowercased(utf8: Array(pair[0].utf8)) == Array(pair[1].utf8), "\(pair)")
    }
  }

  @Test func lowerCaseStaysAsItIs() throws {
    for pair in try GoldenLowercase.load().mapped {
      let lower = Array(pair[1...])
      #expect(lowercased(lower) == lower)
    }
  }

  @Test func bytesOfASCII() {
    #expect("AZ[@az\u{E9}".utf8.map(lowercasedASCII) == Array("az[@az\u{E9}".utf8))
    #expect(lowercased(utf8: Array("Hello, World".utf8)) == Array("hello, world".utf8))
  }

  /// The White_Space property and the separators that Python adds.
  @Test func whiteSpaceIsThatOfPython() {
    for value in 0...0x10FFFF as ClosedRange<UInt32> {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let expected = scalar.properties.isWhitespace || 0x1C...0x1F ~= value
      #expect(isPythonWhiteSpace(value) == expected)
    }
  }
}
