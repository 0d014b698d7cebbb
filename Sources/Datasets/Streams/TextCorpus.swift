/// A text for a language model, as tokens: what to learn from, and what to score on.
public struct TextCorpus: Sendable {
  public let vocabulary: Vocabulary
  public let train: TokenStream
  public let valid: TokenStream?
  public let test: TokenStream?

  /// Reads the files and counts the vocabulary over the training text.
  ///
  /// Without `valid`, the first ⌊n (1 - validFraction)⌋ of the n tokens are for training and the others for
  /// validation; the vocabulary is counted over the training part only, and what appears in other parts alone
  /// is `<unk>`. A `validFraction` of 0 leaves no validation text. With `vocabulary`, that of an earlier run,
  /// nothing is counted.
  ///
  /// The text is read in two passes, three when it is cut, and is never in memory as a whole: at most the
  /// tokens, the vocabulary and a buffer are, but for the training text that subwords are learnt from. Throws `DataError`.
  public static func load(
    train: TextSource, valid: TextSource? = nil, test: TextSource? = nil, validFraction: Double = 0,
    options: TextOptions, vocabulary: Vocabulary? = nil
  ) throws -> TextCorpus {
    precondition((0..<1).contains(validFraction), "a fraction in 0 ..< 1, not \(validFraction)")
    if let known = vocabulary {
      precondition(
        known.tokenization == options.tokenization && known.lowercase == options.lowercase,
        "a vocabulary of \(known.tokenization) for a text of \(options.tokenization)")
    }
    let fraction = valid == nil ? validFraction : 0
    if options.tokenization == .bpe {
      return try loadSubwords(
        train: train, valid: valid, test: test, validFraction: fraction, options: options,
        vocabulary: vocabulary)
    }
    let plan = try plan(for: train, fraction, options, vocabulary)
    let parts = try TokenEncoder(vocabulary: plan.vocabulary).encode(
      train, count: plan.total, splitAt: plan.train)
    return TextCorpus(
      vocabulary: plan.vocabulary, train: parts.first,
      valid: try valid.map { try encode($0, vocabulary: plan.vocabulary) }
        ?? (fraction > 0 ? parts.second : nil),
      test: try test.map { try encode($0, vocabulary: plan.vocabulary) })
  }

  private typealias Plan = (vocabulary: Vocabulary, total: Int, train: Int)

  /// The vocabulary, the number of tokens and how many of them are for training.
  private static func plan(
    for source: TextSource, _ fraction: Double, _ options: TextOptions, _ known: Vocabulary?
  ) throws -> Plan {
    var limit = Int.max
    var plan: Plan
    if fraction > 0 || known != nil {
      let total = try countTokens(of: source, options.tokenization, options.lowercase)
      limit = trainingTokens(of: total, validFraction: fraction)
      try checkSizes(of: source, total: total, train: limit, fraction)
      if let known { return (known, total, limit) }
    }
    (plan.vocabulary, plan.total) = try countVocabulary(of: source, upTo: limit, options)
    plan.train = min(limit, plan.total)
    try checkSizes(of: source, total: plan.total, train: plan.train, fraction)
    return plan
  }

  /// The tokens of a text in a given vocabulary. Throws `DataError`, also for fewer than two tokens.
  public static func encode(_ source: TextSource, vocabulary: Vocabulary) throws -> TokenStream {
    if vocabulary.subwords != nil { return try encodeSubwords(source, vocabulary: vocabulary) }
    let count = try countTokens(of: source, vocabulary.tokenization, vocabulary.lowercase)
    try checkSizes(of: source, total: count, train: count, 0)
    return try TokenEncoder(vocabulary: vocabulary).encode(source, count: count, splitAt: count).first
  }

  /// A hash of the vocabulary and all tokens that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(vocabulary.digest)
    for part in [train, valid, test] { hash.combine(part?.digest ?? 0) }
    return hash.value
  }

  /// How many of `total` tokens are for training when a part is cut off for validation.
  static func trainingTokens(of total: Int, validFraction: Double) -> Int {
    min(total, Int((Double(total) * (1 - validFraction)).rounded(.down)))
  }

  static func checkSizes(of source: TextSource, total: Int, train: Int, _ fraction: Double) throws {
    guard total > 0 else { throw DataError.empty(name: source.name) }
    guard total > 1 else { throw DataError.tooShort(name: source.name, tokens: total) }
    guard fraction > 0 else { return }
    for (part, tokens) in [("training", train), ("validation", total - train)] where tokens < 2 {
      throw DataError.splitTooSmall(name: source.name, part: part, tokens: tokens, fraction: fraction)
    }
  }
}

// MARK: - The passes

/// Number of tokens of a text.
private func countTokens(of source: TextSource, _ tokenization: Tokenization, _ lowercase: Bool) throws -> Int
{
  var table = SymbolTable(tokenization)
  table.isFrozen = true
  var count = 0
  var scanner = SymbolScanner(name: source.name, lowercase: lowercase, table: table)
  try scanner.scan(source) { count += $0.count }
  return count
}

/// The vocabulary of the first `limit` tokens of a text, and the number of all its tokens.
private func countVocabulary(
  of source: TextSource, upTo limit: Int, _ options: TextOptions
) throws -> (Vocabulary, Int) {
  var counts: [Int] = []
  var total = 0
  let table = SymbolTable(options.tokenization)
  var scanner = SymbolScanner(name: source.name, lowercase: options.lowercase, table: table)
  try scanner.scan(source) { symbols in
    let counted = symbols.prefix(max(0, limit - total))
    let highest = Int(counted.max() ?? -1)
    counts.append(contentsOf: repeatElement(0, count: max(0, highest + 1 - counts.count)))
    for symbol in counted { counts[Int(symbol)] += 1 }
    total += symbols.count
  }
  counts.append(contentsOf: repeatElement(0, count: max(0, scanner.table.count - counts.count)))
  return (Vocabulary(table: scanner.table, counts: counts, options: options), total)
}

/// Turns texts into tokens of one vocabulary.
private struct TokenEncoder {
  let vocabulary: Vocabulary
  private let table: SymbolTable
  private let idOfSymbol: [Int32]

  init(vocabulary: Vocabulary) {
    self.vocabulary = vocabulary
    table = vocabulary.symbolTable()
    idOfSymbol = vocabulary.idOfSymbol(in: table)
  }

  typealias Parts = (first: TokenStream, second: TokenStream)

  /// The first `split` and the other tokens of a text that has `count` of them.
  func encode(_ source: TextSource, count: Int, splitAt split: Int) throws -> Parts {
    var stream = TokenStream(name: source.name, vocabularySize: vocabulary.count, capacity: count)
    let unknown = vocabulary.unknown ?? 0
    var total = 0
    var scanner = SymbolScanner(name: source.name, lowercase: vocabulary.lowercase, table: table)
    try scanner.scan(source) { symbols in
      // More than was counted: the file has grown, which is reported below; don't fill the memory with it.
      for symbol in symbols.prefix(max(0, count - total)) {
        stream.append(symbol < 0 ? unknown : idOfSymbol[Int(symbol)])
      }
      total += symbols.count
    }
    guard total == count else { throw DataError.changed(path: source.name) }
    return (stream.part(0..<split), stream.part(split..<count))
  }
}
