import Datasets
import Foundation
import TestSupport
import Testing

/// The subwords of a text for a language model.
@Suite struct SubwordCorpusTests {
  private static let words = ["low", "lower", "lowest", "new", "newer", "wide", "widest"]

  private static let lines: [String] = (0..<80).map { line in
    let places: [Int] = (0..<6).map { place in (line * line + place * line) % 7 }
    return places.map { words[$0] }.joined(separator: " ")
  }

  private func options(_ size: Int = 24, kind: SubwordKind = .bpe, lowercase: Bool = false)
    -> TextOptions
  {
    var options = TextOptions(.bpe, lowercase: lowercase, maxVocabulary: size)
    options.subwordKind = kind
    return options
  }

  private func load(_ text: String, _ options: TextOptions, validFraction: Double = 0) throws -> TextCorpus {
    try .load(train: .text(text), validFraction: validFraction, options: options)
  }

  private func text(of tokens: TokenStream, _ vocabulary: Vocabulary) -> String {
    String(decoding: vocabulary.decode((0..<tokens.count).map { tokens[$0] }), as: UTF8.self)
  }

  @Test(arguments: [SubwordKind.bpe, .unigram]) func textComesBack(kind: SubwordKind) throws {
    let text = Self.lines.joined(separator: "\n") + "\n\nlow new"
    let corpus = try load(text, options(kind: kind))
    #expect(self.text(of: corpus.train, corpus.vocabulary) == text)
    #expect(corpus.train.count < text.count && corpus.vocabulary.count <= 24)
    #expect(corpus.train.ids.count { $0 == corpus.vocabulary.endOfSentence } == 81)
    // A text that is read as a whole, and a text that is encoded separately.
    #expect(try corpus.vocabulary.encode(stream: Array(text.utf8)) == corpus.train.ids)
    #expect(try load(text.replacing("\n", with: "\r\n"), options(kind: kind)).train == corpus.train)
    #expect(try load("\u{FEFF}" + text, options(kind: kind)).train == corpus.train)
    #expect(try load(text, options(kind: kind)).digest == corpus.digest)
  }

  /// Frequent tokens have low ids, which clusters of rare tokens require.
  @Test func idsFollowFrequency() throws {
    let corpus = try load(Self.lines.joined(separator: "\n"), options())
    var counts = [Int](repeating: 0, count: corpus.vocabulary.count)
    for id in corpus.train.ids { counts[Int(id)] += 1 }
    #expect(counts.dropFirst(2) == counts.dropFirst(2).sorted(by: >)[...])
    #expect(corpus.vocabulary.tokens.prefix(2) == ["<unk>", "<eos>"])
  }

  /// The part that is split off begins with a line, and the subword model has not seen it.
  @Test func theValidationPartIsTheEnd() throws {
    let text = Self.lines.joined(separator: "\n") + "\nzebra zebra zebra\n"
    let corpus = try load(text, options(), validFraction: 0.1)
    let valid = try #require(corpus.valid)
    let first = self.text(of: corpus.train, corpus.vocabulary)
    let next = text.dropFirst(first.count).prefix { $0 != "\n" }
    #expect(text.hasPrefix(first) && first.hasSuffix("\n"))
    #expect(self.text(of: valid, corpus.vocabulary).hasPrefix(next + "\n"))
    let share = Double(first.utf8.count) / Double(text.utf8.count)
    #expect(abs(share - 0.9) < 0.02)
    #expect(!corpus.vocabulary.tokens.contains { $0.contains("z") })
    let again = try TextCorpus.load(
      train: TextSource.text(text), validFraction: 0.1, options: options(), vocabulary: corpus.vocabulary)
    #expect(again.train == corpus.train && again.valid == valid)
  }

  /// A line that is longer than any buffer is cut where this has no effect.
  @Test func aTextOfOneLine() throws {
    let line = (0..<200).map { _ in Self.lines.joined(separator: " ") }.joined(separator: " ")
    let corpus = try load(line, options())
    let folder = try TemporaryDirectory()
    try corpus.vocabulary.save(to: folder.file("vocab.txt"))
    let model = try SubwordModel.load(path: folder.file("vocab.model"))
    #expect(try corpus.train.ids == model.encode(line.utf8))
    #expect(text(of: corpus.train, corpus.vocabulary) == line)
  }

  @Test func savedAndLoaded() throws {
    let corpus = try load(Self.lines.joined(separator: "\n"), options(lowercase: true))
    let folder = try TemporaryDirectory()
    let path = folder.file("vocab.txt")
    try corpus.vocabulary.save(to: path)
    let loaded = try Vocabulary.load(
      path: path, options: TextOptions(.bpe, lowercase: true), boundaries: .lineEnds)
    #expect(loaded == corpus.vocabulary && loaded.digest == corpus.vocabulary.digest)
    #expect(try loaded.encode(Array("LOWER".utf8)) == corpus.vocabulary.encode(Array("lower".utf8)))
    // The model is a SentencePiece model with the same ids.
    let model = try SubwordModel.load(path: folder.file("vocab.model"))
    #expect(model.pieces == loaded.tokens)
    #expect(try model.encode("lower newest".utf8) == loaded.encode("lower newest".utf8))
    let other = try load("abc abd abe\nabc", options(12))
    try other.vocabulary.save(to: folder.file("other.txt"))
    try FileManager.default.removeItem(atPath: folder.file("vocab.model"))
    try FileManager.default.moveItem(atPath: folder.file("other.model"), toPath: folder.file("vocab.model"))
    #expect(throws: DataError.self) {
      try Vocabulary.load(path: path, options: TextOptions(.bpe), boundaries: .lineEnds)
    }
  }

  @Test func sizesOfText() throws {
    let corpus = try load(Self.lines.joined(separator: "\n"), options())
    let text = "low lower\n\nnew é\nwide"
    let tokens = try TokenStream(reading: .text(text), vocabulary: corpus.vocabulary)
    // All text but the first subword; an unknown character counts as one of unknown bytes.
    let first = corpus.vocabulary.decode([tokens[0]]).count
    #expect(
      corpus.vocabulary.predictedSize(of: tokens)
        == Vocabulary.TextSize(bytes: nil, characters: text.count - first))
    let characters = try TextCorpus.load(train: .text("aé\u{1F600}\n"), options: TextOptions(.char))
    #expect(characters.vocabulary.predictedSize(of: characters.train) == .init(bytes: 7, characters: 3))
    let words = try TextCorpus.load(train: .text("a bé\nc d\n"), options: TextOptions(.word))
    #expect(words.vocabulary.predictedSize(of: words.train) == .init(bytes: 9, characters: 8))
    let bytes = try TextCorpus.load(train: .text("aé"), options: TextOptions(.byte))
    #expect(bytes.vocabulary.predictedSize(of: bytes.train) == .init(bytes: 2, characters: nil))
  }

  @Test func unusableTexts() throws {
    func error(_ bytes: [UInt8], _ size: Int = 24) -> DataError? {
      #expect(throws: DataError.self) {
        try TextCorpus.load(train: .memory(bytes, name: "text"), options: options(size))
      }
    }
    #expect(error([]) == .empty(name: "text") && error(Array("\n\n".utf8)) == .empty(name: "text"))
    let bad = error(Array("low\nlower \u{FF}".utf8.dropLast()))
    #expect(bad.map { "\($0)".hasPrefix("text:2: ") } == true, "\(String(describing: bad))")
    guard case .subwordModel = error(Array("abcdefghijklmnopqrstuvwxyz".utf8), 8) else {
      Issue.record("a vocabulary smaller than the alphabet")
      return
    }
  }
}
