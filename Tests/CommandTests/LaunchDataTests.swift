import Foundation
import TestSupport
import Testing

/// `launch/data`, with a table of two small corpora in place of the public ones.
@Suite(.timeLimit(.minutes(15))) struct LaunchDataTests {
  private static let text = "some lines\nof a corpus\n"
  /// Of the text, by sha256sum and md5sum.
  private static let digests = [
    "sha256:c3b3635481a7ee96684faf7cf86af51b25c863d0f7e1e2e18cee52b0c17b9cee",
    "md5:a5850225dba94ba91a148ce9b42c66b4",
  ]

  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory()
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("launch/data")
    for name in ["launch", "mirror/poems/part"] {
      try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(atPath: script.path, toPath: folder.file("launch/data"))
    let table = [
      "corpus\tpoems\ttext\tpublic domain\thttps://example.org\ttext data.train={}/part/a.txt",
      "file\tpoems\tpart/a.txt\t\(Self.digests[0])\tfile:///nowhere/a.txt",
      "file\tpoems\tb.txt\t\(Self.digests[1])\tfile:///nowhere/b.txt",
    ]
    try folder.write(Array((table.joined(separator: "\n") + "\n").utf8), to: "launch/corpora.tsv")
    for name in ["part/a.txt", "b.txt"] {
      try folder.write(Array(Self.text.utf8), to: "mirror/poems/\(name)")
    }
  }

  private func data(_ arguments: String, mirror: String = "mirror") async throws -> Outcome {
    try await Program.run(
      shell: "RNN_DIST_DATA=\(mirror) exec launch/data \(arguments)", in: folder.path, environment: [:])
  }

  private func content(_ name: String) throws -> String {
    try String(contentsOfFile: folder.file(name), encoding: .utf8)
  }

  @Test func aCorpusIsListedAndFetched() async throws {
    let list = try await data("")
    #expect(list.exitCode == 0 && list.output.contains("poems") && list.output.contains("public domain"))
    let fetched = try await data("poems")
    #expect(fetched.exitCode == 0, "\(fetched)")
    #expect(
      fetched.output == "launch/run train text data.train=data/poems/part/a.txt --run-dir runs/poems\n")
    #expect(fetched.standardError.contains("license: public domain"))
    for name in ["part/a.txt", "b.txt"] { #expect(try content("data/poems/\(name)") == Self.text) }
    let spaced = try await data("-o 'a folder' poems")
    #expect(spaced.output.contains("data.train=a\\ folder/part/a.txt"), "\(spaced)")
    // What is there needs no mirror.
    #expect(try await data("poems", mirror: "launch").exitCode == 0)
  }

  @Test func halfAFileIsContinued() async throws {
    _ = try await data("poems")
    // What continues another file is fetched once more.
    for part in [String(Self.text.prefix(9)), "other"] {
      try FileManager.default.removeItem(atPath: folder.file("data/poems/b.txt"))
      try folder.write(Array(part.utf8), to: "data/poems/b.txt.part")
      let outcome = try await data("poems")
      #expect(
        outcome.exitCode == 0 && outcome.standardError.contains("after \(part.count) bytes"), "\(outcome)")
      #expect(try content("data/poems/b.txt") == Self.text)
    }
  }

  @Test func otherFilesAreRefused() async throws {
    try folder.write(Array("another text\n".utf8), to: "mirror/poems/b.txt")
    let changed = try await data("poems")
    #expect(changed.exitCode == 65 && changed.standardError.contains("digest"), "\(changed)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("data/poems/b.txt")))
    let missing = try await data("poems -o elsewhere", mirror: "launch")
    #expect(missing.exitCode == 66 && missing.standardError.contains("RNN_DIST_DATA"), "\(missing)")
    // What was fetched of a file stays for the next attempt.
    try folder.write("some", to: "elsewhere/part/a.txt.part")
    let interrupted = try await data("poems -o elsewhere", mirror: "launch")
    #expect(interrupted.exitCode == 66, "\(interrupted)")
    #expect(try content("elsewhere/part/a.txt.part") == "some")
    let unknown = try await data("prose")
    #expect(unknown.exitCode == 64 && unknown.standardError.contains("poems"), "\(unknown)")
  }

  /// Every file has a digest and an address, and the arguments name files that are there in the end.
  @Test func theTableIsWellFormed() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("launch/corpora.tsv")
    let rows = try String(contentsOf: path, encoding: .utf8).split(separator: "\n")
      .filter { !$0.hasPrefix("#") }.map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    let corpora = Set(rows.filter { $0[0] == "corpus" }.map { $0[1] })
    #expect(corpora.count == 8)
    for row in rows where row[0] == "corpus" { #expect(row.count == 6 && !row.contains(""), "\(row)") }
    for row in rows where row[0] == "file" {
      let length = row[3].hasPrefix("sha256:") ? 64 : row[3].hasPrefix("md5:") ? 32 : 0
      let digest = row[3].split(separator: ":").last ?? ""
      #expect(row.count == 5 && corpora.contains(row[1]) && row[4].hasPrefix("https://"), "\(row)")
      #expect(digest.count == length && digest.allSatisfy(\.isHexDigit), "\(row)")
    }
  }
}
