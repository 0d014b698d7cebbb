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
    let sources = TextSources(train: source, valid: valid, test: test, validFraction: validFraction)
    let plan = try TextPlan(sources, options, vocabulary: known)
    var vocabulary = plan.vocabulary
    var tokens = TokenStream(
      name: sources.train.name, vocabularySize: vocabulary.count, capacity: plan.total ?? 0)
    var train = 0
    try plan.forEachPart { ids, isTraining in
      for id in ids { tokens.append(id) }
      if isTraining { train = tokens.count }
    }
    try plan.check(train: train, valid: tokens.count - train)
    if known == nil {
      var counts = [Int](repeating: 0, count: vocabulary.count)
      for position in 0..<train { counts[Int(tokens[position])] += 1 }
      if let order = vocabulary.frequencyOrder(counts) {
        vocabulary = try vocabulary.reordered(order.old)
        var moved = TokenStream(name: tokens.name, vocabularySize: vocabulary.count, capacity: tokens.count)
        for position in 0..<tokens.count { moved.append(order.new[Int(tokens[position])]) }
        tokens = moved
      }
    }
    var encoding = DataEncoding()
    encoding.stream = vocabulary
    return TextCorpus(
      encoding: encoding, train: tokens.part(0..<train),
      valid: try sources.valid.map { try TokenStream(reading: $0, vocabulary: vocabulary) }
        ?? (plan.isCut ? tokens.part(train..<tokens.count) : nil),
      test: try sources.test.map { try TokenStream(reading: $0, vocabulary: vocabulary) })
  }
}

/// Where the parts of a text are read from.
public struct TextSources: Sendable {
  public var train: TextSource
  public var valid: TextSource?
  public var test: TextSource?
  /// Without `valid`: the share at the end of the training text that is kept for validation.
  public var validFraction: Double

  public init(
    train: TextSource, valid: TextSource? = nil, test: TextSource? = nil, validFraction: Double = 0
  ) {
    precondition((0..<1).contains(validFraction), "a fraction in 0 ..< 1, not \(validFraction)")
    (self.train, self.valid, self.test, self.validFraction) = (train, valid, test, validFraction)
  }
}

/// How a training text is read: its vocabulary, and where its training part ends.
struct TextPlan {
  let vocabulary: Vocabulary
  /// The number of tokens; nil for subwords, which are counted when they are cut.
  let total: Int?
  /// Whether the end of the text is for validation.
  let isCut: Bool
  /// Tokens, or of subwords bytes, that are for training.
  private let limit: Int
  private let source: TextSource
  private let validFraction: Double

  /// Counts the tokens of the training text, unless the vocabulary is known. Throws `DataError`.
  init(_ sources: TextSources, _ options: TextOptions, vocabulary known: Vocabulary?) throws {
    if let known {
      precondition(
        known.unit == options.unit && known.lowercase == options.lowercase,
        "a vocabulary of \(known.unit) for a text of \(options.unit)")
    }
    source = sources.train
    validFraction = sources.valid == nil ? sources.validFraction : 0
    isCut = validFraction > 0
    let isSubwords = options.unit == .bpe
    var (total, limit): (Int?, Int) = (nil, .max)
    if isCut || known != nil && !isSubwords {
      let count = try isSubwords ? byteCount(of: source) : tokenCount(of: source, options)
      if !isSubwords { total = count }
      if isCut { limit = min(count, Int((Double(count) * (1 - validFraction)).rounded(.down))) }
      try checkSizes(of: source, total: count, train: min(limit, count), validFraction)
    }
    if let known {
      vocabulary = known
    } else {
      let counter = try counter(of: source, options, limit: limit)
      guard counter.total > 0 else { throw DataError.empty(name: source.name) }
      if !isSubwords { total = counter.total }
      vocabulary = try counter.vocabulary()
    }
    (self.total, self.limit) = (total, limit)
  }

  /// Calls `body` with the ids of each line or part of a line, cut where the training part ends. Throws `DataError`, also if
  /// there are other tokens than were counted.
  func forEachPart(_ body: (_ ids: [Int32], _ isTraining: Bool) throws -> Void) throws {
    var count = 0
    try vocabulary.forEachPart(of: source) { ids, offset in
      // There are more tokens than were counted, so the file has grown. It must not fill the memory.
      if let total, count + ids.count > total { throw DataError.changed(path: source.name) }
      let rest =
        vocabulary.unit == .bpe ? (offset < limit ? ids.count : 0) : max(0, min(ids.count, limit - count))
      count += ids.count
      if rest == ids.count || rest == 0 { return try body(ids, rest > 0) }
      try body(Array(ids[..<rest]), true)
      try body(Array(ids[rest...]), false)
    }
    guard total == nil || count == total else { throw DataError.changed(path: source.name) }
  }

  /// Throws `DataError` if a part is too small to use.
  func check(train: Int, valid: Int) throws {
    try checkSizes(of: source, total: train + (isCut ? valid : 0), train: train, validFraction)
  }
}

extension TokenStream {
  /// The tokens of a text in a given vocabulary. Throws `DataError`, also for fewer than two tokens.
  public init(reading source: TextSource, vocabulary: Vocabulary) throws {
    let options = TextOptions(vocabulary.unit, lowercase: vocabulary.lowercase)
    let count = vocabulary.unit == .bpe ? nil : try Datasets.tokenCount(of: source, options)
    if let count { try checkSizes(of: source, total: count, train: count, 0) }
    var tokens = TokenStream(name: source.name, vocabularySize: vocabulary.count, capacity: count ?? 0)
    try vocabulary.forEachPart(of: source) { ids, _ in
      if let count, tokens.count + ids.count > count { throw DataError.changed(path: source.name) }
      for id in ids { tokens.append(id) }
    }
    guard count == nil || count == tokens.count else { throw DataError.changed(path: source.name) }
    self = tokens
    try checkSizes(of: source, total: self.count, train: self.count, 0)
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

extension Vocabulary {
  /// The order of the ids of subwords by falling count, as clusters of rare tokens want it: the old id of each new one, and the
  /// new id of each old one. Nil for other vocabularies, which have it already.
  func frequencyOrder(_ counts: [Int]) -> (old: [Int], new: [Int32])? {
    guard subwords != nil else { return nil }
    let old =
      Array(0..<specialCount)
      + (specialCount..<count).sorted {
        counts[$0] != counts[$1]
          ? counts[$0] > counts[$1] : tokens[$0].utf8.lexicographicallyPrecedes(tokens[$1].utf8)
      }
    var new = [Int32](repeating: 0, count: old.count)
    for (id, before) in old.enumerated() { new[before] = Int32(id) }
    return (old, new)
  }

  /// The vocabulary of the same subword model with the ids in another order. Throws `DataError.subwordModel`.
  func reordered(_ old: [Int]) throws -> Vocabulary {
    guard let subwords else { preconditionFailure("only subwords are reordered") }
    do {
      return try Vocabulary(
        subwords.reordered(old), lowercase: lowercase, boundaries: boundaries, name: "subword model")
    } catch let error as SubwordError {
      throw DataError.subwordModel(name: "subword model", reason: error.description)
    }
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
