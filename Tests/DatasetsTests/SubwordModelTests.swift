import TestSupport
import Testing

@testable import Datasets

@Suite struct SubwordModelTests {
  private static let lines: TextLines = {
    var lines = TextLines()
    let words = ["lower", "lowest", "newer", "newest", "wide", "wider", "Straße", "naïve", "日本", "low"]
    for index in 0..<200 {
      let line = (0..<5).map { words[(index * 7 + $0 * $0 * 3) % words.count] }.joined(separator: " ")
      lines.append(line.utf8)
    }
    return lines
  }()

  private static func model(
    _ size: Int, _ kind: SubwordKind = .bpe, _ boundaries: Vocabulary.Boundaries = .sequence
  ) throws -> SubwordModel {
    var options = TextOptions(.bpe, maxVocabulary: size)
    options.subwordKind = kind
    return try SubwordModel.trained(on: lines, options, boundaries: boundaries)
  }

  @Test(arguments: SubwordKind.allCases)
  func textSurvivesTheRoundTrip(kind: SubwordKind) throws {
    let model = try Self.model(60, kind)
    #expect(model.pieces.prefix(3) == ["<unk>", "<bos>", "<eos>"])
    #expect(model.pieces.count > 30 && model.pieces.count <= 60)
    #expect(model.unknown == 0)
    for line in ["lower newest Straße", "日本 naïve", "low"] {
      let ids = try model.encode(line.utf8)
      #expect(try model.decode(ids) == Array(line.utf8))
      #expect(ids.map { model.pieces[Int($0)] }.joined() == "▁" + line.replacing(" ", with: "▁"))
    }
    #expect(try model.decode([1] + model.encode("low".utf8) + [2]) == Array("low".utf8))
    #expect(try model.encode([]) == [])
    #expect(try model.decode([]) == [])
  }

  @Test(arguments: SubwordKind.allCases)
  func trainingIsDeterministic(kind: SubwordKind) throws {
    let models = try (0..<2).map { _ in
      try Self.model(50, kind, .none)
    }
    #expect(models[0].bytes == models[1].bytes)
    #expect(models[0].pieces[0] == "<unk>" && !models[0].pieces.contains("<eos>"))
  }

  @Test(arguments: SubwordKind.allCases)
  func anotherOrderChangesOnlyIds(kind: SubwordKind) throws {
    let model = try Self.model(60, kind)
    let order = [0, 1, 2] + (3..<model.pieces.count).reversed()
    let moved = try model.reordered(order)
    #expect(moved.pieces == order.map { model.pieces[$0] })
    for index in 0..<Self.lines.count {
      let ids = try model.encode(Self.lines[index])
      #expect(
        try moved.encode(Self.lines[index]).map { moved.pieces[Int($0)] } == ids.map { model.pieces[Int($0)] }
      )
    }
    #expect(throws: SubwordError.self) { try model.reordered([0]) }
  }

  @Test func unknownTextIsOnePiece() throws {
    let model = try Self.model(60)
    #expect(try model.encode("ЖЖ".utf8).contains(0))
    #expect(try String(decoding: model.decode([0]), as: UTF8.self).contains("⁇"))
  }

  /// A replacement takes the place of the unknown piece, and words keep the spaces between them.
  @Test func unknownPiecesAreReplaced() throws {
    let options = ExampleOptions(.paired, .tsv, target: .bpe) { $0.target.maxVocabulary = 60 }
    let text = (0..<Self.lines.count).map { "x\t\(Self.lines.string($0))" }.joined(separator: "\n")
    let target = try #require(
      try ExampleCorpus.load(
        DataSources(train: .file(.memory(Array(text.utf8), name: "pairs"))), options: options
      ).encoding.target)
    for (line, expected) in [
      ("low Ж wide", "low cat wide"), ("Ж low", "cat low"), ("loЖw", "locatw"), ("low Ж", "low cat"),
    ] {
      let ids = try target.encode(line.utf8)
      let unknown = ids.indices.filter { ids[$0] == target.unknown }
      #expect(unknown.count == 1)
      let replaced = target.decode(ids, replacing: [unknown[0]: Array("cat".utf8)])
      #expect(String(decoding: replaced, as: UTF8.self) == expected)
    }
    let known = try target.encode("lower Straße".utf8)
    #expect(target.decode(known, replacing: [:]) == target.decode(known))
  }

  @Test func refusalsAreErrors() throws {
    for kind in [SubwordKind.bpe, .unigram] {
      var options = TextOptions(.bpe, maxVocabulary: 8)
      options.subwordKind = kind
      let lines = TextLines([Array("the characters of a text".utf8)])
      let few = #expect(throws: DataError.self) {
        try SubwordModel.trained(on: lines, options, boundaries: .sequence)
      }
      // Ten letters, the space and three special tokens.
      #expect(few?.description.hasSuffix("set data.subword_vocabulary to at least 14") == true, "\(kind)")
      let none = #expect(throws: DataError.self) {
        try SubwordModel.trained(on: TextLines(), options, boundaries: .sequence)
      }
      #expect(none?.description.contains("no text") == true)
    }
    #expect(throws: SubwordError.self) { try SubwordModel([]) }
    #expect(throws: SubwordError.self) { try SubwordModel(Array("no model".utf8)) }
    let model = try Self.model(60)
    #expect(throws: SubwordError.self) { try SubwordModel(Array(model.bytes.prefix(model.bytes.count / 2))) }
    for id in [-1, Int32(model.pieces.count), .max, .min] {
      #expect(throws: SubwordError.self) { try model.decode([id]) }
    }
  }

  /// The library trusts the tables of a model file, so damaged files must be rejected before they reach the library.
  @Test func damagedModelsNeverTrap() throws {
    let model = try Self.model(60)
    var state: UInt64 = 7
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    var refused = 0
    for round in 0..<60 {
      var bytes = model.bytes
      if round % 3 == 0 {
        bytes.removeLast(1 + random(bytes.count - 1))
      } else {
        for _ in 0...random(10) { bytes[random(bytes.count)] = UInt8(random(256)) }
      }
      do {
        let damaged = try SubwordModel(bytes)
        for text in ["lower Straße", "ﬁ Å ａｂｃ 日本語 ½ ㌀"] {
          if let ids = try? damaged.encode(text.utf8) { _ = try? damaged.decode(ids) }
        }
      } catch {
        #expect(!error.description.isEmpty)
        refused += 1
      }
    }
    #expect(refused > 20)
  }

  @Test func filesOfAModel() throws {
    let folder = try TemporaryDirectory()
    var options = ExampleOptions(.paired, .lines, source: .bpe, target: .bpe)
    options.source.maxVocabulary = 40
    options.target.maxVocabulary = 50
    let text = (0..<Self.lines.count).map { Self.lines.string($0) }.joined(separator: "\n")
    let source = DataSource.parallel(text, text)
    let corpus = try options.load(source)
    #expect(corpus.encoding.source?.count == 40 && corpus.encoding.target?.count == 50)
    #expect(corpus.encoding.source?.endOfSentence == nil && corpus.encoding.target?.endOfSentence == 2)
    let ids = try #require(corpus.train.target?.tokenSequences?[3])
    #expect(corpus.encoding.target?.decode([1] + ids + [2]) == Array(Self.lines[3]))

    let paths = try corpus.encoding.save(to: folder.path)
    #expect(
      paths.map { $0.split(separator: "/").last } == [
        "vocab.source.txt", "vocab.source.model", "vocab.target.txt", "vocab.target.model", "shape.json",
      ])
    let read = try DataEncoding.load(from: folder.path, options: options, like: source)
    #expect(read == corpus.encoding && read.digest == corpus.encoding.digest)

    try folder.write("damaged", to: "vocab.target.model")
    #expect(throws: DataError.self) {
      try DataEncoding.load(from: folder.path, options: options, like: source)
    }
  }

  @Test func tooSmallAVocabularyIsADataError() throws {
    var options = ExampleOptions(.generated, .lines, target: .bpe)
    options.target.maxVocabulary = 4
    let error = #expect(throws: DataError.self) { try options.load(.text("abcdefgh\nhgfedcba")) }
    guard case .subwordModel(_, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("data.subword_vocabulary"))
  }
}
