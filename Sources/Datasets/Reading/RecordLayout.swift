/// What the bytes of a field mean.
enum FieldKind: Equatable {
  /// Text that a vocabulary cuts into tokens.
  case text
  /// Tokens with a tab between them.
  case cells
  /// A label a step, with white space between them.
  case tags
  /// A label a step, with a tab between them.
  case tagCells
  /// One label.
  case label
  /// The numbers of one vector, with white space between them.
  case numbers
  /// One number a step, with white space between them, or the path of an array.
  case stepNumbers
  /// One number a step, with commas between them; of a line these are the columns from `firstColumn` (from 1)
  /// on.
  case series(firstColumn: Int)
  /// The path of an array, a row a step.
  case array
  /// The path of an array that is one vector.
  case arrayVector
  /// The keys of each step.
  case multihot

  /// True for one entry a step of the source.
  var isPerStep: Bool { self == .tags || self == .tagCells || self == .stepNumbers }
}

/// How a line, a sentence or a group of lines is cut into fields.
enum RecordCut: Equatable {
  case wholeLine
  /// Tabs; the target is the first field or the second. With the source first a third is the second source.
  case tabs(targetFirst: Bool)
  /// The target ends at the first comma.
  case comma
  /// Columns with white space between them, or those of CoNLL-U.
  case columns, conllu
  /// One field a file.
  case parallel
}

/// What an example of a task consists of in a format.
struct RecordLayout: Equatable {
  let cut: RecordCut
  let source: FieldKind?
  let target: FieldKind?

  /// Throws `DataError.unsupported` for a format that the task has no use for.
  init(_ options: SequenceOptions, _ file: SequenceSource) throws {
    if case .parallel(_, _, let second) = file {
      self = try Self.parallel(options, hasSecondSource: second != nil)
    } else {
      self = try Self.single(options)
    }
    try check(options)
  }

  /// The source alone, as it is given to predict from: the words of a sentence stand in a line.
  init(inputOf trained: FieldKind) {
    switch trained {
    case .cells: self.init(.wholeLine, .text, nil)
    case .series: self.init(.wholeLine, .series(firstColumn: 1), nil)
    default: self.init(.wholeLine, trained, nil)
    }
  }

  private init(_ cut: RecordCut, _ source: FieldKind?, _ target: FieldKind?) {
    (self.cut, self.source, self.target) = (cut, source, target)
  }

  private static func parallel(_ options: SequenceOptions, hasSecondSource: Bool) throws -> RecordLayout {
    guard options.format == .lines else {
      throw options.unsupported("parallel files hold one sequence a line; set data.format=lines")
    }
    guard !hasSecondSource || options.task == .seq2seq else {
      throw options.unsupported("only task seq2seq has a second source")
    }
    switch options.task {
    case .tagger: return Self(.parallel, .text, options.numericTargets ? .stepNumbers : .tags)
    case .classifier: return Self(.parallel, .text, options.numericTargets ? .numbers : .label)
    case .generator: return Self(.parallel, .label, .text)
    case .seq2seq: return Self(.parallel, .text, .text)
    }
  }

  private static func single(_ options: SequenceOptions) throws -> RecordLayout {
    let label = options.numericTargets ? FieldKind.numbers : .label
    switch (options.task, options.format) {
    case (.tagger, .columns): return Self(.columns, .cells, .tagCells)
    case (.tagger, .conllu): return Self(.conllu, .cells, .tagCells)
    case (.tagger, .npy):
      return Self(.tabs(targetFirst: true), .array, options.numericTargets ? .stepNumbers : .tags)
    // Every step is a target of the one before it.
    case (.tagger, .multihot): return Self(.wholeLine, nil, .multihot)
    case (.classifier, .tsv): return Self(.tabs(targetFirst: true), .text, label)
    case (.classifier, .csv): return Self(.comma, .series(firstColumn: 2), label)
    case (.classifier, .npy): return Self(.tabs(targetFirst: true), .array, label)
    case (.classifier, .multihot): return Self(.tabs(targetFirst: true), .multihot, label)
    case (.generator, .lines): return Self(.wholeLine, nil, .text)
    // The label is what a generator starts from.
    case (.generator, .tsv): return Self(.tabs(targetFirst: false), .label, .text)
    case (.generator, .npy): return Self(.tabs(targetFirst: true), .arrayVector, .text)
    case (.seq2seq, .tsv): return Self(.tabs(targetFirst: false), .text, .text)
    case (.seq2seq, .csv): return Self(.comma, .series(firstColumn: 2), .text)
    case (.seq2seq, .npy): return Self(.tabs(targetFirst: true), .array, .text)
    case (_, .lines):
      throw options.unsupported(
        "one file of lines holds no pairs; \(options.formats); a run trained on two files is scored on "
          + "others with data.test.input=FILE data.test.labels=FILE --split test")
    default: throw options.unsupported("not a format of this task; \(options.formats)")
    }
  }

  private func check(_ options: SequenceOptions) throws {
    let isWords = [.word, .space].contains(options.source.tokenization)
    if source == .cells, !isWords {
      throw options.unsupported("its tokens are given; set data.tokens=word")
    }
    if source == .text, options.task == .tagger, options.source.tokenization == .bpe {
      throw options.unsupported("tags belong to words, not to subwords; set data.tokens=word")
    }
    if options.characters, !(source == .cells || source == .text && isWords) {
      throw options.unsupported("letters belong to words; set data.tokens=word")
    }
    if options.numericTargets, target == .tagCells {
      throw options.unsupported("its tags are names; use data.format=npy for numbers")
    }
    if options.sharedVocabulary {
      guard source == .text, target == .text, options.source == options.target else {
        throw options.unsupported("a shared vocabulary needs two sides of text cut the same way")
      }
    }
  }
}

extension SequenceOptions {
  func unsupported(_ reason: String) -> DataError {
    .unsupported(task: task, format: format, reason: reason)
  }
}

extension SequenceOptions {
  /// The formats of which the task makes something: numbers to learn are not in all of them.
  fileprivate var formats: String {
    switch task {
    case .tagger:
      "use \(numericTargets ? "npy, multihot" : "columns, conllu, npy"), or lines with {input: …, labels: …}"
    case .classifier: "use tsv, csv, npy, multihot, or lines with {input: …, labels: …}"
    case .generator: "use lines, tsv or npy"
    case .seq2seq: "use tsv, csv, npy, or lines with {source: …, target: …}"
    }
  }
}
