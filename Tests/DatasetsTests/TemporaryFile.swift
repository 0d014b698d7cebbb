import Datasets
import Foundation

/// A file with some content that is removed with the last reference to it.
final class TemporaryFile {
  let path: String

  init(_ content: [UInt8] = []) throws {
    path = NSTemporaryDirectory() + "/datasets-test-" + UUID().uuidString
    try Data(content).write(to: URL(fileURLWithPath: path))
  }

  convenience init(_ text: String) throws {
    try self.init(Array(text.utf8))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension TextSource {
  static func text(_ text: String) -> TextSource { .memory(Array(text.utf8), name: "text") }
}

extension TokenStream {
  var ids: [Int32] { (0..<count).map { self[$0] } }
}
