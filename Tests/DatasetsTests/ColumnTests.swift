import TestSupport
import Testing

@testable import Datasets

/// The choice of columns by the user, by a header, or by the rules of the format, and the warnings about columns that are
/// probably wrong.
@Suite struct ColumnTests {
  private func options(
    _ kind: DataKind, _ format: DataFormat, _ columns: [DataPart: [String]]
  ) -> ExampleOptions {
    ExampleOptions(kind, format) { $0.columns = DataColumns(parts: columns) }
  }

  private func problem(_ options: ExampleOptions, _ text: String) -> LineProblem? {
    let error = #expect(throws: DataError.self) { try options.load(.text(text)) }
    guard case .line(_, _, let problem) = error else { return nil }
    return problem
  }

  @Test func numberedColumnsOfTSV() throws {
    let numbered = options(.labeled, .tsv, [.source: ["3"], .target: ["2"]])
    let corpus = try numbered.load(.text("7\tx\ta b\n8\ty\tc\n"))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["a", "b"], ["c"]])
    #expect(corpus.encoding.labels?.names == ["x", "y"])
    #expect(corpus.train.report.firstExample == "source \"a b\", target \"x\"")
    // The header is found by the columns that are read.
    #expect(try numbered.load(.text("id\tlabel\ttext\n7\tx\ta b\n")).train.count == 1)
    let pairs = options(.paired, .tsv, [.source: ["2"], .target: ["1"], .secondSource: ["4"]])
    let triples = try pairs.load(.text("t\ts\tno\tr\n"))
    #expect(triples.train.words(.source, triples.encoding.source) == [["s"]])
    #expect(triples.train.words(.target, triples.encoding.target) == [["t"]])
    #expect(triples.train.words(.secondSource, triples.encoding.source) == [["r"]])
  }

  @Test func namedColumns() throws {
    let named = options(.labeled, .tsv, [.input: ["Review text"], .labels: ["stars"]])
    let corpus = try named.load(.text("id\tstars\treview text\n7\tx\ta b\n"))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["a", "b"]])
    // Names require a header, which is not worth a note.
    #expect(corpus.train.warnings(of: "data").isEmpty)
    #expect(problem(named, "id\tstars\ttext\n") == .noColumn("Review text", names: ["id", "stars", "text"]))
    #expect(
      problem(options(.labeled, .tsv, [.source: ["1"], .target: ["4"]]), "a\tb\n")
        == .columnBeyond(4, count: 2))
    #expect(problem(options(.labeled, .tsv, [.source: ["a"], .target: ["1"]]), "a\tb\n") == .columnTwice(1))
    #expect(
      problem(options(.labeled, .tsv, [.source: ["1"], .target: ["2"]]), "a\tb\nc\n")
        == .columns(found: 1, expected: 2, delimiter: nil))
  }

  @Test func columnsOfCSV() throws {
    // The class last, after a column of row numbers.
    let last = options(.labeled, .csv, [.source: ["2-3"], .target: ["4"]])
    let corpus = try last.load(.text("1,0.5,1,x\n2,3,4,y\n"))
    #expect(corpus.train.numbers(.source) == [[0.5, 1], [3, 4]])
    #expect(corpus.encoding.labels?.names == ["x", "y"])
    #expect(problem(last, "1,0.5,a,x\n2,1,1,x") == .notANumber("a", column: 3))
    // Without a source, all other columns are read.
    let others = options(.labeled, .csv, [.target: ["kind"]])
    #expect(try others.load(.text("x0,kind,x1\n1,a,2\n")).train.numbers(.source) == [[1, 2]])
    let some = options(.labeled, .csv, [.source: ["x1", "5-", "x0"], .target: ["kind"]])
    let text = "x0,kind,x1,no,y,z\n1,a,2,3,4,5\n"
    #expect(try some.load(.text(text)).train.numbers(.source) == [[2, 4, 5, 1]])
    let twice = options(.labeled, .csv, [.source: ["x0", "1"], .target: ["kind"]])
    #expect(problem(twice, text) == .columnTwice(1))
  }

  @Test func columnsWithTheSameName() throws {
    let named = options(.labeled, .csv, [.source: ["x"], .target: ["kind"]])
    #expect(problem(named, "x,kind,x\n1,a,2\n") == .nameTwice("x", columns: [1, 3]))
    #expect(problem(named, "X,kind,X\n1,a,2\n") == .nameTwice("x", columns: [1, 3]))
    let corpus = try named.load(.text("X,kind,x\n1,a,2\n"))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["2"]])
  }

  /// One source column of csv is text, for every task.
  @Test func textsOfCSV() throws {
    let columns: [DataPart: [String]] = [.source: ["text"], .target: ["label"]]
    let text = "id,label,text\n1,x,\"a, b\"\n2,y,\"c\n\"\"d\"\"\"\n"
    let corpus = try options(.labeled, .csv, columns).load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["a,", "b"], ["c", "\"d\""]])
    #expect(corpus.encoding.labels?.names == ["x", "y"] && corpus.encoding.columnNames == ["text", "label"])
    // Numbers: a first row of texts is not a header.
    let numbered = options(.labeled, .csv, [.source: ["3"], .target: ["2"]])
    #expect(try numbered.load(.text("1,x,a b\n2,y,c\n")).train.count == 2)
    #expect(try numbered.load(.text(text)).train.count == 2)

    let tags = try options(.tagged, .csv, columns).load(.text("text,label\na b,X Y\n"))
    #expect(tags.train.tags(tags.encoding.labels) == [["X", "Y"]])
    let made = try options(.generated, .csv, [.source: ["label"], .target: ["text"]]).load(.text(text))
    #expect(made.encoding.labels?.names == ["x", "y"])
    #expect(made.train.words(.target, made.encoding.target)[0] == ["a,", "b"])
    let pairs = try options(.paired, .csv, [.source: ["de"], .target: ["en"]]).load(
      .text("de;en\nein Hund;a dog\n"))
    #expect(pairs.train.words(.source, pairs.encoding.source) == [["ein", "Hund"]])
    #expect(pairs.train.words(.target, pairs.encoding.target) == [["a", "dog"]])
    let both = options(.matched, .csv, [.source: ["q1"], .target: ["same"], .secondSource: ["q2"]])
    let matched = try both.load(.text("same,q1,q2\n1,a b,c\n0,c,a\n"))
    #expect(matched.train.words(.secondSource, matched.encoding.source) == [["c"], ["a"]])
    #expect(matched.encoding.columnNames == ["q1", "same", "q2"])
  }

  @Test func textsOfCSVThatAreNotNamed() {
    #expect(throws: DataError.self) { try ExampleOptions(.tagged, .csv).load(.text("a b,X Y\n")) }
    let texts = problem(ExampleOptions(.labeled, .csv), "label,text\nx,a b\n")
    #expect(texts == .columnOfText("a b", column: 2))
    let withComma = problem(ExampleOptions(.labeled, .csv), "label,text\nx,\"a, b\"\n")
    #expect(withComma == .columnOfText("a, b", column: 2))
    #expect(problem(ExampleOptions(.labeled, .csv), "1,a b\n2,c d\n") == .columnOfText("c d", column: 2))
    let one = DataColumns(parts: [.source: ["text"]])
    #expect(one.problem(in: .csv, isTable: false)?.contains("both source and target") == true)
    #expect(one.problem(in: .csv, isTable: true) == nil)
    let numbers = DataColumns(parts: [.source: ["2-3"], .secondSource: ["4"]])
    #expect(numbers.problem(in: .csv, isTable: false)?.contains("column of text") == true)
  }

  /// The header of another file must name the columns in the order of the training data.
  @Test func headersInAnotherOrder() throws {
    func problem(_ options: ExampleOptions, _ train: String, _ other: String) throws -> LineProblem? {
      let encoding = try options.load(.text(train)).encoding
      do {
        _ = try ExampleCorpus.read(.text(other), options: options, encoding: encoding)
      } catch DataError.line(_, 1, let problem) {
        return problem
      }
      return nil
    }
    let csv = ExampleOptions(.labeled, .csv)
    let train = "class,low,high\nx,1,2\n"
    #expect(
      try problem(csv, train, "class,high,low\nx,2,1\n") == .otherColumn("high", expected: "low"))
    #expect(try problem(csv, train, "label,low,high\nx,1,2\n") == nil)
    #expect(try problem(csv, train, "x,1,2\n") == nil)
    let pairs = ExampleOptions(.paired, .tsv)
    #expect(try problem(pairs, "en\tfr\na\tb\n", "fr\ten\nb\ta\n") == .otherColumn("fr", expected: "en"))
    #expect(try problem(pairs, "en\tfr\na\tb\n", "source\ttarget\na\tb\n") == nil)
  }

  /// Names that the training data don't have can't be compared, which is said.
  @Test(arguments: [0, 2]) func aHeaderThatTheTrainingDataDoNotHave(window: Int) throws {
    let options = ExampleOptions(.labeled, .csv) {
      ($0.window, $0.horizon, $0.numericTargets) = (window, max(1, window - 1), true)
    }
    let rows = (1...9).map { "\($0),\($0 * $0)\n" }.joined()
    func warnings(_ train: String, _ other: String) throws -> [String] {
      let encoding = try options.load(.text(train)).encoding
      return try ExampleCorpus.read(.text(other), options: options, encoding: encoding).warnings(of: "data")
    }
    let header = "data: text:1 was read as a header"
    let found = try warnings(rows, "high,low\n" + rows)
    #expect(found.count == 2 && found[0] == header && found[1].contains("were not compared"), "\(found)")
    #expect(try warnings("low,high\n" + rows, "low,high\n" + rows) == [header])
    #expect(try warnings(rows, rows).isEmpty)
    // A part that is named after its file is named once.
    let csv = ExampleOptions(.labeled, .csv)
    #expect(
      try csv.load(.text("label,x\na,1\n")).train.warnings(of: "text") == ["text:1 was read as a header"])
  }

  /// Columns that the user has all named are not read by their position.
  @Test(arguments: [0, 2]) func aHeaderWhoseColumnsAreAllNamed(window: Int) throws {
    let numbered = ExampleOptions(.labeled, .csv) {
      ($0.window, $0.horizon, $0.numericTargets) = (window, max(1, window - 1), true)
      $0.columns = DataColumns(parts: [.source: ["1-2"], .target: ["3"]])
    }
    var named = numbered
    named.columns = DataColumns(parts: [.source: ["a", "b"], .target: ["c"]])
    let rows = (1...9).map { "\($0),\($0 % 4),\($0 % 3)\n" }.joined()
    let encoding = try numbered.load(.text(rows)).encoding
    let other = DataSource.text("a,b,c\n" + rows)
    let set = try ExampleCorpus.read(other, options: named, encoding: encoding)
    #expect(set.warnings(of: "data") == [])
    let byPosition = try ExampleCorpus.read(other, options: numbered, encoding: encoding)
    #expect(byPosition.warnings(of: "data").contains { $0.contains("the training data have no header") })
  }

  @Test func columnsOfWords() throws {
    let text = "1 EU NNP B-ORG\n2 rejects VBZ O\n\n1 German JJ B-MISC\n"
    let corpus = try options(.tagged, .columns, [.source: ["2"], .target: ["3"]]).load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["EU", "rejects"], ["German"]])
    #expect(corpus.train.tags(corpus.encoding.labels) == [["NNP", "VBZ"], ["JJ"]])
    let named = options(.tagged, .columns, [.source: ["form"], .target: ["ner"]])
    #expect(
      try named.load(.text("id form pos ner\n" + text)).encoding.labels?.names == ["B-MISC", "B-ORG", "O"])
    // A header of names that the format knows is left out.
    let set = try ExampleOptions(.tagged, .columns).load(.text("Token Tag\na X\n")).train
    #expect(set.lengths(.source) == [1] && set.warnings(of: "data") == ["data: text:1 was read as a header"])
    let conllu = "1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_\n"
    let xpos = try options(.tagged, .conllu, [.target: ["XPOS"]]).load(.text(conllu))
    #expect(xpos.encoding.labels?.names == ["VB"])
    #expect(problem(options(.tagged, .conllu, [.target: ["2"]]), conllu) == .columnTwice(2))
  }

  @Test func quotedFields() throws {
    let text = "\"kind, or \"\"class\"\"\",x\r\n\"a\",\"1\"\r\n \"b\nc\" , \"-2.5\" \r\n\"\",\"3\"\r\n"
    let options = ExampleOptions(.paired, .csv, target: .char) { $0.emptySequences = .skip }
    let set = try options.load(.text(text)).train
    #expect(set.numbers(.source) == [[1], [-2.5]])
    #expect(set.report.emptySkipped == 1)
    let labels = try ExampleOptions(.labeled, .csv).load(.text("\"say \"\"x\"\"\",1\nb \"c\",2\n")).encoding
      .labels
    #expect(labels?.names == ["b \"c\"", "say \"x\""])
  }

  @Test(arguments: [("x;1;2\ny;3;4", "semicolons"), ("\"x\tx;y\"\t1\t2\ny\t3\t4", "tabs")])
  func delimitersAreDetectedAndNamed(text: String, name: String) throws {
    let set = try ExampleOptions(.labeled, .csv).load(.text(text)).train
    #expect(set.numbers(.source) == [[1, 2], [3, 4]])
    #expect(set.warnings(of: "data") == ["data: fields are separated by \(name)"])
  }

  @Test func aDelimiterThatIsGiven() {
    let comma = ExampleOptions(.labeled, .csv) { $0.delimiter = .comma }
    #expect(problem(comma, "x;1;2\ny;3;4") == .columns(found: 1, expected: 2, delimiter: .comma))
  }

  @Test func decimalCommas() throws {
    let german = ExampleOptions(.labeled, .csv) { $0.decimal = .comma }
    let train = DataSource.text("Klasse;x\na;1,5\nb;-2,25\n")
    let corpus = try german.load(train)
    #expect(corpus.train.numbers(.source) == [[1.5], [-2.25]])
    var inputs = try PredictionInputs(options: german, encoding: corpus.encoding, like: train)
    try inputs.append("0,5;\"3\"".utf8, name: "input", line: 1)
    try inputs.append("7,5".utf8, name: "input", line: 2)
    #expect(inputs.take().numbers(.source) == [[0.5, 3], [7.5]])
    #expect(throws: DataError.line(name: "input", line: 3, problem: .notANumber("x", column: 2))) {
      try inputs.append("1;x".utf8, name: "input", line: 3)
    }
    let regression = ExampleOptions(.labeled, .csv) {
      $0.decimal = .comma
      $0.numericTargets = true
    }
    #expect(try regression.load(.text("0,5;1\n")).train.numbers(.target) == [[0.5]])
    let advice = problem(ExampleOptions(.labeled, .csv), "a;1,5\n")?.description
    #expect(advice?.contains("data.decimal=comma") == true)
  }

  @Test func decimalCommasOfSteps() throws {
    let options = ExampleOptions(.tagged, .csv) {
      $0.decimal = .comma
      $0.numericTargets = true
      $0.columns = DataColumns(parts: [.source: ["text"], .target: ["label"]])
    }
    #expect(
      try options.load(.text("text;label\na b;1,5 -2,25\n")).train.numbers(.target) == [[1.5, -2.25]])
    // A path keeps its comma.
    let folder = try TemporaryDirectory()
    try folder.write(numpyFile([3, 4], shape: "(2,)"), to: "a,b.npy")
    let list = try folder.write("text;label\na b;a,b.npy\n", to: "list.csv")
    #expect(try options.load(.file(.file(list))).train.numbers(.target) == [[3, 4]])
  }

  /// After a row that is too long, the next line is a row of its own.
  @Test func aRowThatIsTooLong() throws {
    var parser = CSVParser(.comma, .point)
    let line = [UInt8](repeating: UInt8(ascii: "a"), count: LineReader.longestLine + 1)
    let isComplete = try parser.add([UInt8(ascii: "\"")] + line)
    #expect(!isComplete && parser.isOpen)
    #expect(throws: LineProblem.tooManyBytes(limit: LineReader.longestLine)) {
      _ = try parser.add(Array("b".utf8))
    }
    #expect(!parser.isOpen)
    _ = try parser.add(Array("c,d".utf8))
    #expect(parser.row.names == ["c", "d"])
  }

  /// Only what could be a range gets advice about ranges.
  @Test func adviceAboutRanges() {
    let advice = "a range counts upwards"
    #expect(LineProblem.noColumn("5-2", names: ["a"]).description.contains(advice))
    for name in ["0", "", "a-b"] {
      #expect(!LineProblem.noColumn(name, names: ["a"]).description.contains(advice))
    }
  }

  // MARK: Columns that are probably wrong

  private func doubt(_ options: ExampleOptions, _ lines: some Sequence<String>) throws -> String? {
    let warnings = try options.load(.text(lines.joined(separator: "\n"))).train.warnings(of: "data")
    #expect(warnings.count < 2)
    return warnings.first
  }

  @Test func labelsThatAreNearlyAsManyAsExamples() throws {
    let options = ExampleOptions(.labeled, .tsv)
    let swapped = try doubt(options, (0..<30).map { "words number \($0)\tclass" })
    #expect(swapped?.contains("30 different labels") == true)
    #expect(swapped?.contains("target \"words number 0\"; see data.columns") == true)
    #expect(try doubt(options, (0..<30).map { "class\twords number \($0)" }) == nil)
    let rows = try doubt(ExampleOptions(.labeled, .csv), (0..<30).map { "\($0),1,2,\($0 % 2)" })
    #expect(rows?.contains("30 different labels") == true)
    let classes = try doubt(ExampleOptions(.generated, .tsv), (0..<30).map { "name \($0)\tclass" })
    #expect(classes?.contains("30 different labels") == true)
  }

  @Test func aFirstRowThatCounts() throws {
    let header = try doubt(ExampleOptions(.labeled, .csv), ["0,1,2,3"] + (0..<30).map { "\($0 % 2),5,6,7" })
    #expect(header?.contains("text:1 counts its columns and was read as an example") == true)
    #expect(try doubt(ExampleOptions(.labeled, .csv), (0..<30).map { "\($0 % 2),5,6,7" }) == nil)
  }

  @Test(arguments: ["en\tfr", "EN-gb\tpt_BR", "de\ten\tfr"]) func codesOfLanguagesAreAHeader(header: String)
    throws
  {
    let row = header.split(separator: "\t").map { _ in "a" }.joined(separator: "\t")
    let set = try ExampleOptions(.paired, .tsv).load(.text("\(header)\n\(row)\n")).train
    #expect(set.count == 1 && set.warnings(of: "data") == ["data: text:1 was read as a header"])
    // Two equal words, and a class with a text, are data.
    #expect(try ExampleOptions(.paired, .tsv).load(.text("no\tno\n")).train.count == 1)
    #expect(try ExampleOptions(.labeled, .tsv).load(.text("en\tis\n")).train.count == 1)
  }

  @Test func aHeaderWithOtherNames() throws {
    let lines = ["sentiment\treview"] + (0..<30).map { "\($0 % 2)\twords number \($0)" }
    let warning = try doubt(ExampleOptions(.labeled, .tsv), lines)
    #expect(warning?.contains("is it a header? The first example was read as") == true)
    #expect(warning?.contains("source \"review\", target \"sentiment\"") == true)
    #expect(try doubt(ExampleOptions(.labeled, .tsv), lines.dropFirst()) == nil)
  }

  @Test func swappedColumnsOfWords() throws {
    let options = ExampleOptions(.tagged, .columns)
    // Every word occurs four times, so there are far fewer distinct words than tokens.
    let lines = (0..<200).map { (word: "word\($0 % 50)", tag: "T\($0 % 5)", isEnd: $0 % 7 == 6) }
    let right = lines.map { "\($0.word) \($0.tag)" + ($0.isEnd ? "\n" : "") }
    let swapped = lines.map { "\($0.tag) \($0.word)" + ($0.isEnd ? "\n" : "") }
    #expect(try doubt(options, right) == nil)
    #expect(try doubt(options, swapped)?.contains("50 different tags for 5 different words") == true)
    let numbered = lines.enumerated().map { "\($0 % 7 + 1) \($1.word) \($1.tag)" + ($1.isEnd ? "\n" : "") }
    #expect(try doubt(options, numbered)?.contains("the numbers 1 to 7") == true)
  }

  @Test func tokensThatAreAllTooRare() throws {
    let options = ExampleOptions(.labeled, .tsv) { $0.source.minCount = 2 }
    #expect(
      try options.load(.text("x\ta b\n")).warnings.first?.hasPrefix("source: every token is rarer") == true)
    #expect(try options.load(.text("x\ta a\n")).warnings == [])
    let text = try TextCorpus.load(train: .text("a b c"), options: TextOptions(.word, minCount: 2))
    #expect(text.warnings.count == 1 && text.vocabulary.count == 2)
  }
}
