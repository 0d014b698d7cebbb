import Configuration
import Datasets
import Tasks
import Testing

/// The keys and values that messages about data recommend must exist; otherwise the advice leads to another error.
@Suite struct AdviceTests {
  private static let problems: [LineProblem] = [
    .invalidUTF8(byte: 1), .zeroByte(byte: 1), .tooManyBytes(limit: 1), .wordTooLong(limit: 1),
    .labelColumn("c", column: 2, expected: 1),
    .empty(field: "source"),
    .fields(found: 1, expected: "2"), .columns(found: 1, expected: 2, delimiter: .comma),
    .noColumn("x", names: ["y"]), .columnBeyond(3, count: 2), .columnTwice(1), .openQuotes,
    .nameTwice("x", columns: [1, 2]), .otherColumn("x", expected: "y"),
    .afterQuotes(column: 1),
    .carriageReturns, .badWordNumber("x"),
    .missingTag(word: "x"), .unknownLabel("x", nearest: "y"), .notANumber("1,5", column: 1),
    .textColumn("x", column: 3), .columnOfText("x y", column: 2),
    .tableText("x", column: 1, name: "time", numbers: [2, 3], choosesTarget: false),
    .notFinite("x", column: 1), .notInVector("x", column: 2), .badKey("x", width: 3),
    .stepCount(source: 1, target: 2),
    .width(found: 1, expected: 2), .secondSource(expected: true), .oneText,
    .tooLong(field: "source", length: 2, limit: 1), .missingCounterpart(file: "f"),
    .array(path: "p", problem: .missing(relativeTo: "f")), .subwords("why"),
    .exactSteps(found: 1, expected: 2),
    .notABit("2.0", step: 1), .conlluColumns(found: 1),
  ]

  private static let errors: [DataError] =
    [
      .missing(path: "p"), .notAFile(path: "p"), .unreadable(path: "p", reason: "r"),
      .changed(path: "p"), .empty(name: "n"),
      .tooShort(name: "n", tokens: 1),
      .splitTooSmall(name: "n", part: "p", tokens: 1, fraction: 0.1),
      .badVocabulary(path: "p", line: 1, problem: "p"),
      .tooFewTokens(name: "n", tokens: 1, streams: 2, steps: 3, wholeChunks: true), .noExamples(name: "n"),
      .tooFewRows(name: "n", needed: 2, part: "validation"),
      .input(name: "n", reason: "r"), .noSplit(name: "n", sources: 1, fraction: 0.5),
      .unsupported(format: .tsv, reason: "r"), .subwordModel(name: "n", reason: "r"),
      .tooFewDifferent(task: "t", wanted: 2, found: 1),
    ] + problems.map { .line(name: "n", line: 1, problem: $0) }

  /// Names every case, so that a new case can't be forgotten above.
  private static func name(_ problem: LineProblem) -> String {
    switch problem {
    case .invalidUTF8: "invalidUTF8"
    case .zeroByte: "zeroByte"
    case .tooManyBytes: "tooManyBytes"
    case .wordTooLong: "wordTooLong"
    case .empty: "empty"
    case .fields: "fields"
    case .labelColumn: "labelColumn"
    case .columns: "columns"
    case .noColumn: "noColumn"
    case .columnBeyond: "columnBeyond"
    case .columnTwice: "columnTwice"
    case .nameTwice: "nameTwice"
    case .otherColumn: "otherColumn"
    case .openQuotes: "openQuotes"
    case .afterQuotes: "afterQuotes"
    case .carriageReturns: "carriageReturns"
    case .conlluColumns: "conlluColumns"
    case .badWordNumber: "badWordNumber"
    case .missingTag: "missingTag"
    case .unknownLabel: "unknownLabel"
    case .notANumber: "notANumber"
    case .textColumn: "textColumn"
    case .columnOfText: "columnOfText"
    case .tableText: "tableText"
    case .notFinite: "notFinite"
    case .notInVector: "notInVector"
    case .badKey: "badKey"
    case .stepCount: "stepCount"
    case .width: "width"
    case .secondSource: "secondSource"
    case .oneText: "oneText"
    case .tooLong: "tooLong"
    case .missingCounterpart: "missingCounterpart"
    case .array: "array"
    case .subwords: "subwords"
    case .exactSteps: "exactSteps"
    case .notABit: "notABit"
    }
  }

  /// Whether the schema has a key, with a value if one is named.
  private func isKnown(_ setting: String) -> Bool {
    let parts = setting.split(separator: "=", maxSplits: 1).map(String.init)
    guard ConfigurationSchema.keys.contains(where: { $0.path == parts[0] }) else { return false }
    guard parts.count > 1, parts[1] != "FILE" else { return true }
    do {
      _ = try RunConfiguration.resolve(layers: [], overrides: [setting], requiringText: false)
      return true
    } catch {
      return !error.issues.contains { $0.key == parts[0] && $0.message.hasPrefix("expects") }
    }
  }

  @Test func theListIsComplete() {
    #expect(Set(Self.problems.map(Self.name)).count == 37)
    #expect(Set(Self.problems.map(Self.name)).count == Self.problems.count)
  }

  @Test(arguments: errors)
  func everyKeyThatIsNamedExists(error: DataError) {
    let named = error.description.matches(
      of: /\b(?:data|model|training|decoding|evaluation|checkpoint|log)\.[a-z_0-9]+(?:=[A-Za-z]+)?/)
    for match in named { #expect(isKnown(String(match.output)), "\(error)") }
  }

  @Test func somethingIsNamed() {
    let text = Self.errors.map(\.description).joined(separator: "\n")
    for key in ["data.empty_sequences=skip", "data.too_long=skip", "data.valid_fraction"] {
      #expect(text.contains(key), "\(key)")
    }
    #expect(!isKnown("data.overlong=skip") && !isKnown("data.too_long=maybe"))
  }
}
