// Separate file: streams and examples share it.

/// The data of a run: the training data, the evaluation data, and the encoding that turned them into tokens.
public struct Corpus<Data: Dataset>: Sendable {
  /// The vocabularies, and all other facts that determine how data become numbers.
  public let encoding: DataEncoding
  public let train: Data
  /// The validation data: those of a file, or the part of the training file that was split off.
  public let valid: Data?
  public let test: Data?

  /// A hash of the encoding and all data that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(encoding.digest)
    for part in [train, valid, test] { hash.combine(part?.digest ?? 0) }
    return hash.value
  }

  /// Notes for the user about the data that were read, one line each.
  public var warnings: [String] {
    rareTokens + train.warnings(of: "training data") + (valid?.warnings(of: "validation data") ?? [])
      + (test?.warnings(of: "test data") ?? [])
  }
}

extension Corpus {
  /// A warning for each text without any token that is frequent enough for the vocabulary.
  fileprivate var rareTokens: [String] {
    let vocabularies = [("text", encoding.stream), ("source", encoding.source), ("target", encoding.target)]
    return vocabularies.compactMap { name, vocabulary in
      guard let vocabulary, vocabulary.unit != .byte, vocabulary.count == vocabulary.specialCount else {
        return nil
      }
      return "\(name): every token is rarer than data.min_count and becomes <unk>; lower data.min_count"
    }
  }
}

/// The text of a language model.
public typealias TextCorpus = Corpus<TokenStream>
/// The examples of all other tasks.
public typealias ExampleCorpus = Corpus<ExampleSet>
