/// Counts the tokens of lines, and makes the vocabulary of them.
struct TokenCounter {
  let options: SequenceTextOptions
  /// Special tokens for begin and end.
  var boundaries: Bool
  private let tokenizer: LineTokenizer
  private var words = WordTable()
  private var scalars = ScalarTable()
  private var scalarList: [Unicode.Scalar] = []
  private var counts: [Int] = []
  /// The lines themselves, for a subword model.
  private var lines = TextLines()
  private let keepsLines: Bool
  private var word: [UInt8] = []

  init(_ options: SequenceTextOptions, boundaries: Bool, subwords: SubwordOptions) {
    self.options = options
    self.boundaries = boundaries
    keepsLines = options.tokenization == .bpe && subwords.modelPath == nil
    tokenizer = LineTokenizer(tokenization: options.tokenization, lowercase: options.lowercase)
  }

  /// Counts the tokens of a line.
  mutating func add(_ line: [UInt8]) throws(LineProblem) {
    guard options.tokenization != .byte else { return }
    if let problem = textProblem(in: line) { throw problem }
    line.withUnsafeBufferPointer { line in
      switch options.tokenization {
      case .byte: break
      case .char: tokenizer.forEachScalar(in: line) { count($0) }
      case .word, .space: tokenizer.forEachWord(in: line) { count($0) }
      case .bpe:
        guard keepsLines else { return }
        tokenizer.fold(line, into: &word)
        lines.append(word)
      }
    }
  }

  /// Counts the cells of a line as tokens.
  mutating func addCells(_ line: [UInt8]) throws(LineProblem) {
    if let problem = textProblem(in: line) { throw problem }
    line.withUnsafeBufferPointer { line in forEachCell(in: line) { count($0) } }
  }

  private mutating func count(_ unit: UnsafeBufferPointer<UInt8>) {
    tokenizer.fold(unit, into: &word)
    count(Int(words.intern(word)))
  }

  private mutating func count(_ scalar: Unicode.Scalar) {
    if scalars[scalar] < 0 {
      scalars.set(scalar, to: Int32(scalarList.count))
      scalarList.append(scalar)
    }
    count(Int(scalars[scalar]))
  }

  private mutating func count(_ number: Int) {
    if number == counts.count { counts.append(0) }
    counts[number] += 1
  }

  /// The vocabulary of what was counted. Throws `DataError.subwordModel`.
  func vocabulary(_ subwords: SubwordOptions) throws -> SequenceVocabulary {
    let specials = SequenceVocabulary.specials(options.tokenization, boundaries: boundaries)
    let tokens: [String]
    switch options.tokenization {
    case .byte: tokens = (UInt8.min...UInt8.max).map { String(Unicode.Scalar($0)) }
    case .char:
      let kept = mostFrequent(specials.count) { String(scalarList[$0]) }
      tokens = kept.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    case .word, .space:
      // Text that spells a special token is no special token.
      tokens = mostFrequent(specials.count) { String(decoding: words[$0], as: UTF8.self) }
        .filter { !specials.contains($0) }
    case .bpe: return try subwordVocabulary(subwords)
    }
    return SequenceVocabulary(
      options.tokenization, lowercase: options.lowercase, boundaries: boundaries, tokens: specials + tokens)
  }

  /// The tokens that stay, by falling count, then by code points: the order of UTF-8 bytes is that of code
  /// points.
  private func mostFrequent(_ specialCount: Int, _ text: (Int) -> String) -> [String] {
    let sorted = counts.indices.filter { counts[$0] >= max(1, options.minCount) }
      .map { (count: counts[$0], text: text($0)) }
      .sorted {
        $0.count != $1.count
          ? $0.count > $1.count : $0.text.utf8.lexicographicallyPrecedes($1.text.utf8)
      }
    let limit = options.maxVocabulary > 0 ? max(0, options.maxVocabulary - specialCount) : sorted.count
    return sorted.prefix(limit).map(\.text)
  }

  private func subwordVocabulary(_ subwords: SubwordOptions) throws -> SequenceVocabulary {
    let size = options.maxVocabulary > 0 ? options.maxVocabulary : 8000
    let model =
      if let path = subwords.modelPath {
        try SubwordModel.load(path: path)
      } else {
        try SubwordModel.trained(on: lines, size: size, boundaries: boundaries, options: subwords)
      }
    return try SequenceVocabulary(
      model, lowercase: options.lowercase, boundaries: boundaries, name: subwords.modelPath ?? "subword model"
    )
  }
}
