import Foundation

/// A source file of the package.
struct SourceFile: Sendable {
  /// The path in the package, such as `Sources/MPI/Request.swift`.
  let path: String
  let content: String
  /// The content separated into code and prose, for Swift and C.
  let text: SourceText

  var name: String { String(path.split(separator: "/").last ?? "") }
  var isSwift: Bool { path.hasSuffix(".swift") }
  var lineCount: Int { content.split(separator: "\n", omittingEmptySubsequences: false).count - 1 }

  /// Whether one of the first lines is a comment with the reason why so little code is in a separate file.
  var saysWhyItIsShort: Bool {
    content.split(separator: "\n", omittingEmptySubsequences: false).prefix(3)
      .contains { $0.wholeMatch(of: #/// Separate file: \S.{9,}/#) != nil }
  }
}

/// The files of the package.
enum SourceTree {
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// All files of Sources, read once.
  private static let sources = Result {
    try files(under: "Sources", endingIn: [".swift", ".c", ".cpp", ".h", ".modulemap"])
  }

  /// Returns the folders of Sources with at least one file.
  static func targets() throws -> Set<String> {
    Set(try sources.get().map { String($0.path.split(separator: "/")[1]) })
  }

  /// Returns the Swift and C files of a target in the order of their paths.
  static func files(of target: String) throws -> [SourceFile] {
    try sources.get().filter { $0.path.hasPrefix("Sources/\(target)/") }
  }

  /// Returns the files below a folder whose names have one of the suffixes (empty: all), in the order of their paths.
  static func files(under folder: String, endingIn suffixes: [String]) throws -> [SourceFile] {
    let top = root.appending(path: folder).resolvingSymlinksInPath()
    let paths = FileManager.default.enumerator(atPath: top.path)?.compactMap { $0 as? String } ?? []
    let chosen = paths.filter { path in
      var isDirectory = ObjCBool(false)
      let exists = FileManager.default.fileExists(
        atPath: top.appending(path: path).path, isDirectory: &isDirectory)
      return exists && !isDirectory.boolValue && suffixes.contains { $0.isEmpty || path.hasSuffix($0) }
    }
    return try chosen.sorted().map { path in
      let content = try String(contentsOf: top.appending(path: path), encoding: .utf8)
      return SourceFile(path: "\(folder)/\(path)", content: content, text: SourceText(content))
    }
  }

  /// Returns files at the top of the package.
  static func files(named names: [String]) throws -> [SourceFile] {
    try names.map { name in
      let content = try String(contentsOf: root.appending(path: name), encoding: .utf8)
      return SourceFile(path: name, content: content, text: SourceText(content))
    }
  }
}
