import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Every format yields the same examples with a header, with comments, with other line ends, with a byte order mark, and
/// compressed, if the format allows it.
@Suite struct FormatMatrixTests {
  struct Form: Sendable, CustomTestStringConvertible {
    let options: ExampleOptions
    let lines: [String]
    /// The second of parallel files.
    var targets: [String]?
    var header: String?
    /// Whether `#` lines are comments.
    var hasComments = false

    var testDescription: String { "\(options.kind) \(options.format)" }
  }

  enum Change: String, CaseIterable, Sendable {
    case header, comments, carriageReturns, mark, noLastLineFeed, gzip, zstd
  }

  private static let conlluRest = "\t_\t_\t_\t_\t_\t_"
  private static let tagged = ["to O", "Rome B-x", "", "né O", "क\u{93F} B-x"]

  static let forms: [Form] = [
    Form(options: ExampleOptions(.generated, .lines, target: .char), lines: ["a b", "é\u{301} c", "d"]),
    Form(options: ExampleOptions(.paired, .lines), lines: ["a b", "c"], targets: ["x", "y\u{A0}z w"]),
    Form(options: ExampleOptions(.tagged, .lines), lines: ["a b", "c"], targets: ["X Y", "Z"]),
    Form(options: ExampleOptions(.labeled, .tsv), lines: ["x\ta b", "y\tc", "x\td"], header: "label\ttext"),
    Form(options: ExampleOptions(.generated, .tsv), lines: ["x\ta b", "y\tc"], header: "class\tsentence"),
    Form(options: ExampleOptions(.paired, .tsv), lines: ["a b\tx", "c\ty z"], header: "source\ttarget"),
    Form(
      options: ExampleOptions(.paired, .tsv), lines: ["a b\tx\tq", "c\ty z\tr"],
      header: "source\ttarget\tsecond source"),
    Form(options: ExampleOptions(.tagged, .columns), lines: tagged, header: "Token Tag", hasComments: true),
    Form(
      options: ExampleOptions(.tagged, .conllu),
      lines: [
        "1\tto\t_\tADP\(conlluRest)", "2\tRome\t_\tPROPN\(conlluRest)", "", "1\tgo\t_\tVERB\(conlluRest)",
      ],
      hasComments: true),
    Form(
      options: ExampleOptions(.labeled, .csv), lines: ["x,1,2.5", "\"y, z\",-3,\"4\""], header: "label,x0,x1"),
    Form(
      options: ExampleOptions(.paired, .csv), lines: ["up;1;2", "\"go\ndown\";3;4"], header: "text;x0;x1"),
    Form(
      options: ExampleOptions(.labeled, .csv) {
        $0.columns = DataColumns(parts: [.source: ["2"], .target: ["1"]])
      },
      lines: ["x,\"a\nb\"", "y,c"], header: "label,text"),
    Form(options: ExampleOptions(.labeled, .npy), lines: ["x\ta.npy", "y\tb.npy"], header: "label\tfile"),
    Form(options: ExampleOptions(.labeled, .multihot), lines: ["x\t1 2|0", "y\t|3"], header: "label\tinput"),
    Form(options: ExampleOptions(.tagged, .multihot), lines: ["1 2|0", "|3"]),
  ]

  /// The data that a model reads.
  struct Content: Equatable {
    let count: Int
    let fields: [ExampleField?]
    let encoding: DataEncoding

    init(_ corpus: ExampleCorpus) {
      count = corpus.train.count
      fields = ExampleSet.Side.allCases.map { corpus.train.field($0) }
      // Only a file with a header has names of columns.
      var encoding = corpus.encoding
      encoding.columnNames = nil
      self.encoding = encoding
    }
  }

  private func bytes(_ lines: [String], _ header: String?, _ form: Form, _ changes: Set<Change>) -> [UInt8] {
    var lines = lines
    if changes.contains(.header), let header { lines.insert(header, at: 0) }
    if changes.contains(.comments), form.hasComments {
      lines = ["# of the file", "#"] + lines + ["", "# the end"]
    }
    var text = lines.joined(separator: "\n") + (changes.contains(.noLastLineFeed) ? "" : "\n")
    if changes.contains(.carriageReturns) { text = text.replacing("\n", with: "\r\n") }
    if changes.contains(.mark) { text = "\u{FEFF}" + text }
    let plain = Array(text.utf8)
    return changes.contains(.gzip) ? gzipped(plain) : changes.contains(.zstd) ? zstandard(plain) : plain
  }

  private func content(_ form: Form, _ changes: Set<Change>) throws -> Content {
    let folder = try TemporaryDirectory()
    for (name, values) in [("a.npy", [Double](arrayLiteral: 1, 2)), ("b.npy", [3, 4, 5])] {
      let array = numpyFile(values, shape: "(\(values.count),)")
      try folder.write(changes.contains(.gzip) ? gzipped(array) : array, to: name)
    }
    let file = TextSource.file(try folder.write(bytes(form.lines, form.header, form, changes), to: "data"))
    guard let targets = form.targets else { return Content(try form.options.load(.file(file))) }
    let target = TextSource.file(try folder.write(bytes(targets, nil, form, changes), to: "targets"))
    return Content(try form.options.load(.parallel(source: file, target: target)))
  }

  @Test(arguments: forms) func examplesAreTheSame(form: Form) throws {
    let expected = try content(form, [])
    #expect(expected.count == (form.options.format.holdsWords ? 2 : form.lines.count))
    for change in Change.allCases { #expect(try content(form, [change]) == expected, "\(change)") }
    #expect(try content(form, Set(Change.allCases).subtracting([.zstd])) == expected)
  }

  /// A text is read in the same way. Bytes are decompressed but otherwise unchanged.
  @Test(arguments: [TokenUnit.char, .word, .bpe, .byte]) func text(unit: TokenUnit) throws {
    let form = Form(
      options: ExampleOptions(.generated, .lines), lines: ["a bc", "", "d a\u{A0}é", "bc bc a"])
    let folder = try TemporaryDirectory()
    func load(_ changes: Set<Change>) throws -> TextCorpus {
      let file = try folder.write(bytes(form.lines, nil, form, changes), to: "text")
      return try TextCorpus.load(train: .file(file), options: TextOptions(unit, maxVocabulary: 20))
    }
    let expected = try load([])
    #expect(expected.train.count > 5)
    let changes: [Change] = unit == .byte ? [.gzip, .zstd] : [.carriageReturns, .mark, .gzip, .zstd]
    for change in changes {
      let corpus = try load([change])
      #expect(corpus.train == expected.train && corpus.encoding == expected.encoding, "\(change)")
    }
  }
}
