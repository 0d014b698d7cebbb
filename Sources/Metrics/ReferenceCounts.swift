/// How many references the entries of a corpus have, for the `nrefs` of a signature.
///
/// Whether all have equally many must be found from sums: by Cauchy and Schwarz, n Σ r² = (Σ r)² where and
/// only where all r are equal.
struct ReferenceCounts: Equatable, Sendable {
  private(set) var entries = 0
  private var references = 0
  private var squares = 0

  init() {}

  mutating func add(_ count: Int) {
    entries += 1
    references += count
    squares += count * count
  }

  /// The number of references of every entry, or `var`.
  var signature: String {
    guard entries > 0 else { return "0" }
    let (mean, rest) = references.quotientAndRemainder(dividingBy: entries)
    return rest == 0 && squares == mean * references ? "\(mean)" : "var"
  }

  // MARK: Sums

  static let count = 3
  var integers: [Int] { [entries, references, squares] }

  init(integers: [Int]) { (entries, references, squares) = (integers[0], integers[1], integers[2]) }
}
