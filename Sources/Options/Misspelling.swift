// Separate file: names of keys and names of labels are compared in the same way.

/// The comparison of a name that may be misspelled with known ones.
package enum Misspelling {
  /// The longest name, in bytes, that is treated as a typing error.
  package static let longest = 64

  /// The largest distance at which another name is similar to one: a third of its bytes.
  package static func tolerance(_ name: String) -> Int { max(1, name.utf8.count / 3) }

  /// Returns the smallest number of insertions, deletions, replacements and swaps of neighbors that turn one text into
  /// the other (optimal string alignment, after Damerau 1964).
  package static func distance(_ first: String, _ second: String) -> Int {
    let a = Array(first.utf8)
    let b = Array(second.utf8)
    // Three rows are used in turn, because every unknown name is compared with all known ones.
    var beforePrevious = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    var current = beforePrevious
    for i in 0..<a.count {
      current[0] = i + 1
      for j in 0..<b.count {
        let replaced = previous[j] + (a[i] == b[j] ? 0 : 1)
        current[j + 1] = min(replaced, previous[j + 1] + 1, current[j] + 1)
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          current[j + 1] = min(current[j + 1], beforePrevious[j - 1] + 1)
        }
      }
      (beforePrevious, previous, current) = (previous, current, beforePrevious)
    }
    return previous[b.count]
  }
}
