import Foundation

extension SequenceVocabulary {
  /// The vocabulary of a subword model.
  ///
  /// Throws `DataError.subwordModel` for a model whose special pieces aren't the first and those of the role.
  init(_ model: SubwordModel, lowercase: Bool, boundaries: Bool, name: String) throws {
    let specials = Self.specials(.bpe, boundaries: boundaries)
    let first: [Int32?] = boundaries ? [0, 1, 2] : [0, nil, nil]
    var tokens = model.pieces
    guard
      [model.unknown, model.beginOfSentence, model.endOfSentence] == first
        || !boundaries && model.unknown == 0
    else {
      throw DataError.subwordModel(
        name: name,
        reason: "its ids of unknown, begin and end are not 0, 1 and 2; train it with spm_train's own settings"
      )
    }
    // Models made elsewhere call them <s> and </s>.
    tokens.replaceSubrange(..<specials.count, with: specials)
    guard Set(tokens.map { Array($0.utf8) }).count == tokens.count else {
      throw DataError.subwordModel(name: name, reason: "the same piece twice")
    }
    self.init(.bpe, lowercase: lowercase, boundaries: boundaries, tokens: tokens, subwords: model)
  }
}

extension SubwordModel {
  /// Largest model file that is read, in bytes.
  private static let largestFile = 1 << 28

  /// Reads a model file of SentencePiece. Throws `DataError`.
  public static func load(path: String) throws -> SubwordModel {
    var bytes: [UInt8] = []
    try TextSource.file(path).forEachChunk { part in
      bytes.append(contentsOf: part)
      guard bytes.count <= largestFile else {
        throw DataError.subwordModel(name: path, reason: "more than \(largestFile) bytes")
      }
    }
    do {
      return try SubwordModel(bytes)
    } catch {
      throw DataError.subwordModel(name: path, reason: error.description)
    }
  }

  /// Writes a model file that SentencePiece's own tools read. Replaces the file at once. Throws
  /// `DataError.unwritable`.
  public func save(to path: String) throws {
    do {
      try Data(bytes).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw DataError.unwritable(path: path, reason: error.localizedDescription)
    }
  }

  /// `train` with its error as a `DataError`.
  static func trained(
    on lines: TextLines, size: Int, boundaries: Bool, options: SubwordOptions
  ) throws -> SubwordModel {
    do {
      return try train(lines, size: size, boundaries: boundaries, options: options)
    } catch {
      throw DataError.subwordModel(name: "subword model of \(size) pieces", reason: error.description)
    }
  }
}
