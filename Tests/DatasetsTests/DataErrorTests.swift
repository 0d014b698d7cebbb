import Datasets
import Foundation
import Testing

@Suite struct DataErrorTests {
  @Test func aNameThatIsNotUTF8() {
    let path = String(decoding: [0x61, 0xFF], as: UTF8.self)
    #expect(DataError.missing(path: path).description.contains("not UTF-8"))
    #expect(!DataError.missing(path: "a").description.contains("UTF-8"))
  }

  private func error(_ path: String, _ tokenization: TokenUnit = .char, fraction: Double = 0) -> DataError? {
    #expect(throws: DataError.self) {
      try TextCorpus.load(
        train: .file(path), validFraction: fraction, options: TextOptions(tokenization))
    }
  }

  @Test(arguments: ["/no/such/file", "/dev/null/file"])
  func missing(path: String) {
    #expect(error(path) == .missing(path: path))
    #expect(error(path)?.exitCode == 66)
  }

  @Test(arguments: ["/", "/dev/zero"])
  func notAFile(path: String) {
    #expect(error(path) == .notAFile(path: path))
    #expect(error(path)?.exitCode == 66)
  }

  #if os(Linux)
    @Test func aFailingReadIsReported() {
      // The file is regular by its mode, but no process may read its first page.
      guard case .unreadable("/proc/self/mem", let reason) = error("/proc/self/mem", .byte) else {
        Issue.record("expected an error of the read")
        return
      }
      #expect(!reason.isEmpty)
      #expect(DataError.unreadable(path: "x", reason: reason).exitCode == 74)
    }
  #endif

  @Test(arguments: TokenUnit.allCases)
  func emptyAndSingle(tokenization: TokenUnit) throws {
    let empty = try TemporaryFile()
    #expect(error(empty.path, tokenization) == .empty(name: empty.path))
    #expect(error(empty.path, tokenization, fraction: 0.5) == .empty(name: empty.path))
    let single = try TemporaryFile("x")
    #expect(error(single.path, tokenization) == .tooShort(name: single.path, tokens: 1))
    #expect(error(single.path, tokenization)?.exitCode == 65)
  }

  /// Bytes that do not begin a character: alone, overlong, surrogates, above U+10FFFF, cut short by the next
  /// character.
  @Test(
    arguments: [
      [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xF0, 0x8F, 0xBF, 0xBF],
      [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80], [0xFF], [0xE2, 0x82, 0x41], [0xC3, 0x41], [0xF0, 0x9F, 0x98],
    ] as [[UInt8]])
  func notUTF8(bytes: [UInt8]) throws {
    let file = try TemporaryFile(Array("é\nab".utf8) + bytes)
    for unit in [TokenUnit.char, .word, .space, .bpe] {
      #expect(error(file.path, unit) == .line(name: file.path, line: 2, problem: .invalidUTF8(byte: 2)))
    }
    let corpus = try TextCorpus.load(train: .file(file.path), options: TextOptions(.byte))
    #expect(corpus.train.count == 5 + bytes.count)
  }

  /// The place of an error is relative to the start of its line, even if a long line is read in parts.
  @Test func placesInLongLines() throws {
    let file = try TemporaryFile(Array(("a\n" + String(repeating: "ab ", count: 5000)).utf8) + [0xFF])
    for unit in [TokenUnit.char, .word] {
      #expect(error(file.path, unit) == .line(name: file.path, line: 2, problem: .invalidUTF8(byte: 15_000)))
    }
  }

  @Test func zeroBytesAreNotText() throws {
    let file = try TemporaryFile("a\nb\0c")
    #expect(error(file.path) == .line(name: file.path, line: 2, problem: .zeroByte(byte: 1)))
    #expect(error(file.path)?.description.contains("data.tokens=byte") == true)
  }

  @Test func wordsHaveALimit() throws {
    let file = try TemporaryFile("a\n" + String(repeating: "x", count: 1 << 20) + "xx")
    #expect(error(file.path, .word) == .line(name: file.path, line: 2, problem: .wordTooLong(limit: 1 << 20)))
  }

  @Test(arguments: [(0.9, "training"), (0.1, "validation")])
  func aSplitNeedsTwoTokensOnEachSide(fraction: Double, part: String) throws {
    let file = try TemporaryFile("abcdefghij")
    // ⌊10 (1 - 0.9)⌋ is 0: 0.9 isn't a binary fraction, and 1 - 0.9 lies below 0.1.
    let tokens = part == "training" ? 0 : 1
    #expect(
      error(file.path, fraction: fraction)
        == .splitTooSmall(name: file.path, part: part, tokens: tokens, fraction: fraction))
  }

  @Test func aVocabularyOfAnEarlierRunDoesNotHideProblems() throws {
    let vocabulary = try TextCorpus.load(train: .text("abc"), options: TextOptions(.char)).vocabulary
    #expect(throws: DataError.empty(name: "text")) {
      try TextCorpus.load(train: .text(""), options: TextOptions(.char), vocabulary: vocabulary)
    }
    #expect(throws: DataError.tooShort(name: "text", tokens: 1)) {
      try TokenStream(reading: .text("a"), vocabulary: vocabulary)
    }
  }
}
