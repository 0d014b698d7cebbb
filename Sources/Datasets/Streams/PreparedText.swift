import Checkpoints
import Foundation

/// A text that was cut into tokens once and for all: a folder with its vocabulary and a file of token ids, which training maps into
/// memory. A text of any size needs little memory, and starts at once.
///
/// The folder holds
///
///     vocab.txt, vocab.model   the vocabulary, as a run writes it
///     tokens.bin               the ids of all parts one after the other, little-endian, of 1, 2 or 4 bytes
///     prepared.json            sizes, the settings that it was made with, and an XXH3-128 digest of tokens.bin
public struct PreparedText: Sendable {
  public let encoding: DataEncoding
  public let train: TokenStream
  public let valid: TokenStream?
  public let test: TokenStream?
  /// Whether the validation part is the end of the training text.
  public let isCut: Bool

  /// The content of prepared.json.
  private struct Description: Codable {
    var format = 1
    var bytesPerToken: Int
    /// The number of tokens of train, valid and test; 0 for a part that is absent.
    var tokens: [Int]
    var digest: String
    /// The digest of the vocabulary, in hexadecimal.
    var vocabulary: String
    /// The settings that decide the tokens, by key.
    var settings: [String: String]

    enum CodingKeys: String, CodingKey {
      case format, tokens, digest, vocabulary, settings
      case bytesPerToken = "bytes_per_token"
    }
  }

  private static func paths(_ folder: String) -> (tokens: String, description: String) {
    ("\(folder)/tokens.bin", "\(folder)/prepared.json")
  }

  /// Whether a path is that of such a folder.
  public static func exists(at path: String) -> Bool {
    FileManager.default.fileExists(atPath: paths(path).description)
  }

  // MARK: Writing

  /// Counts the vocabulary of a text and writes its tokens, with a buffer's worth of memory besides the vocabulary (and the sample of the
  /// text that a subword model learns from).
  ///
  /// - Parameters:
  ///   - settings: keys and values that decide the tokens, to be compared when the folder is read.
  ///   - folder: must exist.
  /// - Returns: the numbers of tokens of train, valid and test.
  /// - Throws: `DataError`, `FileFailure`.
  public static func write(
    _ sources: TextSources, options: TextOptions, settings: [String: String], to folder: String
  ) throws -> [Int] {
    let plan = try TextPlan(sources, options, vocabulary: nil)
    let paths = paths(folder)
    var parts = [0, 0, 0]
    var counts = [Int](repeating: 0, count: plan.vocabulary.count)
    var digest = try writeTokens(of: plan.vocabulary, to: paths.tokens) { append in
      try plan.forEachPart { ids, isTraining in
        parts[isTraining ? 0 : 1] += ids.count
        if isTraining { for id in ids { counts[Int(id)] += 1 } }
        try append(ids)
      }
      for (part, source) in [(1, sources.valid), (2, sources.test)] {
        guard let source else { continue }
        try plan.vocabulary.forEachPart(of: source) { ids, _ in
          parts[part] += ids.count
          try append(ids)
        }
        guard parts[part] > 1 else {
          throw parts[part] == 0
            ? DataError.empty(name: source.name) : .tooShort(name: source.name, tokens: parts[part])
        }
      }
    }
    try plan.check(train: parts[0], valid: parts[1])
    var vocabulary = plan.vocabulary
    if let order = vocabulary.frequencyOrder(counts) {
      // A second pass over the file, whose ids follow the counts.
      vocabulary = try vocabulary.reordered(order.old)
      digest = try renumber(paths.tokens, vocabulary, order.new)
    }
    var encoding = DataEncoding()
    encoding.stream = vocabulary
    try encoding.save(to: folder)
    let description = Description(
      bytesPerToken: TokenStream.bytesPerToken(vocabularySize: vocabulary.count), tokens: parts,
      digest: digest,
      vocabulary: String(encoding.digest, radix: 16), settings: settings)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
    try DurableFile.write(encoder.encode(description) + Data("\n".utf8), to: paths.description)
    return parts
  }

  /// Writes the ids that `body` appends, and returns the digest of the file.
  private static func writeTokens(
    of vocabulary: Vocabulary, to path: String, _ body: (_ append: ([Int32]) throws -> Void) throws -> Void
  ) throws -> String {
    let width = TokenStream.bytesPerToken(vocabularySize: vocabulary.count)
    let sum = FileSum()
    try DurableFile.write(to: path) { write in
      // One closure that is passed on may not be called by another that is passed on, unless it is said not to escape.
      try withoutActuallyEscaping(write) { write in
        var buffer = TokenStream(name: path, vocabularySize: vocabulary.count)
        func flush() throws {
          try buffer.withStoredBytes { bytes in
            sum.digest.update(bytes)
            try write(bytes)
          }
          buffer = TokenStream(name: path, vocabularySize: vocabulary.count)
        }
        try body { ids in
          for id in ids { buffer.append(id) }
          if buffer.count * width > 1 << 20 { try flush() }
        }
        try flush()
      }
    }
    return sum.digest.hexadecimal()
  }

  /// A digest that closures add to.
  private final class FileSum {
    var digest = Digest()
  }

  private static func renumber(_ path: String, _ vocabulary: Vocabulary, _ newIDs: [Int32]) throws -> String {
    let file = try MappedFile(path: path)
    let width = TokenStream.bytesPerToken(vocabularySize: vocabulary.count)
    let tokens = TokenStream(
      name: path, file: file, bytesPerToken: width, range: 0..<file.bytes.count / width)
    return try writeTokens(of: vocabulary, to: path) { append in
      for ids in tokens.chunks { try append(ids.map { newIDs[Int($0)] }) }
    }
  }

  // MARK: Reading

  /// Opens a folder. Throws `DataError` if it is damaged or was made with other settings.
  ///
  /// - Parameter verifies: whether the tokens are compared with their digest and the vocabulary, which reads the whole file:
  ///   one process per host is enough.
  public init(
    opening folder: String, options: TextOptions, settings: [String: String], verifies: Bool
  ) throws {
    let paths = Self.paths(folder)
    func damaged(_ what: String) -> DataError {
      .input(name: paths.description, reason: "\(what); prepare the text again")
    }
    let text = try TextSource.file(paths.description).content(
      limit: 1 << 20, tooLarge: damaged("is not the description of a prepared text"))
    guard let description = try? JSONDecoder().decode(Description.self, from: Data(text)),
      description.format == 1, description.tokens.count == 3,
      description.tokens.allSatisfy({ (0...1 << 48).contains($0) }),
      [1, 2, 4].contains(description.bytesPerToken)
    else { throw damaged("is not the description of a prepared text") }
    for (key, value) in settings.sorted(by: { $0.key < $1.key }) {
      guard let made = description.settings[key], made != value else { continue }
      throw DataError.input(
        name: folder,
        reason:
          "was prepared with \(key)=\(made), not \(value); set \(key)=\(made), or prepare the text again")
    }
    encoding = try DataEncoding.load(from: folder, stream: options)
    let vocabulary = encoding.stream?.count ?? 0
    guard description.vocabulary == String(encoding.digest, radix: 16),
      description.bytesPerToken == TokenStream.bytesPerToken(vocabularySize: vocabulary)
    else { throw damaged("does not belong to the vocabulary beside it") }
    let file = try MappedFile(path: paths.tokens)
    let total = description.tokens.reduce(0, +)
    guard file.bytes.count == total * description.bytesPerToken else {
      throw damaged("does not belong to tokens.bin")
    }
    if verifies {
      let tokens = TokenStream(
        name: folder, file: file, bytesPerToken: description.bytesPerToken, range: 0..<total)
      guard Self.digest(of: file) == description.digest, tokens.areBelow(vocabulary) else {
        throw damaged("tokens.bin is damaged")
      }
    }
    let fraction = description.settings["data.valid_fraction"].flatMap(Double.init) ?? 0
    isCut = fraction > 0 && description.tokens[1] > 0
    var begin = 0
    let parts = description.tokens.map { count -> TokenStream? in
      defer { begin += count }
      guard count > 0 else { return nil }
      return TokenStream(
        name: folder, file: file, bytesPerToken: description.bytesPerToken, range: begin..<begin + count,
        digest: StableHash.combined([description.digest, "\(begin)", "\(count)"]))
    }
    guard let train = parts[0] else { throw damaged("holds no tokens to train on") }
    (self.train, valid, test) = (train, parts[1], parts[2])
  }

  /// The text as a corpus, with other parts in place of its own where they are given.
  public func corpus(valid: TokenStream?, test: TokenStream?) -> TextCorpus {
    TextCorpus(encoding: encoding, train: train, valid: valid ?? self.valid, test: test ?? self.test)
  }

  private static func digest(of file: MappedFile) -> String {
    var digest = Digest()
    for start in stride(from: 0, to: file.bytes.count, by: 1 << 20) {
      let part = file.bytes[start..<min(start + 1 << 20, file.bytes.count)]
      digest.update(UnsafeRawBufferPointer(rebasing: part))
      file.note(part.count)
    }
    return digest.hexadecimal()
  }
}
