/// The bytes of one example, as they stand in the file.
struct RawRecord {
  /// The bytes of a field and where they stand.
  struct Field {
    var bytes: [UInt8] = []
    var name = ""
    var line = 0

    mutating func set(_ bytes: some Sequence<UInt8>, from reader: LineReader) {
      self.bytes.removeAll(keepingCapacity: true)
      self.bytes.append(contentsOf: bytes)
      name = reader.name
      line = reader.number
    }

    func problem(_ problem: LineProblem) -> DataError { .line(name: name, line: line, problem: problem) }
  }

  var source = Field()
  var secondSource = Field()
  var target = Field()
  var hasSecondSource = false
  /// The line of each token, where tokens have lines of their own.
  var tokenLines: [Int] = []

  /// An error in the target of a step.
  func targetProblem(_ problem: LineProblem, step: Int) -> DataError {
    guard step < tokenLines.count else { return target.problem(problem) }
    return .line(name: target.name, line: tokenLines[step], problem: problem)
  }
}

/// Gives the examples of a file one after the other.
protocol RecordReader: AnyObject {
  /// Overwrites `record` with the next example; false at the end. Throws `DataError`.
  func next(_ record: inout RawRecord) throws -> Bool
  /// Blank lines so far that stood where an example belongs.
  var blankLines: BlankLines { get }
}

/// Counts blank lines. Those at the end of a file are no lines; others are errors or left out, as the options
/// say.
struct BlankLines {
  let policy: SequenceOptions.EmptySequences
  private(set) var skipped = 0
  private(set) var first: DataError?
  private var pending = 0
  private var firstPending: DataError?

  init(_ policy: SequenceOptions.EmptySequences) { self.policy = policy }

  /// Meets a blank line.
  mutating func add(_ reader: LineReader) {
    if pending == 0 { firstPending = reader.problem(.empty(field: "sequence")) }
    pending += 1
  }

  /// Meets another line: the blank ones before it were no end.
  mutating func settle() throws {
    guard let error = firstPending else { return }
    if policy == .error { throw error }
    if first == nil { first = error }
    skipped += pending
    pending = 0
    firstPending = nil
  }
}

extension SequenceSource {
  /// The examples of this source.
  func records(_ layout: RecordLayout, _ options: SequenceOptions) throws -> any RecordReader {
    switch self {
    case .parallel(let source, let target, let second):
      return try ParallelRecords(source, target, second, options.emptySequences)
    case .file(let file):
      switch layout.cut {
      case .columns, .conllu: return try ColumnRecords(file, layout.cut)
      default: return try LineRecords(file, layout, options)
      }
    }
  }
}
