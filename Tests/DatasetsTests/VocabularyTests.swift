import Datasets
import Foundation
import Testing

@Suite struct VocabularyTests {
  private func vocabulary(_ text: String, _ tokenization: Tokenization) throws -> Vocabulary {
    try TextCorpus.load(train: .text(text), options: TextOptions(tokenization)).vocabulary
  }

  private static let text =
    "tab\there \\n é\u{301} \u{2028}\u{FEFF}\u{1F600} nbsp\u{A0}\u{E0001} \"q\"\r\n<unk> end\n"

  @Test(arguments: Tokenization.allCases)
  func aFileGivesTheSameVocabulary(tokenization: Tokenization) throws {
    let written = try vocabulary(Self.text, tokenization)
    let file = try TemporaryFile()
    try written.save(to: file.path)
    let read = try Vocabulary.load(path: file.path, tokenization: tokenization)
    #expect(read == written)
    #expect(read.digest == written.digest)
    #expect(read.unknown == written.unknown)
    #expect(read.endOfSentence == written.endOfSentence)
    let lines = try String(contentsOfFile: file.path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == written.count)
    #expect(lines.allSatisfy { line in line.unicodeScalars.allSatisfy { !$0.properties.isWhitespace } })
  }

  @Test func bytesAreEscapedUnlessPrintable() throws {
    let file = try TemporaryFile()
    try Vocabulary.bytes().save(to: file.path)
    let lines = try String(contentsOfFile: file.path, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 256)
    #expect(lines[0x0A] == "\\u000a")
    #expect(lines[0x20] == "\\u0020")
    #expect(lines[0x41] == "A")
    #expect(lines[0x5C] == "\\\\")
    #expect(lines[0xFF] == "\\u00ff")
  }

  @Test func everyJSONEscapeIsRead() throws {
    let file = try TemporaryFile("<unk>\n\\n\n\\t\n\\\"\n\\/\n\\\\\n\\u00e9\n\\ud83d\\ude00\n")
    let vocabulary = try Vocabulary.load(path: file.path, tokenization: .char)
    #expect(vocabulary.tokens == ["<unk>", "\n", "\t", "\"", "/", "\\", "é", "\u{1F600}"])
  }

  @Test(arguments: [
    (Tokenization.char, "<unk>\na\nb\na\n", 4), (.char, "a\n<unk>\n", 1), (.char, "<unk>\nab\n", 2),
    (.char, "<unk>\n\na\n", 2), (.char, "<unk>\n\\x\n", 2), (.char, "<unk>\n\\ud83d\n", 2),
    (.char, "<unk>\n\\u00g0\n", 2), (.char, "<unk>\n\\", 2), (.char, "", 1), (.char, "<unk>\na\n<unk>\n", 3),
    (.word, "a\n<unk>\n", 3), (.word, "<eos>\n", 2), (.word, "<eos>\n<unk>\na b\n", 3), (.byte, "a\n", 1),
    (.byte, "\\u0000\n", 2), (.byte, "\\u0000\n\\u0001\n\\u0003\n", 3),
  ])
  func wrongLinesAreNamed(tokenization: Tokenization, content: String, line: Int) throws {
    let file = try TemporaryFile(content)
    let error = #expect(throws: DataError.self) {
      try Vocabulary.load(path: file.path, tokenization: tokenization)
    }
    guard case .badVocabulary(file.path, line, _) = error else {
      Issue.record("line \(line) expected: \(String(describing: error))")
      return
    }
    #expect(error?.exitCode == 65)
  }

  @Test func brokenUTF8IsNamed() throws {
    let file = try TemporaryFile(Array("<unk>\n".utf8) + [0xFF, 0x0A])
    #expect(throws: DataError.badVocabulary(path: file.path, line: 2, problem: "not UTF-8 text")) {
      try Vocabulary.load(path: file.path, tokenization: .char)
    }
  }

  @Test func missingAndUnwritableFiles() {
    #expect(throws: DataError.missing(path: "/no/vocab.txt")) {
      try Vocabulary.load(path: "/no/vocab.txt", tokenization: .char)
    }
    let error = #expect(throws: DataError.self) { try Vocabulary.bytes().save(to: "/no/vocab.txt") }
    #expect(error?.exitCode == 73)
  }

  @Test(arguments: [
    (Tokenization.char, "héllo\r\n \u{1F600}"), (.byte, "héllo\r\n\u{1F600}"),
    (.word, "to be\nor <unk>\n\nto"),
  ])
  func textSurvivesEncodingAndDecoding(tokenization: Tokenization, text: String) throws {
    let vocabulary = try vocabulary(text + text, tokenization)
    let ids = try vocabulary.encode(Array(text.utf8))
    #expect(String(decoding: vocabulary.decode(ids), as: UTF8.self) == text)
  }

  @Test func whatIsNotKnownIsUnknown() throws {
    let characters = try vocabulary("ab", .char)
    #expect(try characters.encode(Array("axb".utf8)) == [1, 0, 2])
    #expect(String(decoding: characters.decode([1, 0, 2]), as: UTF8.self) == "a\u{FFFD}b")
    let words = try vocabulary("a b\n", .word)
    #expect(try words.encode(Array("b x".utf8)) == [words.id(of: "b"), words.unknown])
  }

  @Test func aPromptMustBeText() throws {
    let vocabulary = try vocabulary("ab", .char)
    #expect(throws: DataError.invalidUTF8(name: "prompt", line: 1, offset: 1)) {
      try vocabulary.encode([0x61, 0xFF], name: "prompt")
    }
  }
}
