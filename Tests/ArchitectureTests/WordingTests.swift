import Testing

/// Words in code, comments, messages and docs.
@Suite struct WordingTests {
  /// The words of a file: of its code and of its prose.
  private struct Words {
    let path: String
    let code: WordList
    let prose: WordList

    /// Nothing but prose, as in docs, scripts and presets. Python's `None` isn't a word of it.
    init(text file: TextFile) {
      path = file.path
      code = WordList(lines: [])
      let text = file.path.hasSuffix(".py") ? file.content.replacing("None", with: "") : file.content
      prose = WordList(lines: text.split(separator: "\n", omittingEmptySubsequences: false))
    }

    init(source file: SourceFile) {
      path = file.path
      code = WordList(lines: file.text.lines)
      prose = WordList(lines: file.text.prose)
    }

    func lines(breaking rule: WordingRule) -> [Int] {
      (rule.scope == .prose ? [] : code.lines(breaking: rule))
        + (rule.scope == .code ? [] : prose.lines(breaking: rule))
    }
  }

  /// Everything that is written, read once. The rules themselves are left out.
  private static let files = Result {
    let sources = try SourceTree.foldersOfCode.flatMap { try SourceTree.code(under: $0) }
      .filter { !$0.path.hasPrefix("Tests/ArchitectureTests/Wording") }
    let texts =
      try ["docs", "configs", "Tests/Golden", "Tests/Interop", "Examples"].flatMap {
        try SourceTree.files(under: $0, endingIn: [".md", ".yaml", ".py"])
      }
      + ["launch", "Benchmarks", ".ci", "packaging"].flatMap {
        try SourceTree.files(under: $0, endingIn: [""])
      }
      + SourceTree.files(named: ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
    return sources.map(Words.init(source:)) + texts.map(Words.init(text:))
  }

  @Test(arguments: WordingRule.all)
  func isNotUsed(rule: WordingRule) throws {
    for file in try Self.files.get() {
      let lines = file.lines(breaking: rule)
      #expect(lines.isEmpty, "\(file.path), lines \(lines): write \(rule.instead)")
    }
  }

  @Test func spellingIsAmerican() throws {
    for file in try Self.files.get() {
      for word in file.code.britishSpellings() + file.prose.britishSpellings() {
        Issue.record("\(file.path), line \(word.line): \(word.text) is British spelling")
      }
    }
  }

  @Test func allKindsOfFilesAreRead() throws {
    let paths = try Self.files.get().map(\.path)
    for kind in [".swift", ".c", ".h", ".md", ".yaml", ".py", "launch/run"] {
      #expect(paths.contains { $0.hasSuffix(kind) }, "no file ends in \(kind)")
    }
    #expect(paths.count > 500)
  }

  // MARK: The scan itself

  /// Every rule finds each of its phrases in a sample, and accepts what it exempts.
  @Test(arguments: WordingRule.all)
  func ruleFindsItsPhrases(rule: WordingRule) {
    for phrase in rule.phrases {
      let text = phrase.joined(separator: " ")
      let next = rule.onlyBefore?.min() ?? ""
      #expect(WordList(lines: ["/// Then \(text) \(next)"]).lines(breaking: rule) == [1])
      for word in rule.unlessAfter {
        #expect(WordList(lines: ["\(word) \(text) \(next)"]).lines(breaking: rule) == [])
      }
      for word in rule.unlessBefore {
        #expect(WordList(lines: ["then \(text) \(word)"]).lines(breaking: rule) == [])
      }
      if rule.onlyBefore != nil {
        #expect(WordList(lines: ["then \(text) zebras"]).lines(breaking: rule) == [])
      }
    }
  }

  @Test func phrasesGoOnInTheNextLine() {
    let rule = WordingRule("the way back", write: "backward pass")
    #expect(WordList(lines: ["/// On the way", "/// back."]).lines(breaking: rule) == [1])
    #expect(WordList(lines: ["/// On the way. Back"]).lines(breaking: rule) == [])
  }

  @Test func namesAreSeparatedIntoWords() {
    let words = WordList(lines: ["let theCoin = toss_coin(RNNCell, isOpen), don't"]).words.map(\.text)
    #expect(
      words == ["let", "the", "coin", "toss", "coin", "rnncell", ",", "is", "open", ")", ",", "don't"])
  }

  @Test func britishSpellingsAreFound() {
    let lines: [Substring] = ["func initialiseWeights()", "onlyTokenIsRead", "// behaviours", "behavior"]
    #expect(WordList(lines: lines).britishSpellings().map(\.line) == [1, 3])
  }
}
