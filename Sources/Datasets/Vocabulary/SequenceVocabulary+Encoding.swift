extension SequenceVocabulary {
  /// The ids of a line, without begin and end.
  ///
  /// Only text gives ids: a word that is spelled like a special token is `<unk>`. Throws `DataError.line`,
  /// with `name` and `lineNumber`, for what isn't text.
  public func encode(_ line: some Sequence<UInt8>, name: String = "text", lineNumber: Int = 1) throws
    -> [Int32]
  {
    var ids: [Int32] = []
    do {
      try encode(Array(line), into: &ids)
    } catch {
      throw DataError.line(name: name, line: lineNumber, problem: error)
    }
    return ids
  }

  /// Appends the ids of a line.
  func encode(_ line: [UInt8], into ids: inout [Int32]) throws(LineProblem) {
    if tokenization != .byte, let problem = textProblem(in: line) { throw problem }
    if let subwords { return try encode(line, with: subwords, into: &ids) }
    line.withUnsafeBufferPointer { encode(valid: $0, into: &ids) }
  }

  private func encode(valid line: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
    let unknown = unknown ?? 0
    switch tokenization {
    case .byte:
      let first = Int32(specialCount)
      for byte in line { ids.append(first + Int32(tokenizer.fold(byte))) }
    case .char:
      tokenizer.forEachScalar(in: line) { ids.append(max(unknown, scalars[$0])) }
    case .word, .space:
      var word: [UInt8] = []
      tokenizer.forEachWord(in: line) { unit in
        tokenizer.fold(unit, into: &word)
        ids.append(id(ofWord: word))
      }
    case .bpe:
      preconditionFailure("a vocabulary of subwords without a model")
    }
  }

  private func encode(_ line: [UInt8], with model: SubwordModel, into ids: inout [Int32]) throws(LineProblem)
  {
    var folded = line
    if lowercase { line.withUnsafeBufferPointer { tokenizer.fold($0, into: &folded) } }
    do {
      ids.append(contentsOf: try model.encode(folded))
    } catch {
      throw .subwords(error.description)
    }
  }

  /// The id of a word in the case of the vocabulary.
  func id(ofWord word: [UInt8]) -> Int32 {
    let id = table.find(word)
    return id < specialCount ? unknown ?? 0 : id
  }

  /// The id of a whole word, whatever it holds.
  func id(ofUnit unit: UnsafeBufferPointer<UInt8>, scratch: inout [UInt8]) -> Int32 {
    tokenizer.fold(unit, into: &scratch)
    return id(ofWord: scratch)
  }

  /// The text behind each id of `encode`, for a model that copies what it points at: words and symbols as
  /// they stand in the line, characters in the case of the vocabulary. Nil for subwords, whose pieces are no
  /// parts of the text.
  public func units(of line: some Sequence<UInt8>) -> [[UInt8]]? {
    let bytes = Array(line)
    var units: [[UInt8]] = []
    bytes.withUnsafeBufferPointer { line in
      switch tokenization {
      case .byte: units = line.map { [$0] }
      case .char: tokenizer.forEachScalar(in: line) { units.append(Array($0.utf8)) }
      case .word, .space: tokenizer.forEachWord(in: line) { units.append(Array($0)) }
      case .bpe: break
      }
    }
    return tokenization == .bpe ? nil : units
  }

  /// The same text with something else in place of some unknown tokens, as ``units(of:)`` of a source gives it.
  ///
  /// Words and symbols have a space between them; what replaces a character or a subword stands where that stood, and the
  /// subwords around it join as their model joins them.
  ///
  /// - Parameter replacements: what to write in place of `ids[place]`, by place.
  public func decode(_ ids: [Int32], replacing replacements: [Int: [UInt8]]) -> [UInt8] {
    precondition(
      replacements.keys.allSatisfy { ids.indices.contains($0) && ids[$0] == unknown },
      "replacements at \(replacements.keys.sorted()) where tokens are known")
    var text: [UInt8] = []
    for (place, id) in ids.enumerated() where id != beginOfSentence && id != endOfSentence {
      switch tokenization {
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
    return tokenization == .bpe && text.first == UInt8(ascii: " ") ? Array(text.dropFirst()) : text
  }

  /// The text of ids: bytes as they were, characters joined, words and symbols with a space between them,
  /// subwords as their model joins them.
  ///
  /// Begin and end give nothing, characters that aren't in the vocabulary U+FFFD, such words `<unk>`.
  public func decode(_ ids: some Sequence<Int32>) -> [UInt8] {
    let ids = ids.filter { $0 != beginOfSentence && $0 != endOfSentence }
    var text: [UInt8] = []
    switch tokenization {
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
}
