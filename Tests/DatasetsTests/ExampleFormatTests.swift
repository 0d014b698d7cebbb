import Datasets
import Testing

/// Every format of every kind of data yields the examples that were written.
@Suite struct ExampleFormatTests {
  @Test func linesAreTargetsOfAGenerator() throws {
    let corpus = try ExampleOptions(.generated, .lines, target: .char).load(.text("ab\r\nb a\nc"))
    #expect(corpus.train.source == nil)
    #expect(corpus.train.words(.target, corpus.encoding.target) == [["a", "b"], ["b", " ", "a"], ["c"]])
    #expect(corpus.encoding.target?.tokens == ["<unk>", "<bos>", "<eos>", " ", "a", "b", "c"])
    #expect(corpus.encoding.source == nil && corpus.encoding.labels == nil)
  }

  @Test func tsvHoldsLabelAndText() throws {
    let text = "\u{FEFF}good\tso  good \nbad\tso bad\ngood\tgood"
    let corpus = try ExampleOptions(.labeled, .tsv).load(.text(text))
    #expect(corpus.encoding.labels?.names == ["bad", "good"])
    #expect(corpus.train.target == .labels([1, 0, 1]))
    let words = corpus.train.words(.source, corpus.encoding.source)
    #expect(words == [["so", "good"], ["so", "bad"], ["good"]])
    // By falling frequency.
    #expect(corpus.encoding.source?.tokens == ["<unk>", "good", "so", "bad"])

    let generator = try ExampleOptions(.generated, .tsv, target: .char).load(.text(text))
    #expect(generator.train.source == .labels([1, 0, 1]))
    #expect(generator.train.words(.target, generator.encoding.target)[2] == ["g", "o", "o", "d"])
  }

  @Test func tsvHoldsSourceAndTarget() throws {
    let options = ExampleOptions(.paired, .tsv, source: .char, target: .space)
    let corpus = try options.load(.text("ABC\tEY B\nB\tB\n\n\n"))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["A", "B", "C"], ["B"]])
    #expect(corpus.train.words(.target, corpus.encoding.target) == [["EY", "B"], ["B"]])
    #expect(corpus.train.secondSource == nil)
    #expect(corpus.encoding.target?.beginOfSentence == 1)
    #expect(corpus.encoding.target?.endOfSentence == 2)
    #expect(corpus.encoding.source?.endOfSentence == nil)
  }

  @Test func aThirdColumnIsASecondSource() throws {
    let corpus = try ExampleOptions(.paired, .tsv).load(.text("a b\tc\td a\nb\tc c\ta"))
    let source = corpus.encoding.source
    #expect(corpus.train.words(.source, source) == [["a", "b"], ["b"]])
    #expect(corpus.train.words(.secondSource, source) == [["d", "a"], ["a"]])
    #expect(corpus.train.words(.target, corpus.encoding.target) == [["c"], ["c", "c"]])
    #expect(corpus.train.lengths(.secondSource) == [2, 1])
  }

  /// Two texts with one class need three columns or three parallel files.
  @Test func twoTextsWithOneClass() throws {
    let options = ExampleOptions(.matched, .tsv)
    let corpus = try options.load(.text("label\tpremise\thypothesis\nyes\ta b\ta\nno\tc\tb b\n"))
    let source = corpus.encoding.source
    #expect(corpus.train.words(.source, source) == [["a", "b"], ["c"]])
    #expect(corpus.train.words(.secondSource, source) == [["a"], ["b", "b"]])
    #expect(corpus.encoding.labels?.names == ["no", "yes"] && corpus.train.target == .labels([1, 0]))
    #expect(throws: DataError.self) { try options.load(.text("yes\ta b\n")) }
    #expect(throws: DataError.self) { try options.load(.text("yes\ta\tb\tc\n")) }
    let numbers = ExampleOptions(.matched, .tsv) { $0.numericTargets = true }
    #expect(try numbers.load(.text("0.5\ta\tb\n")).train.numbers(.target) == [[0.5]])
    let lines = ExampleOptions(.matched, .lines)
    let parallel = try lines.load(.parallel("a\nb\n", "yes\nno\n", second: "c\nd\n"))
    #expect(parallel.train.words(.secondSource, parallel.encoding.source) == [["c"], ["d"]])
    #expect(throws: DataError.self) { try lines.load(.parallel("a\n", "yes\n")) }
  }

  @Test func parallelFilesAreReadInStep() throws {
    let pairs = try ExampleOptions(.paired, .lines).load(
      .parallel("a b\nc\n", "x\ny z\n\n", second: "q\nr"))
    #expect(pairs.train.words(.source, pairs.encoding.source) == [["a", "b"], ["c"]])
    #expect(pairs.train.words(.target, pairs.encoding.target) == [["x"], ["y", "z"]])
    #expect(pairs.train.words(.secondSource, pairs.encoding.source) == [["q"], ["r"]])

    let tagger = try ExampleOptions(.tagged, .lines).load(.parallel("to rome \nno", "O B \nO"))
    #expect(tagger.train.tags(tagger.encoding.labels) == [["O", "B"], ["O"]])

    let classifier = try ExampleOptions(.labeled, .lines).load(.parallel("to rome\nno", "go\n stay \n"))
    #expect(classifier.encoding.labels?.names == ["go", "stay"])
    #expect(classifier.train.target == .labels([0, 1]))

    let generator = try ExampleOptions(.generated, .lines).load(.parallel("x\ny", "a b\nc"))
    #expect(generator.train.source == .labels([0, 1]))
    #expect(generator.train.lengths(.target) == [2, 1])
  }

  @Test func numbersPerStepAndPerSequence() throws {
    let steps = try ExampleOptions(.tagged, .lines) { $0.numericTargets = true }
      .load(.parallel("a b\nc", "1 -2.5\n3e2"))
    #expect(steps.train.numbers(.target) == [[1, -2.5], [300]])
    #expect(steps.train.lengths(.target) == [2, 1])
    let regression = try ExampleOptions(.labeled, .tsv) { $0.numericTargets = true }
      .load(.text("1 2\ta b\n3 4\tc"))
    #expect(regression.train.numbers(.target) == [[1, 2], [3, 4]])
    #expect(regression.train.lengths(.target) == [1, 1])
    #expect(regression.encoding.targetWidth == 2)
    #expect(regression.encoding.labels == nil)
  }

  @Test func columnsHoldWordAndTag() throws {
    let text = "\n\nEU NNP B-ORG\nrejects\tVBZ  O\r\n \t\nGerman JJ B-MISC\n\n\n"
    let corpus = try ExampleOptions(.tagged, .columns) { $0.keepTrainingTexts = true }.load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["EU", "rejects"], ["German"]])
    #expect(corpus.train.tags(corpus.encoding.labels) == [["B-ORG", "O"], ["B-MISC"]])
    #expect(corpus.encoding.labels?.names == ["B-MISC", "B-ORG", "O"])
    #expect(corpus.train.sourceTexts?.string(0) == "EU rejects")
  }

  @Test func conlluSkipsRangesEmptyWordsAndComments() throws {
    let rest = "\t_\t_\t_\t_\t_\t_"
    let text = """
      # sent_id = 1
      1-2\tdon't\t_\t_\(rest)
      1\tdo\tdo\tAUX\(rest)
      2\tn't\tnot\tPART\(rest)
      2.1\tgo\tgo\tVERB\(rest)

      # only a comment

      1\t10 000\t10000\tNUM\(rest)
      """
    let corpus = try ExampleOptions(.tagged, .conllu).load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["do", "n't"], ["10 000"]])
    #expect(corpus.train.tags(corpus.encoding.labels) == [["AUX", "PART"], ["NUM"]])
  }

  @Test func csvIsASeries() throws {
    let corpus = try ExampleOptions(.labeled, .csv).load(.text("2,-0.5,1e-2\n10, 3 ,4\n2,5,6\n"))
    // By value, not by spelling.
    #expect(corpus.encoding.labels?.names == ["2", "10"])
    #expect(corpus.train.target == .labels([0, 1, 0]))
    #expect(corpus.train.numbers(.source) == [[-0.5, 0.01], [3, 4], [5, 6]])
    #expect(corpus.train.lengths(.source) == [2, 2, 2])
    #expect(corpus.encoding.sourceWidth == 1)
    let named = try ExampleOptions(.labeled, .csv).load(.text("label,x0,x1\na,1,2\n"))
    #expect(named.train.numbers(.source) == [[1, 2]])
    let text = try ExampleOptions(.paired, .csv, target: .char).load(.text("up,1,2\n"))
    #expect(text.train.words(.target, text.encoding.target) == [["u", "p"]])
  }

  /// A first line of column names is not an example, and determines the column of the labels.
  @Test func headers() throws {
    for (format, text) in [
      (DataFormat.tsv, "Label\tText\nx\t1 2\n"), (.tsv, "class\tsentence\r\nx\t1 2\r\n"),
      (.csv, "label,x0,x1\nx,1,2\n"), (.csv, "label,0,1\nx,1,2\n"), (.csv, "\u{FEFF}y,1,2\nx,1,2\n"),
    ] {
      let set = try ExampleOptions(.labeled, format).load(.text(text)).train
      #expect(set.count == 1 && set.report.firstExample?.hasSuffix("target \"x\"") == true)
      #expect(set.warnings(of: "data") == ["data: text:1 was read as a header"])
    }
    #expect(try ExampleOptions(.paired, .tsv).load(.text("source\ttarget\na\tb")).train.count == 1)
    // Words that are not names of columns are data, and so is a second line of names.
    #expect(try ExampleOptions(.labeled, .tsv).load(.text("music\ttext\na\tb")).train.count == 2)
    #expect(try ExampleOptions(.labeled, .tsv).load(.text("a\tb\nlabel\ttext")).train.count == 2)
    for (format, text, column) in [
      (DataFormat.csv, ",label,x0\n0,a,1", 2), (.csv, "x0,x1,class\n1,2,a", 3),
      (.tsv, "text\tlabel\na b\tx", 2),
    ] {
      let name = column == 3 ? "class" : "label"
      let problem = LineProblem.labelColumn(name, column: column, expected: 1)
      #expect(throws: DataError.line(name: "text", line: 1, problem: problem)) {
        try ExampleOptions(.labeled, format).load(.text(text))
      }
    }
  }

  @Test func commentsOfColumns() throws {
    let set = try ExampleOptions(.tagged, .columns).load(
      .text("# id 1\n# three more words\na X\n# Y\n\n#\n#tag X")
    ).train
    #expect(set.lengths(.source) == [2, 1])
    #expect(set.warnings(of: "data") == ["data: 3 comments left out; the first: text:1"])
  }

  /// A line that begins with `#` is a word if it has the columns of one.
  @Test(arguments: [
    ("#sent\na X\n\n#sent 5 of\nb X\n", ["a", "b"], 2),
    ("# SYM\na X\n\n# SYM\n\n#tag SYM\n", ["#", "a", "#", "#tag"], 0),
    ("# a b\nc\tX\n\n# Y\nc\tX\n\n#\tX\n", ["c", "c", "#"], 2), ("# sent_id = 3\na b c X\n", ["a"], 1),
    ("#one X\n\n#two X\n\n# three\n", ["#one", "#two"], 1),
  ])
  func numberSignsOfColumns(text: String, words: [String], comments: Int) throws {
    let corpus = try ExampleOptions(.tagged, .columns).load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source).flatMap { $0 } == words)
    let warnings = corpus.train.warnings(of: "data")
    let left = "data: \(comments) comment\(comments == 1 ? "" : "s") left out"
    #expect(warnings.contains { $0.hasPrefix(left) } == (comments > 0), "\(warnings)")
    #expect(warnings.contains { $0.contains("begins with the word #") } == words.contains("#"), "\(warnings)")
  }

  @Test func multihotIsZerosAndOnes() throws {
    let options = ExampleOptions(.tagged, .multihot) { $0.width = 4 }
    let corpus = try options.load(.text("0 3||1\n2"))
    #expect(corpus.train.numbers(.target) == [[1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0]])
    #expect(corpus.train.lengths(.target) == [3, 1])
    #expect(corpus.train.source == nil)
    let classes = try ExampleOptions(.labeled, .multihot) { $0.width = 2 }.load(.text("x\t0|1"))
    #expect(classes.train.numbers(.source) == [[1, 0, 0, 1]])
  }

  @Test func formatsThatATaskHasNoUseFor() {
    let wrong: [(ExampleOptions, DataSource)] = [
      (ExampleOptions(.tagged, .tsv), .text("a\tb")), (ExampleOptions(.tagged, .lines), .text("a")),
      (ExampleOptions(.labeled, .columns), .text("a b")),
      (ExampleOptions(.generated, .csv), .text("a,1")),
      (ExampleOptions(.paired, .lines), .text("a")),
      (ExampleOptions(.tagged, .columns, source: .char), .text("a b")),
      (ExampleOptions(.tagged, .lines, source: .bpe), .parallel("a", "b")),
      (ExampleOptions(.labeled, .tsv), .parallel("a", "b")),
      (ExampleOptions(.labeled, .lines), .parallel("a", "b", second: "c")),
      (ExampleOptions(.labeled, .tsv, source: .char) { $0.characters = true }, .text("a\tb")),
      (ExampleOptions(.tagged, .conllu) { $0.numericTargets = true }, .text("a b")),
      (ExampleOptions(.paired, .tsv, source: .char) { $0.sharedVocabulary = true }, .text("a\tb")),
    ]
    for (options, source) in wrong {
      let error = #expect(throws: DataError.self) { try options.load(source) }
      guard case .unsupported(options.format, _) = error else {
        Issue.record("\(options.kind) \(options.format): \(String(describing: error))")
        continue
      }
      #expect(error?.exitCode == 65)
    }
  }
}
