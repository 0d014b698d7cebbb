import Checkpoints
import Foundation

/// The conversion between the text of a run and numbers.
public struct DataEncoding: Sendable, Equatable {
  /// The tokens of a stream.
  public var stream: Vocabulary?
  /// The tokens of the source, and of a second source.
  public var source: Vocabulary?
  /// The tokens of a target text; the same as `source` if they are shared.
  public var target: Vocabulary?
  /// The classes or tags.
  public var labels: LabelVocabulary?
  /// The characters of words.
  public var characters: Vocabulary?
  /// The number of values per step of source and target, as in the first example; nil for tokens or classes. Data that is
  /// read later must have the same widths.
  public var sourceWidth: Int?
  public var targetWidth: Int?
  /// How the numbers of source and target are scaled; nil where they are not.
  public var sourceScale: Standardization?
  public var targetScale: Standardization?
  /// The names of the columns that are read, of the source first, by the header of the training file; nil without one. Other files
  /// with a header must have the same.
  public var columnNames: [String]?
  /// Whether there is a second source; nil before the first example.
  public var hasSecondSource: Bool?
  /// The number of steps of every source, for a model that needs a fixed number; nil: any number.
  public var sourceSteps: Int?

  public init() {}

  /// 1, or 2 if there is a second source.
  public var sourceCount: Int { hasSecondSource == true ? 2 : 1 }

  /// A hash of the whole encoding that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    for part in [stream?.digest, source?.digest, target?.digest, labels?.digest, characters?.digest] {
      hash.combine(part ?? 0)
    }
    hash.combine(UInt64(sourceWidth ?? 0))
    hash.combine(UInt64(targetWidth ?? 0))
    hash.combine(UInt64(sourceCount))
    for scale in [sourceScale, targetScale] { scale?.combine(into: &hash) }
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
  private static let shapeFile = "shape.json"

  /// Writes every vocabulary to a separate file in a directory: `vocab.txt` of a stream; `vocab.source.txt`,
  /// `vocab.target.txt`, or `vocab.txt` for both; `vocab.labels.txt`; `vocab.characters.txt`. The shape of examples goes
  /// to `shape.json`. Returns the paths. Throws `FileFailure`.
  @discardableResult
  public func save(to directory: String) throws -> [String] {
    let path = { (name: String) in "\(directory)/\(name)" }
    var paths: [String] = []
    if let stream { return try stream.save(to: path(Self.sharedFile)) }
    if let source, source == target {
      paths += try source.save(to: path(Self.sharedFile))
    } else {
      paths += try source?.save(to: path(Self.sourceFile)) ?? []
      paths += try target?.save(to: path(Self.targetFile)) ?? []
    }
    paths += try characters?.save(to: path(Self.charactersFile)) ?? []
    if let labels {
      try labels.save(to: path(Self.labelsFile))
      paths.append(path(Self.labelsFile))
    }
    try saveShape(to: path(Self.shapeFile))
    return paths + [path(Self.shapeFile)]
  }

  /// Reads the files that `save` wrote for the same options and the same kind of source. Throws `DataError`.
  public static func load(from directory: String, options: ExampleOptions, like file: DataSource) throws
    -> DataEncoding
  {
    let layout = try RecordLayout(options, file)
    let path = { (name: String) in "\(directory)/\(name)" }
    var encoding = DataEncoding()
    try encoding.loadShape(
      path(shapeFile), isPaired: options.kind.takesSecondSource && layout.source == .text,
      horizon: max(1, options.horizon))
    for scale in [encoding.sourceScale, encoding.targetScale] {
      guard let scale, scale.scales != (options.scaling == .standard) else { continue }
      throw DataError.input(
        name: path(shapeFile),
        reason:
          "the model was trained with data.scaling=\(scale.scales ? NumberScaling.standard : .none), not "
          + "\(options.scaling); restore the value in config.yaml")
    }
    if options.sharedVocabulary {
      encoding.source = try .load(path: path(sharedFile), options: options.source, boundaries: .sequence)
      encoding.target = encoding.source
      return encoding
    }
    if layout.source == .text || layout.source == .cells {
      encoding.source = try .load(path: path(sourceFile), options: options.source, boundaries: .none)
    }
    if layout.target == .text {
      encoding.target = try .load(path: path(targetFile), options: options.target, boundaries: .sequence)
    }
    if layout.hasLabels { encoding.labels = try .load(path: path(labelsFile)) }
    if options.characters {
      encoding.characters = try .load(
        path: path(charactersFile), options: TextOptions(.char), boundaries: .none)
    }
    return encoding
  }
}

extension DataEncoding {
  /// Reads the file of a stream's vocabulary that `save` wrote. Throws `DataError`.
  public static func load(from directory: String, stream options: TextOptions) throws -> DataEncoding {
    var encoding = DataEncoding()
    encoding.stream = try .load(
      path: "\(directory)/\(sharedFile)", options: options, boundaries: .ofStream(options.unit))
    return encoding
  }

  /// The part of an encoding that is not a vocabulary, as it is written to a file.
  private struct Shape: Codable {
    var sourceWidth: Int?
    var targetWidth: Int?
    var sourceSteps: Int?
    var sourceCount: Int?
    var sourceScale: Standardization?
    var targetScale: Standardization?
    var columns: [String]?

    enum CodingKeys: String, CodingKey {
      case sourceWidth = "source_width"
      case targetWidth = "target_width"
      case sourceSteps = "steps"
      case sourceCount = "source_count"
      case sourceScale = "source_scale"
      case targetScale = "target_scale"
      case columns
    }
  }

  private func saveShape(to path: String) throws {
    let shape = Shape(
      sourceWidth: sourceWidth, targetWidth: targetWidth, sourceSteps: sourceSteps,
      sourceCount: sourceCount, sourceScale: sourceScale, targetScale: targetScale,
      columns: columnNames)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try DurableFile.write(encoder.encode(shape) + Data("\n".utf8), to: path)
  }

  private mutating func loadShape(_ path: String, isPaired: Bool, horizon: Int) throws {
    let damaged = DataError.input(
      name: path, reason: "is not the description of its data that a run writes; restore the file")
    let text = try TextSource.file(path).content(limit: 1 << 24, tooLarge: damaged)
    let sizes = 1...Int(Int32.max)
    guard let shape = try? JSONDecoder().decode(Shape.self, from: Data(text)),
      (1...2).contains(shape.sourceCount ?? 0),
      [shape.sourceWidth, shape.targetWidth, shape.sourceSteps].allSatisfy({ $0.map(sizes.contains) ?? true }
      ),
      shape.sourceScale?.fits(width: shape.sourceWidth) ?? true,
      shape.targetScale?.fits(width: shape.targetWidth.map { $0 / horizon }) ?? true
    else { throw damaged }
    (sourceWidth, targetWidth, sourceSteps) = (shape.sourceWidth, shape.targetWidth, shape.sourceSteps)
    (sourceScale, targetScale, columnNames) = (shape.sourceScale, shape.targetScale, shape.columns)
    if isPaired { hasSecondSource = shape.sourceCount == 2 }
  }
}

extension RecordLayout {
  /// True if a field holds names of classes or tags.
  var hasLabels: Bool {
    [source, target].contains { [.label, .tags, .tagCells].contains($0) }
  }
}

// MARK: - Counting

/// Builds the encoding of the added examples.
struct EncodingCounter {
  private let options: ExampleOptions
  private let layout: RecordLayout
  private var source: TokenCounter
  private var target: TokenCounter
  private var characters: TokenCounter
  private var labels = WordTable()

  init(_ options: ExampleOptions, _ layout: RecordLayout) {
    self.options = options
    self.layout = layout
    source = TokenCounter(options.source, boundaries: options.sharedVocabulary ? .sequence : .none)
    target = TokenCounter(options.target, boundaries: .sequence)
    characters = TokenCounter(TextOptions(.char), boundaries: .none)
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
          // White space between words is not part of them.
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

  /// Collects labels only: a class counts even if all its examples are held out.
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
    _ = labels.intern(label)
  }

  /// The encoding of the examples that were added. Throws `DataError.subwordModel`.
  func encoding() throws -> DataEncoding {
    var encoding = DataEncoding()
    if layout.source == .text || layout.source == .cells {
      encoding.source = try source.vocabulary()
    }
    if layout.target == .text {
      encoding.target = try options.sharedVocabulary ? encoding.source : target.vocabulary()
    }
    if layout.hasLabels {
      encoding.labels = LabelVocabulary(
        (0..<labels.count).map { String(decoding: labels[$0], as: UTF8.self) })
    }
    if options.characters { encoding.characters = try characters.vocabulary() }
    return encoding
  }
}
