/// The options for turning text into tokens.
public struct TextOptions: Sendable, Equatable {
  public var unit: TokenUnit
  /// Whether text is lower-cased. For bytes, only A to Z are, so that other bytes stay as they are.
  public var lowercase: Bool
  /// The count in the training text below which tokens become `<unk>` (char, word, space).
  public var minCount: Int
  /// The maximum size of the vocabulary, including special tokens. 0: no limit, except for a subword model, which needs a
  /// size and then gets 8,000. Bytes always have 256.
  public var maxVocabulary: Int
  public var subwordKind = SubwordKind.bpe
  /// A file with the vocabulary, see `Vocabulary.given(path:options:boundaries:)`; nil: the tokens of the training text are
  /// counted.
  public var vocabularyFile: String?

  public init(_ unit: TokenUnit, lowercase: Bool = false, minCount: Int = 1, maxVocabulary: Int = 0) {
    self.unit = unit
    self.lowercase = lowercase
    self.minCount = minCount
    self.maxVocabulary = maxVocabulary
  }
}

/// Tokens that are not text.
public enum SpecialToken {
  /// Replaces every token that is not in the vocabulary.
  public static let unknown = "<unk>"
  /// The token before the first one of a sequence that is generated.
  public static let beginOfSentence = "<bos>"
  /// The end of a sequence that is generated, and of a line of words or subwords in a stream.
  public static let endOfSentence = "<eos>"
}

/// The tokens of a text, each with its id: its place in the list.
///
/// Special tokens come first: `<unk>` for tokens that are not in the list (never for bytes), then `<bos>` and `<eos>` as
/// ``Boundaries`` says. There is no token for padding, because batches are packed. Then
///
/// - bytes: all 256 values in order;
/// - characters: by code point;
/// - words and symbols: by falling frequency in the training text, then by code points;
/// - subwords: the pieces of the model in its order; for a stream by falling frequency, because an adaptive softmax forms clusters of rare tokens.
public struct Vocabulary: Sendable, Equatable, CustomStringConvertible {
  /// The special tokens at the ends of lines and sequences.
  public enum Boundaries: Sendable {
    /// None: sources, and streams of bytes or characters, in which a line end is an ordinary token.
    case none
    /// `<eos>`, which is the end of each line of a stream.
    case lineEnds
    /// `<bos>` and `<eos>` around a sequence.
    case sequence

    /// The boundaries in a stream of text.
    static func ofStream(_ unit: TokenUnit) -> Boundaries {
      unit == .byte || unit == .char ? .none : .lineEnds
    }
  }

  public let unit: TokenUnit
  /// Whether text is lower-cased before it is looked up.
  public let lowercase: Bool
  public let boundaries: Boundaries
  /// The tokens in the order of their ids; a byte is the character of the same number.
  public let tokens: [String]
  /// The id of tokens that are not in the list; nil for bytes.
  public let unknown: Int32?
  /// The id before the first token of a sequence, if there is one.
  public let beginOfSentence: Int32?
  /// The id after the last token of a sequence or line, if there is one.
  public let endOfSentence: Int32?

  /// The model that cuts the text, for subwords.
  let subwords: SubwordModel?
  let tokenizer: Tokenizer
  /// The UTF-8 of the tokens by id. It is not a dictionary of strings, because Swift treats canonically equivalent
  /// strings as equal, while two ways to write an accented letter are two tokens.
  private let table: WordTable
  private let scalars: ScalarTable

  /// The special tokens of a kind of vocabulary, in the order of their ids.
  static func specials(_ unit: TokenUnit, _ boundaries: Boundaries) -> [String] {
    let unknown = unit == .byte ? [] : [SpecialToken.unknown]
    return switch boundaries {
    case .none: unknown
    case .lineEnds: unknown + [SpecialToken.endOfSentence]
    case .sequence: unknown + [SpecialToken.beginOfSentence, SpecialToken.endOfSentence]
    }
  }

  /// Creates the vocabulary of these tokens, which must be distinct and start with the special ones.
  init(
    _ unit: TokenUnit, lowercase: Bool, boundaries: Boundaries, tokens: [String],
    subwords: SubwordModel? = nil
  ) {
    self.unit = unit
    self.lowercase = lowercase
    self.boundaries = boundaries
    self.tokens = tokens
    self.subwords = subwords
    tokenizer = Tokenizer(unit: unit, lowercase: lowercase)
    var table = WordTable()
    var scalars = ScalarTable()
    let specials = Self.specials(unit, boundaries)
    for (id, token) in tokens.enumerated() {
      _ = table.intern(Array(token.utf8))
      if unit == .char, id >= specials.count, let scalar = token.unicodeScalars.first {
        scalars.set(scalar, to: Int32(id))
      }
    }
    precondition(table.count == tokens.count, "\(tokens.count) tokens, of which \(table.count) are different")
    precondition(tokens.starts(with: specials), "\(tokens.prefix(3)) where \(specials) come first")
    self.table = table
    self.scalars = scalars
    unknown = unit == .byte ? nil : 0
    beginOfSentence = boundaries == .sequence ? Int32(specials.count - 2) : nil
    endOfSentence = boundaries == .none ? nil : Int32(specials.count - 1)
  }

  /// Creates the vocabulary of a subword model.
  ///
  /// Throws `DataError.subwordModel` for a model whose special pieces are not the first ones, or not those of the
  /// boundaries.
  init(_ model: SubwordModel, lowercase: Bool, boundaries: Boundaries, name: String) throws {
    let specials = Self.specials(.bpe, boundaries)
    let tokens = model.pieces
    guard tokens.prefix(specials.count).elementsEqual(specials), model.unknown == 0 else {
      throw DataError.subwordModel(
        name: name, reason: "its first pieces are not \(specials.joined(separator: ", "))")
    }
    guard Set(tokens.map { Array($0.utf8) }).count == tokens.count else {
      throw DataError.subwordModel(name: name, reason: "the same piece twice")
    }
    self.init(.bpe, lowercase: lowercase, boundaries: boundaries, tokens: tokens, subwords: model)
  }

  public static func == (first: Vocabulary, second: Vocabulary) -> Bool {
    first.tokenizer == second.tokenizer && first.boundaries == second.boundaries
      && first.table == second.table && first.subwords?.bytes == second.subwords?.bytes
  }

  /// Number of tokens, special ones included.
  public var count: Int { tokens.count }

  /// Number of special tokens; their ids are the first.
  public var specialCount: Int { Self.specials(unit, boundaries).count }

  /// The id of a token, or nil.
  public func id(of token: String) -> Int32? { table.number(of: token) }

  /// The token of an id in `0 ..< count`.
  public subscript(id: Int32) -> String { tokens[Int(id)] }

  public var description: String { "\(count) tokens (\(unit.rawValue))" }

  /// A hash of the tokens and their order, and of the subword model, that is the same on every rank and in
  /// every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(unit.rawValue)
    hash.combine(lowercase ? 1 : 0)
    hash.combine(endOfSentence == nil ? 0 : 1)
    for token in tokens { hash.combine(token) }
    for byte in subwords?.bytes ?? [] { hash.combine(UInt64(byte)) }
    return hash.value
  }
}

// MARK: - From text to ids

extension Vocabulary {
  /// Appends the ids of a line, without begin and end.
  ///
  /// Text never yields the ids of special tokens: a word that is spelled like one is `<unk>`.
  func encode(_ line: [UInt8], into ids: inout [Int32]) throws(LineProblem) {
    if unit != .byte, let problem = textProblem(in: line) { throw problem }
    let line = tokenizer.folded(line)
    let unknown = unknown ?? 0
    switch unit {
    case .byte:
      let first = Int32(specialCount)
      for byte in line { ids.append(first + Int32(byte)) }
    case .char:
      line.withUnsafeBufferPointer { line in
        tokenizer.forEachScalar(in: line) { ids.append(max(unknown, scalars[$0])) }
      }
    case .word, .space:
      line.withUnsafeBufferPointer { line in
        tokenizer.forEachWord(in: line) { ids.append(id(ofWord: $0)) }
      }
    case .bpe:
      guard let subwords else { preconditionFailure("a vocabulary of subwords without a model") }
      do {
        ids.append(contentsOf: try subwords.encode(line))
      } catch {
        throw .subwords(error.description)
      }
    }
  }

  /// The id of a word in the case of the vocabulary.
  private func id(ofWord word: UnsafeBufferPointer<UInt8>) -> Int32 {
    let id = table.find(word)
    return id < specialCount ? unknown ?? 0 : id
  }

  /// The id of a whole word, which may have any characters.
  func id(ofCell cell: UnsafeBufferPointer<UInt8>) -> Int32 {
    lowercase ? tokenizer.folded(Array(cell)).withUnsafeBufferPointer { id(ofWord: $0) } : id(ofWord: cell)
  }

  /// The ids of a stream of text that is given as a whole, such as a prompt. It is cut into tokens like a training text.
  /// Throws `DataError`.
  ///
  /// A word at the very end counts as complete; only a line feed ends a line.
  public func encode(stream text: [UInt8], name: String = "text") throws -> [Int32] {
    var ids: [Int32] = []
    try forEachPart(of: .memory(text, name: name)) { part, _ in ids += part }
    return ids
  }

  /// Calls `body` with the ids of each line or part of a line of a stream, line ends included, and the number of bytes
  /// before it. Throws `DataError`.
  func forEachPart(of source: TextSource, _ body: (_ ids: [Int32], _ offset: Int) throws -> Void) throws {
    let reader = try LineReader(stream: source, unit)
    let lineEnd = endOfSentence ?? (unit == .byte ? 0x0A : max(unknown ?? 0, scalars["\n"]))
    var ids: [Int32] = []
    while try reader.next() {
      ids.removeAll(keepingCapacity: true)
      do throws(LineProblem) {
        try encode(reader.bytes, into: &ids)
      } catch {
        throw reader.problem(error)
      }
      if reader.endsLine { ids.append(lineEnd) }
      try body(ids, reader.offset)
    }
  }

  /// The bytes of each id of `encode`, for a model that copies from its source. Words and symbols are spelled as in the
  /// line, and characters have the case of the vocabulary. nil for subwords, whose pieces are not parts of the text.
  public func units(of line: some Sequence<UInt8>) -> [[UInt8]]? {
    let line = unit == .char ? tokenizer.folded(Array(line)) : Array(line)
    var units: [[UInt8]] = []
    line.withUnsafeBufferPointer { line in
      switch unit {
      case .byte: units = line.map { [$0] }
      case .char: tokenizer.forEachScalar(in: line) { units.append(Array($0.utf8)) }
      case .word, .space: tokenizer.forEachWord(in: line) { units.append(Array($0)) }
      case .bpe: break
      }
    }
    return unit == .bpe ? nil : units
  }
}

extension LineReader {
  /// Reads a stream of text in lines. Long lines are cut where the unit of the tokens allows it. Throws `DataError`.
  convenience init(stream source: TextSource, _ unit: TokenUnit) throws {
    try self.init(
      source, cut: unit == .byte || unit == .char ? .characters : .spaces, isRaw: unit == .byte)
  }
}

// MARK: - From ids to text

extension Vocabulary {
  /// The text of ids: bytes unchanged, characters joined, words and symbols separated by spaces, subwords joined by their
  /// model.
  ///
  /// The end of a line of a stream becomes a line feed; the begin and end of a sequence produce no text. Characters that
  /// are not in the vocabulary become U+FFFD, unknown words become `<unk>`.
  public func decode(_ ids: some Sequence<Int32>) -> [UInt8] {
    guard boundaries == .lineEnds else {
      return decodeLine(ids.filter { $0 != beginOfSentence && $0 != endOfSentence })
    }
    var text: [UInt8] = []
    var line: [Int32] = []
    for id in ids {
      if id == endOfSentence {
        text += decodeLine(line) + [UInt8(ascii: "\n")]
        line.removeAll(keepingCapacity: true)
      } else {
        line.append(id)
      }
    }
    return text + decodeLine(line)
  }

  private func decodeLine(_ ids: [Int32]) -> [UInt8] {
    var text: [UInt8] = []
    switch unit {
    case .byte:
      for id in ids { text.append(UInt8(truncatingIfNeeded: Int(id) - specialCount)) }
    case .char:
      for id in ids { text.append(contentsOf: (id == unknown ? "\u{FFFD}" : self[id]).utf8) }
    case .word, .space:
      for (place, id) in ids.enumerated() {
        if place > 0 { text.append(UInt8(ascii: " ")) }
        text.append(contentsOf: self[id].utf8)
      }
    case .bpe:
      do {
        text = try subwords?.decode(ids) ?? []
      } catch {
        preconditionFailure("\(error)")
      }
    }
    return text
  }

  /// The same text with replacements for some unknown tokens, such as the ``units(of:)`` of a source.
  ///
  /// Words and symbols are separated by spaces. The replacement of a character or subword takes its place, and the
  /// subwords around it are joined by their model.
  ///
  /// - Parameter replacements: the text in place of `ids[place]`, by place.
  public func decode(_ ids: [Int32], replacing replacements: [Int: [UInt8]]) -> [UInt8] {
    precondition(
      replacements.keys.allSatisfy { ids.indices.contains($0) && ids[$0] == unknown },
      "replacements at \(replacements.keys.sorted()) where tokens are known")
    var text: [UInt8] = []
    for (place, id) in ids.enumerated() where id != beginOfSentence && id != endOfSentence {
      switch unit {
      case .word, .space:
        if !text.isEmpty { text.append(UInt8(ascii: " ")) }
        text += replacements[place] ?? Array(self[id].utf8)
      case .bpe:
        // SentencePiece writes the space before a word as U+2581.
        text +=
          replacements[place]
          ?? (id == unknown ? decode([id]) : Array(self[id].replacing("▁", with: " ").utf8))
      case .char, .byte: text += replacements[place] ?? decode([id])
      }
    }
    return unit == .bpe && text.first == UInt8(ascii: " ") ? Array(text.dropFirst()) : text
  }

  // MARK: Sizes of text

  /// The size of the text that tokens represent.
  public struct TextSize: Sendable, Equatable {
    /// nil for a text with unknown characters, whose bytes are not known.
    public var bytes: Int?
    /// Unicode scalars; nil for a vocabulary of bytes, which need not be text.
    public var characters: Int?

    public init(bytes: Int?, characters: Int? = nil) {
      (self.bytes, self.characters) = (bytes, characters)
    }
  }

  /// The size of the text of all tokens of a stream except the first, which is the text that a model predicts. An unknown
  /// character counts as one, an unknown word as `<unk>`; the space before a word and the end of a line count as well.
  public func predictedSize(of tokens: TokenStream) -> TextSize {
    guard unit != .byte else { return TextSize(bytes: max(0, tokens.count - 1)) }
    let sizes = self.tokens.indices.map { size(of: Int32($0)) }
    var (bytes, characters) = (0, 0)
    var hasUnknownCharacter = false
    for position in tokens.count > 1 ? 1..<tokens.count : 0..<0 {
      let (id, previous) = (tokens[position], tokens[position - 1])
      bytes += sizes[Int(id)].bytes
      characters += sizes[Int(id)].characters
      if id == unknown, !unit.isWord { hasUnknownCharacter = true }
      if previous == endOfSentence, sizes[Int(id)].hasSpace {
        bytes -= 1
        characters -= 1
      }
    }
    return TextSize(bytes: hasUnknownCharacter ? nil : bytes, characters: characters)
  }

  /// The size of a token within a line, and whether it includes a space before it, which is absent at the beginning of a
  /// line.
  private func size(of id: Int32) -> (bytes: Int, characters: Int, hasSpace: Bool) {
    if id == endOfSentence || id == unknown && unit != .word && unit != .space { return (1, 1, false) }
    let token = self[id]
    switch unit {
    case .byte: return (1, 1, false)
    case .char: return (token.utf8.count, token.unicodeScalars.count, false)
    case .word, .space: return (token.utf8.count + 1, token.unicodeScalars.count + 1, true)
    case .bpe:
      // SentencePiece writes a space as U+2581, which has three bytes.
      let spaces = token.unicodeScalars.count { $0 == "\u{2581}" }
      return (token.utf8.count - 2 * spaces, token.unicodeScalars.count, token.hasPrefix("\u{2581}"))
    }
  }
}
