/// The data of a run: what it learns from, what it is evaluated on, and how they became tokens.
public struct Corpus<Data: Dataset>: Sendable {
  public let encoding: DataEncoding
  public let train: Data
  public let valid: Data?
  public let test: Data?

  /// A hash of the encoding and all data that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    hash.combine(encoding.digest)
    for part in [train, valid, test] { hash.combine(part?.digest ?? 0) }
    return hash.value
  }

  /// Notes for the user on how the data were read, one line each.
  public var warnings: [String] {
    train.warnings(of: "training data") + (valid?.warnings(of: "validation data") ?? [])
      + (test?.warnings(of: "test data") ?? [])
  }
}

/// The text of a language model.
public typealias TextCorpus = Corpus<TokenStream>
/// The examples of all other tasks.
public typealias ExampleCorpus = Corpus<ExampleSet>
