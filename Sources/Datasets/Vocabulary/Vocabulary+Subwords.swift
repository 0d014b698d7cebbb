extension SequenceVocabulary {
  /// The ids of a stretch of text, with that of its line end.
  func encode(_ stretch: SubwordScanner.Stretch, name: String) throws -> [Int32] {
    let ids = try encode(stretch.bytes, name: name, lineNumber: stretch.line)
    guard stretch.endsLine, let endOfSentence else { return ids }
    return ids + [endOfSentence]
  }
}

extension Vocabulary {
  /// The ids of a short text.
  func encodeSubwords(_ text: [UInt8], name: String) throws -> [Int32] {
    guard let subwords else { return [] }
    var ids: [Int32] = []
    try SubwordScanner.scan(.memory(text, name: name)) { ids += try subwords.encode($0, name: name) }
    let own = ownIDs
    return ids.map { own[Int($0)] }
  }

  /// The tokens that have these ids in the model.
  func sequence(ofModelIDs ids: [Int32]) -> TokenStream {
    let own = ownIDs
    return TokenStream(ids.lazy.map { own[Int($0)] }, vocabularySize: count)
  }

  /// The id of each of the model's.
  private var ownIDs: [Int32] {
    var own = [Int32](repeating: 0, count: count)
    for (id, model) in modelIDs.enumerated() { own[Int(model)] = Int32(id) }
    return own
  }

  /// The text of ids, each line joined as the model joins subwords.
  func decodeSubwords(_ ids: some Sequence<Int32>) -> [UInt8] {
    guard let subwords else { return [] }
    var text: [UInt8] = []
    var line: [Int32] = []
    for id in ids {
      guard id == endOfSentence else {
        line.append(modelIDs[Int(id)])
        continue
      }
      text += subwords.decode(line) + [UInt8(ascii: "\n")]
      line.removeAll(keepingCapacity: true)
    }
    return text + subwords.decode(line)
  }

  // MARK: Sizes of text

  /// Bytes and characters of the text that tokens stand for.
  public struct TextSize: Sendable, Equatable {
    public var bytes: Int
    /// Unicode scalars; nil for a vocabulary of bytes, whose text may be none.
    public var characters: Int?

    public init(bytes: Int = 0, characters: Int? = nil) {
      (self.bytes, self.characters) = (bytes, characters)
    }
  }

  /// How much text all tokens but the first are: what a model that scores them predicts. An unknown character
  /// counts as one, an unknown word as `<unk>`; so do the space before a word and a line end.
  public func predictedSize(of tokens: TokenStream) -> TextSize {
    guard tokenization != .byte else { return TextSize(bytes: max(0, tokens.count - 1)) }
    let sizes = self.tokens.indices.map { size(of: Int32($0)) }
    var (bytes, characters) = (0, 0)
    for position in tokens.count > 1 ? 1..<tokens.count : 0..<0 {
      let (id, previous) = (tokens[position], tokens[position - 1])
      bytes += sizes[Int(id)].bytes
      characters += sizes[Int(id)].characters
      if previous == endOfSentence, sizes[Int(id)].hasSpace {
        bytes -= 1
        characters -= 1
      }
    }
    return TextSize(bytes: bytes, characters: characters)
  }

  /// Of a token within a line, and whether a space before it is counted, which isn't there at the beginning of a line.
  private func size(of id: Int32) -> (bytes: Int, characters: Int, hasSpace: Bool) {
    if id == endOfSentence || id == unknown && tokenization != .word { return (1, 1, false) }
    let token = self[id]
    switch tokenization {
    case .byte: return (1, 1, false)
    case .char: return (token.utf8.count, token.unicodeScalars.count, false)
    case .word: return (token.utf8.count + 1, token.unicodeScalars.count + 1, true)
    case .bpe:
      // SentencePiece writes a space as U+2581, which has three bytes.
      let spaces = token.unicodeScalars.count { $0 == "\u{2581}" }
      return (token.utf8.count - 2 * spaces, token.unicodeScalars.count, token.hasPrefix("\u{2581}"))
    }
  }
}
