import Foundation
import Checkpoints
import Testing

@testable import Datasets

@Suite struct VocabularyTests {
  /// The target vocabulary of some lines.
  private func vocabulary(
    _ text: String, _ tokenization: TokenUnit,
    _ change: (inout TextOptions) -> Void = { _ in }
  ) throws -> Vocabulary {
    var options = ExampleOptions(.generated, .lines, target: tokenization)
    change(&options.target)
    return try #require(options.load(.text(text)).encoding.target)
  }

  private static let text =
    "tab é\u{301} \u{2028}x\u{1F600} nbsp\u{A0}y \\n \"q\" <unk> <eos> end  \nÅ \u{212B}"

  @Test func specialTokensComeFirst() throws {
    #expect(try vocabulary("b a b", .word).tokens == ["<unk>", "<bos>", "<eos>", "b", "a"])
    #expect(try vocabulary("ba", .char).tokens == ["<unk>", "<bos>", "<eos>", "a", "b"])
    let bytes = try vocabulary("x", .byte)
    #expect(bytes.count == 258 && bytes.unknown == nil)
    #expect(bytes.tokens.prefix(3) == ["<bos>", "<eos>", "\0"])
    #expect(bytes.beginOfSentence == 0 && bytes.endOfSentence == 1)
    let source = try #require(ExampleOptions(.labeled, .tsv).load(.text("a\tb")).encoding.source)
    #expect(source.tokens == ["<unk>", "b"])
    #expect(source.beginOfSentence == nil && source.endOfSentence == nil)
  }

  /// A replacement takes the place of its unknown token, special tokens produce no text, and the other tokens are unchanged.
  @Test func unknownTokensAreReplaced() throws {
    let words = try vocabulary("the cat", .word)
    let ids = [1] + (try words.encode("the dog saw the ox".utf8)) + [2]
    #expect(String(decoding: words.decode(ids), as: UTF8.self) == "the <unk> <unk> the <unk>")
    let copied = words.decode(ids, replacing: [2: Array("Hund".utf8), 5: Array("Ochse".utf8)])
    #expect(String(decoding: copied, as: UTF8.self) == "the Hund <unk> the Ochse")
    let characters = try vocabulary("ab", .char)
    let text = characters.decode([3, 0, 4, 0], replacing: [1: Array("ß".utf8)])
    #expect(String(decoding: text, as: UTF8.self) == "aßb\u{FFFD}")
  }

  @Test(arguments: [TokenUnit.byte, .char, .space, .word])
  func decodingGivesTheTextBack(tokenization: TokenUnit) throws {
    let vocabulary = try vocabulary(Self.text, tokenization)
    for line in Self.text.split(separator: "\n") {
      let ids = try vocabulary.encode(line.utf8)
      let back = String(decoding: vocabulary.decode([1] + ids + [2, 2]), as: UTF8.self)
      // Words that are spelled like special tokens but are text.
      let known =
        tokenization == .byte || tokenization == .char
        ? String(line) : line.replacing("<eos>", with: "<unk>").split(separator: " ").joined(separator: " ")
      let expected =
        tokenization == .word ? known.split(whereSeparator: \.isWhitespace).joined(separator: " ") : known
      if tokenization != .byte { #expect(back.utf8.elementsEqual(expected.utf8), "\(back)") }
      if tokenization == .byte { #expect(vocabulary.decode([0] + ids + [1]).elementsEqual(line.utf8)) }
    }
  }

  @Test func textNeverGivesSpecialTokens() throws {
    let vocabulary = try vocabulary("<bos> a <eos> <unk>", .word)
    #expect(vocabulary.tokens == ["<unk>", "<bos>", "<eos>", "a"])
    #expect(try vocabulary.encode("<bos> a <eos> <unk> b".utf8) == [0, 3, 0, 0, 0])
  }

  @Test func unknownTokens() throws {
    let words = try vocabulary("a b", .word)
    #expect(words.decode([0, 3]) == Array("<unk> a".utf8))
    let characters = try vocabulary("ab", .char)
    #expect(try characters.encode("ac\u{10FFFF}".utf8) == [3, 0, 0])
    #expect(characters.decode([0, 4]) == Array("\u{FFFD}b".utf8))
  }

  @Test func limitsOfTheVocabulary() throws {
    let text = "c c c b b a a d"
    #expect(try vocabulary(text, .word) { $0.minCount = 2 }.tokens.dropFirst(3) == ["c", "a", "b"])
    #expect(try vocabulary(text, .word) { $0.maxVocabulary = 5 }.tokens.dropFirst(3) == ["c", "a"])
    #expect(try vocabulary(text, .char) { $0.maxVocabulary = 5 }.tokens.dropFirst(3) == [" ", "c"])
    #expect(try vocabulary(text, .space) { $0.maxVocabulary = 1 }.tokens == ["<unk>", "<bos>", "<eos>"])
  }

  @Test func lowerCase() throws {
    let words = try vocabulary("The the ÉTÉ", .word) { $0.lowercase = true }
    #expect(words.tokens.dropFirst(3) == ["the", "été"])
    #expect(try words.encode("THE Été".utf8) == [3, 4])
    let characters = try vocabulary("aA\u{130}", .char) { $0.lowercase = true }
    #expect(characters.tokens.dropFirst(3).map { Array($0.unicodeScalars) } == [["a"], ["i"], ["\u{307}"]])
    #expect(try characters.encode("\u{130}".utf8) == [4, 5])
    let bytes = try vocabulary("x", .byte) { $0.lowercase = true }
    #expect(try bytes.encode([0x41, 0xC0]) == [0x61 + 2, 0xC0 + 2])
  }

  @Test func symbolsAreCutAtSpacesOnly() throws {
    let line = "a\u{A0}b  c\u{2003}d "
    #expect(try vocabulary(line, .space).tokens.dropFirst(3) == ["a\u{A0}b", "c\u{2003}d"])
    #expect(try vocabulary(line, .word).tokens.dropFirst(3) == ["a", "b", "c", "d"])
  }

  @Test func unitsAreTheTextBehindTheIds() throws {
    for tokenization in [TokenUnit.byte, .char, .word, .space] {
      let vocabulary = try vocabulary("ab", tokenization)
      let line = Array("xé  ab\u{A0}z ".utf8)
      let units = try #require(vocabulary.units(of: line))
      #expect(units.count == (try vocabulary.encode(line)).count)
    }
    #expect(
      try vocabulary("a", .word).units(of: "Qu ux".utf8)?.map { String(decoding: $0, as: UTF8.self) } == [
        "Qu", "ux",
      ])
  }

  @Test(arguments: [TokenUnit.byte, .char, .space, .word], [false, true])
  func aFileGivesTheSameVocabulary(tokenization: TokenUnit, boundaries: Bool) throws {
    let written =
      boundaries
      ? try vocabulary(Self.text, tokenization)
      : try #require(
        ExampleOptions(.labeled, .tsv, source: tokenization).load(.text("x\t" + Self.text.prefix(30)))
          .encoding.source)
    let file = try TemporaryFile()
    #expect(try written.save(to: file.path) == [file.path])
    let options = TextOptions(tokenization)
    let kept = written.boundaries
    let read = try Vocabulary.load(path: file.path, options: options, boundaries: kept)
    #expect(read == written)
    #expect(read.digest == written.digest)
    #expect(read.endOfSentence == written.endOfSentence)
    #expect(try read.encode(Self.text.utf8) == written.encode(Self.text.utf8))
    // Words may be spelled like special tokens; characters and bytes can't.
    if tokenization == .char || tokenization == .byte {
      #expect(throws: DataError.self) {
        try Vocabulary.load(path: file.path, options: options, boundaries: boundaries ? .none : .sequence)
      }
    }
  }

  @Test(arguments: [
    (TokenUnit.word, "<unk>\n<eos>\n", 2), (.word, "a\n", 1),
    (.word, "<unk>\n<bos>\n<eos>\na\n\n", 5),
    (.word, "<unk>\n<bos>\n<eos>\na\nb\na\n", 6), (.char, "<unk>\n<bos>\n<eos>\nab\n", 4),
    (.byte, "<bos>\n<eos>\n\\u0001\n", 3), (.byte, "<bos>\n<eos>\n\\u0000\n", 4), (.word, "", 1),
    (.word, "<unk>\n<bos>\n<eos>\n\\x\n", 4),
  ])
  func wrongLinesAreNamed(tokenization: TokenUnit, content: String, line: Int) throws {
    let file = try TemporaryFile(content)
    let error = #expect(throws: DataError.self) {
      try Vocabulary.load(
        path: file.path, options: TextOptions(tokenization), boundaries: .sequence)
    }
    guard case .badVocabulary(file.path, line, _) = error else {
      Issue.record("line \(line) expected: \(String(describing: error))")
      return
    }
  }

  @Test func theDigestKnowsTokensAndOrder() throws {
    let first = try vocabulary("a b", .word)
    #expect(first.digest == (try vocabulary("b a", .word)).digest)
    #expect(first.digest != (try vocabulary("a b b", .word)).digest)
    #expect(first.digest != (try vocabulary("a b", .space)).digest)
    #expect(first.digest != (try vocabulary("a b", .word) { $0.lowercase = true }).digest)
  }
}

/// Vocabularies of streams.
@Suite struct StreamVocabularyTests {
  private func vocabulary(_ text: String, _ unit: TokenUnit) throws -> Vocabulary {
    try TextCorpus.load(train: .text(text), options: TextOptions(unit)).vocabulary
  }

  private func load(_ path: String, _ unit: TokenUnit) throws -> Vocabulary {
    try Vocabulary.load(path: path, options: TextOptions(unit), boundaries: .ofStream(unit))
  }

  private static let text =
    "tab\there \\n é\u{301} \u{2028}\u{FEFF}\u{1F600} nbsp\u{A0}\u{E0001} \"q\"\r\n<unk> end\n"

  @Test(arguments: TokenUnit.allCases)
  func aFileGivesTheSameVocabulary(unit: TokenUnit) throws {
    let written = try vocabulary(Self.text, unit)
    let file = try TemporaryFile()
    try written.save(to: file.path)
    let read = try load(file.path, unit)
    #expect(read == written)
    #expect(read.digest == written.digest)
    #expect(read.unknown == written.unknown)
    #expect(read.endOfSentence == written.endOfSentence)
    let content = try String(contentsOfFile: file.path, encoding: .utf8)
    let lines = content.split(separator: "\n")
    #expect(lines.count == written.count)
    #expect(lines.allSatisfy { line in line.unicodeScalars.allSatisfy { !$0.properties.isWhitespace } })
    // An editor may have added a byte order mark and other line ends.
    guard unit != .bpe else { return }
    let edited = try TemporaryFile("\u{FEFF}" + content.replacing("\n", with: "\r\n"))
    #expect(try load(edited.path, unit) == written)
  }

  @Test func bytesAreEscapedUnlessPrintable() throws {
    let file = try TemporaryFile()
    try vocabulary("ab", .byte).save(to: file.path)
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
    #expect(try load(file.path, .char).tokens == ["<unk>", "\n", "\t", "\"", "/", "\\", "é", "\u{1F600}"])
  }

  @Test(arguments: [
    (TokenUnit.char, "<unk>\na\nb\na\n", 4), (.char, "a\n<unk>\n", 1), (.char, "<unk>\nab\n", 2),
    (.char, "<unk>\n\na\n", 2), (.char, "<unk>\n\\x\n", 2), (.char, "<unk>\n\\ud83d\n", 2),
    (.char, "<unk>\n\\u00g0\n", 2), (.char, "<unk>\n\\", 2), (.char, "", 1), (.char, "<unk>\na\n<unk>\n", 3),
    (.word, "a\n<unk>\n", 1), (.word, "<unk>\n", 2), (.byte, "a\n", 1),
    (.byte, "\\u0000\n", 2), (.byte, "\\u0000\n\\u0001\n\\u0003\n", 3),
  ])
  func wrongLinesAreNamed(unit: TokenUnit, content: String, line: Int) throws {
    let file = try TemporaryFile(content)
    let error = #expect(throws: DataError.self) { try load(file.path, unit) }
    guard case .badVocabulary(file.path, line, _) = error else {
      Issue.record("line \(line) expected: \(String(describing: error))")
      return
    }
    #expect(error?.exitCode == 65)
  }

  @Test func brokenUTF8IsNamed() throws {
    let file = try TemporaryFile(Array("<unk>\n".utf8) + [0xFF, 0x0A])
    #expect(throws: DataError.badVocabulary(path: file.path, line: 2, problem: "not UTF-8 text")) {
      try load(file.path, .char)
    }
  }

  @Test func missingAndUnwritableFiles() throws {
    #expect(throws: DataError.missing(path: "/no/vocab.txt")) { try load("/no/vocab.txt", .char) }
    let vocabulary = try vocabulary("ab", .char)
    let error = #expect(throws: FileFailure.self) { try vocabulary.save(to: "/no/vocab.txt") }
    #expect(error?.exitCode == 73)
  }

  @Test(arguments: [
    (TokenUnit.char, "héllo\n \u{1F600}"), (.byte, "\u{FEFF}héllo\r\n\u{1F600}"),
    (.word, "to be\nor <unk>\n\nto"),
  ])
  func textSurvivesEncodingAndDecoding(unit: TokenUnit, text: String) throws {
    let vocabulary = try vocabulary(text + text, unit)
    let ids = try vocabulary.encode(stream: Array(text.utf8))
    #expect(vocabulary.decode(ids) == Array(text.utf8))
  }

  @Test func tokensThatAreNotKnownAreUnknown() throws {
    let characters = try vocabulary("ab", .char)
    #expect(try characters.encode(stream: Array("axb\n".utf8)) == [1, 0, 2, 0])
    #expect(String(decoding: characters.decode([1, 0, 2]), as: UTF8.self) == "a\u{FFFD}b")
    let words = try vocabulary("a b\n", .word)
    #expect(try words.encode(stream: Array("b x".utf8)) == [words.id(of: "b"), words.unknown])
  }

  @Test func aPromptMustBeText() throws {
    let vocabulary = try vocabulary("ab", .char)
    #expect(throws: DataError.line(name: "prompt", line: 1, problem: .invalidUTF8(byte: 1))) {
      try vocabulary.encode(stream: [0x61, 0xFF], name: "prompt")
    }
  }
}

@Suite struct LabelVocabularyTests {
  @Test func labelsAreSorted() {
    #expect(LabelVocabulary(["b", "a", "b", "C"]).names == ["C", "a", "b"])
    #expect(LabelVocabulary(["10", "9", "-1", "9"]).names == ["-1", "9", "10"])
    #expect(LabelVocabulary(["10", "9", "x"]).names == ["10", "9", "x"])
    // Different labels with the same value stay distinct.
    #expect(LabelVocabulary(["2", "1", "01"]).names == ["01", "1", "2"])
  }

  @Test func aFileGivesTheSameLabels() throws {
    let labels = LabelVocabulary(["New York", "a\\b", "É", "10"])
    let file = try TemporaryFile()
    try labels.save(to: file.path)
    let read = try LabelVocabulary.load(path: file.path)
    #expect(read == labels && read.digest == labels.digest)
    #expect(read.id(of: "New York") == labels.id(of: "New York"))
    let broken = try TemporaryFile("a\nb\na\n")
    #expect(throws: DataError.self) { try LabelVocabulary.load(path: broken.path) }
  }
}
