import Datasets
import Foundation
import Testing

@Suite struct CharacterCorpusTests {
  private func load(_ text: String, lowercase: Bool = false) throws -> TextCorpus {
    try .load(train: .text(text), options: TextOptions(.char, lowercase: lowercase))
  }

  @Test func idsFollowCodePointsAfterTheUnknownToken() throws {
    let corpus = try load("cab\u{1F600}é")
    #expect(corpus.vocabulary.tokens == ["<unk>", "a", "b", "c", "é", "\u{1F600}"])
    #expect(corpus.train.ids == [3, 1, 2, 5, 4])
    #expect(corpus.vocabulary.unknown == 0)
    #expect(corpus.vocabulary.endOfSentence == nil)
  }

  @Test func everyLineEndIsALineFeed() throws {
    let corpus = try load("a\r\nb\n")
    #expect(corpus.vocabulary.tokens == ["<unk>", "\n", "a", "b"])
    #expect(corpus.train.ids == [2, 1, 3, 1])
    #expect(try load("a\r\r\n").vocabulary.tokens == ["<unk>", "\n", "\r", "a"])
  }

  @Test func onlyTheFirstByteOrderMarkIsSkipped() throws {
    let corpus = try load("\u{FEFF}a\u{FEFF}b")
    #expect(corpus.train.ids == [1, 3, 2])
  }

  @Test func canonicallyEquivalentCharactersAreDifferentTokens() throws {
    // ANGSTROM SIGN and A WITH RING ABOVE compare equal as Swift strings.
    let corpus = try load("\u{212B}\u{C5}\u{212B}")
    #expect(corpus.vocabulary.count == 3)
    #expect(corpus.train.ids == [2, 1, 2])
  }

  @Test func lowerCaseMayBeSeveralScalars() throws {
    let corpus = try load("aA\u{130}", lowercase: true)
    #expect(
      corpus.vocabulary.tokens.map { Array($0.unicodeScalars) } == [
        Array("<unk>".unicodeScalars), ["a"], ["i"], ["\u{307}"],
      ])
    #expect(corpus.train.ids == [1, 1, 2, 3])
  }

  @Test func charactersAcrossBufferEdgesAreRead() throws {
    // One ASCII character and then only characters of three or four bytes: every end of a buffer is inside a character.
    let text = "x" + String(repeating: "日\u{10348}", count: 120_000)
    let file = try TemporaryFile(text)
    let corpus = try TextCorpus.load(train: .file(file.path), options: TextOptions(.char))
    #expect(corpus.train.count == 240_001)
    #expect(Set(stride(from: 1, to: 240_001, by: 2).map { corpus.train[$0] }) == [2])
    #expect(Set(stride(from: 2, to: 240_001, by: 2).map { corpus.train[$0] }) == [3])
  }

  /// A text without line ends and spaces is read in parts, cut between characters.
  @Test(arguments: [TokenUnit.byte, .char, .word]) func aLineOfAnyLength(unit: TokenUnit) throws {
    let part = unit == .word ? "größe \u{10348} " : "größe\u{10348}"
    let text = String(repeating: part, count: 30_000)
    let corpus = try TextCorpus.load(train: .text(text), options: TextOptions(unit))
    let ids = try corpus.vocabulary.encode(part.utf8)
    #expect(corpus.train.ids == (0..<30_000).flatMap { _ in ids })
  }

  @Test func limitsKeepTheMostFrequentAndThenTheLowerCodePoint() throws {
    let text = TextSource.text("zzzyyxxw")
    let byCount = try TextCorpus.load(train: text, options: TextOptions(.char, minCount: 2))
    #expect(byCount.vocabulary.tokens == ["<unk>", "x", "y", "z"])
    #expect(byCount.train.ids == [3, 3, 3, 2, 2, 1, 1, 0])
    let bySize = try TextCorpus.load(train: text, options: TextOptions(.char, maxVocabulary: 3))
    #expect(bySize.vocabulary.tokens == ["<unk>", "x", "z"])
    #expect(bySize.train.ids == [2, 2, 2, 0, 0, 1, 1, 0])
  }
}

@Suite struct WordCorpusTests {
  private func load(_ text: String, _ minCount: Int = 1, _ maximum: Int = 0, lowercase: Bool = false) throws
    -> TextCorpus
  {
    let options = TextOptions(.word, lowercase: lowercase, minCount: minCount, maxVocabulary: maximum)
    return try .load(train: .text(text), options: options)
  }

  @Test(arguments: [
    "the cat\nthe dog\n", "the cat\r\n the\tdog \r\n", "\u{FEFF}the\u{A0}cat\nthe\u{3000}dog\n",
  ])
  func wordsAndLineEnds(text: String) throws {
    let corpus = try load(text)
    #expect(corpus.vocabulary.tokens == ["<unk>", "<eos>", "the", "cat", "dog"])
    #expect(corpus.train.ids == [2, 3, 1, 2, 4, 1])
    #expect(corpus.vocabulary.endOfSentence == 1)
    #expect(corpus.vocabulary.unknown == 0)
  }

  @Test func withoutAFinalLineFeedThereIsNoFinalEnd() throws {
    let corpus = try load("a b\na")
    #expect(corpus.train.ids.map { corpus.vocabulary[$0] } == ["a", "b", "<eos>", "a"])
  }

  @Test func emptyLinesAreSentences() throws {
    let corpus = try load("a\n\n\nb")
    #expect(corpus.train.ids.map { corpus.vocabulary[$0] } == ["a", "<eos>", "<eos>", "<eos>", "b"])
  }

  @Test func writtenUnknownWordsAreTheUnknownToken() throws {
    let corpus = try load("<unk> a <unk> b <unk> a\n")
    #expect(corpus.vocabulary.tokens == ["<unk>", "<eos>", "a", "b"])
    #expect(corpus.train.ids == [0, 2, 0, 3, 0, 2, 1])
  }

  @Test func rareWordsBecomeUnknown() throws {
    let corpus = try load("a a a b b c d e\n", 2)
    #expect(corpus.vocabulary.tokens == ["<unk>", "<eos>", "a", "b"])
    #expect(corpus.train.ids == [2, 2, 2, 3, 3, 0, 0, 0, 1])
  }

  @Test func theLargestVocabularyIncludesSpecialTokensAndTiesGoByCodePoint() throws {
    let corpus = try load("d c b a \u{10000} \u{FFFD}", 1, 5)
    #expect(corpus.vocabulary.count == 5)
    #expect(corpus.vocabulary.tokens == ["<unk>", "<eos>", "a", "b", "c"])
    #expect(corpus.train.ids == [0, 4, 3, 2, 0, 0])
  }

  @Test func lowerCaseJoinsWords() throws {
    let corpus = try load("The the ÉTÉ été THE", lowercase: true)
    #expect(corpus.vocabulary.tokens == ["<unk>", "<eos>", "the", "été"])
    #expect(corpus.train.ids == [2, 2, 3, 3, 2])
  }

  @Test func manyWordsKeepTheirIds() throws {
    // There are more words than the initial table and 16 bits can hold, so the table grows and ids have 32 bits.
    let words = (0..<70_000).map { "w\($0)" }
    let corpus = try load(words.joined(separator: " "))
    #expect(corpus.vocabulary.count == 70_002)
    #expect(corpus.train.bytesPerToken == 4)
    #expect(corpus.train.ids.map { corpus.vocabulary[$0] } == words)
  }
}

@Suite struct ByteCorpusTests {
  @Test func everyByteIsItsOwnId() throws {
    let bytes = (0...255).map { UInt8($0) } + [0xFF, 0xC0, 0x00]
    let file = try TemporaryFile(bytes)
    let corpus = try TextCorpus.load(train: .file(file.path), options: TextOptions(.byte))
    #expect(corpus.vocabulary.count == 256)
    #expect(corpus.train.ids == bytes.map { Int32($0) })
    #expect(corpus.train.bytesPerToken == 1)
  }

  @Test func lowerCaseChangesOnlyCharactersWithCase() throws {
    let corpus = try TextCorpus.load(
      train: .memory([0x40, 0x41, 0x5A, 0x5B, 0xC3], name: "bytes"),
      options: TextOptions(.byte, lowercase: true))
    #expect(corpus.train.ids == [0x40, 0x61, 0x7A, 0x5B, 0xC3])
  }
}

@Suite struct CorpusPartsTests {
  @Test func theLastPartIsForValidationAndNotCounted() throws {
    let corpus = try TextCorpus.load(
      train: .text("abababab" + "cb"), validFraction: 0.2, options: TextOptions(.char))
    #expect(corpus.vocabulary.tokens == ["<unk>", "a", "b"])
    #expect(corpus.train.ids == [1, 2, 1, 2, 1, 2, 1, 2])
    #expect(corpus.valid?.ids == [0, 2])
  }

  @Test func theCutIsRoundedDown() throws {
    let corpus = try TextCorpus.load(
      train: .memory([UInt8](repeating: 7, count: 1_115_394), name: "bytes"), validFraction: 0.1,
      options: TextOptions(.byte))
    #expect(corpus.train.count == 1_003_854)
    #expect(corpus.valid?.count == 111_540)
  }

  @Test func wordsAreCutByWordsNotByBytes() throws {
    let corpus = try TextCorpus.load(
      train: .text("aaaaaaaaaaaaaaaaaaaa b c d\n"), validFraction: 0.5, options: TextOptions(.word))
    #expect(corpus.train.count == 2)
    #expect(corpus.valid?.count == 3)
    #expect(corpus.vocabulary.id(of: "c") == nil)
  }

  @Test func ownFilesWinOverTheFraction() throws {
    let corpus = try TextCorpus.load(
      train: .text("abcabc"), valid: .text("abx"), test: .text("cc"), validFraction: 0.5,
      options: TextOptions(.char))
    #expect(corpus.train.count == 6)
    #expect(corpus.valid?.ids == [1, 2, 0])
    #expect(corpus.test?.ids == [3, 3])
  }

  @Test func withoutAFractionThereIsNoValidation() throws {
    let corpus = try TextCorpus.load(train: .text("abc"), options: TextOptions(.char))
    #expect(corpus.valid == nil)
    #expect(corpus.test == nil)
  }

  @Test func anEarlierVocabularyIsUsedAsItIs() throws {
    let options = TextOptions(.word)
    let first = try TextCorpus.load(train: .text("a b c\n"), options: options)
    let second = try TextCorpus.load(
      train: .text("c d c d\n"), options: options, vocabulary: first.vocabulary)
    #expect(second.vocabulary == first.vocabulary)
    #expect(second.train.ids.map { second.vocabulary[$0] } == ["c", "<unk>", "c", "<unk>", "<eos>"])
  }

  @Test func theDigestSeesOrderPartsAndVocabulary() throws {
    func digest(_ train: String, valid: String? = nil, _ tokenization: TokenUnit = .char) throws -> UInt64 {
      try TextCorpus.load(
        train: .text(train), valid: valid.map { .text($0) }, options: TextOptions(tokenization)
      ).digest
    }
    let digests = try [
      digest("abab"), digest("abba"), digest("acac"), digest("abab", valid: "ab"), digest("ababa"),
      digest("abab", .byte),
    ]
    #expect(Set(digests).count == digests.count)
    #expect(try digest("abab") == digests[0])
  }
}
