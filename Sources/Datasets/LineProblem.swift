/// What is wrong with one line of a file of sequences, and what to do about it.
public enum LineProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// The byte of the line (from 0) that doesn't continue UTF-8 text.
  case invalidUTF8(byte: Int)
  /// A zero byte, which no text has.
  case zeroByte(byte: Int)
  /// So long that this is no file of lines.
  case tooManyBytes(limit: Int)
  /// Nothing where a sequence or a label belongs.
  case empty(field: String)
  /// Another number of fields than the format has.
  case fields(found: Int, expected: String)
  /// Another number of columns than the first line of the file.
  case columns(found: Int, expected: Int)
  /// Another number of columns than CoNLL-U has.
  case conlluColumns(found: Int)
  /// No number, range or decimal where CoNLL-U numbers its words.
  case badWordNumber(String)
  /// A word without a tag.
  case missingTag(word: String)
  /// A class or tag that the training text doesn't have.
  case unknownLabel(String, nearest: String?)
  /// No number in the column (from 1).
  case notANumber(String, column: Int)
  /// A number in the column (from 1) that is infinite, not a number, or too large for 32 bits.
  case notFinite(String, column: Int)
  /// A key of a multi-hot step that isn't a whole number below the width.
  case badKey(String, width: Int)
  /// A number at a step (from 1) of a target that is neither a bit nor a probability.
  case notABit(String, step: Int)
  /// Another number of targets than of steps.
  case stepCount(source: Int, target: Int)
  /// Another number of steps than the model is made for.
  case exactSteps(found: Int, expected: Int)
  /// Vectors of another width than the others.
  case width(found: Int, expected: Int)
  /// No second source where the training data has one, or the other way round.
  case secondSource(expected: Bool)
  /// A sequence above the limit.
  case tooLong(field: String, length: Int, limit: Int)
  /// Parallel files of different lengths: this line is the first without a partner.
  case noPartner(file: String)
  /// The array that the line names.
  case array(path: String, problem: ArrayProblem)
  /// A text that the subword model refuses; its own words.
  case subwords(String)

  public var description: String {
    switch self {
    case .invalidUTF8(let byte):
      "not UTF-8 text at byte \(byte) of the line; convert the file, or use data.tokens=byte"
    case .zeroByte(let byte):
      "a zero byte at byte \(byte) of the line: not a text file; use data.tokens=byte for other files"
    case .tooManyBytes(let limit): "a line of more than \(limit) bytes; give one sequence a line"
    case .empty(let field):
      "no \(field); remove the line, or set data.empty_sequences=skip"
    case .fields(let found, let expected):
      "\(found) field\(found == 1 ? "" : "s") between tabs; expected \(expected)"
    case .columns(let found, let expected):
      "\(found) column\(found == 1 ? "" : "s"), \(expected) in the lines before; every line needs the same number"
    case .conlluColumns(let found):
      "\(found) column\(found == 1 ? "" : "s") between tabs where CoNLL-U has 10; "
        + "data.format=columns reads files of a word and its tag a line"
    case .badWordNumber(let text): "\(quoted(text)) is no word number of CoNLL-U (3, 3-4 or 3.1)"
    case .missingTag(let word): "the word \(quoted(word)) has no tag; tagged text is needed"
    case .unknownLabel(let label, let nearest):
      "the label \(quoted(label)) does not occur in the training data"
        + (nearest.map { " (nearest: \(quoted($0)))" } ?? "") + "; correct it, or remove the line"
    case .notANumber(let text, let column): "column \(column): \(quoted(text)) is not a number"
    case .notFinite(let text, let column): "column \(column): \(quoted(text)) is not a finite 32-bit number"
    case .badKey(let text, let width):
      "\(quoted(text)) is not one of the keys 0 to \(width - 1); correct it, or set a larger data.width"
    case .notABit(let text, let step):
      "step \(step): \(text) is neither a bit nor a probability, 0 to 1; correct it, or set model.output=linear"
    case .stepCount(let source, let target):
      "\(target) target\(target == 1 ? "" : "s") for \(source) steps; every step needs one"
    case .exactSteps(let found, let expected):
      "\(found) steps where the model reads exactly \(expected); cut or pad the sequence, or set another model.pooling than all"
    case .width(let found, let expected): "vectors of width \(found) where \(expected) is expected"
    case .secondSource(let expected):
      expected
        ? "no second source, which the training data has: source<TAB>second source to answer, "
          + "source<TAB>target<TAB>second source in a file of pairs"
        : "a second source, which the training data does not have; remove it"
    case .tooLong(let field, let length, let limit):
      "a \(field) of length \(length), the limit is \(limit); raise data.max_length, or set data.too_long=skip or truncate"
    case .noPartner(let file): "has no partner: \(file) ends before; parallel files need as many lines each"
    case .array(let path, let problem): "\(path): \(problem)"
    case .subwords(let reason): "the subword model can't encode the line: \(reason)"
    }
  }
}

/// Why a NumPy file can't be used.
public enum ArrayProblem: Error, Sendable, Equatable, CustomStringConvertible {
  case missing
  /// The system refused to open or read; its own words.
  case unreadable(String)
  /// Doesn't begin as NumPy files do.
  case notNumPy
  case version(major: UInt8, minor: UInt8)
  /// The description of the array isn't one.
  case header(String)
  case elementType(String)
  case shape(String)
  /// Dimensions that are not those of one vector.
  case notAVector(String)
  /// Fewer or more bytes than the shape needs.
  case size(found: Int, expected: Int)
  case tooLarge(limit: Int)
  /// An element (from 0) that is infinite, not a number, or too large for 32 bits.
  case notFinite(element: Int)

  public var description: String {
    switch self {
    case .missing: "no such file; paths are relative to the folder of the list"
    case .unreadable(let reason): "can't be read: \(reason)"
    case .notNumPy: "not a NumPy file; write it with numpy.save"
    case .version(let major, let minor): "version \(major).\(minor) of the format; 1.0, 2.0 and 3.0 are known"
    case .header(let problem): "a damaged header: \(problem)"
    case .elementType(let type):
      "elements of type \(quoted(type)); save it as little-endian float32 or float64"
    case .shape(let shape): "shape \(shape); expected [steps, width] or [steps]"
    case .notAVector(let shape): "shape \(shape) where one vector belongs; expected [numbers]"
    case .size(let found, let expected):
      "\(found) bytes of elements, \(expected) by its shape; write it again"
    case .tooLarge(let limit): "larger than \(limit) bytes; cut the sequence"
    case .notFinite(let element): "element \(element) is not a finite 32-bit number"
    }
  }
}

/// A text in quotation marks, cut to a length that fits a message and without what would disturb a terminal.
func quoted(_ text: String) -> String {
  let limit = 60
  var shown = ""
  for scalar in text.unicodeScalars.prefix(limit) {
    shown += scalar == " " ? " " : scalar.escaped(asASCII: false)
  }
  return "\"\(shown)\"" + (text.unicodeScalars.count > limit ? "…" : "")
}
