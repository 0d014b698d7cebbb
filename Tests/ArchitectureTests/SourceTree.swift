import Foundation

/// A text of the package, such as a page or a script.
struct TextFile: Sendable {
  /// The path in the package, such as `docs/TUTORIAL.md`.
  let path: String
  let content: String

  var name: String { String(path.split(separator: "/").last ?? "") }
}

/// A Swift or C file of the package.
struct SourceFile: Sendable {
  /// The path in the package, such as `Sources/MPI/Request.swift`.
  let path: String
  let name: String
  let content: String
  /// The content separated into code and prose.
  let text: SourceText

  var isSwift: Bool { path.hasSuffix(".swift") }
  var lineCount: Int { content.split(separator: "\n", omittingEmptySubsequences: false).count - 1 }

  init(_ file: TextFile) {
    (path, name, content) = (file.path, file.name, file.content)
    text = SourceText(content)
  }

  /// Whether one of the first lines is a comment with the reason why so little code is in a separate file.
  var saysWhyItIsShort: Bool {
    content.split(separator: "\n", omittingEmptySubsequences: false).prefix(3)
      .contains { $0.wholeMatch(of: #/// Separate file: \S.{9,}/#) != nil }
  }
}

/// The files of the package.
enum SourceTree {
  static let foldersOfCode = ["Sources", "Tests", "Examples"]
  /// All folders that a page may name.
  static let folders = foldersOfCode + ["docs", "configs", "launch", "Benchmarks", ".ci", "packaging"]

  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// All Swift and C files. Several tests read all of them, so they are separated into code and prose once.
  private static let parsed = Result {
    try foldersOfCode.flatMap { try files(under: $0, endingIn: [".swift", ".c", ".cpp", ".h"]) }
      .map(SourceFile.init)
  }

  /// Returns the folders of Sources with at least one file.
  static func targets() -> Set<String> {
    Set(
      paths(under: "Sources").map { $0.split(separator: "/") }.filter { $0.count > 2 }.map { String($0[1]) })
  }

  /// Returns the Swift and C files of a target in the order of their paths.
  static func files(of target: String) throws -> [SourceFile] { try code(under: "Sources/\(target)") }

  /// Returns the Swift and C files below a folder in the order of their paths.
  static func code(under folder: String) throws -> [SourceFile] {
    try parsed.get().filter { $0.path.hasPrefix(folder + "/") }
  }

  /// Returns the files below a folder whose names have one of the suffixes (empty: all), in the order of their paths.
  static func files(under folder: String, endingIn suffixes: [String]) throws -> [TextFile] {
    let chosen = paths(under: folder).filter { path in
      var isDirectory = ObjCBool(false)
      let exists = FileManager.default.fileExists(
        atPath: root.appending(path: path).path, isDirectory: &isDirectory)
      return exists && !isDirectory.boolValue && suffixes.contains { $0.isEmpty || path.hasSuffix($0) }
    }
    return try files(named: chosen.sorted())
  }

  /// Returns files by their paths in the package.
  static func files(named paths: [String]) throws -> [TextFile] {
    try paths.map {
      TextFile(path: $0, content: try String(contentsOf: root.appending(path: $0), encoding: .utf8))
    }
  }

  /// Returns the paths of a folder and of all files and folders below it.
  static func paths(under folder: String) -> [String] {
    let top = root.appending(path: folder).resolvingSymlinksInPath()
    let below = FileManager.default.enumerator(atPath: top.path)?.compactMap { $0 as? String } ?? []
    // The examples are a separate package, whose build may be below them.
    return [folder] + below.filter { !$0.hasPrefix(".build") }.map { "\(folder)/\($0)" }
  }
}
