/// How a SentencePiece model is made, or which one is used.
public struct SubwordOptions: Sendable, Equatable {
  public enum Kind: String, CaseIterable, Sendable {
    /// Byte-pair encoding (Sennrich, Haddow, Birch 2016).
    case bpe
    /// The unigram language model (Kudo 2018).
    case unigram
  }

  public var kind = Kind.bpe
  /// Share of the characters of the text that get a piece of their own.
  public var characterCoverage = 1.0
  /// Symbols that are never cut.
  public var userSymbols: [String] = []
  /// A model to use instead of training one.
  public var modelPath: String?

  public init() {}
}
