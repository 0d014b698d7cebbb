import CSentencePiece

/// Why SentencePiece refused; its own words.
public struct SubwordError: Error, Sendable, Equatable, CustomStringConvertible {
  public let description: String
}

/// A SentencePiece model: cuts text into subwords and joins them again (Kudo and Richardson 2018).
///
/// Its bytes are a model file of SentencePiece's own tools.
public final class SubwordModel: Sendable {
  /// The model file.
  public let bytes: [UInt8]
  /// The pieces in the order of their ids.
  public let pieces: [String]
  /// Ids of the pieces for what is unknown, for the begin and the end of a sentence.
  public let unknown: Int32?
  public let beginOfSentence: Int32?
  public let endOfSentence: Int32?

  /// The library only reads a loaded model, from any number of threads.
  private nonisolated(unsafe) let model: OpaquePointer

  /// A model of the bytes of a model file. Throws for what is none.
  public init(_ bytes: [UInt8]) throws(SubwordError) {
    var loaded: OpaquePointer?
    try throwing { error in
      bytes.withUnsafeBytes { rnd_sp_load($0.baseAddress, $0.count, &loaded, error) }
    }
    guard let model = loaded else { throw SubwordError(description: "no model") }
    self.bytes = bytes
    self.model = model
    pieces = (0..<rnd_sp_piece_count(model)).map { id in
      var size = 0
      let start = rnd_sp_piece(model, id, &size)
      return String(decoding: UnsafeRawBufferPointer(start: start, count: size), as: UTF8.self)
    }
    let known = { (id: Int32) -> Int32? in id < 0 ? nil : id }
    unknown = known(rnd_sp_unknown_id(model))
    beginOfSentence = known(rnd_sp_begin_id(model))
    endOfSentence = known(rnd_sp_end_id(model))
  }

  deinit { rnd_sp_unload(model) }

  /// The ids of a text.
  public func encode(_ text: some Sequence<UInt8>) throws(SubwordError) -> [Int32] {
    var ids: UnsafeMutablePointer<Int32>?
    var count = 0
    let text = Array(text)
    try throwing { error in
      text.withUnsafeBytes { rnd_sp_encode(model, $0.characters, $0.count, &ids, &count, error) }
    }
    defer { rnd_sp_free(ids) }
    return Array(UnsafeBufferPointer(start: ids, count: count))
  }

  /// The pieces of a text; what no piece covers stands there as it is.
  public func encodeAsPieces(_ text: some Sequence<UInt8>) throws(SubwordError) -> [String] {
    let text = Array(text)
    let joined = try received { start, size, error in
      text.withUnsafeBytes { rnd_sp_encode_pieces(model, $0.characters, $0.count, start, size, error) }
    }
    return joined.split(separator: 0, omittingEmptySubsequences: false).dropLast().map {
      String(decoding: $0, as: UTF8.self)
    }
  }

  /// The text of ids; special pieces give nothing, but the unknown one ` ⁇ `. Throws for an id that it
  /// doesn't have.
  public func decode(_ ids: some Sequence<Int32>) throws(SubwordError) -> [UInt8] {
    let ids = Array(ids)
    return try received { start, size, error in
      ids.withUnsafeBufferPointer { rnd_sp_decode(model, $0.baseAddress, $0.count, start, size, error) }
    }
  }

  /// Learns a model from lines of text. The same lines and options give the same bytes.
  ///
  /// - Parameters:
  ///   - boundaries: with pieces for begin and end.
  ///   - size: most pieces; fewer if the text has not that many.
  /// - Throws: `SubwordError`, above all for a size that does not hold the characters of the text.
  public static func train(
    _ lines: TextLines, size: Int, boundaries: Bool, options: SubwordOptions = SubwordOptions()
  ) throws(SubwordError) -> SubwordModel {
    let settings: [(String, String)] = [
      ("model_type", options.kind.rawValue), ("vocab_size", "\(size)"), ("hard_vocab_limit", "false"),
      ("character_coverage", "\(options.characterCoverage)"), ("unk_piece", SpecialToken.unknown),
      ("bos_piece", SpecialToken.beginOfSentence), ("eos_piece", SpecialToken.endOfSentence),
      ("unk_id", "0"), ("bos_id", boundaries ? "1" : "-1"), ("eos_id", boundaries ? "2" : "-1"),
      ("user_defined_symbols", commaSeparated(options.userSymbols)),
      ("max_sentence_length", "\(LineReader.longestLine)"),
      // Sums of several threads would depend on their number.
      ("num_threads", "1"), ("shuffle_input_sentence", "false"), ("minloglevel", "2"),
    ]
    let seed: UInt32 = 0
    return try SubwordModel(
      received { start, size, error in
        withStrings(settings.flatMap { [$0.0, $0.1] }) { arguments in
          lines.withUnsafeStorage { text, offsets in
            rnd_sp_train(
              arguments, settings.count, text.characters, offsets, lines.count, seed, start, size, error)
          }
        }
      })
  }
}

// MARK: - Between C and Swift

extension UnsafeRawBufferPointer {
  fileprivate var characters: UnsafePointer<CChar>? { baseAddress?.assumingMemoryBound(to: CChar.self) }
}

private typealias Message = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// Calls `body`, and throws what it gives as an error if it returns false.
private func throwing(_ body: (Message) -> Bool) throws(SubwordError) {
  var message: UnsafeMutablePointer<CChar>?
  guard !body(&message) else { return }
  defer { rnd_sp_free(message) }
  throw SubwordError(description: message.map { String(cString: $0) } ?? "out of memory")
}

/// The bytes that `body` gives.
private func received(
  _ body: (Message, UnsafeMutablePointer<Int>, Message) -> Bool
) throws(SubwordError) -> [UInt8] {
  var start: UnsafeMutablePointer<CChar>?
  var size = 0
  try throwing { body(&start, &size, $0) }
  defer { rnd_sp_free(start) }
  return Array(UnsafeRawBufferPointer(start: start, count: size))
}

/// Calls `body` with strings as C has them.
private func withStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  let texts = strings.map { Array($0.utf8CString) }
  var all: [CChar] = []
  var starts: [Int] = []
  for text in texts {
    starts.append(all.count)
    all += text
  }
  return all.withUnsafeBufferPointer { all in
    let pointers = starts.map { start in all.baseAddress.map { UnsafePointer($0 + start) } }
    return pointers.withUnsafeBufferPointer { pointers in
      // Never empty: there are always settings.
      withUnsafePointer(to: Optional<UnsafePointer<CChar>>.none) { body(pointers.baseAddress ?? $0) }
    }
  }
}

/// A list as SentencePiece reads it: in quotation marks where an entry holds a comma or a quotation mark.
private func commaSeparated(_ entries: [String]) -> String {
  entries.map { entry in
    guard entry.contains(where: { $0 == "," || $0 == "\"" }) else { return entry }
    return "\"" + entry.replacing("\"", with: "\"\"") + "\""
  }.joined(separator: ",")
}
