import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import Datasets

/// A prepared text is the text: the same tokens in the same parts, from a file.
@Suite struct PreparedTextTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private static let text = (0..<400).map { "the cat \($0 % 7) sat on ménage \($0)\n" }.joined()

  private func options(_ unit: TokenUnit) -> TextOptions {
    TextOptions(unit, minCount: unit == .word ? 2 : 1, maxVocabulary: unit == .bpe ? 60 : 0)
  }

  private func prepare(_ sources: TextSources, _ unit: TokenUnit) throws -> PreparedText {
    _ = try PreparedText.write(
      sources, options: options(unit), settings: ["data.tokens": unit.rawValue], to: folder.path)
    return try PreparedText(
      opening: folder.path, options: options(unit), settings: ["data.tokens": unit.rawValue], verifies: true)
  }

  @Test(arguments: [TokenUnit.byte, .char, .word, .bpe], [0, 0.25]) func sameTokens(
    unit: TokenUnit, fraction: Double
  ) throws {
    let sources = TextSources(
      train: .text(Self.text), test: .text("the dog sat\n"), validFraction: fraction)
    let corpus = try TextCorpus.load(
      train: sources.train, test: sources.test, validFraction: fraction, options: options(unit))
    let prepared = try prepare(sources, unit)
    #expect(prepared.encoding == corpus.encoding)
    #expect(prepared.train == corpus.train && prepared.valid == corpus.valid && prepared.test == corpus.test)
    #expect(prepared.train.bytesPerToken == corpus.train.bytesPerToken)
    // Copied as batches are, with a stride.
    for tokens in [prepared.train, corpus.train] {
      var ids = [Int32](repeating: -1, count: 30)
      ids.withUnsafeMutableBufferPointer { tokens.copy(100..<110, into: $0, offset: 1, stride: 3) }
      #expect(ids[1] == corpus.train[100] && ids[28] == corpus.train[109] && ids[2] == -1)
    }
    #expect(prepared.train.part(5..<9) == corpus.train.part(5..<9))
  }

  @Test func partsInFilesOfTheirOwn() throws {
    let sources = TextSources(train: .text(Self.text), valid: .text("the cat\n"), validFraction: 0.5)
    let prepared = try prepare(sources, .word)
    #expect(prepared.valid?.count == 3 && prepared.test == nil)
    #expect(prepared.train.digest != prepared.valid?.digest)
  }

  @Test func otherSettingsAreRefused() throws {
    _ = try prepare(TextSources(train: .text(Self.text)), .char)
    let error = #expect(throws: DataError.self) {
      try PreparedText(
        opening: folder.path, options: options(.word), settings: ["data.tokens": "word"], verifies: true)
    }
    #expect(error?.description.contains("data.tokens=char, not word") == true)
  }

  @Test(arguments: ["tokens.bin", "prepared.json", "vocab.txt"]) func damageIsFound(name: String) throws {
    _ = try prepare(TextSources(train: .text(Self.text)), .char)
    let good = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder.file(name))))
    var bytes = good
    let open = {
      try PreparedText(opening: folder.path, options: options(.char), settings: [:], verifies: true)
    }
    let digest = String(decoding: good, as: UTF8.self).firstRange(of: "\"digest\" : \"")
    let place =
      digest.map { String(decoding: good, as: UTF8.self)[..<$0.upperBound].utf8.count } ?? bytes.count / 2
    bytes[place] ^= 0x04
    try folder.write(bytes, to: name)
    #expect(throws: DataError.self, "\(name)") { try open() }
    try folder.write(Array(good.dropLast(2)), to: name)
    #expect(throws: DataError.self, "\(name)") { try open() }
    try folder.write(good, to: name)
    _ = try open()
    try FileManager.default.removeItem(atPath: folder.file(name))
    #expect(throws: DataError.self, "\(name)") { try open() }
  }

  /// Sizes that can't be, and ids that the vocabulary does not have.
  @Test func implausibleContent() throws {
    _ = try prepare(TextSources(train: .text(Self.text)), .char)
    let open = {
      try PreparedText(opening: self.folder.path, options: self.options(.char), settings: [:], verifies: true)
    }
    let good = try open()
    let path = folder.file("prepared.json")
    let json = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    try folder.write(json.replacing("\(good.train.count)", with: "\(Int.max)"), to: "prepared.json")
    #expect(throws: DataError.self) { try open() }
    let tokens = folder.file("tokens.bin")
    var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: tokens)))
    let before = bytes.withUnsafeBytes { Digest.hexadecimal(of: $0) }
    bytes[0] = 255
    let after = bytes.withUnsafeBytes { Digest.hexadecimal(of: $0) }
    try folder.write(json.replacing(before, with: after), to: "prepared.json")
    try folder.write(bytes, to: "tokens.bin")
    #expect(throws: DataError.self) { try open() }
  }

  @Test func partsOfOneTokenAreRefused() throws {
    let sources = TextSources(train: .text(Self.text), test: .text("a"))
    #expect(throws: DataError.tooShort(name: "text", tokens: 1)) { try prepare(sources, .char) }
  }

  /// Pages that were read are given back, and read again when they are needed.
  @Test func manyReadsStaySmall() throws {
    let bytes = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let file = try MappedFile(path: folder.write(bytes, to: "bytes"))
    let tokens = TokenStream(name: "bytes", file: file, bytesPerToken: 1, range: 0..<bytes.count)
    for round in 0..<3000 {
      let start = round * 977 % (bytes.count - 10)
      #expect(tokens.ids(start..<start + 10) == bytes[start..<start + 10].map { Int32($0) })
    }
  }

  /// A subword model learns from a sample of a long text, which is spread over all of it.
  @Test func longTextsAreThinned() throws {
    var sample = LineSample()
    for line in 0..<70 {
      [UInt8](repeating: UInt8(0x61 + line % 20), count: 1 << 20).withUnsafeBufferPointer { sample.add($0) }
    }
    #expect(sample.lines.count == 35)
    #expect((0..<35).allSatisfy { sample.lines[$0].first == UInt8(0x61 + 2 * $0 % 20) })
  }
}
