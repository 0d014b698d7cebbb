/// How the text of a task becomes numbers, and back.
public struct DataEncoding: Sendable, Equatable {
  /// The tokens of the source, and of a second source.
  public var source: SequenceVocabulary?
  /// The tokens of a target text; the same as `source` if they are shared.
  public var target: SequenceVocabulary?
  /// The classes or tags.
  public var labels: LabelVocabulary?
  /// The letters of words.
  public var characters: SequenceVocabulary?
  /// Numbers of a step of the source, of a step of the target, and whether there is a second source: as in
  /// the first example that is read. Not part of the files; set them from the model to have other data
  /// checked.
  public var sourceWidth: Int?
  public var targetWidth: Int?
  public var hasSecondSource: Bool?
  /// Steps of every source, for a model that reads exactly so many; nil: any number. Set it from the model, too.
  public var sourceSteps: Int?

  public init() {}

  /// A hash of all of it that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    for part in [source?.digest, target?.digest, labels?.digest, characters?.digest] {
      hash.combine(part ?? 0)
    }
    hash.combine(UInt64(sourceWidth ?? 0))
    hash.combine(UInt64(targetWidth ?? 0))
    hash.combine(hasSecondSource == true ? 1 : 0)
    return hash.value
  }
}

// MARK: - Files

extension DataEncoding {
  private static let sharedFile = "vocab.txt"
  private static let sourceFile = "vocab.source.txt"
  private static let targetFile = "vocab.target.txt"
  private static let labelsFile = "vocab.labels.txt"
  private static let charactersFile = "vocab.characters.txt"

  /// Writes every vocabulary to a file of its own in a directory: `vocab.source.txt`, `vocab.target.txt`, or
  /// `vocab.txt` for both; `vocab.labels.txt`; `vocab.characters.txt`. Returns the paths. Throws
  /// `DataError.unwritable`.
  @discardableResult
  public func save(to directory: String, options: SequenceOptions) throws -> [String] {
    let path = { (name: String) in "\(directory)/\(name)" }
    var paths: [String] = []
    if options.sharedVocabulary {
      paths += try source?.save(to: path(Self.sharedFile)) ?? []
    } else {
      paths += try source?.save(to: path(Self.sourceFile)) ?? []
      paths += try target?.save(to: path(Self.targetFile)) ?? []
    }
    paths += try characters?.save(to: path(Self.charactersFile)) ?? []
    if let labels {
      try labels.save(to: path(Self.labelsFile))
      paths.append(path(Self.labelsFile))
    }
    return paths
  }

  /// Reads what `save` wrote for the same options and the same kind of source. Throws `DataError`.
  public static func load(from directory: String, options: SequenceOptions, like file: SequenceSource) throws
    -> DataEncoding
  {
    let layout = try RecordLayout(options, file)
    let path = { (name: String) in "\(directory)/\(name)" }
    var encoding = DataEncoding()
    if options.sharedVocabulary {
      encoding.source = try .load(path: path(sharedFile), options: options.source, boundaries: true)
      encoding.target = encoding.source
      return encoding
    }
    if layout.source == .text || layout.source == .cells {
      encoding.source = try .load(path: path(sourceFile), options: options.source, boundaries: false)
    }
    if layout.target == .text {
      encoding.target = try .load(path: path(targetFile), options: options.target, boundaries: true)
    }
    if layout.hasLabels { encoding.labels = try .load(path: path(labelsFile)) }
    if options.characters {
      encoding.characters = try .load(
        path: path(charactersFile), options: SequenceTextOptions(.char), boundaries: false)
    }
    return encoding
  }
}

extension RecordLayout {
  /// True if a field holds names of classes or tags.
  var hasLabels: Bool {
    [source, target].contains { [.label, .tags, .tagCells].contains($0) }
  }
}

// MARK: - Counting

/// Makes the encoding of the examples that it is shown.
struct EncodingCounter {
  private let options: SequenceOptions
  private let layout: RecordLayout
  private var source: TokenCounter
  private var target: TokenCounter
  private var characters: TokenCounter
  private var labels = WordTable()

  init(_ options: SequenceOptions, _ layout: RecordLayout) {
    self.options = options
    self.layout = layout
    source = TokenCounter(options.source, boundaries: options.sharedVocabulary, subwords: options.subwords)
    target = TokenCounter(options.target, boundaries: true, subwords: options.subwords)
    characters = TokenCounter(SequenceTextOptions(.char), boundaries: false, subwords: options.subwords)
  }

  /// Counts tokens and collects labels.
  mutating func add(_ record: RawRecord) throws(DataError) {
    addLabels(record)
    try count(record.source, layout.source)
    if record.hasSecondSource { try count(record.secondSource, .text) }
    guard layout.target == .text else { return }
    do {
      if options.sharedVocabulary {
        try source.add(record.target.bytes)
      } else {
        try target.add(record.target.bytes)
      }
    } catch {
      throw record.target.problem(error)
    }
  }

  private mutating func count(_ field: RawRecord.Field, _ kind: FieldKind?) throws(DataError) {
    do {
      switch kind {
      case .text:
        try source.add(field.bytes)
        if options.characters {
          // White space between words is no letter of any.
          try characters.add(field.bytes.filter { !isASCIISpace($0) })
        }
      case .cells:
        try source.addCells(field.bytes)
        if options.characters { try characters.add(field.bytes.filter { $0 != 0x09 }) }
      default: break
      }
    } catch {
      throw field.problem(error)
    }
  }

  /// Collects labels only: a class is one even if all its examples are held out.
  mutating func addLabels(_ record: RawRecord) {
    if layout.source == .label { addLabel(record.source.bytes[...]) }
    switch layout.target {
    case .label: addLabel(record.target.bytes[...])
    case .tags:
      for tag in record.target.bytes.split(whereSeparator: isASCIISpace) { addLabel(tag) }
    case .tagCells:
      for tag in record.target.bytes.split(separator: 0x09) { addLabel(tag) }
    default: break
    }
  }

  /// Labels that aren't text are reported when they are encoded.
  private mutating func addLabel(_ label: ArraySlice<UInt8>) {
    let label = label.trimmed()
    guard !label.isEmpty, textProblem(in: label) == nil else { return }
    _ = labels.intern(Array(label))
  }

  /// The encoding of what was counted. Throws `DataError.subwordModel`.
  func encoding() throws -> DataEncoding {
    var encoding = DataEncoding()
    if layout.source == .text || layout.source == .cells {
      encoding.source = try source.vocabulary(options.subwords)
    }
    if layout.target == .text {
      encoding.target = try options.sharedVocabulary ? encoding.source : target.vocabulary(options.subwords)
    }
    if layout.hasLabels {
      encoding.labels = LabelVocabulary(
        (0..<labels.count).map { String(decoding: labels[$0], as: UTF8.self) })
    }
    if options.characters { encoding.characters = try characters.vocabulary(options.subwords) }
    return encoding
  }
}
