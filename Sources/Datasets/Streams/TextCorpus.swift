extension Corpus<TokenStream> {
  /// The tokens of the text.
  public var vocabulary: Vocabulary {
    guard let vocabulary = encoding.stream else { preconditionFailure("a text without a vocabulary") }
    return vocabulary
  }

  /// Reads the files and counts the vocabulary over the training text.
  ///
  /// Without `valid`, the first ⌊n (1 - validFraction)⌋ of the n tokens are for training and the others for
  /// validation. The vocabulary is counted over the training part only, and tokens that appear only in other parts are
  /// `<unk>`. For subwords the text is split by bytes instead of tokens, at the beginning of a line, because their model
  /// must not have seen the validation part. A `validFraction` of 0 leaves no validation text. With the `vocabulary` of
  /// an earlier run, nothing is counted.
  ///
  /// The text is read in two passes, or three if it is split. It is never in memory as a whole: only its tokens, the
  /// vocabulary and a buffer are. The exception is the training text that a subword model learns from. Throws
  /// `DataError`.
  public static func load(
    train source: TextSource, valid: TextSource? = nil, test: TextSource? = nil, validFraction: Double = 0,
    options: TextOptions, vocabulary known: Vocabulary? = nil
  ) throws -> TextCorpus {
    precondition((0..<1).contains(validFraction), "a fraction in 0 ..< 1, not \(validFraction)")
    if let known {
      precondition(
        known.unit == options.unit && known.lowercase == options.lowercase,
        "a vocabulary of \(known.unit) for a text of \(options.unit)")
    }
    let isCut = valid == nil && validFraction > 0
    let isSubwords = options.unit == .bpe
    var total: Int?
    // The number of tokens, or of bytes for subwords, that are for training.
    var limit = Int.max
    if isCut || known != nil && !isSubwords {
      let count = try isSubwords ? byteCount(of: source) : tokenCount(of: source, options)
      if !isSubwords { total = count }
      if isCut { limit = min(count, Int((Double(count) * (1 - validFraction)).rounded(.down))) }
      try checkSizes(of: source, total: count, train: min(limit, count), isCut ? validFraction : 0)
    }
    var vocabulary: Vocabulary
    if let known {
      vocabulary = known
    } else {
      let counter = try counter(of: source, options, limit: limit)
      guard counter.total > 0 else { throw DataError.empty(name: source.name) }
      if !isSubwords { total = counter.total }
      vocabulary = try counter.vocabulary()
    }
    var (tokens, before) = try TokenStream.read(
      source, vocabulary, count: total, byteLimit: isSubwords ? limit : .max)
    let train = isSubwords ? before : min(limit, tokens.count)
    try checkSizes(of: source, total: tokens.count, train: train, isCut ? validFraction : 0)
    if isSubwords, known == nil {
      (vocabulary, tokens) = try orderedByFrequency(vocabulary, tokens, counting: train)
    }
    var encoding = DataEncoding()
    encoding.stream = vocabulary
    return TextCorpus(
      encoding: encoding, train: tokens.part(0..<train),
      valid: try valid.map { try TokenStream(reading: $0, vocabulary: vocabulary) }
        ?? (isCut ? tokens.part(train..<tokens.count) : nil),
      test: try test.map { try TokenStream(reading: $0, vocabulary: vocabulary) })
  }
}

extension TokenStream {
  /// The tokens of a text in a given vocabulary. Throws `DataError`, also for fewer than two tokens.
  public init(reading source: TextSource, vocabulary: Vocabulary) throws {
    let options = TextOptions(vocabulary.unit, lowercase: vocabulary.lowercase)
    let count = vocabulary.unit == .bpe ? nil : try Datasets.tokenCount(of: source, options)
    if let count { try checkSizes(of: source, total: count, train: count, 0) }
    self = try Self.read(source, vocabulary, count: count, byteLimit: .max).tokens
    try checkSizes(of: source, total: self.count, train: self.count, 0)
  }

  /// Returns the tokens of a text, which must be `count` tokens if that is known, and the number of tokens in lines that
  /// begin before `byteLimit`.
  fileprivate static func read(
    _ source: TextSource, _ vocabulary: Vocabulary, count: Int?, byteLimit: Int
  ) throws -> (tokens: TokenStream, before: Int) {
    var tokens = TokenStream(name: source.name, vocabularySize: vocabulary.count, capacity: count ?? 0)
    var before = 0
    try vocabulary.forEachPart(of: source) { ids, offset in
      // There are more tokens than were counted, so the file has grown. It must not fill the memory.
      if let count, tokens.count + ids.count > count { throw DataError.changed(path: source.name) }
      for id in ids { tokens.append(id) }
      if offset < byteLimit { before = tokens.count }
    }
    guard count == nil || count == tokens.count else { throw DataError.changed(path: source.name) }
    return (tokens, before)
  }
}

// MARK: - The passes over a text

private func byteCount(of source: TextSource) throws -> Int {
  let reader = try ByteReader(source)
  var count = 0
  while case let part = try reader.next(), !part.isEmpty { count += part.count }
  return count
}

private func tokenCount(of source: TextSource, _ options: TextOptions) throws -> Int {
  try counter(of: source, options, limit: 0).total
}

/// Counts the first `limit` tokens of a text; for subwords, the lines that begin in the first `limit` bytes.
private func counter(of source: TextSource, _ options: TextOptions, limit: Int) throws -> TokenCounter {
  var counter = TokenCounter(options, boundaries: .ofStream(options.unit))
  counter.limit = limit
  let reader = try LineReader(stream: source, options.unit)
  while try reader.next() {
    if options.unit == .bpe, reader.offset >= limit || reader.bytes.isEmpty { continue }
    do throws(LineProblem) {
      try counter.add(reader.bytes)
    } catch {
      throw reader.problem(error)
    }
    if reader.endsLine { counter.addLineEnd() }
  }
  return counter
}

/// Returns a vocabulary of subwords and a text with ids in the order of frequency, which clusters of rare tokens require.
private func orderedByFrequency(
  _ vocabulary: Vocabulary, _ tokens: TokenStream, counting train: Int
) throws -> (Vocabulary, TokenStream) {
  guard let model = vocabulary.subwords else { return (vocabulary, tokens) }
  var counts = [Int](repeating: 0, count: vocabulary.count)
  for position in 0..<train { counts[Int(tokens[position])] += 1 }
  let specials = 0..<vocabulary.specialCount
  let order =
    Array(specials)
    + (vocabulary.specialCount..<vocabulary.count).sorted {
      counts[$0] != counts[$1]
        ? counts[$0] > counts[$1]
        : vocabulary.tokens[$0].utf8.lexicographicallyPrecedes(vocabulary.tokens[$1].utf8)
    }
  var newIDs = [Int32](repeating: 0, count: order.count)
  for (new, old) in order.enumerated() { newIDs[old] = Int32(new) }
  do {
    let ordered = try Vocabulary(
      model.reordered(order), lowercase: vocabulary.lowercase, boundaries: vocabulary.boundaries,
      name: "subword model")
    var moved = TokenStream(name: tokens.name, vocabularySize: ordered.count, capacity: tokens.count)
    for position in 0..<tokens.count { moved.append(newIDs[Int(tokens[position])]) }
    return (ordered, moved)
  } catch let error as SubwordError {
    throw DataError.subwordModel(name: "subword model", reason: error.description)
  }
}

private func checkSizes(of source: TextSource, total: Int, train: Int, _ fraction: Double) throws {
  guard total > 0 else { throw DataError.empty(name: source.name) }
  guard total > 1 else { throw DataError.tooShort(name: source.name, tokens: total) }
  guard fraction > 0 else { return }
  for (part, tokens) in [("training", train), ("validation", total - train)] where tokens < 2 {
    throw DataError.splitTooSmall(name: source.name, part: part, tokens: tokens, fraction: fraction)
  }
}
