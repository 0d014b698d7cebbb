extension Vocabulary {
  /// The vocabulary of a text whose symbols, which are no subwords, occur `counts` times.
  ///
  /// `<unk>` and, for words, `<eos>` are always there. `options.minCount` and `options.maxVocabulary` leave
  /// out the rarest symbols, of equally rare ones those with the higher code points.
  init(table: SymbolTable, counts: [Int], options: TextOptions) {
    switch options.tokenization {
    case .byte, .bpe:
      self = .bytes(lowercase: options.lowercase)
    case .char:
      let kept = Self.frequent(table, counts, from: 0, special: 1, options).map { table.scalars[$0.symbol] }
      let tokens = [SpecialToken.unknown] + kept.sorted().map { String($0) }
      self.init(tokenization: .char, lowercase: options.lowercase, tokens: tokens)
    case .word:
      var kept = Self.frequent(table, counts, from: 2, special: 2, options)
      // An end of sentence counts as often as it occurs, the unknown word as often as it will stand for
      // others.
      let endOfSentence = Int(SymbolTable.endOfSentence)
      kept.append((endOfSentence, counts[endOfSentence], SpecialToken.endOfSentence))
      let known = kept.reduce(0) { $0 + $1.count }
      let unknown = Int(SymbolTable.unknownWord)
      kept.append((unknown, counts.reduce(0, +) - known, SpecialToken.unknown))
      kept.sort(by: Self.precedes)
      self.init(tokenization: .word, lowercase: options.lowercase, tokens: kept.map(\.text))
    }
  }

  /// The vocabulary of subwords that occur `counts` times, by their ids in the model.
  init(subwords: SequenceVocabulary, counts: [Int]) {
    let candidates = subwords.tokens.enumerated().map { (symbol: $0, count: counts[$0], text: $1) }
    self.init(
      tokenization: .bpe, lowercase: subwords.lowercase,
      tokens: candidates.sorted(by: Self.precedes).map(\.text),
      subwords: subwords)
  }

  private typealias Candidate = (symbol: Int, count: Int, text: String)

  /// The symbols that stay, beside `special` tokens, by falling count.
  private static func frequent(
    _ table: SymbolTable, _ counts: [Int], from first: Int, special: Int, _ options: TextOptions
  ) -> [Candidate] {
    let candidates = (first..<max(first, counts.count))
      .filter { counts[$0] >= max(1, options.minCount) }
      .map { ($0, counts[$0], table.text(of: $0)) }
      .sorted(by: precedes)
    guard options.maxVocabulary > 0 else { return candidates }
    return Array(candidates.prefix(max(0, options.maxVocabulary - special)))
  }

  /// By falling count, then by code points: the order of UTF-8 bytes is that of code points.
  private static func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
    a.count != b.count ? a.count > b.count : a.text.utf8.lexicographicallyPrecedes(b.text.utf8)
  }
}
