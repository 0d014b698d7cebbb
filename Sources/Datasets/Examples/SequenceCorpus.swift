/// The sequences of a task as ids and numbers: what to learn from, and what to score on.
public struct SequenceCorpus: Sendable {
  public let encoding: DataEncoding
  public let train: ExampleSet
  public let valid: ExampleSet?
  public let test: ExampleSet?

  /// Reads the files, counts vocabularies over the training part, and collects labels over the training file.
  ///
  /// The training file is read twice, three times when a validation part is cut off, a line at a time. What
  /// stays in memory are ids and numbers, the vocabularies, and the text of the parts that are scored (with
  /// `keepTrainingTexts` of all); for a while also a hash of every source, and of subwords the text they are
  /// learnt from. Which examples are cut off depends only on their source text (of a generator their target)
  /// and `options.validSeed`: the share of the distinct ones with the lowest hashes.
  ///
  /// - Parameter encoding: that of an earlier run; nothing is counted then.
  /// - Throws: `DataError`.
  public static func load(
    _ sources: SequenceSources, options: SequenceOptions, encoding known: DataEncoding? = nil
  ) throws -> SequenceCorpus {
    precondition((0..<1).contains(options.validFraction), "a fraction below 1, not \(options.validFraction)")
    precondition(options.multihotWidth > 0, "a width above 0, not \(options.multihotWidth)")
    let layout = try RecordLayout(options, sources.train)
    let selection = try selection(sources, layout, options)
    var encoding = try known ?? count(sources.train, layout, options, selection)

    let parts = try fill(sources.train, layout, options, selection, &encoding)
    let read = { (source: SequenceSource) in try Self.read(source, options: options, encoding: encoding) }
    return SequenceCorpus(
      encoding: encoding, train: parts.train, valid: try sources.valid.map(read) ?? parts.valid,
      test: try sources.test.map(read))
  }

  /// Which examples are cut off for validation; nil: none. A bad line is reported before a file of too few lines: whoever
  /// mends the second would meet the first.
  private static func selection(
    _ sources: SequenceSources, _ layout: RecordLayout, _ options: SequenceOptions
  ) throws -> SplitSelection? {
    guard sources.valid == nil, options.validFraction > 0 else { return nil }
    do {
      return try SplitSelection(sources.train, layout, options)
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

  /// The examples of a file to score on. Throws `DataError`.
  public static func read(
    _ source: SequenceSource, options: SequenceOptions, encoding: DataEncoding
  ) throws -> ExampleSet {
    let layout = try RecordLayout(options, source)
    let records = try source.records(layout, options)
    var builder = SplitBuilder(options, layout, encoding, folder: source.folder, isEvaluation: true)
    var record = RawRecord()
    while try records.next(&record) { try builder.append(record) }
    guard builder.count > 0 else { throw DataError.noSequences(name: source.name) }
    return builder.take(name: source.name, blankLines: records.blankLines)
  }

  /// A hash of the encoding and all examples that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(encoding.digest)
    for part in [train, valid, test] { hash.combine(part?.digest ?? 0) }
    return hash.value
  }
}

// MARK: - The passes over the training file

private func count(
  _ source: SequenceSource, _ layout: RecordLayout, _ options: SequenceOptions, _ selection: SplitSelection?
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

/// The training part and, with a selection, the validation part. Sets the widths of the encoding.
private func fill(
  _ source: SequenceSource, _ layout: RecordLayout, _ options: SequenceOptions,
  _ selection: SplitSelection?, _ encoding: inout DataEncoding
) throws -> (train: ExampleSet, valid: ExampleSet?) {
  let records = try source.records(layout, options)
  var train = SplitBuilder(options, layout, encoding, folder: source.folder, isEvaluation: false)
  var valid = SplitBuilder(options, layout, encoding, folder: source.folder, isEvaluation: true)
  var record = RawRecord()
  while try records.next(&record) {
    // Widths are those of the first example of all, whatever part it is in.
    if selection?.isValidation(record) == true {
      valid.encoding = train.encoding
      try valid.append(record)
      train.encoding = valid.encoding
    } else {
      try train.append(record)
    }
  }
  guard train.count > 0, selection == nil || valid.count > 0 else {
    throw DataError.noSequences(name: source.name)
  }
  encoding = train.encoding
  return (
    train.take(name: source.name, blankLines: records.blankLines),
    selection == nil ? nil : valid.take(name: source.name)
  )
}
