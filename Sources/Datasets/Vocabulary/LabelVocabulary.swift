import Options

/// The classes or tags of a task, each with its id: its place in the list.
///
/// Sorted by code points, or by value if all are whole numbers, so that the order of the examples doesn't
/// matter.
public struct LabelVocabulary: Sendable, Equatable {
  /// The id of labels that aren't in the list, when unknown labels count as errors instead of being rejected.
  public static let unknown: Int32 = -1

  /// The labels in the order of their ids.
  public let names: [String]
  private let table: WordTable

  /// Creates the vocabulary of the distinct labels.
  public init(_ labels: some Sequence<String>) {
    self.init(ordered: Self.sorted(labels.map { $0 }))
  }

  /// Creates a vocabulary of labels in this order. They must be distinct.
  init(ordered names: [String]) {
    self.names = names
    var table = WordTable()
    for name in names { _ = table.intern(Array(name.utf8)) }
    precondition(table.count == names.count, "\(names.count) labels, of which \(table.count) are different")
    self.table = table
  }

  private static func sorted(_ labels: [String]) -> [String] {
    var table = WordTable()
    let distinct = labels.filter { label in
      let before = table.count
      return table.intern(Array(label.utf8)) >= before
    }
    // "01" and "1" are different labels with the same value: a list that has both is sorted as text.
    let numbers = distinct.compactMap { Int($0) }
    if numbers.count == distinct.count, Set(numbers).count == numbers.count {
      return zip(numbers, distinct).sorted { $0.0 < $1.0 }.map(\.1)
    }
    return distinct.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  public static func == (first: LabelVocabulary, second: LabelVocabulary) -> Bool {
    first.table == second.table
  }

  /// Number of labels.
  public var count: Int { names.count }

  /// The id of a label, or nil.
  public func id(of name: String) -> Int32? { table.number(of: name) }

  /// The id of a label, or -1.
  func find(_ name: some Collection<UInt8>) -> Int32 { table.find(name) }

  /// The label of an id in `0 ..< count`.
  public subscript(id: Int32) -> String { names[Int(id)] }

  /// A hash of the labels and their order that is the same on every rank and in every process.
  public var digest: UInt64 {
    var hash = StableHash()
    for name in names { hash.combine(name) }
    return hash.value
  }

  /// The label that a misspelled name was most likely meant to be.
  ///
  /// - Parameter onlyIfSimilar: if true, returns nil when even the nearest label is too different.
  public func nearest(_ name: String, onlyIfSimilar: Bool = true) -> String? {
    let wanted = name.lowercased()
    let limit = onlyIfSimilar ? Misspelling.tolerance(wanted) : Int.max
    guard wanted.utf8.count <= Misspelling.longest, count <= 10_000 else { return nil }
    let distances = names.lazy.map { Misspelling.distance(wanted, $0.lowercased()) }
    guard let best = zip(distances, names).min(by: { $0.0 < $1.0 }), best.0 <= limit else { return nil }
    return best.1
  }
}
