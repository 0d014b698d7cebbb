// Separate file: arguments of several commands share it.

import Configuration
import Foundation
import RunLog

/// The completions that a shell offers for the tab key: runs, presets and keys.
package enum Completions {
  /// The directories whose path starts with `prefix` and that are runs or have subdirectories.
  package static func runs(_ prefix: String) -> [String] {
    let end = prefix.lastIndex(of: "/").map { prefix.index(after: $0) } ?? prefix.startIndex
    let (parent, beginning) = (String(prefix[..<end]), prefix[end...])
    let names =
      (try? FileManager.default.contentsOfDirectory(atPath: parent.isEmpty ? "." : parent)) ?? []
    return names.sorted().compactMap { name in
      guard name.hasPrefix(beginning), beginning.hasPrefix(".") || !name.hasPrefix(".") else { return nil }
      let path = parent + name
      if FileManager.default.fileExists(atPath: RunPaths(root: path).configuration) { return path }
      return isDirectory(path) ? path + "/" : nil
    }
  }

  /// The presets and the keys that start with `prefix`, and the YAML files in its directory.
  package static func configuration(_ prefix: String) -> [String] {
    let keys = ConfigurationSchema.keys.map { $0.path + "=" }
    return (Presets.names + files(prefix, suffix: ".yaml") + keys).filter { $0.hasPrefix(prefix) }
  }

  private static func files(_ prefix: String, suffix: String) -> [String] {
    let parent = prefix.lastIndex(of: "/").map { String(prefix[...$0]) } ?? ""
    let names =
      (try? FileManager.default.contentsOfDirectory(atPath: parent.isEmpty ? "." : parent)) ?? []
    return names.sorted().filter { $0.hasSuffix(suffix) }.map { parent + $0 }
  }

  private static func isDirectory(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
  }
}
