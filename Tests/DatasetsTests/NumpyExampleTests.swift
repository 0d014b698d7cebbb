import Datasets
import Foundation
import TestSupport
import Testing

/// Lists of NumPy files.
@Suite struct NumpyExampleTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private func load(
    _ list: String, _ kind: DataKind = .labeled, _ change: (inout ExampleOptions) -> Void = { _ in }
  ) throws -> ExampleCorpus {
    let path = try folder.write(list, to: "list.tsv")
    return try ExampleOptions(kind, .npy, target: .char, change).load(.file(.file(path)))
  }

  @Test func arraysOfStepsAndSeries() throws {
    try folder.write(numpyFile([1, 2, 3, 4, 5, 6], shape: "(3, 2)"), to: "a.npy")
    try folder.write(numpyFile([7, 8], shape: "(1, 2)", type: "<f8", version: 2), to: "b.npy")
    let corpus = try load("x\ta.npy\ny\t\(folder.path)/b.npy\n")
    #expect(corpus.train.numbers(.source) == [[1, 2, 3, 4, 5, 6], [7, 8]])
    #expect(corpus.train.lengths(.source) == [3, 1])
    #expect(corpus.encoding.sourceWidth == 2)
    #expect(corpus.train.target == .labels([0, 1]))
    try folder.write(numpyFile([1, 2, 3], shape: "(3,)", version: 3), to: "c.npy")
    #expect(try load("x\tc.npy").train.numbers(.source) == [[1, 2, 3]])
  }

  @Test func columnMajorArraysAreTurned() throws {
    // Columns (1, 2, 3) and (4, 5, 6).
    try folder.write(numpyFile([1, 2, 3, 4, 5, 6], shape: "(3, 2)", order: "True"), to: "a.npy")
    #expect(try load("x\ta.npy").train.numbers(.source) == [[1, 4, 2, 5, 3, 6]])
  }

  @Test func targetsOfEveryKind() throws {
    try folder.write(numpyFile([1, 2, 3, 4], shape: "(2, 2)"), to: "a.npy")
    try folder.write(numpyFile([9, 8, 7, 6, 5, 4], shape: "(2, 3)"), to: "y.npy")
    let text = try load("ab\ta.npy", .paired)
    #expect(text.train.words(.target, text.encoding.target) == [["a", "b"]])
    let number = try load("0.5\ta.npy") { $0.numericTargets = true }
    #expect(number.train.numbers(.target) == [[0.5]])
    let tags = try load("A B\ta.npy", .tagged)
    #expect(tags.train.tags(tags.encoding.labels) == [["A", "B"]])
    let steps = try load("y.npy\ta.npy", .tagged) { $0.numericTargets = true }
    #expect(steps.train.numbers(.target) == [[9, 8, 7, 6, 5, 4]])
    #expect(steps.encoding.targetWidth == 3)
    let series = try load("1 2\ta.npy", .tagged) { $0.numericTargets = true }
    #expect(series.train.numbers(.target) == [[1, 2]])
    try folder.write(numpyFile([1, 2, 3], shape: "(3,)"), to: "v.npy")
    let caption = try load("ab\tv.npy", .generated)
    #expect(caption.train.numbers(.source) == [[1, 2, 3]])
    #expect(caption.train.lengths(.source) == [1])
    #expect(caption.encoding.sourceWidth == 3)
  }

  /// 64-bit numbers that would become the same as 32-bit ones are refused, as in text.
  @Test func doublesThatAreTooCloseForTheirSize() throws {
    func refusal(_ type: String, _ number: (Int) -> Double) throws -> String? {
      try folder.write(numpyFile((0..<20).map(number), shape: "(10, 2)", type: type), to: "a.npy")
      do {
        _ = try load("x\ta.npy")
        return nil
      } catch {
        return "\(error)"
      }
    }
    let close = try refusal("<f8") { Double($0 % 2 == 0 ? 5 : 1_000_000_000 + $0) }
    #expect(close?.contains("numbers of the source vary by") == true, "\(close ?? "")")
    #expect(try refusal("<f8") { Double($0 % 2 == 0 ? 1_000_000_000 : $0) } == nil)
    #expect(
      try refusal("<f8") { $0 == 3 ? 1e300 : 1 }?.contains("element 3 is not a finite 32-bit number") == true)
    #expect(try refusal("<f4") { Double($0) } == nil)
  }

  private static let good = numpyFile([1, 2], shape: "(2,)")

  private static let damaged: [(String, [UInt8], ArrayProblem)] = [
    ("empty", [], .notNumPy), ("text", Array("hello, world".utf8), .notNumPy),
    ("short", Array(good.prefix(9)), .notNumPy),
    ("version", numpyFile([1], shape: "(1,)", version: 9), .version(major: 9, minor: 0)),
    ("cut header", Array(good.prefix(30)), .header("the file ends within it")),
    (
      "endless header", [0x93] + Array("NUMPY".utf8) + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF],
      .header("4294967295 bytes of description")
    ),
    ("cut data", Array(good.dropLast()), .size(found: 7, expected: 8)),
    ("longer data", good + [0], .size(found: 9, expected: 8)),
    ("integers", numpyFile([1], shape: "(1,)", type: "<i4"), .elementType("<i4")),
    ("big-endian", numpyFile([1], shape: "(1,)", type: ">f4"), .elementType(">f4")),
    ("objects", numpyFile([1], shape: "(1,)", type: "|O"), .elementType("|O")),
    ("no dimension", numpyFile([1], shape: "()"), .shape("()")),
    ("three dimensions", numpyFile([1], shape: "(1, 1, 1)"), .shape("(1, 1, 1)")),
    ("no width", numpyFile([], shape: "(2, 0)"), .shape("(2, 0)")),
    ("negative", numpyFile([1], shape: "(-1,)"), .shape("(-1,)")),
    ("overflow", numpyFile([1], shape: "(4611686018427387904, 4)"), .tooLarge(limit: 1 << 28)),
    ("above 64 bits", numpyFile([1], shape: "(99999999999999999999,)"), .shape("(99999999999999999999,)")),
    ("huge", numpyFile([1], shape: "(1000000000,)"), .size(found: 4, expected: 4_000_000_000)),
    ("NaN", numpyFile([1, .nan], shape: "(2,)"), .notFinite(element: 1)),
    ("infinite", numpyFile([1, 2, -.infinity], shape: "(3, 1)"), .notFinite(element: 2)),
    (
      "keys", numpyHeader("{'shape': (1,)}"),
      .header("expected {'descr': '…', 'fortran_order': …, 'shape': (…)}")
    ),
    (
      "structure", numpyHeader("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
      .header("expected {'descr': '…', 'fortran_order': …, 'shape': (…)}")
    ),
    ("no UTF-8", [0x93] + Array("NUMPY".utf8) + [1, 0, 1, 0, 0xFF], .header("not text")),
  ]

  @Test(arguments: damaged.indices)
  func damagedFilesAreNamed(index: Int) throws {
    let (name, bytes, problem) = Self.damaged[index]
    try folder.write(Self.good, to: "good.npy")
    let path = try folder.write(bytes, to: "bad.npy")
    let error = #expect(throws: DataError.self, "\(name)") { try load("x\tgood.npy\ny\tbad.npy") }
    #expect(
      error == .line(name: "\(folder.path)/list.tsv", line: 2, problem: .array(path: path, problem: problem)),
      "\(name)")
    #expect(error?.exitCode == 65)
  }

  @Test func arraysThatCannotBeOpened() throws {
    let missing = #expect(throws: DataError.self) { try load("x\tno.npy") }
    #expect(missing?.exitCode == 66)
    #expect(
      missing?.description.contains(
        "\(folder.path)/no.npy: no such file; paths are relative to the folder of the list") == true)
    // A path in an input for prediction is relative to another folder.
    try folder.write(Self.good, to: "good.npy")
    let list = DataSource.file(.file(try folder.write("x\tgood.npy", to: "list.tsv")))
    let options = ExampleOptions(.labeled, .npy)
    var inputs = try PredictionInputs(options: options, encoding: options.load(list).encoding, like: list)
    let answer = #expect(throws: DataError.self) {
      try inputs.append("good.npy".utf8, name: "input", line: 1)
    }
    #expect(
      answer?.description == "input:1: good.npy: no such file; paths are relative to the current directory")
    #expect(answer?.exitCode == 66)
    for path in [".", "\u{1}", "a.npy "] {
      #expect(throws: DataError.self) { try load("x\t\(path)") }
    }
    #expect(throws: DataError.self) { try load("x\t") }
  }

  @Test func stepsOfOneNumberForAll() throws {
    let list = "\(folder.path)/list.tsv"
    try folder.write(numpyFile([1, 2, 3, 4], shape: "(2, 2)"), to: "a.npy")
    try folder.write(numpyFile([1, 2], shape: "(1, 2)"), to: "b.npy")
    #expect(try load("x\ta.npy\ny\ta.npy") { $0.equalSteps = true }.encoding.sourceSteps == 2)
    #expect(throws: DataError.line(name: list, line: 2, problem: .exactSteps(found: 1, expected: 2))) {
      try load("x\ta.npy\ny\tb.npy") { $0.equalSteps = true }
    }
    // An example that is left out because of its length determines no width.
    let short = try load("x\ta.npy\ny\tb.npy") {
      ($0.equalSteps, $0.maxLength, $0.tooLong) = (true, 1, .skip)
    }
    #expect(short.encoding.sourceSteps == 1 && short.train.count == 1)
  }

  @Test func bitsThatAreNone() throws {
    try folder.write(numpyFile([1, 2, 3, 4], shape: "(2, 2)"), to: "a.npy")
    try folder.write(numpyFile([0, 1, 0.5, 1.5], shape: "(2, 2)"), to: "y.npy")
    func error(_ list: String) -> DataError? {
      #expect(throws: DataError.self) {
        try load(list, .tagged) { ($0.numericTargets, $0.bits) = (true, true) }
      }
    }
    let list = "\(folder.path)/list.tsv"
    #expect(
      error("0 1\ta.npy\n0 -1\ta.npy") == .line(name: list, line: 2, problem: .notABit("-1.0", step: 2)))
    #expect(error("y.npy\ta.npy") == .line(name: list, line: 1, problem: .notABit("1.5", step: 2)))
  }

  @Test func widthsAndStepsThatDoNotMatch() throws {
    let list = "\(folder.path)/list.tsv"
    try folder.write(numpyFile([1, 2, 3, 4], shape: "(2, 2)"), to: "a.npy")
    try folder.write(numpyFile([1, 2, 3], shape: "(1, 3)"), to: "b.npy")
    try folder.write(numpyFile([], shape: "(0, 2)"), to: "e.npy")
    #expect(throws: DataError.line(name: list, line: 2, problem: .width(found: 3, expected: 2))) {
      try load("x\ta.npy\ny\tb.npy")
    }
    #expect(throws: DataError.line(name: list, line: 1, problem: .stepCount(source: 2, target: 3))) {
      try load("A B C\ta.npy", .tagged)
    }
    #expect(throws: DataError.line(name: list, line: 1, problem: .empty(field: "source"))) {
      try load("x\te.npy")
    }
    #expect(throws: DataError.self) { try load("ab\ta.npy", .generated) }
    // The first and the second example may be in either part.
    for seed in 0..<6 as Range<UInt64> {
      #expect(throws: DataError.line(name: list, line: 2, problem: .width(found: 3, expected: 2))) {
        try load("x\ta.npy\ny\tb.npy") { ($0.validFraction, $0.validSeed) = (0.5, seed) }
      }
    }
    // A part read later must fit the model.
    let options = ExampleOptions(.labeled, .npy)
    let encoding = try load("x\ta.npy").encoding
    let other = try folder.write("x\tb.npy", to: "other.tsv")
    #expect(throws: DataError.line(name: other, line: 1, problem: .width(found: 3, expected: 2))) {
      try ExampleCorpus.read(.file(.file(other)), options: options, encoding: encoding)
    }
  }
}
