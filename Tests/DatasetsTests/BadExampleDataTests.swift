import Datasets
import Testing

/// For any bad content of a file, the reader throws an error that names file and line.
@Suite struct BadExampleDataTests {
  private func problem(_ options: ExampleOptions, _ source: DataSource) -> (
    name: String, line: Int, problem: LineProblem
  )? {
    let error = #expect(throws: DataError.self) { try options.load(source) }
    guard case .line(let name, let line, let problem) = error else {
      Issue.record("expected a line: \(String(describing: error))")
      return nil
    }
    #expect(error?.description.hasPrefix("\(name):\(line): ") == true)
    #expect(error?.exitCode == 65)
    return (name, line, problem)
  }

  private func check(
    _ options: ExampleOptions, _ source: DataSource, _ line: Int, _ expected: LineProblem,
    name: String = "text", _ location: SourceLocation = #_sourceLocation
  ) {
    let found = problem(options, source)
    #expect(found?.problem == expected, sourceLocation: location)
    #expect(found?.line == line, sourceLocation: location)
    #expect(found?.name == name, sourceLocation: location)
  }

  @Test func fieldsOfALine() {
    let classifier = ExampleOptions(.labeled, .tsv)
    check(classifier, .text("a\tb\nab"), 2, .fields(found: 1, expected: "label<TAB>text"))
    check(classifier, .text("a\tb\tc"), 1, .fields(found: 3, expected: "label<TAB>text"))
    check(classifier, .text("a\tb\n\tc"), 2, .empty(field: "label"))
    check(classifier, .text("a\tb\nc\t  "), 2, .empty(field: "source"))
    check(classifier, .text("a\tb\n\nc\td"), 2, .empty(field: "sequence"))
    let pairs = ExampleOptions(.paired, .tsv)
    for text in ["a\tb\tc\na\tb", "a\tb\na\tb\tc"] {
      #expect(problem(pairs, .text(text))?.line == 2)
    }
    check(pairs, .text("a\t"), 1, .empty(field: "target"))
    check(pairs, .text("a\tb\t "), 1, .empty(field: "second source"))
    check(ExampleOptions(.generated, .tsv), .text("\tb"), 1, .empty(field: "label"))
  }

  @Test(arguments: [TokenUnit.char, .word, .space, .bpe])
  func bytesThatAreNotText(tokenization: TokenUnit) {
    let options = ExampleOptions(.generated, .lines, target: tokenization)
    check(options, .bytes(Array("ab\na".utf8) + [0xFF]), 2, .invalidUTF8(byte: 1))
    check(options, .bytes([0xC3, 0x0A, 0x41]), 1, .invalidUTF8(byte: 0))
    check(options, .bytes([0x41, 0xED, 0xA0, 0x80]), 1, .invalidUTF8(byte: 1))
    check(options, .bytes([0x41, 0x0A, 0x41, 0x42, 0x00]), 2, .zeroByte(byte: 2))
  }

  /// The place is that in the line, not in the field; messages count bytes from 1.
  @Test func bytesThatAreNotTextInAField() {
    let bad = Array("A\tt".utf8) + [0xE5]
    let problem = LineProblem.invalidUTF8(byte: 3)
    check(ExampleOptions(.labeled, .tsv), .bytes(bad), 1, problem)
    check(ExampleOptions(.paired, .tsv), .bytes(bad), 1, problem)
    #expect(problem.description.contains("at byte 4 of the line"))
    check(ExampleOptions(.labeled, .tsv), .bytes([0x20, 0x41, 0xE5, 0x09, 0x61]), 1, .invalidUTF8(byte: 2))
  }

  @Test func bytesMayBeAnything() throws {
    let options = ExampleOptions(.generated, .lines, target: .byte)
    let corpus = try options.load(.bytes([0xFF, 0x00, 0x0A, 0x80]))
    #expect(corpus.train.target?.tokenSequences?[0] == [257, 2])
    // Labels are text nevertheless.
    let labeled = ExampleOptions(.labeled, .tsv, source: .byte)
    check(labeled, .bytes([0xFF, 0x09, 0xFF]), 1, .invalidUTF8(byte: 0))
  }

  @Test func parallelFilesOfDifferentLengths() {
    let options = ExampleOptions(.paired, .lines)
    check(options, .parallel("a\nb\n\nc", "x\ny\n"), 4, .missingCounterpart(file: "target"), name: "source")
    check(options, .parallel("a", "x\ny"), 2, .missingCounterpart(file: "source"), name: "target")
    check(options, .parallel("a\nb", "x\n\n"), 2, .empty(field: "target"), name: "target")
    check(options, .parallel("a\n\nb", "x\n\ny"), 2, .empty(field: "sequence"), name: "source")
  }

  @Test func tagsThatDoNotMatchTheWords() {
    let options = ExampleOptions(.tagged, .lines)
    check(options, .parallel("a b\na b", "O O\nO O O"), 2, .stepCount(source: 2, target: 3), name: "target")
    let numbers = ExampleOptions(.tagged, .lines) { $0.numericTargets = true }
    check(numbers, .parallel("a b", "1"), 1, .stepCount(source: 2, target: 1), name: "target")
    check(numbers, .parallel("a b", "1 x"), 1, .notANumber("x", column: 2), name: "target")
  }

  @Test func raggedColumns() {
    let options = ExampleOptions(.tagged, .columns)
    check(options, .text("a O\n\nb"), 3, .columns(found: 1, expected: 2, delimiter: nil))
    check(options, .text("a"), 1, .columns(found: 1, expected: 2, delimiter: nil))
    check(options, .text("a x O\nb O"), 2, .columns(found: 2, expected: 3, delimiter: nil))
    check(options, .bytes(Array("a O\nb ".utf8) + [0xFF]), 2, .invalidUTF8(byte: 2))
    check(options, .bytes(Array("a O\nb".utf8) + [0xFF] + Array(" O".utf8)), 2, .invalidUTF8(byte: 1))
  }

  @Test func wordsOfCoNLLU() {
    let rest = "\t_\t_\t_\t_\t_\t_"
    let options = ExampleOptions(.tagged, .conllu)
    check(options, .text("1\ta\ta\tX"), 1, .conlluColumns(found: 4))
    check(options, .text("# x\nx\ta\ta\tX\(rest)"), 2, .badWordNumber("x"))
    check(options, .text("1-2-3\ta\ta\tX\(rest)"), 1, .badWordNumber("1-2-3"))
    check(options, .text("1-\ta\ta\tX\(rest)"), 1, .badWordNumber("1-"))
    check(options, .text("1\ta\ta\t_\(rest)"), 1, .missingTag(word: "a"))
    check(options, .text("1\t\ta\tX\(rest)"), 1, .empty(field: "FORM"))
  }

  @Test func numbersOfCSV() {
    let options = ExampleOptions(.labeled, .csv)
    check(options, .text("a,1,2\nb,1"), 2, .columns(found: 2, expected: 3, delimiter: .comma))
    check(options, .text("a,1,2\nb,1,2,3"), 2, .columns(found: 4, expected: 3, delimiter: .comma))
    check(options, .text("a,1,2\nb"), 2, .columns(found: 1, expected: 3, delimiter: .comma))
    check(options, .text("a"), 1, .columns(found: 1, expected: 2, delimiter: .comma))
    check(options, .text("a,1,x"), 1, .notANumber("x", column: 3))
    check(options, .text("a,1,"), 1, .notANumber("", column: 3))
    check(options, .text("a,1,2\n,1,2"), 2, .empty(field: "label"))
    for number in ["nan", "-inf", "1e39"] {
      check(options, .text("a,1,2\nb,1,\(number)"), 2, .notFinite(number, column: 3))
    }
    check(options, .text("label,x0\na,nan"), 2, .notFinite("nan", column: 2))
    check(
      options, .text("a,1\n" + "b," + String(repeating: "9", count: 200)), 2,
      .notANumber(String(repeating: "9", count: 200), column: 2))
    let regression = ExampleOptions(.labeled, .csv) { $0.numericTargets = true }
    check(regression, .text("1,1\nx,1"), 2, .notANumber("x", column: 1))
    check(regression, .text("1,1\n1 2,1"), 2, .width(found: 2, expected: 1))
  }

  /// A number where the class is read, and a text elsewhere.
  @Test func classLastOfCSV() {
    let problem = LineProblem.textColumn("x", column: 3)
    check(ExampleOptions(.labeled, .csv), .text("0.5,1,x\n2,3,y"), 1, problem)
    #expect(problem.description.contains("data.columns.target=3"))
    let regression = ExampleOptions(.labeled, .csv) { $0.numericTargets = true }
    check(regression, .text("1,1\n1,x"), 2, .notANumber("x", column: 2))
  }

  @Test func quotedFieldsOfCSV() {
    let options = ExampleOptions(.labeled, .csv)
    check(options, .text("a,1\n\"b,2\nc,3\n"), 2, .openQuotes)
    check(options, .text("\"a\"b,1"), 1, .afterQuotes(column: 1))
    check(options, .text("a,\"1\" \"2\""), 1, .afterQuotes(column: 2))
    check(options, .text("\"two\nlines\",1\na,x"), 3, .notANumber("x", column: 2))
    // A number must not have thousands separators, quoted or not.
    check(options, .text("a,\"1,000\",2"), 1, .notANumber("1,000", column: 2))
  }

  @Test func carriageReturnsAsLineEnds() {
    let problem = LineProblem.carriageReturns
    check(ExampleOptions(.tagged, .columns), .text("a X\rb Y\r"), 1, problem)
    check(ExampleOptions(.labeled, .tsv), .text("a\tb\rc\td"), 1, problem)
    check(ExampleOptions(.paired, .lines), .parallel("a\rb", "c\rd"), 1, problem, name: "source")
  }

  @Test func keysOfMultihot() {
    let options = ExampleOptions(.tagged, .multihot)
    check(options, .text("1 2|87\n1|88"), 2, .badKey("88", width: 88))
    check(options, .text("1 -1"), 1, .badKey("-1", width: 88))
    check(options, .text("1,2"), 1, .badKey("1,2", width: 88))
    check(options, .text("99999999999999999999"), 1, .badKey("99999999999999999999", width: 88))
  }

  @Test func aLineOfSeparatorsDoesNotFillTheMemory() {
    let options = ExampleOptions(.tagged, .multihot) { $0.width = 1 << 20 }
    check(
      options, .bytes([UInt8](repeating: UInt8(ascii: "|"), count: 1000)), 1,
      .tooLong(field: "sequence", length: 1001, limit: 64))
  }

  @Test func labelsThatTrainingDoesNotHave() throws {
    let options = ExampleOptions(.labeled, .tsv)
    let encoding = try options.load(.text("PlayMusic\ta\nRateBook\tb")).encoding
    let expected = LineProblem.unknownLabel("playmusik", nearest: "PlayMusic")
    #expect(throws: DataError.line(name: "text", line: 2, problem: expected)) {
      try ExampleCorpus.read(.text("RateBook\tx\nplaymusik\ty"), options: options, encoding: encoding)
    }
    #expect(expected.description.contains("nearest: \"PlayMusic\""))
    #expect(throws: DataError.line(name: "text", line: 1, problem: .unknownLabel("Qqqqqqq", nearest: nil))) {
      try ExampleCorpus.read(.text("Qqqqqqq\tx"), options: options, encoding: encoding)
    }
  }

  @Test func unknownLabelsMayBeCounted() throws {
    let options = ExampleOptions(.tagged, .columns) { $0.unknownLabels = .count }
    let encoding = try options.load(.text("a O\nb X")).encoding
    let split = try ExampleCorpus.read(.text("a O\n\nb B\nc C"), options: options, encoding: encoding)
    #expect(split.target?.tokenSequences?[1] == [LabelVocabulary.unknown, LabelVocabulary.unknown])
    #expect(split.report.unknownLabels == 2)
    #expect(
      split.report.firstUnknownLabel
        == .line(name: "text", line: 3, problem: .unknownLabel("B", nearest: "O")))
    // A class that is requested from a generator must exist.
    let generator = ExampleOptions(.generated, .tsv) { $0.unknownLabels = .count }
    let names = try generator.load(.text("a\tx")).encoding
    #expect(throws: DataError.line(name: "text", line: 1, problem: .unknownLabel("b", nearest: "a"))) {
      try ExampleCorpus.read(.text("b\tx"), options: generator, encoding: names)
    }
  }

  @Test func missingAndEmptyFiles() {
    let options = ExampleOptions(.labeled, .tsv)
    #expect(throws: DataError.missing(path: "/no/file.tsv")) {
      try options.load(.file(.file("/no/file.tsv")))
    }
    #expect(throws: DataError.notAFile(path: "/")) { try options.load(.file(.file("/"))) }
    for text in ["", "\n\n", "\u{FEFF}"] {
      #expect(throws: DataError.noExamples(name: "text")) { try options.load(.text(text)) }
    }
    #expect(throws: DataError.noExamples(name: "text")) {
      try ExampleOptions(.tagged, .conllu).load(.text("# nothing\n\n"))
    }
  }

  /// Random bytes, and random changes of good lines, in every format: a result or a `DataError`, never a
  /// trap.
  @Test func garbageNeverTraps() throws {
    let good = [
      "a\tb\tc\nd e\tf\t1 2\n", "x,1,2\ny,-3.5,nan\n", "0 1|2||3\n", "1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n2\tb\n",
      "O B\nO", "a.npy\tb.npy",
    ]
    var state: UInt64 = 42
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let special: [UInt8] = [0, 9, 10, 13, 0x20, 0x2C, 0x7C, 0x7F, 0x80, 0xC2, 0xE2, 0xEF, 0xF4, 0xFF, 0x2D]
    var results = (read: 0, refused: 0)
    for round in 0..<240 {
      var bytes = Array(good[round % good.count].utf8)
      for _ in 0..<random(8) {
        let byte = random(2) == 0 ? special[random(special.count)] : UInt8(random(256))
        let place = random(bytes.count + 1)
        if random(2) == 0 || place == bytes.count {
          bytes.insert(byte, at: place)
        } else {
          bytes[place] = byte
        }
      }
      for kind in DataKind.allCases where kind != .stream {
        for format in DataFormat.allCases {
          let tokens: [TokenUnit] = [.byte, .char, .word, .space]
          let options = ExampleOptions(
            kind, format, source: tokens[random(4)], target: tokens[random(4)]
          ) {
            $0.numericTargets = random(2) == 0
            $0.emptySequences = random(2) == 0 ? .error : .skip
            $0.tooLong = .truncate
            $0.maxLength = random(3)
          }
          let file = TextSource.memory(bytes, name: "text")
          for source in [DataSource.file(file), .parallel(source: file, target: file)] {
            do {
              _ = try options.load(source)
              results.read += 1
            } catch let error as DataError {
              #expect(!error.description.isEmpty)
              results.refused += 1
            }
          }
        }
      }
    }
    #expect(results.read > 200 && results.refused > 200)
  }
}
