import UnicodeText

extension Metric {
  public static let tokenErrorRate = Metric(
    "token_error_rate", isHigherBetter: false, .texts(EditTally<Tokens>.self),
    "edit distance over the model's tokens divided by the tokens of the reference (PER for phonemes)")

  public static let wordErrorRate = Metric(
    "word_error_rate", label: "WER", isHigherBetter: false, .texts(EditTally<Words>.self),
    "edit distance over words divided by the words of the reference, as jiwer.wer computes it")
}

/// The units in which an error rate counts edits.
public protocol TextUnits: Sendable {
  associatedtype Unit: Hashable
  static func units(of text: ComparedText) -> [Unit]
}

/// The number of edits per unit of the reference, over all examples.
///
///     rate = Σ distance(output, closest reference) / Σ |closest reference|
///
/// The closest reference of an example is the one with the smallest Levenshtein distance. Of equally close ones it is
/// the shortest, so that the order of the references does not matter and the rate is never the more favorable one. The
/// rate may exceed 1, because a long output takes more edits than its reference has units.
public struct EditTally<Units: TextUnits>: MetricTally, Equatable {
  /// The number of insertions, deletions and substitutions.
  private var edits = 0
  /// The number of units in the closest references.
  private var referenceUnits = 0

  public init() {}

  public mutating func add(_ example: TextExample) {
    let output = Units.units(of: example.output)
    var (fewest, length) = (Int.max, Int.max)
    for reference in example.references.map(Units.units) {
      let distance = levenshteinDistance(output, reference)
      if (distance, reference.count) < (fewest, length) { (fewest, length) = (distance, reference.count) }
    }
    edits += fewest
    referenceUnits += length
  }

  /// The rate is infinite if all references are empty and some output is not.
  public var value: Double { share(edits, of: referenceUnits) }

  public var sums: [Double] { [Double(edits), Double(referenceUnits)] }

  public init(sums: [Double]) {
    let values = integers(sums, of: Self.self)
    (edits, referenceUnits) = (values[0], values[1])
  }
}

/// The tokens of the model's vocabulary: bytes, characters, words or symbols; words instead of subwords.
public enum Tokens: TextUnits {
  public static func units(of text: ComparedText) -> [[UInt8]] { text.tokens }
}

/// Words as in jiwer's default transformation. Only spaces separate words; white space at the ends counts as a space,
/// and so do two or more characters of white space in a row.
public enum Words: TextUnits {
  public static func units(of text: ComparedText) -> [ArraySlice<UInt32>] {
    let scalars = text.scalars
    var words: [ArraySlice<UInt32>] = []
    var start = 0
    var index = 0
    while index < scalars.count {
      var end = index
      while end < scalars.count, isPythonWhiteSpace(scalars[end]) { end += 1 }
      let isAtEdge = index == 0 || end == scalars.count
      if end - index > 1 || end > index && (isAtEdge || scalars[index] == space) {
        if start < index { words.append(scalars[start..<index]) }
        start = end
      }
      index = max(end, index + 1)
    }
    if start < scalars.count { words.append(scalars[start...]) }
    return words
  }

  private static let space: UInt32 = 0x20
}
