/// Which examples of a file are for validation: those whose source text has one of the lowest hashes.
///
/// Entries of one source stay together, so that no word is in both parts; the order of the file plays no
/// role.
struct SplitSelection {
  private let layout: RecordLayout
  private let seed: UInt64
  /// The highest hash of the validation part.
  private let last: UInt64

  /// Reads the file. Throws `DataError.noSplit` if a part would have nothing.
  init(_ source: SequenceSource, _ layout: RecordLayout, _ options: SequenceOptions) throws {
    self.layout = layout
    seed = options.validSeed
    let records = try source.records(layout, options)
    var record = RawRecord()
    var hashes: [UInt64] = []
    while try records.next(&record) { hashes.append(Self.hash(record, layout, seed)) }
    guard !hashes.isEmpty else { throw DataError.noSequences(name: source.name) }
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

  /// The text of a generator, whose source is a class that many share; the source of the other tasks.
  private static func hash(_ record: RawRecord, _ layout: RecordLayout, _ seed: UInt64) -> UInt64 {
    let usesTarget = layout.source == nil || layout.source == .label
    var hash = StableHash()
    hash.combine(seed)
    for byte in usesTarget ? record.target.bytes : record.source.bytes { hash.combine(UInt64(byte)) }
    if record.hasSecondSource { for byte in record.secondSource.bytes { hash.combine(UInt64(byte) | 256) } }
    return mixed(hash.value)
  }
}
