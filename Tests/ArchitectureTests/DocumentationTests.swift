import Foundation
import Testing

/// A page in Markdown, separated into its parts.
private struct Page: Sendable {
  /// The path in the package.
  let path: String
  let content: String
  /// The paragraphs without blocks of code and code spans.
  private(set) var prose: [String] = []
  /// The text between backticks.
  private(set) var spans: [Substring] = []
  private(set) var headings: [Substring] = []

  init(_ file: TextFile) {
    (path, content) = (file.path, file.content)
    var isFenced = false
    var paragraphs = [""]
    for line in content.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("```") { isFenced.toggle() }
      if isFenced || line.hasPrefix("```") || line.hasPrefix("    ") { continue }
      if line.hasPrefix("#") { headings.append(line.drop { "# ".contains($0) }) }
      if line.isEmpty { paragraphs.append("") } else { paragraphs[paragraphs.count - 1] += line + " " }
    }
    for paragraph in paragraphs {
      let parts = paragraph.split(separator: "`", omittingEmptySubsequences: false)
      prose.append(parts.indices.filter { $0.isMultiple(of: 2) }.map { parts[$0] }.joined(separator: "`"))
      spans += parts.indices.filter { !$0.isMultiple(of: 2) }.map { parts[$0] }
    }
  }

  /// The targets of links to files of the package, without those of other sites.
  var links: [(path: String, heading: String?)] {
    let targets = prose.flatMap { $0.matches(of: #/\]\(([^)\s]+)\)/#).map { $0.output.1 } }
    return targets.filter { !$0.contains("://") }.map { link in
      let parts = link.split(separator: "#", omittingEmptySubsequences: false)
      let folder = URL(filePath: "/" + path).deletingLastPathComponent()
      let file = parts[0].isEmpty ? "/" + path : folder.appending(path: parts[0]).standardized.path
      return (String(file.dropFirst()), parts.count > 1 ? String(parts[1]) : nil)
    }
  }

  /// The names that links give to the headings: in lower case, with hyphens in place of spaces, without punctuation.
  var anchors: Set<String> {
    Set(
      headings.map { heading in
        heading.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
          .replacing(" ", with: "-")
      })
  }
}

/// Pages name files, folders and code that exist, and their links lead somewhere.
@Suite struct DocumentationTests {
  /// All pages except the changelog, which also names what was removed since.
  private static let pages = Result {
    let paths = SourceTree.folders.flatMap { SourceTree.paths(under: $0) }.filter { $0.hasSuffix(".md") }
    return try SourceTree.files(named: ["README.md", "CONTRIBUTING.md"] + paths.sorted()).map(Page.init)
  }

  private static let paths = Set(SourceTree.folders.flatMap { SourceTree.paths(under: $0) })

  /// All names in the code, and all other words of these files.
  private static let names = Result {
    var names: Set<Substring> = []
    for folder in SourceTree.foldersOfCode {
      // This file names what does not exist.
      for file in try SourceTree.code(under: folder) where !file.path.hasSuffix("/DocumentationTests.swift") {
        for word in file.content.utf8.split(whereSeparator: { !SourceText.isName($0) }) {
          names.insert(Substring(word))
        }
      }
    }
    return names
  }

  /// Returns the paths in a page that are not paths of the package.
  private static func missingPaths(_ page: Page) -> [String] {
    func words(_ text: Substring) -> [String] {
      text.split { !($0.isLetter || $0.isNumber || "_-+./".contains($0)) }.map { word in
        var word = word
        while let last = word.last, "./".contains(last) { word.removeLast() }
        return String(word)
      }
    }
    func begins(_ word: String, in folders: some Collection<String>) -> Bool {
      word.split(separator: "/").first.map { folders.contains(String($0)) } ?? false
    }
    let targets = SourceTree.targets()
    let long = words(Substring(page.content)).filter { begins($0, in: SourceTree.folders) }
    // Paths in text may be relative to Sources, and leave out the suffix or the folders.
    let short = page.spans.flatMap(words)
    let missing =
      long.filter { !paths.contains($0) }
      + short.filter { word in
        word.contains("/") && begins(word, in: targets)
          && !paths.contains { $0 == "Sources/\(word)" || $0.hasPrefix("Sources/\(word).") }
      }
      + short.filter { word in word.hasSuffix(".swift") && !paths.contains { $0.hasSuffix(word) } }
    return missing
  }

  /// Returns the names in the code spans of a page, such as `CellOptions`, that do not occur in the code.
  private static func missingNames(_ page: Page) throws -> [Substring] {
    let names = try Self.names.get()
    return page.spans.filter { !$0.contains("/") && !$0.contains(".swift") }
      .flatMap { $0.utf8.split(whereSeparator: { !SourceText.isName($0) }) }.map { Substring($0) }
      .filter { $0.contains(#/[a-z][A-Z]/#) && !names.contains($0) }
  }

  @Test func pathsExist() throws {
    for page in try Self.pages.get() {
      let missing = Self.missingPaths(page)
      #expect(missing.isEmpty, "\(page.path) names \(missing.joined(separator: ", "))")
    }
  }

  @Test func linksLeadToFilesAndHeadings() throws {
    let pages = try Self.pages.get()
    let others = Set(["CHANGELOG.md", "LICENSE"] + pages.map(\.path))
    for page in pages {
      for link in page.links {
        #expect(
          Self.paths.contains(link.path) || others.contains(link.path), "\(page.path) links to \(link.path)")
        guard let heading = link.heading else { continue }
        let anchors = pages.first { $0.path == link.path }?.anchors ?? []
        #expect(anchors.contains(heading), "\(page.path) links to \(link.path)#\(heading)")
      }
    }
  }

  /// `launch/run` and `launch/supervise` pass options on to other programs.
  @Test func scriptsHaveTheirOptions() throws {
    let folders = ["launch/", ".ci/", "Benchmarks/", "Examples/", "Tests/"]
    var count = 0
    for page in try Self.pages.get() {
      for line in page.content.split(whereSeparator: { "\n`|#".contains($0) }) {
        // Variables may come before the script.
        let words = line.split(separator: " ").drop { $0.contains("=") }
        let options = words.filter { $0.hasPrefix("--") }.map { $0.prefix { $0 != "=" } }
        guard let script = words.first.map(String.init), !options.isEmpty,
          folders.contains(where: { script.hasPrefix($0) }),
          !["launch/run", "launch/supervise"].contains(script)
        else { continue }
        let content = try #require(try SourceTree.files(named: [script]).first).content
        for option in options {
          #expect(content.contains(option), "\(page.path): \(script) has no option \(option)")
          count += 1
        }
      }
    }
    #expect(count > 10)
  }

  /// The pages that are left out name much of other programs.
  @Test func namesAreThoseOfTheCode() throws {
    for page in try Self.pages.get()
    where page.path != "docs/EXPORT.md" && !page.path.hasPrefix("launch/") && !page.path.hasPrefix("Tests/") {
      let missing = try Self.missingNames(page)
      #expect(missing.isEmpty, "\(page.path) names \(missing.joined(separator: ", "))")
    }
  }

  /// The table of speeds in the README repeats that of the benchmarks, with a column from the measurement with AVX2.
  @Test func speedsAreThoseOfTheBenchmarks() throws {
    func rows(_ path: String) throws -> [[String]] {
      let page = try #require(try Self.pages.get().first { $0.path == path })
      return page.content.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { line in
        line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
          .map { $0.trimmingCharacters(in: .whitespaces) }
      }
    }
    let results = try rows("Benchmarks/results.md")
    let speeds = try rows("README.md").drop { $0[0] != "workload" }
    #expect(speeds.count == 9 && speeds.allSatisfy { $0.count == 8 })
    for row in speeds.dropFirst() {
      #expect(results.contains(Array(row.prefix(7))), "\(row[0])")
      #expect(
        row[7].isEmpty || results.contains { $0.count == 5 && $0[0] == row[0] && $0[3] == row[7] },
        "\(row[0])")
    }
  }

  @Test func allPagesAreRead() throws {
    let pages = try Self.pages.get().map(\.path)
    for page in ["README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md", "launch/README.md"] {
      #expect(pages.contains(page))
    }
  }

  /// What is wrong in a page is found, and only that.
  @Test func aPageIsSeparatedIntoItsParts() throws {
    let content = """
      # The *first* page: a test

      See [this](#the-first-page-a-test), [code](../Sources/MPI), [a site](https://example.org/a#b) and
      `docs/NONE.md` or `docs/TUTORIAL.md`. `Training/Nothing`, `Training/Trainer`, `Trainer.swift`, `Absent.swift`,
      `*.pb.swift`, `TrainingStep.trainNothing(
      with:)`.

          launch/nothing -np 2 Tests/ArchitectureTests/ [x](y)

      ```
      `NoSpan` .ci/run. .ci/walk [x](y)
      ```
      """
    let page = Page(TextFile(path: "docs/A.md", content: content))
    #expect(page.anchors == ["the-first-page-a-test"])
    #expect(page.links.map(\.path) == ["docs/A.md", "Sources/MPI"])
    #expect(page.links.map(\.heading) == ["the-first-page-a-test", nil])
    #expect(
      Self.missingPaths(page)
        == ["docs/NONE.md", "launch/nothing", ".ci/walk", "Training/Nothing", "Absent.swift"])
    #expect(try Self.missingNames(page) == ["trainNothing"])
  }
}
