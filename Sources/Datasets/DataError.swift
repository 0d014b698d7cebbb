/// The reason why data can't be used: what happened, where, and what to do.
public enum DataError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No such file.
  case missing(path: String)
  /// The path is a directory, a pipe or a device instead of a regular file.
  case notAFile(path: String)
  /// The file could not be opened or read, with the system's message.
  case unreadable(path: String, reason: String)
  /// Two passes over the file saw different text.
  case changed(path: String)
  /// The text has no tokens.
  case empty(name: String)
  /// The text has fewer than two tokens, so there is nothing to predict.
  case tooShort(name: String, tokens: Int)
  /// A part that a fraction splits off is too small to use.
  case splitTooSmall(name: String, part: String, tokens: Int, fraction: Double)
  /// A vocabulary file is wrong at `line` (from 1).
  case badVocabulary(path: String, line: Int, problem: String)
  /// The text is too short for this many parallel streams of this many steps.
  case tooFewTokens(name: String, tokens: Int, streams: Int, steps: Int, wholeChunks: Bool)
  /// Something is wrong in `line` (from 1) of a file.
  case line(name: String, line: Int, problem: LineProblem)
  /// The file has no usable example.
  case noExamples(name: String)
  /// A table with fewer rows than a window and its horizon; `part` is that of series that are cut into training and validation.
  case tooFewRows(name: String, needed: Int, part: String?)
  /// An input that is not a line of a file can't be read.
  case input(name: String, reason: String)
  /// There are too few different sources to split off this share of them.
  case noSplit(name: String, sources: Int, fraction: Double)
  /// A task can't use the format, token unit or pair of files.
  case unsupported(format: DataFormat, reason: String)
  /// A subword model can't be trained, read or used, with the library's message if there is one.
  case subwordModel(name: String, reason: String)
  /// A generator has fewer different examples than requested.
  case tooFewDifferent(task: String, wanted: Int, found: Int)

  /// The program's exit code: 66 input missing, 65 bad data, 74 read failed.
  public var exitCode: Int32 {
    switch self {
    case .missing, .notAFile: 66
    case .unreadable, .changed: 74
    case .line(_, _, .array(_, .missing(_))): 66
    default: 65
    }
  }

  /// The place and the problem, without advice, for a line that is left out because the options say so.
  var cause: String {
    guard case .line(let name, let line, let problem) = self else { return description }
    return "\(name):\(line): \(problem.cause)"
  }

  public var description: String {
    switch self {
    case .missing(let path):
      "\(path): no such file; "
        + (path.unicodeScalars.contains("\u{FFFD}")
          ? "a name that is not UTF-8 can't be opened: rename the file, or create a symbolic link to it with a UTF-8 name"
          : "paths are relative to the current directory")
    case .notAFile(let path):
      "\(path): is a directory, a pipe or a device; name a text file (save the output of a command in one "
        + "first; for arrays, one with a line class<TAB>file.npy for each)"
    case .unreadable(let path, let reason): "\(path): can't be read: \(reason)"
    case .changed(let path): "\(path): changed while it was read; start again when it is complete"
    case .empty(let name): "\(name): holds no text; give a file with at least two tokens"
    case .tooShort(let name, let tokens):
      "\(name): holds \(tokens) token; at least two are needed, one to read and one to predict"
    case .splitTooSmall(let name, let part, let tokens, let fraction):
      "\(name): a validation part of \(fraction) leaves \(tokens) \(tokens == 1 ? "token" : "tokens") for \(part), at least 2 are needed; "
        + "change data.valid_fraction or give data.valid"
    case .badVocabulary(let path, let line, let problem):
      "\(path):\(line): \(problem); use the vocabulary file that the run wrote"
    case .tooFewTokens(let name, let tokens, let streams, let steps, let wholeChunks):
      "\(name): \(tokens) tokens can't fill \(streams) streams"
        + (wholeChunks ? " with a whole chunk of \(steps) steps" : "")
        + "; set a smaller training.batch_size" + (wholeChunks ? " or training.bptt" : "")
        + " or give more text"
    case .line(let name, let line, let problem): "\(name):\(line): \(problem)"
    case .input(let name, let reason): "\(name): \(reason)"
    case .tooFewRows(let name, let needed, let part):
      "\(name): no series has \(part.map { "in its \($0) part " } ?? "")the \(needed) rows that data.window and data.horizon need with "
        + "all targets known; set smaller ones, \(part == nil ? "" : "change data.valid_fraction, ")or give more rows"
    case .noExamples(let name): "\(name): holds no example that can be used; give a file with at least one"
    case .noSplit(let name, let sources, let fraction):
      "\(name): a validation part of \(fraction) of \(sources) different sources leaves nothing on one side; "
        + "change data.valid_fraction or give data.valid"
    case .unsupported(let format, let reason): "data.format=\(format.rawValue): \(reason)"
    case .subwordModel(let name, let reason): "\(name): \(reason)"
    case .tooFewDifferent(let task, let wanted, let found):
      "\(task): \(wanted) different examples wanted, only \(found) found; ask for fewer or longer ones"
    }
  }
}

/// A problem in one line of a file, and its remedy.
public enum LineProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// The byte of the line (from 0) that doesn't continue UTF-8 text.
  case invalidUTF8(byte: Int)
  /// A zero byte, which does not occur in text; `byte` as above. Messages count from 1.
  case zeroByte(byte: Int)
  /// The line is so long that the file can't consist of lines.
  case tooManyBytes(limit: Int)
  /// The line has no white space for so long that the file can't be a text of words.
  case wordTooLong(limit: Int)
  /// A sequence or a label is empty.
  case empty(field: String)
  /// A different number of fields than the format has.
  case fields(found: Int, expected: String)
  /// A header has its column of labels in a different place than the format; columns count from 1.
  case labelColumn(String, column: Int, expected: Int)
  /// A different number of columns than the first line of the file; `delimiter` is the one of csv.
  case columns(found: Int, expected: Int, delimiter: Delimiter?)
  /// A column is requested by a name that the first line does not have.
  case noColumn(String, names: [String])
  /// The line has fewer columns than the requested column (from 1).
  case columnBeyond(Int, count: Int)
  /// A column (from 1) is requested as two parts of an example, or twice in one part.
  case columnTwice(Int)
  /// Several columns (from 1) have the name that is requested.
  case nameTwice(String, columns: [Int])
  /// The header has another name than that of the training data in the place of a column.
  case otherColumn(String, expected: String)
  /// A quotation mark of csv that is never closed.
  case openQuotes
  /// Text after the closing quotation mark of the field in the column (from 1) of csv.
  case afterQuotes(column: Int)
  /// The whole file is one line because its line ends are carriage returns.
  case carriageReturns
  /// A different number of columns than CoNLL-U has.
  case conlluColumns(found: Int)
  /// The word number of CoNLL-U is not a number, a range or a decimal.
  case badWordNumber(String)
  /// A word without a tag.
  case missingTag(word: String)
  /// A class or tag that the training text doesn't have.
  case unknownLabel(String, nearest: String?)
  /// A text that is not a number in the column (from 1).
  case notANumber(String, column: Int)
  /// A text of several words where a row of csv should have a number.
  case columnOfText(String, column: Int)
  /// A text in a column of numbers, in a row of csv whose first column, where the class is read, is a number.
  case textColumn(String, column: Int)
  /// A text in the first row of a table. `name` is that of its column (from 1) if there is a header, `numbers` are the columns that
  /// can be read, and `choosesTarget` is true if the options choose the columns that are forecast from these.
  case tableText(String, column: Int, name: String?, numbers: [Int], choosesTarget: Bool)
  /// A number in the column (from 1) that is infinite, not a number, or too large for 32 bits.
  case notFinite(String, column: Int)
  /// A text that is not a finite number in the column (from 1) of a word vector.
  case notInVector(String, column: Int)
  /// A key of a multi-hot step that is not a whole number below the width.
  case badKey(String, width: Int)
  /// A number at a step (from 1) of a target that is neither a bit nor a probability.
  case notABit(String, step: Int)
  /// A different number of targets than of steps.
  case stepCount(source: Int, target: Int)
  /// A number of steps other than the one that the model was built for.
  case exactSteps(found: Int, expected: Int)
  /// Vectors of a width that differs from the others.
  case width(found: Int, expected: Int)
  /// A second source is missing although the training data have one, or present although they have none.
  case secondSource(expected: Bool)
  /// A matcher reads two texts per line, and the line has one.
  case oneText
  /// A sequence above the limit.
  case tooLong(field: String, length: Int, limit: Int)
  /// Parallel files have different lengths: this line is the first without a counterpart.
  case missingCounterpart(file: String)
  /// The array file that the line names can't be used.
  case array(path: String, problem: ArrayProblem)
  /// The subword model rejects the text, with its message.
  case subwords(String)

  /// The same problem if `bytes` bytes of the line precede the part in which it was found.
  func moved(by bytes: Int) -> LineProblem {
    switch self {
    case .invalidUTF8(let byte): .invalidUTF8(byte: byte + bytes)
    case .zeroByte(let byte): .zeroByte(byte: byte + bytes)
    default: self
    }
  }

  /// The same problem in another column.
  func movedColumn(_ move: (Int) -> Int) -> LineProblem {
    switch self {
    case .notANumber(let text, let column): .notANumber(text, column: move(column))
    case .notFinite(let text, let column): .notFinite(text, column: move(column))
    default: self
    }
  }

  /// The problem without advice, for a line that is left out because the options say so.
  var cause: String {
    switch self {
    case .empty(let field): "no \(field)"
    case .tooLong(let field, let length, let limit): "a \(field) of length \(length), the limit is \(limit)"
    default: description
    }
  }

  public var description: String {
    switch self {
    case .invalidUTF8(let byte):
      "not UTF-8 text at byte \(byte + 1) of the line; convert the file, or use data.tokens=byte"
    case .zeroByte(let byte):
      "a zero byte at byte \(byte + 1) of the line: not a text file; use data.tokens=byte for other files"
    case .tooManyBytes(let limit): "a line of more than \(limit) bytes; give one sequence per line"
    case .wordTooLong(let limit):
      "a word of more than \(limit) bytes; use data.tokens=char for text without spaces"
    case .empty:
      "\(cause); remove the line (of parallel files from each), or set data.empty_sequences=skip"
    case .fields(let found, let expected):
      "\(counted(found, "field")) between tabs; expected \(expected)"
    case .labelColumn(let name, let column, let expected):
      "a header with \(quoted(name)) in column \(column), but labels are read from column \(expected); say which columns are "
        + "read, such as data.columns.target=\(column) data.columns.source=2-9 (a single source column of csv is text)"
    case .columns(let found, let expected, let delimiter):
      "\(counted(found, "column"))\(delimiter.map { " between \($0.plural)" } ?? ""), expected \(expected); every line needs the "
        + "same number"
    case .noColumn(let name, let names):
      "no column is named \(quoted(name)); the first line names \(names.prefix(12).map(quoted).joined(separator: ", "))"
        + "\(names.count > 12 ? ", …" : ""); correct data.columns, or number the columns from 1"
        + rangeAdvice(name)
    case .columnBeyond(let column, let count):
      "data.columns asks for column \(column), the line has \(counted(count, "column")); columns are numbered from 1"
    case .columnTwice(let column):
      "column \(column) is chosen twice; correct data.columns"
    case .nameTwice(let name, let columns):
      "columns \(columns.map { "\($0)" }.joined(separator: " and ")) are both named \(quoted(name)); number them from 1 in data.columns"
    case .otherColumn(let name, let expected):
      "the header names a column \(quoted(name)) where that of the training data names \(quoted(expected)); give the columns the same "
        + "names and order"
    case .openQuotes:
      "a quotation mark that is not closed; double the quotation marks within a field, or remove it"
    case .afterQuotes(let column):
      "column \(column): text after the closing quotation mark; double the quotation marks within a field"
    case .carriageReturns:
      "the only line ends are carriage returns; convert the file with tr '\\r' '\\n'"
    case .conlluColumns(let found):
      "\(counted(found, "column")) between tabs where CoNLL-U has 10; "
        + "data.format=columns reads files with a word and its tag per line"
    case .badWordNumber(let text): "\(quoted(text)) is not a word number of CoNLL-U (3, 3-4 or 3.1)"
    case .missingTag(let word): "the word \(quoted(word)) has no tag; tagged text is needed"
    case .unknownLabel(let label, let nearest):
      "the label \(quoted(label)) does not occur in the training data"
        + (nearest.map { " (nearest: \(quoted($0)))" } ?? "") + "; correct it, or remove the line"
    case .notANumber(let text, let column):
      "column \(column): \(quoted(text)) is not a number"
        + (isMissingNumber(Array(text.utf8)[...]) ? "; set data.missing=mask if numbers are missing" : "")
        + (hasDecimalComma(text) ? "; set data.decimal=comma for decimal commas of csv" : "")
    case .columnOfText(let text, let column):
      "column \(column): \(quoted(text)) is not a number; to read a column of text, name it, such as "
        + "data.columns.source=\(column) data.columns.target=label"
    case .textColumn(let text, let column):
      "column \(column): \(quoted(text)) is not a number, but column 1, where the class is read, has one; if column \(column) "
        + "is the class, set data.columns.target=\(column)"
    case .tableText(let text, let column, let name, let numbers, let choosesTarget):
      "column \(column)\(name.map { ", \(quoted($0))" } ?? ""): \(quoted(text)) is not a number; choose columns of numbers, such as "
        + (choosesTarget ? "" : "data.columns.target=\(numbers[0]) ")
        + "data.columns.source=\(numbers.map { "\($0)" }.joined(separator: ","))"
    case .notFinite(let text, let column):
      "column \(column): \(quoted(text)) is not a finite 32-bit number"
        + (isMissingNumber(Array(text.utf8)[...]) ? "; set data.missing=mask if numbers are missing" : "")
    case .notInVector(let text, let column):
      "column \(column): \(quoted(text)) is not a finite number; correct the vector, or remove its line"
    case .badKey(let text, let width):
      "\(quoted(text)) is not one of the keys 0 to \(width - 1); correct it, or set a larger data.width"
    case .notABit(let text, let step):
      "step \(step): \(text) is neither a bit nor a probability, 0 to 1; correct it, or set model.output=linear"
    case .stepCount(let source, let target):
      "\(counted(target, "target")) for \(counted(source, "step")); every step needs one"
    case .exactSteps(let found, let expected):
      "\(counted(found, "step")) where the model reads exactly \(expected); cut or pad the sequence, or set another model.pooling than all"
    case .width(let found, let expected): "vectors of width \(found) where \(expected) is expected"
    case .secondSource(let expected):
      expected
        ? "no second source, which the training data have: source<TAB>second source to answer, "
          + "source<TAB>target<TAB>second source in a file of pairs"
        : "a second source, which the training data do not have; remove it"
    case .oneText: "1 text, expected 2: first<TAB>second to answer, class<TAB>first<TAB>second in a file"
    case .tooLong:
      "\(cause); raise data.max_length, or set data.too_long=skip or truncate"
    case .missingCounterpart(let file):
      "has no counterpart: \(file) ends before it; parallel files need the same number of lines"
    case .array(let path, let problem): "\(path): \(problem)"
    case .subwords(let reason): "the subword model can't encode the line: \(reason)"
    }
  }
}

/// The reason why a NumPy file can't be used.
public enum ArrayProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file does not exist; relative paths start from `relativeTo`.
  case missing(relativeTo: String)
  /// The file could not be opened or read, with the system's message.
  case unreadable(String)
  /// The file does not start with the signature of NumPy files.
  case notNumPy
  case version(major: UInt8, minor: UInt8)
  /// The description of the array is damaged.
  case header(String)
  case elementType(String)
  case shape(String)
  /// The shape is not that of one vector.
  case notAVector(String)
  /// The file has fewer or more bytes than the shape needs.
  case size(found: Int, expected: Int)
  case tooLarge(limit: Int)
  /// An element (from 0) that is infinite, not a number, or too large for 32 bits.
  case notFinite(element: Int)

  public var description: String {
    switch self {
    case .missing(let folder): "no such file; paths are relative to \(folder)"
    case .unreadable(let reason): "can't be read: \(reason)"
    case .notNumPy: "not a NumPy file; write it with numpy.save"
    case .version(let major, let minor): "version \(major).\(minor) of the format; 1.0, 2.0 and 3.0 are known"
    case .header(let problem): "a damaged header: \(problem)"
    case .elementType(let type):
      "elements of type \(quoted(type)); save it as little-endian float32 or float64"
    case .shape(let shape): "shape \(shape); expected [steps, width] or [steps]"
    case .notAVector(let shape): "shape \(shape), expected that of one vector, [numbers]"
    case .size(let found, let expected):
      "\(found) bytes of elements, \(expected) by its shape; write it again"
    case .tooLarge(let limit): "larger than \(limit) bytes; cut the sequence"
    case .notFinite(let element): "element \(element) is not a finite 32-bit number"
    }
  }
}

/// Advice for a column that is read as a name because its range is wrong.
private func rangeAdvice(_ name: String) -> String {
  let isRange = name.contains("-") && name.allSatisfy { "0123456789-".contains($0) }
  return isRange ? " (a range counts upwards, as in 1-2)" : ""
}

/// Whether a text is a number if its comma is the mark before decimals.
func hasDecimalComma(_ text: String) -> Bool {
  text.contains(",") && parsedNumber(Array(text.replacing(",", with: ".").utf8)[...]) != nil
}

/// A count with its noun, in the plural if needed: `1 line`, `2 lines`.
func counted(_ count: Int, _ thing: String) -> String { "\(count) \(thing)\(count == 1 ? "" : "s")" }

extension Delimiter {
  /// The name of the character, in the plural.
  var plural: String {
    switch self {
    case .auto, .comma: "commas"
    case .semicolon: "semicolons"
    case .tab: "tabs"
    }
  }
}

/// A text in quotation marks, truncated to fit a message. Characters that could disturb a terminal are escaped.
func quoted(_ text: String) -> String {
  let limit = 60
  var shown = ""
  for scalar in text.unicodeScalars.prefix(limit) {
    shown += scalar == " " ? " " : scalar.escaped(asASCII: false)
  }
  return "\"\(shown)\"" + (text.unicodeScalars.count > limit ? "…" : "")
}
