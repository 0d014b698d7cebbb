/// Turns examples into the fields of a set, and handles examples that don't fit.
struct ExampleBuilder {
  private let options: ExampleOptions
  private let layout: RecordLayout
  private let isEvaluation: Bool
  /// The encoding, whose widths are set by the first example.
  var encoding: DataEncoding
  private var encoder: FieldEncoder
  private var columns: (source: FieldColumn?, second: FieldColumn?, target: FieldColumn?)
  private var texts = (source: TextLines(), second: TextLines(), target: TextLines())
  private var forms: (source: SurfaceForms?, second: SurfaceForms?)
  private var report = ReadingReport()
  /// The number of examples so far.
  private(set) var count = 0
  // Buffers that every example reuses.
  private var source = EncodedField()
  private var second = EncodedField()
  private var target = EncodedField()

  /// - Parameter isEvaluation: whether labels may be unknown (if the options allow it) and the text is kept.
  init(
    _ options: ExampleOptions, _ layout: RecordLayout, _ encoding: DataEncoding, folder: String?,
    isEvaluation: Bool
  ) {
    self.options = options
    self.layout = layout
    self.encoding = encoding
    self.isEvaluation = isEvaluation
    encoder = FieldEncoder(options, folder: folder)
    columns.source = layout.source.map { FieldColumn($0) }
    columns.target = layout.target.map { FieldColumn($0) }
    if options.characters { forms = (SurfaceForms(), SurfaceForms()) }
  }

  /// Adds an example, unless the options say to leave it out. Throws `DataError`.
  mutating func append(_ record: RawRecord) throws {
    try encode(record)
    if let empty = emptyField(of: record) {
      guard options.emptySequences == .skip else { throw empty }
      report.emptySkipped += 1
      report.firstSkipped = report.firstSkipped ?? empty
      return
    }
    try checkSteps(record)
    try checkShape(record)
    try checkBits(record)
    guard try fitsLimits(record) else { return }
    if options.equalSteps { encoding.sourceSteps = encoding.sourceSteps ?? source.steps }
    if let steps = encoding.sourceSteps, source.steps != steps {
      throw record.source.problem(.exactSteps(found: source.steps, expected: steps))
    }
    if let steps = encoding.sourceSteps, record.hasSecondSource, second.steps != steps {
      throw record.secondSource.problem(.exactSteps(found: second.steps, expected: steps))
    }
    try commit(record)
  }

  private var keepsTexts: Bool { isEvaluation || options.keepTrainingTexts }

  // MARK: Steps of append

  private mutating func encode(_ record: RawRecord) throws(DataError) {
    if let kind = layout.source {
      do {
        try encoder.encode(record.source.bytes, kind, encoding.source, encoding.labels, into: &source)
        try Self.spell(record.source.bytes, kind, encoding, in: &source, &forms.source)
      } catch {
        throw record.sourceProblem(error, hasClass: layout.target == .label)
      }
    }
    if record.hasSecondSource {
      do {
        try encoder.encode(record.secondSource.bytes, .text, encoding.source, nil, into: &second)
        try Self.spell(record.secondSource.bytes, .text, encoding, in: &second, &forms.second)
      } catch {
        throw record.secondSource.problem(error)
      }
    }
    guard let kind = layout.target else { return }
    let unknownBefore = encoder.unknownLabels
    do {
      try encoder.encode(
        record.target.bytes, kind, encoding.target, encoding.labels,
        countsUnknown: isEvaluation && options.unknownLabels == .count, into: &target)
    } catch {
      throw record.targetProblem(error, step: target.steps)
    }
    if encoder.unknownLabels > unknownBefore { noteUnknown(record) }
  }

  private mutating func noteUnknown(_ record: RawRecord) {
    report.unknownLabels = encoder.unknownLabels
    guard report.firstUnknownLabel == nil, let problem = encoder.firstUnknown else { return }
    let step = target.ids.firstIndex(of: LabelVocabulary.unknown) ?? 0
    report.firstUnknownLabel = record.targetProblem(problem, step: step)
  }

  /// Sets the spelling of each token of a source, as in the file, if characters are read.
  private static func spell(
    _ bytes: [UInt8], _ kind: FieldKind, _ encoding: DataEncoding, in field: inout EncodedField,
    _ forms: inout SurfaceForms?
  ) throws(LineProblem) {
    guard var known = forms, let words = encoding.source, let characters = encoding.characters else { return }
    // Releases the other reference, so that `forms` is not copied when it grows.
    forms = nil
    defer { forms = known }
    field.forms.removeAll(keepingCapacity: true)
    func add(_ unit: UnsafeBufferPointer<UInt8>) throws(LineProblem) {
      let form = try known.intern(Array(unit)) { (form: [UInt8]) throws(LineProblem) -> [Int32] in
        var ids: [Int32] = []
        try characters.encode(form, into: &ids)
        return ids
      }
      field.forms.append(form)
    }
    try bytes.withUnsafeBufferPointer { (line: UnsafeBufferPointer<UInt8>) throws(LineProblem) in
      if kind == .cells {
        try forEachCell(in: line, add)
      } else if kind == .words || kind == .tabbedWords {
        try forEachInputWord(in: line, allowsSpaces: kind == .tabbedWords, add)
      } else {
        try words.tokenizer.forEachWord(in: line, add)
      }
    }
  }

  private func emptyField(of record: RawRecord) -> DataError? {
    if layout.source != nil, source.steps == 0 { return record.source.problem(.empty(field: "source")) }
    if record.hasSecondSource, second.steps == 0 {
      return record.secondSource.problem(.empty(field: "second source"))
    }
    if layout.target != nil, target.steps == 0 { return record.target.problem(.empty(field: "target")) }
    return nil
  }

  private func checkSteps(_ record: RawRecord) throws {
    guard let kind = layout.target, kind.isPerStep, source.steps != target.steps else { return }
    throw record.target.problem(.stepCount(source: source.steps, target: target.steps))
  }

  private func checkBits(_ record: RawRecord) throws {
    guard options.bits, let wrong = target.values.firstIndex(where: { !(0...1 ~= $0) }) else { return }
    throw record.target.problem(
      .notABit("\(target.values[wrong])", step: wrong / max(1, target.width) + 1))
  }

  private mutating func checkShape(_ record: RawRecord) throws {
    if layout.source == .text, options.kind.takesSecondSource {
      let expected = encoding.hasSecondSource ?? record.hasSecondSource
      guard record.hasSecondSource == expected else {
        throw record.source.problem(
          expected && options.kind == .matched ? .oneText : .secondSource(expected: expected))
      }
      encoding.hasSecondSource = expected
    }
    if source.width > 0, layout.source != nil {
      let expected = encoding.sourceWidth ?? source.width
      guard source.width == expected else {
        throw record.source.problem(.width(found: source.width, expected: expected))
      }
      encoding.sourceWidth = expected
    }
    if target.width > 0, layout.target != nil {
      let expected = encoding.targetWidth ?? target.width
      guard target.width == expected else {
        throw record.target.problem(.width(found: target.width, expected: expected))
      }
      encoding.targetWidth = expected
    }
  }

  /// Returns false if the example is left out. An example that is kept may have been truncated.
  private mutating func fitsLimits(_ record: RawRecord) throws -> Bool {
    let limit = options.maxLength
    guard limit > 0 else { return true }
    let hasTargetLimit = layout.target == .text || layout.target == .multihot
    let lengths = [
      (source.steps, record.source, "source"),
      (record.hasSecondSource ? second.steps : 0, record.secondSource, "second source"),
      (hasTargetLimit ? target.steps : 0, record.target, "target"),
    ]
    guard let (length, field, name) = lengths.first(where: { $0.0 > limit }) else { return true }
    let problem = field.problem(.tooLong(field: name, length: length, limit: limit))
    switch options.tooLong {
    case .error: throw problem
    case .skip:
      report.overlongSkipped += 1
      report.firstSkipped = report.firstSkipped ?? problem
      return false
    case .truncate:
      report.truncated += 1
      source.truncate(limit)
      second.truncate(limit)
      if hasTargetLimit || layout.target?.isPerStep == true { target.truncate(limit) }
      return true
    }
  }

  private mutating func commit(_ record: RawRecord) throws {
    if count == 0 { report.firstExample = description(of: record) }
    columns.source?.append(source)
    columns.target?.append(target)
    if record.hasSecondSource {
      if columns.second == nil { columns.second = FieldColumn(.text) }
      columns.second?.append(second)
    }
    forms.source?.append(source.forms)
    if record.hasSecondSource { forms.second?.append(second.forms) }
    count += 1
    guard keepsTexts else { return }
    switch layout.source {
    case .cells: texts.source.append(record.source.bytes.lazy.map { $0 == 0x09 ? 0x20 : $0 })
    case .text, .words, .tabbedWords, .label, .array, .arrayVector: texts.source.append(record.source.bytes)
    default: break
    }
    if record.hasSecondSource { texts.second.append(record.secondSource.bytes) }
    if layout.target == .text { texts.target.append(record.target.bytes) }
  }

  private func description(of record: RawRecord) -> String {
    func text(_ name: String, _ field: RawRecord.Field) -> String {
      // The words of columns are separated by tabs.
      "\(name) \(quoted(String(decoding: field.bytes.map { $0 == 0x09 ? 0x20 : $0 }, as: UTF8.self)))"
    }
    return [
      layout.source == nil ? nil : text("source", record.source),
      record.hasSecondSource ? text("second source", record.secondSource) : nil,
      layout.target == nil ? nil : text("target", record.target),
    ].compactMap { $0 }.joined(separator: ", ")
  }

  /// Signs that the labels or words are in another column.
  private func doubts() -> [String] {
    var doubts: [String] = []
    let words = columns.source?.field?.tokenSequences
    if let labels = labels() {
      var counts: [Int32: Int] = [:]
      for label in labels { counts[label, default: 0] += 1 }
      let isOfWords = layout.target == .tags || layout.target == .tagCells
      let differentWords = isOfWords ? words.map { Set($0.elements).count } : nil
      if labels.count >= 20, counts.count * 2 > labels.count {
        doubts.append(
          "\(counts.count) different labels, nearly as many as there is data: are they in another column?")
      } else if let differentWords, counts.count >= 20, counts.count * 2 > differentWords {
        doubts.append(
          "\(counts.count) different tags for \(differentWords) different words: are the columns swapped?")
      } else if !isOfWords, labels.count >= 20, let first = labels.first, counts[first] == 1,
        counts.allSatisfy({ $0.key == first || $0.value > 1 })
      {
        doubts.append("the label of the first example occurs nowhere else: is it a header?")
      }
    }
    if layout.source == .cells, let words, words.count > 0, words.length(0) > 2,
      words[0].enumerated().allSatisfy({ encoding.source?[$1] == "\($0 + 1)" })
    {
      doubts.append(
        "the words of the first sentence are the numbers 1 to \(words.length(0)): are they in another column?"
      )
    }
    return doubts
  }

  /// The reason why the numbers of source or target can't be rounded to 32 bits; nil if they can.
  private var coarseNumbers: String? {
    for (name, field) in [("source", source), ("target", target)] {
      if let problem = field.spreads.lazy.compactMap(\.problem).first {
        return "the numbers of the \(name) \(problem)"
      }
    }
    return nil
  }

  /// The classes or tags of all examples.
  private func labels() -> [Int32]? {
    if layout.source == .label { return columns.source?.field?.classLabels }
    return switch (layout.target, columns.target?.field) {
    case (.label, .labels(let classes)): classes
    case (.tags, .tokens(let tags)), (.tagCells, .tokens(let tags)): tags.elements
    default: nil
    }
  }

  // MARK: The result

  /// Returns the examples so far and empties the builder.
  mutating func take(name: String, from records: (any RecordReader)? = nil) -> ExampleSet {
    if let records {
      report.emptySkipped += records.blankLines.skipped
      report.firstSkipped = report.firstSkipped ?? records.blankLines.first
      report.layout = records.layoutNotes
    }
    if !isEvaluation {
      report.doubts = doubts()
      report.coarseNumbers = coarseNumbers
    }
    func kept(_ lines: TextLines) -> TextLines? { lines.count > 0 ? lines : nil }
    let set = ExampleSet(
      name: name, count: count, source: columns.source?.field, secondSource: columns.second?.field,
      target: columns.target?.field, forms: forms.source,
      secondForms: columns.second == nil ? nil : forms.second, sourceTexts: kept(texts.source),
      secondSourceTexts: kept(texts.second), targetTexts: kept(texts.target), report: report)
    self = ExampleBuilder(
      options, layout, encoding, folder: encoder.folder, isEvaluation: isEvaluation)
    return set
  }
}

/// Collects one field of all examples.
///
/// The collections are separate properties, not in the enumeration that they become: taking one out of it to append would
/// copy it.
struct FieldColumn {
  private enum Content { case tokens, labels, vectors }

  private let content: Content
  private var tokens = RaggedTokens()
  private var labels: [Int32] = []
  /// nil before the first example, which determines the width.
  private var vectors: RaggedVectors?

  init(_ kind: FieldKind) {
    switch kind {
    case .text, .cells, .words, .tabbedWords, .tags, .tagCells: content = .tokens
    case .label: content = .labels
    case .numbers, .stepNumbers, .series, .array, .arrayVector, .multihot: content = .vectors
    }
  }

  /// Adds the field of an example.
  mutating func append(_ encoded: EncodedField) {
    switch content {
    case .tokens: tokens.append(encoded.ids)
    case .labels: labels.append(contentsOf: encoded.ids)
    case .vectors:
      if vectors == nil { vectors = RaggedVectors(width: encoded.width) }
      vectors?.append(encoded.values)
    }
  }

  /// The field of all examples; nil for vectors without examples.
  var field: ExampleField? {
    switch content {
    case .tokens: .tokens(tokens)
    case .labels: .labels(labels)
    case .vectors: vectors.map { .vectors($0) }
    }
  }
}
