import Foundation

/// A file of the package as these tests see it.
struct SourceFile: Sendable {
  /// From the package's top folder: `Sources/MPI/Request.swift`.
  let path: String
  let content: String
  /// Its code, if it is Swift or C.
  let text: SourceText

  var name: String { String(path.split(separator: "/").last ?? "") }
  var isSwift: Bool { path.hasSuffix(".swift") }
}

/// The package on disk.
enum SourceTree {
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Every file of Sources, read once.
  private static let sources = Result {
    try files(under: "Sources", endingIn: [".swift", ".c", ".cpp", ".h", ".modulemap"])
  }

  /// The folders of Sources that hold at least one file.
  static func targets() throws -> Set<String> {
    Set(try sources.get().map { String($0.path.split(separator: "/")[1]) })
  }

  /// The Swift and C files of a target, in the order of their paths; empty without such a target.
  static func files(of target: String) throws -> [SourceFile] {
    try sources.get().filter { $0.path.hasPrefix("Sources/\(target)/") }
  }

  /// The files in a folder and the folders in it whose names end so, in the order of their paths.
  static func files(under folder: String, endingIn suffixes: [String]) throws -> [SourceFile] {
    let top = root.appending(path: folder).resolvingSymlinksInPath()
    let paths = FileManager.default.enumerator(atPath: top.path)?.compactMap { $0 as? String } ?? []
    return try paths.filter { path in suffixes.contains { path.hasSuffix($0) } }.sorted().map { path in
      let content = try String(contentsOf: top.appending(path: path), encoding: .utf8)
      return SourceFile(path: "\(folder)/\(path)", content: content, text: SourceText(content))
    }
  }
}
