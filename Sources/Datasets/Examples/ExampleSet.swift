/// One field of all examples of a set.
public enum ExampleField: Sendable, Equatable {
  case tokens(RaggedTokens)
  case vectors(RaggedVectors)
  /// One class per example.
  case labels([Int32])

  /// The tokens, if the field holds tokens.
  public var tokenSequences: RaggedTokens? {
    if case .tokens(let tokens) = self { tokens } else { nil }
  }

  /// The vectors, if the field holds vectors.
  public var vectorSequences: RaggedVectors? {
    if case .vectors(let vectors) = self { vectors } else { nil }
  }

  /// The classes, if the field holds classes.
  public var classLabels: [Int32]? {
    if case .labels(let labels) = self { labels } else { nil }
  }

  /// Number of examples.
  public var count: Int {
    switch self {
    case .tokens(let tokens): tokens.count
    case .vectors(let vectors): vectors.count
    case .labels(let labels): labels.count
    }
  }

  /// Tokens or steps of an example; 1 for a class.
  public func length(_ index: Int) -> Int {
    switch self {
    case .tokens(let tokens): tokens.length(index)
    case .vectors(let vectors): vectors.length(index)
    case .labels: 1
    }
  }

  var digest: UInt64 {
    switch self {
    case .tokens(let tokens): return tokens.digest
    case .vectors(let vectors): return vectors.digest
    case .labels(let labels):
      var hash = StableHash()
      for label in labels { hash.combine(UInt64(UInt32(bitPattern: label))) }
      return hash.value
    }
  }
}

/// Counts and notes from reading a set.
public struct ReadingReport: Sendable, Equatable {
  /// Examples left out because source or target is empty.
  public internal(set) var emptySkipped = 0
  /// Examples left out because they are above a limit.
  public internal(set) var overlongSkipped = 0
  /// Windows over a table that are left out because a target is missing.
  public internal(set) var incompleteWindows = 0
  /// Examples cut to a limit.
  public internal(set) var truncated = 0
  /// Labels and tags that the training part doesn't have.
  public internal(set) var unknownLabels = 0
  /// Remarks about the layout of the file.
  var layout = LayoutNotes()
  /// The reason why numbers can't be rounded to 32 bits.
  var coarseNumbers: String?
  /// Signs that the columns of the file are in a different order than the one that was read.
  var doubts: [String] = []
  /// What is wrong with the scale of the numbers, if they are used unchanged.
  var scale: String?
  /// Whether the file names its columns, but the training data don't, so that the names of columns that are read by their position
  /// can't be compared.
  var hasOtherHeader = false
  /// The first example as it was read, such as `source "a b", target "x"`; nil if there is none.
  public internal(set) var firstExample: String?
  /// The first case of each kind, as an error that names file and line.
  public internal(set) var firstSkipped: DataError?
  public internal(set) var firstUnknownLabel: DataError?

  /// Notes for the user about a part that was read, one line each.
  func warnings(of part: String) -> [String] {
    func line(_ count: Int, _ thing: String, _ fate: String, first: String? = nil) -> [String] {
      guard count > 0 else { return [] }
      return ["\(part): \(counted(count, thing)) \(fate)" + (first.map { "; the first: \($0)" } ?? "")]
    }
    // The part can be named after its file, which a place begins with.
    func at(_ place: String) -> String { place.hasPrefix("\(part):") ? place : "\(part): \(place)" }
    var lines: [String] = []
    if let delimiter = layout.delimiter {
      lines.append("\(part): fields are separated by \(delimiter.plural)")
    }
    if let header = layout.header, !layout.headerIsRequired {
      lines.append("\(at(header)) was read as a header")
    }
    if hasOtherHeader {
      lines.append(
        "\(part): the names of its columns were not compared, because the training data have no header; columns are read "
          + "by their position")
    }
    if let place = layout.countingRow {
      lines.append(
        "\(at(place)) counts its columns and was read as an example; if the numbers are names of columns, remove the line"
      )
    }
    if let place = layout.firstNumberSign {
      lines.append(
        "\(at(place)) begins with the word #, because it has as many columns as other lines; if it is a comment, "
          + "remove it")
    }
    if let scale { lines.append("\(part): \(scale); data.scaling=standard scales them") }
    for doubt in doubts {
      lines.append(
        "\(part): \(doubt) The first example was read as \(firstExample ?? "nothing"); see data.columns")
    }
    return lines + line(layout.comments, "comment", "left out", first: layout.firstComment)
      + line(
        emptySkipped + overlongSkipped, "example", "left out (empty or too long)",
        first: firstSkipped?.cause)
      + line(incompleteWindows, "window", "left out, because a target is missing")
      + line(truncated, "sequence", "cut to data.max_length")
      + line(
        unknownLabels, "label", "not in the training data, counted as wrong",
        first: firstUnknownLabel?.description)
  }
}

/// A list of examples: one part of a corpus.
///
/// The fields `source` and `target` by kind of data:
///
/// | task | source | target |
/// |---|---|---|
/// | tagger | tokens or vectors; none of multihot | one tag per step as tokens; numbers or bits as vectors |
/// | classifier | tokens or vectors | classes; numbers as vectors of one step |
/// | generator | none, classes, or vectors of one step | tokens |
/// | matcher | tokens, and tokens as second source | classes; numbers as vectors of one step |
/// | seq2seq | tokens or vectors, and perhaps a second source | tokens |
///
/// Targets are without begin and end; `RaggedTokens.gather` adds them.
public struct ExampleSet: Sendable {
  /// The name of the file, for messages.
  public let name: String
  /// Number of examples.
  public let count: Int
  public private(set) var source: ExampleField?
  public private(set) var secondSource: ExampleField?
  public private(set) var target: ExampleField?
  /// The spelling of each token of the sources, for models that read characters of words.
  public private(set) var forms: SurfaceForms?
  public private(set) var secondForms: SurfaceForms?
  /// The source as in the file (for columns, the tokens separated by spaces; for arrays, the path); nil if texts aren't
  /// kept or the source is not text.
  public private(set) var sourceTexts: TextLines?
  public private(set) var secondSourceTexts: TextLines?
  /// The target text as in the file; nil if texts aren't kept or the target is not text.
  public private(set) var targetTexts: TextLines?
  /// Of windows: forecasts to compare a model with.
  public private(set) var naive: NaiveForecasts?
  public private(set) var report = ReadingReport()

  /// The field of a side.
  public func field(_ side: Side) -> ExampleField? {
    switch side {
    case .source: source
    case .secondSource: secondSource
    case .target: target
    }
  }

  public enum Side: Sendable, CaseIterable {
    case source, secondSource, target
  }

  /// Tokens or steps of each example, without begin and end; 1 for a class, 0 if the side is missing.
  public func lengths(_ side: Side) -> [Int32] {
    guard let field = field(side) else { return [Int32](repeating: 0, count: count) }
    return (0..<count).map { Int32(clamping: field.length($0)) }
  }

  /// The same examples with a note in the report if numbers of the source are far from a scale that trains well.
  func notingScale(_ layout: RecordLayout, _ options: ExampleOptions) -> ExampleSet {
    guard options.scaling == .none, layout.source?.isScaled == true, let vectors = source?.vectorSequences
    else {
      return self
    }
    let found = Standardization(
      of: vectors.elements, width: vectors.width, masked: options.missing == .mask, .none)
    guard
      let column = found.means.indices.first(where: {
        abs(found.means[$0]) > Standardization.usual || found.deviations[$0] > Standardization.usual
      })
    else { return self }
    var set = self
    set.report.scale =
      "numbers of the source have mean \(found.means[column]) and standard deviation \(found.deviations[column])"
    return set
  }

  /// The same examples with a note in the report if the names of their columns can't be compared with the training data. Columns
  /// that the user has all named need no comparison.
  func notingHeader(_ encoding: DataEncoding, _ choice: DataColumns?) -> ExampleSet {
    var set = self
    set.report.hasOtherHeader =
      report.layout.columnNames != nil && encoding.columnNames == nil && choice?.areAllNamed != true
    return set
  }

  /// The same examples with the numbers as a model sees them.
  func scaled(_ encoding: DataEncoding) -> ExampleSet {
    var set = self
    if let scale = encoding.sourceScale, let vectors = source?.vectorSequences {
      set.source = .vectors(vectors.scaled(scale))
    }
    if let scale = encoding.targetScale, let vectors = target?.vectorSequences {
      set.target = .vectors(vectors.scaled(scale))
    }
    return set
  }

  /// A hash of all ids and numbers that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(UInt64(count))
    for side in Side.allCases { hash.combine(field(side)?.digest ?? 0) }
    hash.combine(forms?.digest ?? 0)
    if let secondForms { hash.combine(secondForms.digest) }
    return hash.value
  }
}

// MARK: - Groups

extension ExampleSet {
  /// Groups the examples with the same source: by its text if that is kept (for an array, its path), otherwise by its
  /// tokens. Every example is a separate group if the source is a class, numbers whose text is not kept, or absent.
  ///
  /// - Returns: the examples of each group in their order, and the groups in the order of their first examples.
  public func groups() -> [[Int32]] {
    let hasKey = source?.tokenSequences != nil || source?.vectorSequences != nil && sourceTexts != nil
    guard hasKey else { return (0..<Int32(count)).map { [$0] } }
    var table = WordTable()
    var key: [UInt8] = []
    var groups: [[Int32]] = []
    for example in 0..<count {
      key.removeAll(keepingCapacity: true)
      append(example, sourceTexts, source, to: &key)
      // A byte that does not occur in text, so two fields never look like one.
      key.append(0xFF)
      append(example, secondSourceTexts, secondSource, to: &key)
      let group = Int(table.intern(key))
      if group == groups.count { groups.append([]) }
      groups[group].append(Int32(example))
    }
    return groups
  }

  private func append(
    _ example: Int, _ texts: TextLines?, _ field: ExampleField?, to key: inout [UInt8]
  ) {
    if let texts {
      key.append(contentsOf: texts[example])
    } else if let tokens = field?.tokenSequences {
      for id in tokens[example] { withUnsafeBytes(of: id.littleEndian) { key.append(contentsOf: $0) } }
    }
  }
}
