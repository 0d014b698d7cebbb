import Datasets
import Testing

@Suite struct SequenceInputsTests {
  private func inputs(_ options: SequenceOptions, _ train: SequenceSource) throws -> (
    PredictionInputs, DataEncoding
  ) {
    let encoding = try options.load(train).encoding
    return (try PredictionInputs(options: options, encoding: encoding, like: train), encoding)
  }

  @Test func linesBecomeExamplesInOrder() throws {
    var (inputs, encoding) = try inputs(SequenceOptions(.classifier, .tsv), .text("x\ta b\ny\tc"))
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
    var (inputs, _) = try inputs(SequenceOptions(.classifier, .tsv), .text("x\ta b"))
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
    let options = SequenceOptions(.classifier, .tsv) {
      $0.emptySequences = .skip
      $0.overlong = .skip
      $0.maximumLength = 2
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

  @Test func wordsOfATaggerHaveTheirLetters() throws {
    let options = SequenceOptions(.tagger, .columns) { $0.characters = true }
    var (inputs, encoding) = try inputs(options, .text("ab X\nc Y"))
    try inputs.append("c new c".utf8, name: "input", line: 1)
    let split = inputs.take()
    #expect(split.words(.source, encoding.source) == [["c", "<unk>", "c"]])
    #expect(split.forms?.forms == RaggedTokens([[0, 1, 0]]))
  }

  @Test func aSecondSourceStandsBehindATab() throws {
    var (inputs, encoding) = try inputs(SequenceOptions(.seq2seq, .tsv), .text("a b\tx\tb"))
    try inputs.append("a\tb b".utf8, name: "input", line: 1)
    #expect(throws: DataError.line(name: "input", line: 2, problem: .secondSource(expected: true))) {
      try inputs.append("a".utf8, name: "input", line: 2)
    }
    let split = inputs.take()
    #expect(split.words(.source, encoding.source) == [["a"]])
    #expect(split.words(.secondSource, encoding.source) == [["b", "b"]])
  }

  @Test func numbersClassesAndArrays() throws {
    var (series, _) = try inputs(SequenceOptions(.classifier, .csv), .text("x,1,2"))
    try series.append("3,4,5".utf8, name: "input", line: 1)
    #expect(series.take().numbers(.source) == [[3, 4, 5]])
    #expect(throws: DataError.line(name: "input", line: 2, problem: .notFinite("inf", column: 1))) {
      try series.append("inf".utf8, name: "input", line: 2)
    }

    var (classes, _) = try inputs(SequenceOptions(.generator, .tsv), .text("a\tx\nb\ty"))
    try classes.append("b".utf8, name: "input", line: 1)
    #expect(classes.take().source == .labels([1]))
    #expect(throws: DataError.self) { try classes.append("c".utf8, name: "input", line: 2) }

    let folder = try TemporaryFolder()
    let array = try folder.write("a.npy", numpyFile([1, 2, 3, 4], shape: "(2, 2)"))
    let list = try folder.write("list.tsv", "x\ta.npy")
    var (arrays, _) = try inputs(SequenceOptions(.classifier, .npy), .file(.file(list)))
    try arrays.append(array.utf8, name: "input", line: 1)
    #expect(arrays.take().numbers(.source) == [[1, 2, 3, 4]])

    #expect(throws: DataError.self) { try inputs(SequenceOptions(.generator, .lines), .text("a")) }
  }
}
