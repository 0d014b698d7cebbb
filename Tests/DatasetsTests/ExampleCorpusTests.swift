import Checkpoints
import Datasets
import TestSupport
import Testing

@Suite struct ExampleCorpusTests {
  /// Words with one to three pronunciations.
  private static let dictionary = (0..<300).flatMap { word in
    (0...word % 3).map { "W\(word)\tp\(word) q\($0)" }
  }.joined(separator: "\n")

  private static func options(_ fraction: Double) -> ExampleOptions {
    ExampleOptions(.paired, .tsv, source: .char, target: .space) {
      $0.validFraction = fraction
      $0.keepTrainingTexts = true
    }
  }

  private func words(_ split: ExampleSet?) -> Set<String> {
    guard let texts = split?.sourceTexts else { return [] }
    return Set((0..<texts.count).map { texts.string($0) })
  }

  @Test func examplesOfAWordStayTogether() throws {
    let corpus = try Self.options(0.1).load(.text(Self.dictionary))
    let (train, valid) = (words(corpus.train), words(corpus.valid))
    #expect(valid.count == 30 && train.count == 270)
    #expect(train.isDisjoint(with: valid))
    #expect(corpus.train.count + (corpus.valid?.count ?? 0) == 600)
    // The vocabulary contains only the training part.
    let heldOut = try #require(valid.first)
    #expect(corpus.encoding.target?.id(of: "p\(heldOut.dropFirst())") == nil)
  }

  @Test func theCutDoesNotDependOnTheOrder() throws {
    let reversed = Self.dictionary.split(separator: "\n").reversed().joined(separator: "\n")
    let first = try Self.options(0.2).load(.text(Self.dictionary))
    #expect(words(first.valid) == words(try Self.options(0.2).load(.text(reversed)).valid))
    var other = Self.options(0.2)
    other.validSeed = 1
    #expect(words(first.valid) != words(try other.load(.text(Self.dictionary)).valid))
    // A larger part holds the smaller one.
    #expect(
      words(first.valid).isSuperset(of: words(try Self.options(0.1).load(.text(Self.dictionary)).valid)))
  }

  @Test func aGeneratorIsCutByItsText() throws {
    let options = ExampleOptions(.generated, .tsv, target: .char) { $0.validFraction = 0.5 }
    let corpus = try options.load(
      .text((0..<100).map { "c\($0 % 2)\tname\($0 / 2)" }.joined(separator: "\n")))
    #expect(corpus.train.count == 50 && corpus.valid?.count == 50)
    #expect(corpus.encoding.labels?.count == 2)
  }

  @Test func aLabelMayBeHeldOut() throws {
    let text = (0..<20).map { "class\($0)\ttext \($0)" }.joined(separator: "\n")
    let corpus = try ExampleOptions(.labeled, .tsv) { $0.validFraction = 0.5 }.load(.text(text))
    #expect(corpus.encoding.labels?.count == 20)
    #expect(corpus.encoding.source?.count == 12)
    #expect(corpus.train.count == 10 && corpus.valid?.count == 10)
  }

  @Test func tooFewToCut() {
    #expect(throws: DataError.noSplit(name: "text", sources: 3, fraction: 0.1)) {
      try Self.options(0.1).load(.text("a\tb\nc\td\ne\tf\ne\tg"))
    }
  }

  @Test func groupsHoldAllReferences() throws {
    let options = Self.options(0)
    let encoding = try options.load(.text("a\tx\nb\ty")).encoding
    let split = try ExampleCorpus.read(
      .text("a\tx\nQ\ty\na\ty\nR\tx\nQ\tx\na\tx"), options: options, encoding: encoding)
    let groups = split.groups()
    #expect(groups == [[0, 2, 5], [1, 4], [3]])
    #expect(groups[1].map { split.targetTexts?.string(Int($0)) } == ["y", "x"])
    // Without text, the ids decide, and both unknown words have the same one.
    var bare = options
    bare.keepTrainingTexts = false
    let train = try ExampleCorpus.load(
      DataSources(train: .text("a\tx\nQ\ty\na\ty\nR\tx")), options: bare, encoding: encoding
    ).train
    #expect(train.groups().count == 2)
    #expect(try ExampleOptions(.generated, .lines).load(.text("a\na")).train.groups().count == 2)
  }

  @Test func textsAreKeptAsTheyAre() throws {
    var options = Self.options(0)
    options.keepTrainingTexts = false
    options.target.lowercase = true
    let sources = DataSources(train: .text("a\tX"), valid: .text("a \t X  y"), test: .text("b\tZ"))
    let corpus = try ExampleCorpus.load(sources, options: options)
    #expect(corpus.train.sourceTexts == nil && corpus.train.targetTexts == nil)
    #expect(corpus.valid?.sourceTexts?.string(0) == "a ")
    #expect(corpus.valid?.targetTexts?.string(0) == " X  y")
    #expect(corpus.valid?.target?.tokenSequences?[0] == [3, 0])
    #expect(corpus.test?.source?.tokenSequences?[0] == [0])
  }

  @Test func limits() throws {
    var options = Self.options(0)
    options.maxLength = 3
    let text = "abc\tp q\nabcd\tp\nab\tp q r s\na\tp"
    #expect(
      throws: DataError.line(name: "text", line: 2, problem: .tooLong(field: "source", length: 4, limit: 3))
    ) {
      try options.load(.text(text))
    }
    options.tooLong = .skip
    let skipped = try options.load(.text(text)).train
    #expect(skipped.count == 2 && skipped.report.overlongSkipped == 2)
    #expect(
      skipped.report.firstSkipped
        == .line(name: "text", line: 2, problem: .tooLong(field: "source", length: 4, limit: 3)))
    // No advice to do what has been done.
    let warning =
      "data: 2 examples left out (empty or too long); the first: text:2: a source of length 4, the limit is 3"
    #expect(skipped.warnings(of: "data") == [warning])
    options.tooLong = .truncate
    let cut = try options.load(.text(text)).train
    #expect(cut.lengths(.source) == [3, 3, 2, 1] && cut.lengths(.target) == [2, 1, 3, 1])
    #expect(cut.report.truncated == 2)
    // Tags are cut with their words.
    let tagger = ExampleOptions(.tagged, .columns) {
      $0.maxLength = 2
      $0.tooLong = .truncate
      $0.characters = true
    }
    let tags = try tagger.load(.text("a X\nb Y\nc Z")).train
    #expect(tags.lengths(.source) == [2] && tags.lengths(.target) == [2])
    #expect(tags.forms?.forms.length(0) == 2)
  }

  @Test func aTargetOfTenThousandTokens() throws {
    let text = "a\tp\nb\t" + [String](repeating: "p", count: 10_000).joined(separator: " ")
    var options = Self.options(0)
    #expect(try options.load(.text(text)).train.lengths(.target) == [1, 10_000])
    options.maxLength = 9_999
    #expect(
      throws: DataError.line(
        name: "text", line: 2, problem: .tooLong(field: "target", length: 10_000, limit: 9_999))
    ) { try options.load(.text(text)) }
  }

  @Test func emptySequencesMayBeLeftOut() throws {
    var options = Self.options(0)
    options.emptySequences = .skip
    let split = try options.load(.text("a\tx\n\n\nb\t\n\tz\nc\ty\n\n")).train
    #expect(split.count == 2 && split.report.emptySkipped == 4)
    #expect(split.report.firstSkipped == .line(name: "text", line: 4, problem: .empty(field: "target")))
  }

  @Test func theDigestKnowsEverything() throws {
    let digest = { (text: String) in try Self.options(0).load(.text(text)).digest }
    let first = try digest("ab\tx y\nc\tz")
    #expect(first == (try digest("ab\tx y\r\nc\tz\n")))
    for other in ["ab\tx y\nc\tx", "c\tz\nab\tx y", "ab\tx y", "a\tx y\nbc\tz"] {
      #expect(first != (try digest(other)))
    }
  }

  @Test func aSharedVocabulary() throws {
    let folder = try TemporaryDirectory()
    let options = ExampleOptions(.paired, .tsv) { $0.sharedVocabulary = true }
    let source = DataSource.text("a b\tb c")
    let corpus = try options.load(source)
    #expect(corpus.encoding.source == corpus.encoding.target)
    #expect(corpus.encoding.source?.tokens == ["<unk>", "<bos>", "<eos>", "b", "a", "c"])
    #expect(
      try corpus.encoding.save(to: folder.path) == ["vocab.txt", "shape.json"].map { "\(folder.path)/\($0)" })
    #expect(try DataEncoding.load(from: folder.path, options: options, like: source) == corpus.encoding)
  }

  @Test func vocabulariesOfATagger() throws {
    let folder = try TemporaryDirectory()
    let options = ExampleOptions(.tagged, .columns) { $0.characters = true }
    let source = DataSource.text("The X\ncat Y\n\nthe X\ncat Y\nThe X")
    let corpus = try options.load(source)
    let paths = try corpus.encoding.save(to: folder.path)
    #expect(
      paths.map { $0.split(separator: "/").last }
        == ["vocab.source.txt", "vocab.characters.txt", "vocab.labels.txt", "shape.json"])
    let read = try DataEncoding.load(from: folder.path, options: options, like: source)
    #expect(read == corpus.encoding)

    let forms = try #require(corpus.train.forms)
    #expect(forms.forms == RaggedTokens([[0, 1], [2, 1, 0]]))
    let vocabulary = try #require(corpus.encoding.characters)
    #expect(forms.characters[0].map { vocabulary[$0] } == ["T", "h", "e"])
    let batch = forms.gather([1])
    #expect(batch.index == [2, 1, 0])
    #expect(batch.lengths == [3, 3, 3])
    #expect(batch.characters.map { vocabulary[$0] }.joined() == "Thecatthe")
    let both = forms.gather([0, 1])
    #expect(both.index == [0, 1, 2, 1, 0] && both.lengths.count == 3)
    // The spelling keeps its case although words are lower-cased.
    var folded = options
    folded.source.lowercase = true
    let lower = try folded.load(source)
    #expect(lower.encoding.source?.tokens == ["<unk>", "the", "cat"])
    #expect(lower.train.forms?.characters.count == 3)
  }

  @Test func partsHaveTheSameShape() throws {
    let options = ExampleOptions(.paired, .tsv) { $0.validFraction = 0 }
    let problem = { (train: String, valid: String) in
      #expect(throws: DataError.self) {
        try ExampleCorpus.load(
          DataSources(train: .text(train), valid: .text(valid, name: "v")), options: options)
      }
    }
    #expect(
      problem("a\tb", "x\ty\tz") == .line(name: "v", line: 1, problem: .secondSource(expected: false)))
    #expect(problem("a\tb\tc", "x\ty") == .line(name: "v", line: 1, problem: .secondSource(expected: true)))
    let vectors = ExampleOptions(.labeled, .tsv) {
      $0.numericTargets = true
      $0.validFraction = 0.5
    }
    #expect(throws: DataError.line(name: "text", line: 2, problem: .width(found: 2, expected: 1))) {
      try vectors.load(.text("1\ta\n1 2\tb"))
    }
  }

  @Test func missingVocabularyFiles() throws {
    let folder = try TemporaryDirectory()
    #expect(throws: DataError.missing(path: "\(folder.path)/shape.json")) {
      try DataEncoding.load(from: folder.path, options: Self.options(0), like: .text(""))
    }
    let encoding = try Self.options(0).load(.text("a\tb")).encoding
    let error = #expect(throws: FileFailure.self) {
      try encoding.save(to: "/no/folder")
    }
    #expect(error?.exitCode == 73)
  }

  @Test func gathering() throws {
    let tokens = RaggedTokens([[5, 6], [], [7]])
    var buffer = [Int32](repeating: -1, count: 10)
    let written = buffer.withUnsafeMutableBufferPointer {
      tokens.gather([2, 0, 1], begin: 1, end: 2, into: $0)
    }
    #expect(written == 9 && buffer == [1, 7, 2, 1, 5, 6, 2, 1, 2, -1])
    let plain = buffer.withUnsafeMutableBufferPointer { tokens.gather([2, 0], into: $0) }
    #expect(plain == 3 && buffer.prefix(3) == [7, 5, 6])
    var vectors = RaggedVectors(width: 2)
    vectors.append([1, 2, 3, 4])
    vectors.append([5, 6])
    var numbers = [Float](repeating: 0, count: 7)
    let steps = numbers.withUnsafeMutableBufferPointer { vectors.gather([1, 0], into: $0) }
    #expect(steps == 3 && numbers == [5, 6, 1, 2, 3, 4, 0])
  }
}
