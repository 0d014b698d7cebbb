/// Why data can't be used: what happened, where, and what to do.
public enum DataError: Error, Sendable, Equatable, CustomStringConvertible {
  /// No such file.
  case missing(path: String)
  /// A directory or a device where a regular file belongs.
  case notAFile(path: String)
  /// The system refused to open or read; its own words.
  case unreadable(path: String, reason: String)
  /// The file could not be written; the system's own words.
  case unwritable(path: String, reason: String)
  /// Two passes over the file saw different text.
  case changed(path: String)
  /// No token at all.
  case empty(name: String)
  /// Fewer than two tokens: nothing to predict.
  case tooShort(name: String, tokens: Int)
  /// The byte at `offset` (from 0) in `line` (from 1) doesn't continue UTF-8 text.
  case invalidUTF8(name: String, line: Int, offset: Int)
  /// A zero byte, which no text has.
  case binary(name: String, line: Int, offset: Int)
  /// White space is so far apart that this is no text of words.
  case wordTooLong(name: String, line: Int, limit: Int)
  /// A part cut off by a fraction is too small to use.
  case splitTooSmall(name: String, part: String, tokens: Int, fraction: Double)
  /// A vocabulary file is wrong at `line` (from 1).
  case badVocabulary(path: String, line: Int, problem: String)
  /// The text is too short for this many parallel streams of this many steps.
  case tooFewTokens(name: String, tokens: Int, streams: Int, steps: Int, wholeChunks: Bool)
  /// Something is wrong in `line` (from 1) of a file of sequences.
  case line(name: String, line: Int, problem: LineProblem)
  /// A file of sequences without a single usable one.
  case noSequences(name: String)
  /// Something that is given alone, in no file of lines, can't be read.
  case input(name: String, reason: String)
  /// Too few different sources to cut off this share of them.
  case noSplit(name: String, sources: Int, fraction: Double)
  /// A format, a kind of token or a pair of files that a task can't use.
  case unsupported(task: SequenceTask, format: SequenceFormat, reason: String)
  /// A subword model can't be made, read or used; the library's own words where they are.
  case subwordModel(name: String, reason: String)
  /// A generated task has fewer different examples than are asked for.
  case tooFewDifferent(task: String, wanted: Int, found: Int)

  /// The program's exit code: 66 input missing, 65 bad data, 73 can't create, 74 read failed.
  public var exitCode: Int32 {
    switch self {
    case .missing, .notAFile: 66
    case .unreadable, .changed: 74
    case .unwritable: 73
    case .line(_, _, .array(_, .missing)): 66
    default: 65
    }
  }

  public var description: String {
    switch self {
    case .missing(let path): "\(path): no such file; paths are relative to the current directory"
    case .notAFile(let path): "\(path): is a directory or a device; name a text file"
    case .unreadable(let path, let reason): "\(path): can't be read: \(reason)"
    case .unwritable(let path, let reason): "\(path): can't be written: \(reason)"
    case .changed(let path): "\(path): changed while it was read; start again when it is complete"
    case .empty(let name): "\(name): holds no text; give a file with at least two tokens"
    case .tooShort(let name, let tokens):
      "\(name): holds \(tokens) token; at least two are needed, one to read and one to predict"
    case .invalidUTF8(let name, let line, let offset):
      "\(name):\(line): not UTF-8 text at byte \(offset); convert the file, or use data.tokens=byte"
    case .binary(let name, let line, let offset):
      "\(name):\(line): a zero byte at byte \(offset): not a text file; use data.tokens=byte for other files"
    case .wordTooLong(let name, let line, let limit):
      "\(name):\(line): a word of more than \(limit) bytes; use data.tokens=char for text without spaces"
    case .splitTooSmall(let name, let part, let tokens, let fraction):
      "\(name): a validation part of \(fraction) leaves \(tokens) tokens for \(part), at least 2 are needed; "
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
    case .noSequences(let name): "\(name): holds no sequence that can be used; give a file with at least one"
    case .noSplit(let name, let sources, let fraction):
      "\(name): a validation part of \(fraction) of \(sources) different sources leaves nothing on one side; "
        + "change data.valid_fraction or give data.valid"
    case .unsupported(let task, let format, let reason):
      "task \(task.rawValue) with data.format=\(format.rawValue): \(reason)"
    case .subwordModel(let name, let reason): "\(name): \(reason)"
    case .tooFewDifferent(let task, let wanted, let found):
      "\(task): \(wanted) different examples wanted, only \(found) found; ask for fewer or for longer ones"
    }
  }
}
