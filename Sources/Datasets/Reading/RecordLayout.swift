/// The meaning of the bytes of a field.
enum FieldKind: Equatable {
  /// Text that a vocabulary cuts into tokens.
  case text
  /// Words of a file of columns, separated by tabs.
  case cells
  /// The same words in a line of input, with white space of ASCII between them, which no word of columns has. Other white
  /// space, such as a no-break space, belongs to the words.
  case words
  /// The same for CoNLL-U, whose words may have spaces: if the line has a tab, only tabs are between words.
  case tabbedWords
  /// One label per step, separated by white space.
  case tags
  /// One label per step, separated by tabs.
  case tagCells
  /// One label.
  case label
  /// The numbers of one vector, separated by white space.
  case numbers
  /// One number per step, separated by white space, or the path of an array.
  case stepNumbers
  /// One number per step, separated by commas.
  case series
  /// The path of an array with one row per step.
  case array
  /// The path of an array that is one vector.
  case arrayVector
  /// The keys of each step.
  case multihot

  /// True for fields with one value per step of the source.
  var isPerStep: Bool { self == .tags || self == .tagCells || self == .stepNumbers }
}

/// The way a line, a sentence or a group of lines is cut into fields.
enum RecordCut: Equatable {
  case wholeLine
  /// Tabs; the target is the first or the second field. If the source is first, a third field is the second source.
  case tabs(targetFirst: Bool)
  /// Fields of csv; the target is the first unless the columns are chosen.
  case csv
  /// Columns separated by white space, or those of CoNLL-U.
  case columns, conllu
  /// One field per file.
  case parallel
}

/// The fields of an example in a format.
struct RecordLayout: Equatable {
  let cut: RecordCut
  let source: FieldKind?
  let target: FieldKind?

  /// Throws `DataError.unsupported` for a format that does not hold examples of the kind.
  init(_ options: ExampleOptions, _ file: DataSource) throws {
    if case .parallel(_, _, let second) = file {
      self = try Self.parallel(options, hasSecondSource: second != nil)
    } else {
      self = try Self.single(options)
    }
    try check(options)
  }

  /// The layout of inputs for prediction, which have only the source; nil without a source.
  var input: RecordLayout? {
    // Multi-hot steps without a source are both input and target: each step predicts the next.
    guard let source = source ?? (target == .multihot ? .multihot : nil) else { return nil }
    return switch source {
    case .cells: RecordLayout(.wholeLine, cut == .conllu ? .tabbedWords : .words, nil)
    default: RecordLayout(.wholeLine, source, nil)
    }
  }

  private init(_ cut: RecordCut, _ source: FieldKind?, _ target: FieldKind?) {
    (self.cut, self.source, self.target) = (cut, source, target)
  }

  private static func parallel(_ options: ExampleOptions, hasSecondSource: Bool) throws -> RecordLayout {
    guard options.format == .lines else {
      throw options.unsupported("parallel files hold one sequence per line; set data.format=lines")
    }
    guard !hasSecondSource || options.kind.takesSecondSource else {
      throw options.unsupported("only the tasks seq2seq and matcher have a second source")
    }
    guard hasSecondSource || options.kind != .matched else {
      throw options.unsupported("two texts are compared; name \(options.kind.parallelFiles)")
    }
    switch options.kind {
    case .stream: preconditionFailure("a stream has no examples")
    case .tagged: return Self(.parallel, .text, options.numericTargets ? .stepNumbers : .tags)
    case .labeled, .matched:
      return Self(.parallel, .text, options.numericTargets ? .numbers : .label)
    case .generated: return Self(.parallel, .label, .text)
    case .paired: return Self(.parallel, .text, .text)
    }
  }

  private static func single(_ options: ExampleOptions) throws -> RecordLayout {
    let label = options.numericTargets ? FieldKind.numbers : .label
    let tags = options.numericTargets ? FieldKind.stepNumbers : .tags
    let hasText = !options.data.holdsNumbers
    let formats =
      "use \(options.kind.formats.map(\.rawValue).joined(separator: ", ")); lines have \(options.kind.parallelFiles)"
    guard options.format != .csv || hasText || options.kind.readsNumbersOfCSV else {
      throw options.unsupported(
        "this task reads texts from csv; name their columns, such as data.columns.source=text data.columns.target=label"
      )
    }
    switch (options.kind, options.format) {
    case (.tagged, .csv): return Self(.csv, .text, tags)
    case (.tagged, .columns): return Self(.columns, .cells, .tagCells)
    case (.tagged, .conllu): return Self(.conllu, .cells, .tagCells)
    case (.tagged, .npy):
      return Self(.tabs(targetFirst: true), .array, tags)
    // Every step is the target of the previous one.
    case (.tagged, .multihot): return Self(.wholeLine, nil, .multihot)
    case (.labeled, .tsv): return Self(.tabs(targetFirst: true), .text, label)
    case (.labeled, .csv): return Self(.csv, hasText ? .text : .series, label)
    case (.labeled, .npy): return Self(.tabs(targetFirst: true), .array, label)
    case (.labeled, .multihot): return Self(.tabs(targetFirst: true), .multihot, label)
    case (.generated, .lines): return Self(.wholeLine, nil, .text)
    // A generator starts from the label.
    case (.generated, .tsv): return Self(.tabs(targetFirst: false), .label, .text)
    case (.generated, .csv): return Self(.csv, .label, .text)
    case (.generated, .npy): return Self(.tabs(targetFirst: true), .arrayVector, .text)
    case (.matched, .tsv): return Self(.tabs(targetFirst: true), .text, label)
    case (.matched, .csv): return Self(.csv, .text, label)
    case (.paired, .tsv): return Self(.tabs(targetFirst: false), .text, .text)
    case (.paired, .csv): return Self(.csv, hasText ? .text : .series, .text)
    case (.paired, .npy): return Self(.tabs(targetFirst: true), .array, .text)
    case (_, .lines):
      throw options.unsupported(
        "one file of lines holds no pairs; \(formats); a run trained on two files is scored on "
          + "others with data.test.input=FILE data.test.labels=FILE --split test")
    case (.stream, _): preconditionFailure("a stream has no examples")
    default: throw options.unsupported("not a format of this task; \(formats)")
    }
  }

  private func check(_ options: ExampleOptions) throws {
    let isWords = [.word, .space].contains(options.source.unit)
    if source == .cells, !isWords {
      throw options.unsupported("its words are given; set data.tokens=word")
    }
    if source == .text, options.kind == .tagged, options.source.unit == .bpe {
      throw options.unsupported("tags belong to words, not to subwords; set data.tokens=word")
    }
    if options.characters, !(source == .cells || source == .text && isWords) {
      throw options.unsupported(
        "model.character_hidden_size reads the characters of words; set data.tokens=word")
    }
    if options.numericTargets, target == .tagCells {
      throw options.unsupported("its tags are names; use data.format=npy for numbers")
    }
    if options.sharedVocabulary {
      guard source == .text, target == .text, options.source == options.target else {
        throw options.unsupported("a shared vocabulary needs two sides of text cut in the same way")
      }
    }
  }
}

extension ExampleOptions {
  func unsupported(_ reason: String) -> DataError {
    .unsupported(format: data.format, reason: reason)
  }
}
