/// Collects one field of all examples.
///
/// The collections are apart, not in the enumeration that they become: taking one out to make it longer would
/// copy it.
struct FieldColumn {
  private enum Content { case tokens, labels, vectors }

  private let content: Content
  private var tokens = RaggedTokens()
  private var labels: [Int32] = []
  /// Nil before the first example, whose width is that of all.
  private var vectors: RaggedVectors?

  init(_ kind: FieldKind) {
    switch kind {
    case .text, .cells, .tags, .tagCells: content = .tokens
    case .label: content = .labels
    case .numbers, .stepNumbers, .series, .array, .arrayVector, .multihot: content = .vectors
    }
  }

  /// Adds the field of an example.
  mutating func append(_ encoded: EncodedField) {
    switch content {
    case .tokens: tokens.append(encoded.ids)
    case .labels: labels.append(contentsOf: encoded.ids)
    case .vectors:
      if vectors == nil { vectors = RaggedVectors(width: encoded.width) }
      vectors?.append(encoded.values)
    }
  }

  /// All examples; nil for vectors of which there are none.
  var field: ExampleField? {
    switch content {
    case .tokens: .tokens(tokens)
    case .labels: .labels(labels)
    case .vectors: vectors.map { .vectors($0) }
    }
  }
}
