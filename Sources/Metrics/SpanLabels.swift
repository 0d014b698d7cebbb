/// The labels of a tagger, read as spans: `B-PER`, `I-PER`, `O`.
///
/// A label is a prefix, a hyphen and a type, which may hold hyphens itself. Spans are found as conlleval
/// finds them, the script of the CoNLL-2000 shared task (Tjong Kim Sang and Buchholz 2000), from two
/// neighbouring labels at a time, so that any sequence of labels has an interpretation, in IOB1, IOB2, IOE1,
/// IOE2, IOBES and BILOU:
///
/// - A span begins at B and S (U); at I and E (L) after O, after E (L) and after S (U); and wherever the type
///   changes, except at O.
/// - It ends after E (L) and S (U); before B, S (U) and O; and wherever the type changes.
///
/// conlleval itself knows B, I, E and O. S, and B after E, are as in seqeval; L and U mean E and S. Other
/// prefixes begin and end a span only by their type; a label without a hyphen has the empty type.
public struct SpanLabels: Sendable, Equatable {
  /// A span of equal type in a sequence of labels.
  public struct Span: Sendable, Hashable {
    public let type: String
    public let positions: Range<Int>

    public init(type: String, positions: Range<Int>) {
      self.type = type
      self.positions = positions
    }
  }

  enum Prefix: Sendable { case outside, begin, inside, end, single, other }

  struct Label: Sendable, Equatable {
    let prefix: Prefix
    /// Index in `types`; -1 for the empty type where no span has it.
    let type: Int

    /// What stands before and after a sequence.
    static func outside(_ labels: SpanLabels) -> Label { Label(prefix: .outside, type: labels.emptyType) }
  }

  /// The types of spans that the labels can make, in the order of their Unicode scalars.
  public let types: [String]
  let labels: [Label]
  private let emptyType: Int

  /// The labels in the order of their ids.
  public init(_ names: [String]) {
    let parts = names.map(Self.split)
    var types: [[UInt8]] = []
    for (prefix, type) in parts where prefix != .outside && !types.contains(type) { types.append(type) }
    types.sort { $0.lexicographicallyPrecedes($1) }
    self.types = types.map { String(decoding: $0, as: UTF8.self) }
    let indices = Dictionary(uniqueKeysWithValues: types.enumerated().map { ($1, $0) })
    emptyType = indices[[]] ?? -1
    // The type of an O-X can't be met in a span; any number that differs from the others will do.
    labels = parts.map { Label(prefix: $0, type: indices[$1] ?? ($1.isEmpty ? -1 : types.count)) }
  }

  /// Whether a label is one of a scheme of spans: B, I, E, L, S or U, a hyphen and a type.
  public static func marksSpan(_ name: String) -> Bool {
    guard name.utf8.contains(UInt8(ascii: "-")) else { return false }
    return switch split(name).0 {
    case .begin, .inside, .end, .single: true
    case .outside, .other: false
    }
  }

  private static func split(_ name: String) -> (Prefix, [UInt8]) {
    let parts = name.utf8.split(separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
    let type = parts.count > 1 ? Array(parts[1]) : []
    let prefix: Prefix =
      switch String(decoding: parts[0], as: UTF8.self) {
      // conlleval's second sign for what is outside.
      case "O", ".": .outside
      case "B": .begin
      case "I": .inside
      case "E", "L": .end
      case "S", "U": .single
      default: .other
      }
    return (prefix, type)
  }

  /// The label of an id, and what stands outside of the sequence at its ends.
  func label(at position: Int, of sequence: [Int32]) -> Label {
    guard sequence.indices.contains(position) else { return .outside(self) }
    let id = Int(sequence[position])
    precondition(labels.indices.contains(id), "label ids below \(labels.count), not \(id)")
    return labels[id]
  }

  /// The spans in a sequence of label ids, in the order in which they begin.
  public func spans(in sequence: [Int32]) -> [Span] {
    var result: [Span] = []
    var begin: Int?
    var previous = Label.outside(self)
    for position in 0...sequence.count {
      let label = label(at: position, of: sequence)
      let step = Step(from: previous, to: label)
      if step.ends, let start = begin {
        result.append(Span(type: types[previous.type], positions: start..<position))
        begin = nil
      }
      if step.begins { begin = position }
      previous = label
    }
    return result
  }

  /// What happens between two neighbouring labels.
  struct Step {
    /// Whether a span ends with the first label.
    let ends: Bool
    /// Whether a span begins with the second label.
    let begins: Bool

    init(from previous: Label, to label: Label) {
      let typeChanges = previous.type != label.type
      let isInside = previous.prefix == .begin || previous.prefix == .inside
      ends =
        switch (previous.prefix, label.prefix) {
        case (.outside, _): false
        case (.end, _), (.single, _): true
        case (_, .begin), (_, .single), (_, .outside): isInside || typeChanges
        default: typeChanges
        }
      begins =
        switch (previous.prefix, label.prefix) {
        case (_, .outside): false
        case (_, .begin), (_, .single): true
        case (.outside, .inside), (.end, .inside), (.single, .inside): true
        case (.outside, .end), (.end, .end), (.single, .end): true
        default: typeChanges
        }
    }
  }
}
