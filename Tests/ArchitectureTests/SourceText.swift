/// Swift or C source, separated into code and prose, line by line.
///
/// The prose is the text of comments and string literals. This is good enough to find words, but it isn't a parser: code
/// that is interpolated into a string counts as prose.
struct SourceText: Sendable {
  /// The code of each line.
  let lines: [Substring]
  /// The prose of each line.
  let prose: [Substring]

  init(_ source: String) {
    var stripper = Stripper(source)
    stripper.run()
    lines = stripper.code.split(separator: "\n", omittingEmptySubsequences: false)
    prose = stripper.prose.split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The modules that the file imports, without submodules and single declarations.
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

  /// Returns the numbers, from 1, of the lines whose code has `word`, but not as a part of a longer name or as a member.
  func lines(with word: String) -> [Int] {
    lines.indices.filter { index in
      lines[index].contains(word)
        && lines[index].ranges(of: word).contains { Self.isWhole($0, in: lines[index]) }
    }.map { $0 + 1 }
  }

  private static func isWhole(_ range: Range<Substring.Index>, in line: Substring) -> Bool {
    let isName = { (character: Character) in
      character.isLetter || character.isNumber || character == "_"
    }
    let before = line[..<range.lowerBound].last
    let after = line[range.upperBound...].first
    if let before, before == "." || isName(before) { return false }
    if let after, let last = line[range].last, isName(last), isName(after) { return false }
    return true
  }
}

extension SourceText {
  /// The functions and initializers with more than `limit` parameters without a label, by line number from 1.
  func functions(withUnlabeledParametersOver limit: Int) -> [(line: Int, count: Int)] {
    var found: [(line: Int, count: Int)] = []
    for index in lines.indices where lines[index].contains("func ") || lines[index].contains("init") {
      // A parameter list that is longer than this would be another defect.
      let text = Array(lines[index..<min(index + 60, lines.count)].joined(separator: "\n").utf8)
      for start in Self.parameterLists(in: text, before: lines[index].utf8.count) {
        let count = Self.unlabeledParameters(in: text[start...])
        if count > limit { found.append((index + 1, count)) }
      }
    }
    return found
  }

  /// Returns the positions after the `(` of the declarations that begin before `end`.
  private static func parameterLists(in text: [UInt8], before end: Int) -> [Int] {
    var starts: [Int] = []
    for keyword in ["func ", "init"] {
      let keyword = Array(keyword.utf8)
      for begin in 0..<end where text[begin...].starts(with: keyword) {
        if begin > 0, isName(text[begin - 1]) || text[begin - 1] == UInt8(ascii: ".") { continue }
        var position = begin + keyword.count
        if keyword.last != UInt8(ascii: " "), position < text.count, isName(text[position]) {
          continue
        }
        var angles = 0
        // Skips the name and type parameters in angle brackets, which may contain parentheses.
        while position < text.count, text[position] != UInt8(ascii: "(") || angles > 0,
          text[position] != UInt8(ascii: "{")
        {
          if text[position] == UInt8(ascii: "<") { angles += 1 }
          if text[position] == UInt8(ascii: ">"), angles > 0 { angles -= 1 }
          position += 1
        }
        if position < text.count, text[position] == UInt8(ascii: "(") {
          starts.append(position + 1)
        }
      }
    }
    return starts
  }

  /// Returns the number of parameters that begin with `_`, given the text after the `(`.
  private static func unlabeledParameters(in text: ArraySlice<UInt8>) -> Int {
    var (depth, angles, count) = (0, 0, 0)
    var (isStart, previous) = (true, UInt8(ascii: "("))
    for byte in text {
      switch byte {
      case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        if depth < 0 { return count }
      case UInt8(ascii: "<") where isName(previous): angles += 1
      case UInt8(ascii: ">") where angles > 0 && previous != UInt8(ascii: "-"): angles -= 1
      case UInt8(ascii: ",") where depth == 0 && angles == 0: isStart = true
      case UInt8(ascii: " ") where isStart && previous == UInt8(ascii: "_"):
        count += 1
        isStart = false
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "_"): break
      default: isStart = false
      }
      previous = byte
    }
    return count
  }

  /// Whether a byte can be part of a name in Swift or C.
  static func isName(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "_") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
      || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
  }
}

/// Separates a source text into code and prose, byte by byte. Both keep the line ends.
private struct Stripper {
  private static let newline = UInt8(ascii: "\n")

  private let text: [UInt8]
  private var position = 0
  private var codeBytes: [UInt8] = []
  private var proseBytes: [UInt8] = []

  init(_ source: String) { text = Array(source.utf8) }

  var code: String { String(decoding: codeBytes, as: UTF8.self) }
  var prose: String { String(decoding: proseBytes, as: UTF8.self) }

  mutating func run() {
    while position < text.count {
      if starts(with: "//") {
        while position < text.count, text[position] != Self.newline { drop(1) }
      } else if starts(with: "/*") {
        skipBlockComment()
      } else if let hashes = literalStart() {
        skipLiteral(hashes: hashes)
      } else {
        codeBytes.append(text[position])
        if text[position] == Self.newline { proseBytes.append(Self.newline) }
        position += 1
      }
    }
  }

  private func starts(with word: String) -> Bool {
    var index = position
    for byte in word.utf8 {
      guard index < text.count, text[index] == byte else { return false }
      index += 1
    }
    return true
  }

  /// The number of `#` before the quotation mark of a literal that begins here; nil if none begins.
  private func literalStart() -> Int? {
    var quote = position
    while quote < text.count, text[quote] == UInt8(ascii: "#") { quote += 1 }
    return quote < text.count && text[quote] == UInt8(ascii: "\"") ? quote - position : nil
  }

  /// Moves `count` bytes to the prose. The code keeps their line ends.
  private mutating func drop(_ count: Int) {
    for _ in 0..<count where position < text.count {
      if text[position] == Self.newline { codeBytes.append(Self.newline) }
      proseBytes.append(text[position])
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
      // The quotation mark doesn't begin a literal, as in an #error of the preprocessor.
      if quotes == 1, text[position] == Self.newline { return }
      drop(starts(with: escape) ? hashes + 2 : 1)
    }
    drop(end.utf8.count)
    codeBytes.append(contentsOf: "\"\"".utf8)
  }
}
