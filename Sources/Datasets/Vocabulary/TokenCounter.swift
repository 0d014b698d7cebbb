/// Counts the tokens of lines and builds their vocabulary.
struct TokenCounter {
  let options: TextOptions
  let boundaries: Vocabulary.Boundaries
  /// The maximum number of tokens that are counted.
  var limit = Int.max
  /// The number of tokens so far, including those above the limit; for subwords, of lines.
  private(set) var total = 0
  private let tokenizer: Tokenizer
  private var words = WordTable()
  private var scalars = ScalarTable()
  private var scalarList: [Unicode.Scalar] = []
  private var counts: [Int] = []
  /// The lines that a subword model learns from.
  private var sample = LineSample()

  init(_ options: TextOptions, boundaries: Vocabulary.Boundaries) {
    self.options = options
    self.boundaries = boundaries
    tokenizer = Tokenizer(unit: options.unit, lowercase: options.lowercase)
  }

  /// Counts the tokens of a line.
  mutating func add(_ line: [UInt8]) throws(LineProblem) {
    guard options.unit != .byte else {
      total += line.count
      return
    }
    if let problem = textProblem(in: line) { throw problem }
    let line = tokenizer.folded(line)
    line.withUnsafeBufferPointer { bytes in
      switch options.unit {
      case .byte: break
      case .char: tokenizer.forEachScalar(in: bytes) { count($0) }
      case .word, .space: tokenizer.forEachWord(in: bytes) { count($0) }
      case .bpe:
        sample.add(bytes)
        total += 1
      }
    }
  }

  /// Counts the end of a line if it is a token.
  mutating func addLineEnd() {
    switch options.unit {
    case .char: count("\n")
    case .byte, .word, .space: total += 1
    case .bpe: break
    }
  }

  /// Counts the cells of a line as tokens.
  mutating func addCells(_ line: [UInt8]) throws(LineProblem) {
    if let problem = textProblem(in: line) { throw problem }
    line.withUnsafeBufferPointer { line in
      forEachCell(in: line) { count(tokenizer.folded(Array($0))) }
    }
  }

  private mutating func count(_ word: some Collection<UInt8>) {
    total += 1
    if total <= limit { count(number: Int(words.intern(word))) }
  }

  private mutating func count(_ scalar: Unicode.Scalar) {
    total += 1
    guard total <= limit else { return }
    if scalars[scalar] < 0 {
      scalars.set(scalar, to: Int32(scalarList.count))
      scalarList.append(scalar)
    }
    count(number: Int(scalars[scalar]))
  }

  private mutating func count(number: Int) {
    if number == counts.count { counts.append(0) }
    counts[number] += 1
  }

  /// The vocabulary of the tokens that were counted. Throws `DataError.subwordModel`.
  func vocabulary() throws -> Vocabulary {
    if let file = options.vocabularyFile {
      return try .given(path: file, options: options, boundaries: boundaries)
    }
    let specials = Vocabulary.specials(options.unit, boundaries)
    let tokens: [String]
    switch options.unit {
    case .byte: tokens = (UInt8.min...UInt8.max).map { String(Unicode.Scalar($0)) }
    case .char:
      let kept = mostFrequent(specials.count) { String(scalarList[$0]) }
      tokens = kept.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    case .word, .space:
      // A word that is spelled like a special token is not that token.
      tokens = mostFrequent(specials.count) { String(decoding: words[$0], as: UTF8.self) }
        .filter { !specials.contains($0) }
    case .bpe:
      return try Vocabulary(
        .trained(on: sample.lines, options, boundaries: boundaries), lowercase: options.lowercase,
        boundaries: boundaries, name: "subword model")
    }
    return Vocabulary(
      options.unit, lowercase: options.lowercase, boundaries: boundaries, tokens: specials + tokens)
  }

  /// The tokens that are kept, by decreasing count, then by code points: the order of UTF-8 bytes is that of code points.
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
}

/// The lines of a text, or of a long text an even selection: every second, fourth, … line, so that memory is bounded.
struct LineSample {
  /// The lines that were selected.
  private(set) var lines = TextLines()
  /// The number of lines that were added.
  private var count = 0
  private var stride = 1
  /// The selection is thinned when it has more bytes.
  private static let mostBytes = 1 << 26

  mutating func add(_ line: UnsafeBufferPointer<UInt8>) {
    if count % stride == 0 { lines.append(line) }
    count += 1
    guard lines.elements.count > Self.mostBytes else { return }
    stride *= 2
    lines = TextLines(Swift.stride(from: 0, to: lines.count, by: 2).map { lines[$0] })
  }
}
