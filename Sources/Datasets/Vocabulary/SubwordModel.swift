import CSentencePiece
import Checkpoints
import Foundation

/// The message with which SentencePiece failed.
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
  /// The id of the piece for unknown characters.
  let unknown: Int32

  /// The library only reads a loaded model, from any number of threads.
  private nonisolated(unsafe) let model: OpaquePointer

  /// Creates a model from the bytes of a model file. Throws for other bytes.
  public init(_ bytes: [UInt8]) throws(SubwordError) {
    var loaded: OpaquePointer?
    try throwing { error in
      bytes.withUnsafeBytes { rnd_sp_load($0.baseAddress, $0.count, &loaded, error) }
    }
    guard let model = loaded else { throw SubwordError(description: "not a model") }
    self.bytes = bytes
    self.model = model
    pieces = (0..<rnd_sp_piece_count(model)).map { id in
      var size = 0
      let start = rnd_sp_piece(model, id, &size)
      return String(decoding: UnsafeRawBufferPointer(start: start, count: size), as: UTF8.self)
    }
    unknown = rnd_sp_unknown_id(model)
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

  /// The text of ids; special pieces yield no text, except the unknown one, which yields ` ⁇ `. Throws for an id that the
  /// model doesn't have.
  public func decode(_ ids: some Sequence<Int32>) throws(SubwordError) -> [UInt8] {
    let ids = Array(ids)
    return try received { start, size, error in
      ids.withUnsafeBufferPointer { rnd_sp_decode(model, $0.baseAddress, $0.count, start, size, error) }
    }
  }

  /// Learns a model from lines of text. The same lines and options produce the same bytes.
  ///
  /// - Parameters:
  ///   - options: `maxVocabulary` is the largest number of pieces; a text may have fewer. 0: 8,000.
  ///   - boundaries: the special tokens that are pieces.
  /// - Throws: `DataError.subwordModel`, mainly if the size is too small for the characters of the text.
  static func trained(
    on lines: TextLines, _ options: TextOptions, boundaries: Vocabulary.Boundaries
  ) throws -> SubwordModel {
    let size = options.maxVocabulary > 0 ? options.maxVocabulary : 8000
    let name = "subword model of \(size) pieces"
    guard lines.count > 0 else {
      throw DataError.subwordModel(name: name, reason: "there is no text to learn it from")
    }
    let specials = Vocabulary.specials(.bpe, boundaries)
    func id(_ token: String) -> String { "\(specials.firstIndex(of: token) ?? -1)" }
    let settings: [(String, String)] = [
      ("model_type", options.subwordKind.rawValue), ("vocab_size", "\(size)"), ("hard_vocab_limit", "false"),
      ("character_coverage", "1.0"), ("unk_piece", SpecialToken.unknown),
      ("bos_piece", SpecialToken.beginOfSentence), ("eos_piece", SpecialToken.endOfSentence),
      ("unk_id", "0"), ("bos_id", id(SpecialToken.beginOfSentence)),
      ("eos_id", id(SpecialToken.endOfSentence)), ("max_sentence_length", "\(LineReader.longestLine)"),
      // Sums over several threads would depend on the number of threads.
      ("num_threads", "1"), ("shuffle_input_sentence", "false"), ("minloglevel", "2"),
    ]
    let seed: UInt32 = 0
    do {
      return try SubwordModel(
        received { start, size, error in
          withStrings(settings.flatMap { [$0.0, $0.1] }) { arguments in
            lines.withUnsafeStorage { text, offsets in
              rnd_sp_train(
                arguments, settings.count, text.characters, offsets, lines.count, seed, start, size, error)
            }
          }
        })
    } catch {
      throw DataError.subwordModel(name: name, reason: Self.advice(error.description))
    }
  }

  /// Turns an error of the trainer into advice in terms of our keys. Every character of the text needs a piece.
  private static func advice(_ refusal: String) -> String {
    guard let needed = refusal.firstMatch(of: /required_chars\. \d+ vs (\d+)/)?.1 else {
      return "\(refusal); set another data.subword_vocabulary, which is SentencePiece's vocab_size"
    }
    return
      "too few for the characters of the text and the special tokens; set data.subword_vocabulary to at least \(needed)"
  }

  /// Returns the model with its pieces in another order: the new id of piece `order[n]` is n. Throws if the bytes are not
  /// those of a model.
  ///
  /// Only ids change. The segmentation depends on the scores of the pieces, which they keep.
  func reordered(_ order: [Int]) throws(SubwordError) -> SubwordModel {
    var pieces: [ArraySlice<UInt8>] = []
    var others: [UInt8] = []
    var rest = bytes[...]
    // A model file is a message of Protocol Buffers, whose field 1 occurs once for every piece.
    while !rest.isEmpty {
      let begin = rest.startIndex
      guard let tag = Self.variableInteger(&rest), tag & 7 == 2, let length = Self.variableInteger(&rest),
        length <= rest.count
      else { throw SubwordError(description: "not a model file") }
      rest = rest.dropFirst(length)
      let field = bytes[begin..<rest.startIndex]
      if tag >> 3 == 1 { pieces.append(field) } else { others += field }
    }
    guard pieces.count == order.count else { throw SubwordError(description: "not a model file") }
    return try SubwordModel(order.flatMap { pieces[$0] } + others)
  }

  private static func variableInteger(_ bytes: inout ArraySlice<UInt8>) -> Int? {
    var value = 0
    for shift in stride(from: 0, to: 56, by: 7) {
      guard let byte = bytes.popFirst() else { return nil }
      value |= Int(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  // MARK: Files

  /// The maximum size of a model file, in bytes.
  private static let largestFile = 1 << 28

  /// Reads a model file of SentencePiece. Throws `DataError`.
  public static func load(path: String) throws -> SubwordModel {
    let bytes = try TextSource.file(path).content(
      limit: largestFile,
      tooLarge: DataError.subwordModel(name: path, reason: "more than \(largestFile) bytes"))
    do {
      return try SubwordModel(bytes)
    } catch {
      throw DataError.subwordModel(name: path, reason: error.description)
    }
  }

  /// Writes a model file that SentencePiece's own tools read. Throws `FileFailure`.
  public func save(to path: String) throws { try DurableFile.write(Data(bytes), to: path) }
}

// MARK: - Between C and Swift

extension UnsafeRawBufferPointer {
  fileprivate var characters: UnsafePointer<CChar>? { baseAddress?.assumingMemoryBound(to: CChar.self) }
}

private typealias Message = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// Calls `body`, and throws the message that it stores if it returns false.
private func throwing(_ body: (Message) -> Bool) throws(SubwordError) {
  var message: UnsafeMutablePointer<CChar>?
  guard !body(&message) else { return }
  defer { rnd_sp_free(message) }
  throw SubwordError(description: message.map { String(cString: $0) } ?? "out of memory")
}

/// Returns the bytes that `body` produces.
private func received(
  _ body: (Message, UnsafeMutablePointer<Int>, Message) -> Bool
) throws(SubwordError) -> [UInt8] {
  var start: UnsafeMutablePointer<CChar>?
  var size = 0
  try throwing { body(&start, &size, $0) }
  defer { rnd_sp_free(start) }
  return Array(UnsafeRawBufferPointer(start: start, count: size))
}

/// Calls `body` with C strings.
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
