import Datasets
import TestSupport
import Testing

@Suite struct SequenceInputsTests {
  private func inputs(_ options: ExampleOptions, _ train: DataSource) throws -> (
    PredictionInputs, DataEncoding
  ) {
    let encoding = try options.load(train).encoding
    return (try PredictionInputs(options: options, encoding: encoding, like: train), encoding)
  }

  @Test func linesBecomeExamplesInOrder() throws {
    var (inputs, encoding) = try inputs(ExampleOptions(.labeled, .tsv), .text("x\ta b\ny\tc"))
    try inputs.append("b  q".utf8, name: "input", line: 1)
    try inputs.append("a".utf8, name: "input", line: 2)
    #expect(inputs.count == 2)
    let split = inputs.take()
    #expect(split.words(.source, encoding.source) == [["b", "<unk>"], ["a"]])
    #expect(split.target == nil && split.sourceTexts?.string(0) == "b  q")
    #expect(inputs.count == 0)
    try inputs.append("c".utf8, name: "input", line: 3)
    #expect(inputs.take().words(.source, encoding.source) == [["c"]])
  }

  @Test func badLinesAreNamedAndAddNothing() throws {
    var (inputs, _) = try inputs(ExampleOptions(.labeled, .tsv), .text("x\ta b"))
    #expect(throws: DataError.line(name: "input", line: 7, problem: .empty(field: "source"))) {
      try inputs.append(" ".utf8, name: "input", line: 7)
    }
    #expect(throws: DataError.line(name: "input", line: 8, problem: .invalidUTF8(byte: 1))) {
      try inputs.append([0x61, 0xFF], name: "input", line: 8)
    }
    #expect(inputs.count == 0)
    try inputs.append("a".utf8, name: "input", line: 9)
    #expect(inputs.take().count == 1)
  }

  @Test func noLineIsLeftOut() throws {
    let options = ExampleOptions(.labeled, .tsv) {
      $0.emptySequences = .skip
      $0.tooLong = .skip
      $0.maxLength = 2
    }
    var (inputs, _) = try inputs(options, .text("x\ta b"))
    #expect(throws: DataError.line(name: "input", line: 1, problem: .empty(field: "source"))) {
      try inputs.append([], name: "input", line: 1)
    }
    let problem = LineProblem.tooLong(field: "source", length: 3, limit: 2)
    #expect(throws: DataError.line(name: "input", line: 2, problem: problem)) {
      try inputs.append("a b a".utf8, name: "input", line: 2)
    }
  }

  @Test func wordsOfATaggerHaveTheirCharacters() throws {
    let options = ExampleOptions(.tagged, .columns) { $0.characters = true }
    var (inputs, encoding) = try inputs(options, .text("ab X\nc Y"))
    try inputs.append("c new c".utf8, name: "input", line: 1)
    let split = inputs.take()
    #expect(split.words(.source, encoding.source) == [["c", "<unk>", "c"]])
    #expect(split.forms?.forms == RaggedTokens([[0, 1, 0]]))
  }

  @Test func aSecondSourceStandsBehindATab() throws {
    var (inputs, encoding) = try inputs(ExampleOptions(.paired, .tsv), .text("a b\tx\tb"))
    try inputs.append("a\tb b".utf8, name: "input", line: 1)
    #expect(throws: DataError.line(name: "input", line: 2, problem: .secondSource(expected: true))) {
      try inputs.append("a".utf8, name: "input", line: 2)
    }
    let split = inputs.take()
    #expect(split.words(.source, encoding.source) == [["a"]])
    #expect(split.words(.secondSource, encoding.source) == [["b", "b"]])
  }

  /// The message speaks of two texts, not of a second source.
  @Test func aMatcherNeedsTwoTexts() throws {
    var (inputs, _) = try inputs(ExampleOptions(.matched, .tsv), .text("yes\ta b\tb"))
    #expect(throws: DataError.line(name: "input", line: 1, problem: .oneText)) {
      try inputs.append("a".utf8, name: "input", line: 1)
    }
  }

  /// Only the separators of the training format cut a line: a no-break space does not cut a word of columns, and a tab in
  /// parallel files is part of the text.
  @Test func separatorsAreThoseOfTheTrainingFormat() throws {
    var (columns, encoding) = try inputs(ExampleOptions(.tagged, .columns), .text("a\u{A0}b X\nc Y"))
    try columns.append("a\u{A0}b c".utf8, name: "input", line: 1)
    #expect(columns.take().words(.source, encoding.source) == [["a\u{A0}b", "c"]])
    // Training cuts at any white space of ASCII, also if there is a tab.
    try columns.append("c c\tc\u{0B}c".utf8, name: "input", line: 2)
    #expect(columns.take().words(.source, encoding.source) == [["c", "c", "c", "c"]])
    let rest = "\t_\t_\t_\t_\t_\t_"
    let conllu = "1\t10 000\t_\tNUM\(rest)\n2\tc\t_\tX\(rest)"
    var (cells, cellEncoding) = try inputs(ExampleOptions(.tagged, .conllu), .text(conllu))
    try cells.append("10 000\tc".utf8, name: "input", line: 1)
    #expect(cells.take().words(.source, cellEncoding.source) == [["10 000", "c"]])

    let characters = ExampleOptions(.paired, .lines, source: .char)
    var (parallel, parallelEncoding) = try inputs(characters, .parallel("a\tb", "x"))
    try parallel.append("a\tb".utf8, name: "input", line: 1)
    #expect(parallel.take().words(.source, parallelEncoding.source) == [["a", "\t", "b"]])
    var (classes, _) = try inputs(ExampleOptions(.labeled, .lines), .parallel("a\tb", "x"))
    try classes.append("a\tb".utf8, name: "input", line: 1)
    #expect(classes.take().lengths(.source) == [2])
  }

  @Test func numbersClassesAndArrays() throws {
    var (series, _) = try inputs(ExampleOptions(.labeled, .csv), .text("x,1,2"))
    try series.append("3,4,5".utf8, name: "input", line: 1)
    #expect(series.take().numbers(.source) == [[3, 4, 5]])
    #expect(throws: DataError.line(name: "input", line: 2, problem: .notFinite("inf", column: 1))) {
      try series.append("inf".utf8, name: "input", line: 2)
    }

    var (classes, _) = try inputs(ExampleOptions(.generated, .tsv), .text("a\tx\nb\ty"))
    try classes.append("b".utf8, name: "input", line: 1)
    #expect(classes.take().source == .labels([1]))
    #expect(throws: DataError.self) { try classes.append("c".utf8, name: "input", line: 2) }

    let folder = try TemporaryDirectory()
    let array = try folder.write(numpyFile([1, 2, 3, 4], shape: "(2, 2)"), to: "a.npy")
    let list = try folder.write("x\ta.npy", to: "list.tsv")
    var (arrays, _) = try inputs(ExampleOptions(.labeled, .npy), .file(.file(list)))
    try arrays.append(array.utf8, name: "input", line: 1)
    #expect(arrays.take().numbers(.source) == [[1, 2, 3, 4]])
    // A line of the list has a class as well.
    let problem = LineProblem.fields(found: 2, expected: "the path of the array alone")
    #expect(throws: DataError.line(name: "input", line: 2, problem: problem)) {
      try arrays.append("x\ta.npy".utf8, name: "input", line: 2)
    }

    #expect(throws: DataError.self) { try inputs(ExampleOptions(.generated, .lines), .text("a")) }
  }

  // MARK: Rows of csv

  /// The rows of a csv file, of which the first is the header.
  private func rows(_ table: inout PredictionTable, _ lines: [String]) throws -> [PredictionTable.Row] {
    try lines.enumerated().compactMap { try table.add(Array($1.utf8), number: $0 + 2) }
  }

  private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  @Test func rowsAreAnsweredWithTheirFields() throws {
    let options = ExampleOptions(.labeled, .csv) {
      $0.columns = DataColumns(parts: [.source: ["text"], .target: ["label"]])
    }
    var (inputs, encoding) = try inputs(options, .text("text,label\na b,x\nc,y"))
    #expect(try inputs.table(header: Array("a, b".utf8), name: "input", adding: ["predicted"]) == nil)
    var table = try #require(
      try inputs.table(header: Array("id; \"text\"".utf8), name: "input", adding: ["predicted", "score"]))
    let read = try rows(&table, ["1;\"a \"\"b", "c; \"", "2;c"])
    #expect(read.map(\.line) == [2, 4] && read.map { text($0.source) } == ["a \"b\nc; ", "c"])
    for row in read { try inputs.append(row) }
    #expect(inputs.take().words(.source, encoding.source) == [["a", "<unk>", "<unk>"], ["c"]])
    #expect(text(table.answerHeader) == "id;text;predicted;score\n")
    #expect(
      text(table.answer(read[0], adding: [Array("x;y".utf8)])) == "1;\"a \"\"b\nc; \";\"x;y\"\n")
    #expect(
      throws: DataError.line(
        name: "input", line: 5, problem: .columns(found: 1, expected: 2, delimiter: .semicolon))
    ) { try table.add(Array("3".utf8), number: 5) }
    #expect(try table.add(Array("\"3".utf8), number: 6) == nil)
    #expect(throws: DataError.line(name: "input", line: 6, problem: .openQuotes)) { try table.finish() }
    for header in ["text,predicted", "text,text"] {
      #expect(throws: DataError.self) {
        try inputs.table(header: Array(header.utf8), name: "input", adding: ["predicted"])
      }
    }
    #expect(inputs.looksLikeRow(Array("\"a\",x".utf8)) && !inputs.looksLikeRow(Array("a, b".utf8)))
  }

  /// No column of the answer may have the name of another one; columns are found without regard to case.
  @Test(arguments: ["predicted", "Predicted", "score", "SCORE"]) func columnsThatAreAdded(name: String) throws
  {
    let options = ExampleOptions(.labeled, .csv) {
      $0.columns = DataColumns(parts: [.source: ["text"], .target: ["label"]])
    }
    let (inputs, _) = try inputs(options, .text("text,label\na,x\n"))
    let header = Array("text,\(name)".utf8)
    let error = #expect(throws: DataError.self) {
      try inputs.table(header: header, name: "input", adding: ["predicted", "score"])
    }
    #expect(error?.description.contains("input: has a column \"\(name)\"") == true)
    #expect(try inputs.table(header: header, name: "input", adding: []) != nil)
    if name.lowercased() == "score" {
      let table = try #require(try inputs.table(header: header, name: "input", adding: ["predicted"]))
      #expect(text(table.answerHeader) == "text,\(name),predicted\n")
    }
  }

  @Test func numbersAndSecondTextsOfRows() throws {
    var (inputs, _) = try inputs(ExampleOptions(.labeled, .csv), .text("label,low,high\nx,1,2\ny,3,4"))
    var table = try #require(
      try inputs.table(header: Array("high,low,no".utf8), name: "input", adding: ["predicted"]))
    for row in try rows(&table, ["5,6,7"]) { try inputs.append(row) }
    #expect(inputs.take().numbers(.source) == [[6, 5]])
    let bad = try rows(&table, ["5,x,7"])
    #expect(throws: DataError.line(name: "input", line: 2, problem: .notANumber("x", column: 2))) {
      try inputs.append(bad[0])
    }
    // The columns of a line are its own, not those of the row before it.
    #expect(throws: DataError.line(name: "input", line: 3, problem: .notANumber("x", column: 2))) {
      try inputs.append("5,x".utf8, name: "input", line: 3)
    }

    let both = ExampleOptions(.matched, .csv) {
      $0.columns = DataColumns(parts: [.source: ["2"], .secondSource: ["3"], .target: ["1"]])
    }
    var (pairs, encoding) = try self.inputs(both, .text("label,text1,text2\nx,a,b\n"))
    #expect(
      throws: DataError.line(name: "input", line: 1, problem: .noColumn("text2", names: ["text1", "no"]))
    ) { try pairs.table(header: Array("text1,no".utf8), name: "input", adding: ["predicted"]) }
    var file = try #require(
      try pairs.table(header: Array("text2,text1".utf8), name: "input", adding: ["predicted"]))
    for row in try rows(&file, ["b,a b"]) { try pairs.append(row) }
    let set = pairs.take()
    #expect(set.words(.source, encoding.source) == [["a", "b"]])
    #expect(set.words(.secondSource, encoding.source) == [["b"]])
  }
}
