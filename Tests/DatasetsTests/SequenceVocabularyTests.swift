import Datasets
import Testing

@Suite struct SequenceVocabularyTests {
  /// The target vocabulary of some lines.
  private func vocabulary(
    _ text: String, _ tokenization: SequenceTokenization,
    _ change: (inout SequenceTextOptions) -> Void = { _ in }
  ) throws -> SequenceVocabulary {
    var options = SequenceOptions(.generator, .lines, target: tokenization)
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
    let source = try #require(SequenceOptions(.classifier, .tsv).load(.text("a\tb")).encoding.source)
    #expect(source.tokens == ["<unk>", "b"])
    #expect(source.beginOfSentence == nil && source.endOfSentence == nil)
  }

  /// What is copied stands where the unknown token stood, marks give nothing, and the rest is as without.
  @Test func unknownTokensAreReplaced() throws {
    let words = try vocabulary("the cat", .word)
    let ids = [1] + (try words.encode("the dog saw the ox".utf8)) + [2]
    #expect(String(decoding: words.decode(ids), as: UTF8.self) == "the <unk> <unk> the <unk>")
    let copied = words.decode(ids, replacing: [2: Array("Hund".utf8), 5: Array("Ochse".utf8)])
    #expect(String(decoding: copied, as: UTF8.self) == "the Hund <unk> the Ochse")
    let letters = try vocabulary("ab", .char)
    let text = letters.decode([3, 0, 4, 0], replacing: [1: Array("ß".utf8)])
    #expect(String(decoding: text, as: UTF8.self) == "aßb\u{FFFD}")
  }

  @Test(arguments: [SequenceTokenization.byte, .char, .space, .word])
  func decodingGivesTheTextBack(tokenization: SequenceTokenization) throws {
    let vocabulary = try vocabulary(Self.text, tokenization)
    for line in Self.text.split(separator: "\n") {
      let ids = try vocabulary.encode(line.utf8)
      let back = String(decoding: vocabulary.decode([1] + ids + [2, 2]), as: UTF8.self)
      // Spelled like special tokens, yet text.
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

  @Test func whatIsUnknown() throws {
    let words = try vocabulary("a b", .word)
    #expect(words.decode([0, 3]) == Array("<unk> a".utf8))
    let letters = try vocabulary("ab", .char)
    #expect(try letters.encode("ac\u{10FFFF}".utf8) == [3, 0, 0])
    #expect(letters.decode([0, 4]) == Array("\u{FFFD}b".utf8))
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
    let letters = try vocabulary("aA\u{130}", .char) { $0.lowercase = true }
    #expect(letters.tokens.dropFirst(3).map { Array($0.unicodeScalars) } == [["a"], ["i"], ["\u{307}"]])
    #expect(try letters.encode("\u{130}".utf8) == [4, 5])
    let bytes = try vocabulary("x", .byte) { $0.lowercase = true }
    #expect(try bytes.encode([0x41, 0xC0]) == [0x61 + 2, 0xC0 + 2])
  }

  @Test func symbolsAreCutAtSpacesOnly() throws {
    let line = "a\u{A0}b  c\u{2003}d "
    #expect(try vocabulary(line, .space).tokens.dropFirst(3) == ["a\u{A0}b", "c\u{2003}d"])
    #expect(try vocabulary(line, .word).tokens.dropFirst(3) == ["a", "b", "c", "d"])
  }

  @Test func unitsAreTheTextBehindTheIds() throws {
    for tokenization in [SequenceTokenization.byte, .char, .word, .space] {
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

  @Test(arguments: [SequenceTokenization.byte, .char, .space, .word], [false, true])
  func aFileGivesTheSameVocabulary(tokenization: SequenceTokenization, boundaries: Bool) throws {
    let written =
      boundaries
      ? try vocabulary(Self.text, tokenization)
      : try #require(
        SequenceOptions(.classifier, .tsv, source: tokenization).load(.text("x\t" + Self.text.prefix(30)))
          .encoding.source)
    let file = try TemporaryFile()
    #expect(try written.save(to: file.path) == [file.path])
    let options = SequenceTextOptions(tokenization)
    let read = try SequenceVocabulary.load(path: file.path, options: options, boundaries: boundaries)
    #expect(read == written)
    #expect(read.digest == written.digest)
    #expect(read.endOfSentence == written.endOfSentence)
    #expect(try read.encode(Self.text.utf8) == written.encode(Self.text.utf8))
    // Words may be spelled like special tokens; characters and bytes can't.
    if tokenization == .char || tokenization == .byte {
      #expect(throws: DataError.self) {
        try SequenceVocabulary.load(path: file.path, options: options, boundaries: !boundaries)
      }
    }
  }

  @Test(arguments: [
    (SequenceTokenization.word, "<unk>\n<eos>\n", 2), (.word, "a\n", 1),
    (.word, "<unk>\n<bos>\n<eos>\na\n\n", 5),
    (.word, "<unk>\n<bos>\n<eos>\na\nb\na\n", 6), (.char, "<unk>\n<bos>\n<eos>\nab\n", 4),
    (.byte, "<bos>\n<eos>\n\\u0001\n", 3), (.byte, "<bos>\n<eos>\n\\u0000\n", 4), (.word, "", 1),
    (.word, "<unk>\n<bos>\n<eos>\n\\x\n", 4),
  ])
  func wrongLinesAreNamed(tokenization: SequenceTokenization, content: String, line: Int) throws {
    let file = try TemporaryFile(content)
    let error = #expect(throws: DataError.self) {
      try SequenceVocabulary.load(
        path: file.path, options: SequenceTextOptions(tokenization), boundaries: true)
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

@Suite struct LabelVocabularyTests {
  @Test func labelsAreSorted() {
    #expect(LabelVocabulary(["b", "a", "b", "C"]).names == ["C", "a", "b"])
    #expect(LabelVocabulary(["10", "9", "-1", "9"]).names == ["-1", "9", "10"])
    #expect(LabelVocabulary(["10", "9", "x"]).names == ["10", "9", "x"])
    // Different labels of one value keep apart.
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
