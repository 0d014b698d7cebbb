extension TextCorpus {
  /// `load` for subwords, whose model is learnt from the training part before anything can be counted.
  ///
  /// Where a part is cut off for validation it is the end of the text by bytes rather than by tokens, from the beginning of a
  /// line on: the model must not have seen it.
  static func loadSubwords(
    train: TextSource, valid: TextSource?, test: TextSource?, validFraction: Double, options: TextOptions,
    vocabulary known: Vocabulary?
  ) throws -> TextCorpus {
    let limit = validFraction > 0 ? try trainingBytes(of: train, validFraction: validFraction) : Int.max
    let model = try known?.subwords ?? subwords(of: train, upTo: limit, options)
    let (first, second) = try modelIDs(of: train, model, splitAt: limit)
    try checkSizes(of: train, total: first.count + second.count, train: first.count, validFraction)
    let vocabulary = known ?? Vocabulary(subwords: model, counts: counts(of: first, model.count))
    return TextCorpus(
      vocabulary: vocabulary, train: vocabulary.sequence(ofModelIDs: first),
      valid: try valid.map { try encode($0, vocabulary: vocabulary) }
        ?? (validFraction > 0 ? vocabulary.sequence(ofModelIDs: second) : nil),
      test: try test.map { try encode($0, vocabulary: vocabulary) })
  }

  /// The tokens of a text in a vocabulary of subwords.
  static func encodeSubwords(_ source: TextSource, vocabulary: Vocabulary) throws -> TokenStream {
    guard let model = vocabulary.subwords else { preconditionFailure("a vocabulary without subwords") }
    let ids = try modelIDs(of: source, model, splitAt: .max).first
    try checkSizes(of: source, total: ids.count, train: ids.count, 0)
    return vocabulary.sequence(ofModelIDs: ids)
  }

  private static func trainingBytes(of source: TextSource, validFraction: Double) throws -> Int {
    var total = 0
    try source.forEachChunk { total += $0.count }
    return trainingTokens(of: total, validFraction: validFraction)
  }

  /// A model learnt from what begins in the first `limit` bytes.
  private static func subwords(
    of source: TextSource, upTo limit: Int, _ options: TextOptions
  ) throws -> SequenceVocabulary {
    let settings = SequenceTextOptions(
      .bpe, lowercase: options.lowercase, maxVocabulary: options.maxVocabulary)
    var counter = TokenCounter(settings, boundaries: true, subwords: options.subwords)
    var isEmpty = true
    try SubwordScanner.scan(source) { stretch in
      guard stretch.start < limit, !stretch.bytes.isEmpty else { return }
      isEmpty = false
      do throws(LineProblem) {
        try counter.add(stretch.bytes)
      } catch {
        throw DataError.line(name: source.name, line: stretch.line, problem: error)
      }
    }
    guard !isEmpty else { throw DataError.empty(name: source.name) }
    return try counter.vocabulary(options.subwords)
  }

  /// The model's ids of what begins in the first `limit` bytes, and the others.
  private static func modelIDs(
    of source: TextSource, _ model: SequenceVocabulary, splitAt limit: Int
  ) throws -> (first: [Int32], second: [Int32]) {
    var (first, second): ([Int32], [Int32]) = ([], [])
    try SubwordScanner.scan(source) { stretch in
      let ids = try model.encode(stretch, name: source.name)
      if stretch.start < limit { first += ids } else { second += ids }
    }
    return (first, second)
  }

  private static func counts(of ids: [Int32], _ size: Int) -> [Int] {
    var counts = [Int](repeating: 0, count: size)
    for id in ids { counts[Int(id)] += 1 }
    return counts
  }
}
