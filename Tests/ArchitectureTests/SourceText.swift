/// Swift or C source reduced to its code: comments and the contents of string literals are gone, lines stay lines.
///
/// Good enough to find words, not a parser: code interpolated into a string counts as part of the string.
struct SourceText: Sendable {
  /// The code, a line of the file each.
  let lines: [Substring]

  init(_ source: String) {
    var stripper = Stripper(source)
    lines = stripper.code().split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The modules that the file imports, without their submodules and single declarations.
  var importedModules: [String] {
    lines.filter { $0.contains("import") }.compactMap { line in
      let pattern =
        #/^\s*(?:@\w+(?:\([^)]*\))?\s+|(?:public|package|internal|fileprivate|private)\s+)*/#
      let rest = line.trimmingPrefix(pattern)
      guard
        let match = rest.prefixMatch(
          of: #/import\s+(?:(?:struct|class|enum|protocol|typealias|func|let|var|actor)\s+)?(\w+)/#)
      else { return nil }
      return String(match.1)
    }
  }

  /// The numbers, from 1, of the lines that hold `word` as it is: not as a part of a longer name, not as a member.
  func lines(with word: String) -> [Int] {
    lines.indices.filter { index in
      lines[index].contains(word) && lines[index].ranges(of: word).contains { isWhole($0, in: lines[index]) }
    }.map { $0 + 1 }
  }

  private func isWhole(_ range: Range<Substring.Index>, in line: Substring) -> Bool {
    let isName = { (character: Character) in character.isLetter || character.isNumber || character == "_" }
    let before = line[..<range.lowerBound].last
    let after = line[range.upperBound...].first
    if let before, before == "." || isName(before) { return false }
    if let after, let last = line[range].last, isName(last), isName(after) { return false }
    return true
  }
}

/// Copies the code of a source text, byte by byte, and leaves out the rest.
private struct Stripper {
  private static let newline = UInt8(ascii: "\n")

  private let text: [UInt8]
  private var position = 0
  private var output: [UInt8] = []

  init(_ source: String) { text = Array(source.utf8) }

  mutating func code() -> String {
    while position < text.count {
      if starts(with: "//") {
        while position < text.count, text[position] != Self.newline { position += 1 }
      } else if starts(with: "/*") {
        skipBlockComment()
      } else if let hashes = literalStart() {
        skipLiteral(hashes: hashes)
      } else {
        output.append(text[position])
        position += 1
      }
    }
    return String(decoding: output, as: UTF8.self)
  }

  private func starts(with word: String) -> Bool {
    var index = position
    for byte in word.utf8 {
      guard index < text.count, text[index] == byte else { return false }
      index += 1
    }
    return true
  }

  /// The number of `#` before the quotation mark of a literal that begins here.
  private func literalStart() -> Int? {
    var quote = position
    while quote < text.count, text[quote] == UInt8(ascii: "#") { quote += 1 }
    return quote < text.count && text[quote] == UInt8(ascii: "\"") ? quote - position : nil
  }

  /// Steps over `count` bytes, keeping their line ends.
  private mutating func drop(_ count: Int) {
    for _ in 0..<count where position < text.count {
      if text[position] == Self.newline { output.append(Self.newline) }
      position += 1
    }
  }

  private mutating func skipBlockComment() {
    var depth = 0
    repeat {
      if starts(with: "/*") {
        depth += 1
        drop(2)
      } else if starts(with: "*/") {
        depth -= 1
        drop(2)
      } else {
        drop(1)
      }
    } while depth > 0 && position < text.count
  }

  private mutating func skipLiteral(hashes: Int) {
    let fence = String(repeating: "#", count: hashes)
    drop(hashes)
    let quotes = starts(with: "\"\"\"") ? 3 : 1
    let end = String(repeating: "\"", count: quotes) + fence
    let escape = "\\" + fence
    drop(quotes)
    while position < text.count, !starts(with: end) {
      // A quotation mark that opens nothing, as in a comment of the preprocessor.
      if quotes == 1, text[position] == Self.newline { return }
      drop(starts(with: escape) ? hashes + 2 : 1)
    }
    drop(end.utf8.count)
    output.append(contentsOf: "\"\"".utf8)
  }
}
