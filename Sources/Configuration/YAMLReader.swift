import Foundation
import Tasks
import Yams

/// Parses YAML texts into `ConfigurationNode`s. This is the only code that uses the YAML library.
///
/// Time and memory are bounded for any input: the text by `maximumBytes`, its depth by the parser, its values
/// by `maximumNodes`, and the expansion of aliases by `maximumAliases`.
package enum YAMLReader {
  /// The maximum length of a text.
  static let maximumBytes = 1 << 20
  /// The maximum number of keys and values in a configuration, far more than the schema has.
  static let maximumNodes = 10_000
  /// The maximum number of words that look like an alias (`*name`). With a aliases, a text grows by a factor of up to
  /// 3^(a/3) if each refers to the previous one several times. Without the limit, a small file could fill the memory.
  static let maximumAliases = 16

  /// Reads the configuration in the file of this name or, if there is none, the preset of this name.
  ///
  /// Throws `ConfigurationUnavailable` if there is neither, `ConfigurationErrors` if it isn't YAML.
  package static func node(named name: String) throws -> ConfigurationNode {
    let source = ConfigurationSource(name: name)
    return try node(bytes: contents(of: source), source: source)
  }

  /// Returns the bytes of a preset or of a file, up to the limit. Throws `ConfigurationUnavailable`.
  package static func contents(of source: ConfigurationSource) throws -> [UInt8] {
    switch source {
    case .preset(let name): Array((Presets.text(named: name) ?? "").utf8)
    case .file(let path): Array(try contents(ofFile: path))
    }
  }

  /// Returns the bytes of a run's `config.yaml`. An empty file is an error, because defaults must not take the place of lost
  /// settings. Throws `ConfigurationUnavailable`.
  package static func contents(ofRun path: String) throws -> [UInt8] {
    let bytes = try contents(of: .file(path))
    guard bytes.contains(where: { !" \t\r\n".utf8.contains($0) }) else {
      throw ConfigurationUnavailable(name: path, reason: .empty)
    }
    return bytes
  }

  /// Parses the bytes of a source. An empty source is an empty scalar. Throws `ConfigurationErrors`.
  package static func node(bytes: [UInt8], source: ConfigurationSource) throws -> ConfigurationNode {
    let start = source.origin(line: 1, column: 1)
    guard bytes.count <= maximumBytes else {
      throw problem("is larger than \(maximumBytes) bytes; is it a configuration?", start)
    }
    // libyaml treats a key after a byte order mark as indented by one column.
    let content = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
    guard let text = String(validating: content, as: UTF8.self) else {
      throw problem("isn't UTF-8 text; is it a configuration?", start)
    }
    guard aliasLikeWords(in: text) <= maximumAliases else {
      throw problem("has more than \(maximumAliases) YAML aliases (*name); write the values out", start)
    }
    do {
      guard let root = try compose(yaml: text, .default, .default, .utf8) else {
        return ConfigurationNode(.scalar(text: "", isQuoted: false), origin: start)
      }
      var converter = Converter(source: source)
      return try converter.convert(root)
    } catch let error as YamlError {
      throw translated(error, source: source)
    }
  }

  private static func contents(ofFile path: String) throws -> Data {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw ConfigurationUnavailable(name: path, reason: .missing)
    }
    guard !isDirectory.boolValue else {
      throw ConfigurationUnavailable(name: path, reason: .directory)
    }
    // The message of the system, because that of Foundation does not name the cause.
    let failure = {
      ConfigurationUnavailable(name: path, reason: .unreadable(String(cString: strerror(errno))))
    }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure() }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    do {
      return try handle.read(upToCount: maximumBytes + 1) ?? Data()
    } catch {
      throw failure()
    }
  }

  /// Counts each `*` where an alias may begin, even in comments and quoted text, which is safe because it only
  /// overestimates.
  private static func aliasLikeWords(in text: String) -> Int {
    var count = 0
    var previous = UInt8(ascii: "\n")
    var isCandidate = false
    for byte in text.utf8 {
      if isCandidate, byte > 0x20, byte != UInt8(ascii: "*") { count += 1 }
      isCandidate = byte == UInt8(ascii: "*") && (previous <= 0x20 || "[{,:-?".utf8.contains(previous))
      previous = byte
    }
    return count
  }
}

/// Copies a tree of the YAML library and counts its nodes.
private struct Converter {
  let source: ConfigurationSource
  var nodes = 0

  mutating func convert(_ node: Node) throws -> ConfigurationNode {
    nodes += 1
    let origin = origin(of: node)
    guard nodes <= YAMLReader.maximumNodes else {
      throw problem(
        "has more than \(YAMLReader.maximumNodes) keys and values; is it a configuration?", origin)
    }
    switch node {
    case .scalar(let scalar):
      let isQuoted = scalar.style != .plain && scalar.style != .any
      return ConfigurationNode(.scalar(text: scalar.string, isQuoted: isQuoted), origin: origin)
    case .sequence(let sequence):
      return ConfigurationNode(.sequence(try sequence.map { try convert($0) }), origin: origin)
    case .mapping(let mapping):
      return ConfigurationNode(
        .mapping(try mapping.map { try convert(key: $0.key, $0.value) }), origin: origin)
    case .alias(let alias):
      throw problem("the alias *\(alias.anchor.rawValue) has no value; write the value out", origin)
    }
  }

  private mutating func convert(key: Node, _ value: Node) throws -> ConfigurationNode.Entry {
    guard case .scalar(let name) = key else {
      throw problem("a key must be one word, such as model or training.steps", origin(of: key))
    }
    return ConfigurationNode.Entry(key: name.string, origin: origin(of: key), value: try convert(value))
  }

  private func origin(of node: Node) -> Origin {
    source.origin(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
  }
}

private func problem(_ message: String, _ origin: Origin) -> ConfigurationErrors {
  ConfigurationErrors([ConfigurationIssue(origin: origin, key: "", message: message)])
}

/// Converts an error of the YAML library to one of ours, with its position in the text.
private func translated(_ error: YamlError, source: ConfigurationSource) -> ConfigurationErrors {
  func notYAML(_ context: YamlError.Context?, _ text: String, _ mark: Mark) -> ConfigurationErrors {
    // The text of the library names a function of C.
    guard !text.contains("nesting level") else {
      return problem("is nested too deeply", source.origin(line: mark.line, column: mark.column))
    }
    let whole = [text, context?.text].compactMap { $0 }.joined(separator: " ")
    return problem("isn't valid YAML: \(whole)", source.origin(line: mark.line, column: mark.column))
  }
  switch error {
  case .scanner(let context, let text, let mark, _), .parser(let context, let text, let mark, _):
    return notYAML(context, text, mark)
  case .composer(_, let text, let mark, _):
    return text.contains("another document")
      ? problem(
        "has several YAML documents; remove all but one, with the lines ---",
        source.origin(line: mark.line, column: mark.column))
      : notYAML(nil, text, mark)
  case .duplicatedKeysInMapping(let keys, let context):
    let list = keys.joined(separator: ", ")
    return problem(
      "given twice in one section: \(list); keep one",
      source.origin(line: max(1, context.mark.line), column: max(1, context.mark.column)))
  case .reader(let text, let offset, _, let yaml):
    let before = yaml.prefix(offset ?? 0)
    let line = before.split(separator: "\n", omittingEmptySubsequences: false)
    return problem(
      "isn't valid YAML: \(text)",
      source.origin(line: max(1, line.count), column: (line.last?.count ?? 0) + 1))
  default:
    return problem("isn't valid YAML: \(error)", source.origin(line: 1, column: 1))
  }
}
