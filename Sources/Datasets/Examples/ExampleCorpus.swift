extension Corpus<ExampleSet> {
  /// Reads the files, counts vocabularies over the training part, and collects labels over the training file.
  ///
  /// The training file is read line by line, twice, or three times if a validation part is split off. Ids and numbers,
  /// the vocabularies, and the text of the parts that are scored (of all parts with `keepTrainingTexts`) stay in memory.
  /// A hash of every source is in memory for a while, and for subwords the text that their model learns from. The
  /// validation examples depend only on their source text (for a generator, their target) and `options.validSeed`: they
  /// are the share of the distinct texts with the lowest hashes.
  ///
  /// - Parameter known: the encoding of an earlier run, if there is one. Then nothing is counted.
  /// - Throws: `DataError`.
  public static func load(
    _ sources: DataSources, options: ExampleOptions, encoding known: DataEncoding? = nil
  ) throws -> ExampleCorpus {
    precondition((0..<1).contains(options.validFraction), "a fraction below 1, not \(options.validFraction)")
    precondition(options.width > 0, "a width above 0, not \(options.width)")
    let layout = try RecordLayout(options, sources.train)
    guard options.window == 0 else {
      return try loadTables(sources, options: options, encoding: known)
    }
    let selection = try selection(sources, layout, options)
    var encoding = try known ?? count(sources.train, layout, options, selection)

    let parts = try fill(sources.train, layout, options, selection, &encoding)
    if known == nil {
      if let reason = parts.train.report.coarseNumbers {
        throw DataError.input(name: sources.train.name, reason: reason)
      }
      encoding.measure(parts.train, layout, options)
      encoding.columnNames = parts.train.report.layout.columnNames
    }
    let read = { (source: DataSource) in try Self.read(source, options: options, encoding: encoding) }
    return ExampleCorpus(
      encoding: encoding, train: parts.train.notingScale(layout, options).scaled(encoding),
      valid: try sources.valid.map(read) ?? parts.valid?.scaled(encoding), test: try sources.test.map(read))
  }

  /// The choice of validation examples; nil: none are split off. A bad line is reported before a file with too few lines,
  /// because it would be the next error.
  private static func selection(
    _ sources: DataSources, _ layout: RecordLayout, _ options: ExampleOptions
  ) throws -> HeldOutSelection? {
    guard sources.valid == nil, options.validFraction > 0 else { return nil }
    do {
      return try HeldOutSelection(sources.train, layout, options)
    } catch let tooFew as DataError {
      guard case .noSplit = tooFew else { throw tooFew }
      do {
        var encoding = try count(sources.train, layout, options, nil)
        _ = try fill(sources.train, layout, options, nil, &encoding)
      } catch let error as DataError {
        if case .line = error { throw error }
      }
      throw tooFew
    }
  }

  /// The examples of a file to evaluate on. Throws `DataError`.
  public static func read(
    _ source: DataSource, options: ExampleOptions, encoding: DataEncoding
  ) throws -> ExampleSet {
    let layout = try RecordLayout(options, source)
    guard options.window == 0 else { return try readTable(source, options: options, encoding: encoding) }
    let records = try source.records(layout, options, columnNames: encoding.columnNames)
    var builder = ExampleBuilder(options, layout, encoding, folder: source.folder, isEvaluation: true)
    var record = RawRecord()
    while try records.next(&record) { try builder.append(record) }
    guard builder.count > 0 else { throw DataError.noExamples(name: source.name) }
    return builder.take(name: source.name, from: records).notingHeader(encoding, options.columns)
      .scaled(encoding)
  }
}

// MARK: - The passes over the training file

private func count(
  _ source: DataSource, _ layout: RecordLayout, _ options: ExampleOptions, _ selection: HeldOutSelection?
) throws -> DataEncoding {
  let records = try source.records(layout, options)
  var counter = EncodingCounter(options, layout)
  var record = RawRecord()
  while try records.next(&record) {
    if selection?.isValidation(record) == true {
      counter.addLabels(record)
    } else {
      try counter.add(record)
    }
  }
  return try counter.encoding()
}

/// Reads the training part and, with a selection, the validation part. Sets the widths of the encoding.
private func fill(
  _ source: DataSource, _ layout: RecordLayout, _ options: ExampleOptions,
  _ selection: HeldOutSelection?, _ encoding: inout DataEncoding
) throws -> (train: ExampleSet, valid: ExampleSet?) {
  let records = try source.records(layout, options, columnNames: encoding.columnNames)
  var train = ExampleBuilder(options, layout, encoding, folder: source.folder, isEvaluation: false)
  var valid = ExampleBuilder(options, layout, encoding, folder: source.folder, isEvaluation: true)
  var record = RawRecord()
  while try records.next(&record) {
    // Widths are those of the first example in the file, whichever part it is in.
    if selection?.isValidation(record) == true {
      valid.encoding = train.encoding
      try valid.append(record)
      train.encoding = valid.encoding
    } else {
      try train.append(record)
    }
  }
  guard train.count > 0, selection == nil || valid.count > 0 else {
    throw DataError.noExamples(name: source.name)
  }
  encoding = train.encoding
  return (
    train.take(name: source.name, from: records),
    selection == nil ? nil : valid.take(name: source.name)
  )
}

// MARK: - Validation examples

/// The choice of validation examples of a file: those whose source text has one of the lowest hashes.
///
/// Examples with the same source stay together, so no word is in both parts; the order of the file doesn't matter.
struct HeldOutSelection {
  private let layout: RecordLayout
  private let seed: UInt64
  /// The highest hash of the validation part.
  private let last: UInt64

  /// Reads the file. Throws `DataError.noSplit` if a part would be empty.
  init(_ source: DataSource, _ layout: RecordLayout, _ options: ExampleOptions) throws {
    self.layout = layout
    seed = options.validSeed
    let records = try source.records(layout, options)
    var record = RawRecord()
    var hashes: [UInt64] = []
    while try records.next(&record) { hashes.append(Self.hash(record, layout, seed)) }
    guard !hashes.isEmpty else { throw DataError.noExamples(name: source.name) }
    hashes.sort()
    var distinct = 0
    for (index, hash) in hashes.enumerated() where index == 0 || hash != hashes[index - 1] {
      hashes[distinct] = hash
      distinct += 1
    }
    let chosen = Int((Double(distinct) * options.validFraction).rounded())
    guard chosen > 0, chosen < distinct else {
      throw DataError.noSplit(name: source.name, sources: distinct, fraction: options.validFraction)
    }
    last = hashes[chosen - 1]
  }

  /// True for an example of the validation part.
  func isValidation(_ record: RawRecord) -> Bool { Self.hash(record, layout, seed) <= last }

  /// The hash of the source. For a generator it is that of the target, because many examples share a class as their source.
  private static func hash(_ record: RawRecord, _ layout: RecordLayout, _ seed: UInt64) -> UInt64 {
    let usesTarget = layout.source == nil || layout.source == .label
    var hash = StableHash()
    hash.combine(seed)
    for byte in usesTarget ? record.target.bytes : record.source.bytes { hash.combine(UInt64(byte)) }
    if record.hasSecondSource { for byte in record.secondSource.bytes { hash.combine(UInt64(byte) | 256) } }
    return mixed(hash.value)
  }

  /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of the value.
  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
