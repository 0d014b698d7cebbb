import Datasets
import Foundation
import Options

/// Reads the value of a key from a scalar, writes it, and describes it in messages.
struct ValueCodec<Value: Sendable>: Sendable {
  /// The expected form, with an article: `a whole number, at least 1`.
  let expectation: String
  /// The names to choose from; empty if the value is not a choice.
  var choices: [String] = []
  /// Returns nil if the node does not have the expected form.
  let read: @Sendable (ConfigurationNode) -> Value?
  /// YAML text that `read` turns into the same value.
  let write: @Sendable (Value) -> String
  /// The names of the parts that can be set separately, and functions that set them.
  var partNames: [String] = []
  var readPart: (@Sendable (String, ConfigurationNode, inout Value?) -> Bool)?
}

/// A type whose values have a single form in YAML.
protocol ConfigurationValue: Sendable {
  /// - Parameter property: the property to look up in `bounds`.
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<Self>
}

extension ConfigurationValue {
  /// Returns the codec of a value that is parsed from plain text.
  fileprivate static func bounded(
    _ what: String, _ bounds: Bounds<Self>?, write: @escaping @Sendable (Self) -> String,
    read: @escaping @Sendable (ConfigurationNode) -> Self?
  ) -> ValueCodec<Self> {
    ValueCodec(
      expectation: what + (bounds.map { ", \($0)" } ?? ""),
      read: { node in read(node).flatMap { bounds?.contains($0) ?? true ? $0 : nil } }, write: write)
  }
}

extension Int: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<Int> {
    bounded("a whole number", bounds.bounds(of: property, as: Int.self), write: { String($0) }) {
      plainText($0).flatMap { Int($0) }
    }
  }
}

extension Double: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<Double> {
    bounded("a number", bounds.bounds(of: property, as: Double.self), write: { String($0) }) {
      plainText($0).flatMap(decimal)
    }
  }

  /// Parses decimal notation only, because `Double.init` also accepts hexadecimal, `nan` and `inf`.
  fileprivate static func decimal(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }) else { return nil }
    return Double(text).flatMap { $0.isFinite ? $0 : nil }
  }
}

extension Bool: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<Bool> {
    ValueCodec(
      expectation: "true or false", choices: ["true", "false"],
      read: { plainText($0).flatMap { Bool($0) } },
      write: { String($0) })
  }
}

/// A file path.
extension String: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<String> {
    ValueCodec(
      expectation: "a path",
      read: { node in
        guard case .scalar(let text, _) = node.content, !text.isEmpty else { return nil }
        return text
      }, write: yamlScalar)
  }
}

/// A number that can be an item of a list.
protocol ListedNumber: Sendable {
  /// What a list of them is called.
  static var listExpectation: String { get }
  /// The number of a text, or nil.
  static func parsed(_ text: String) -> Self?
}

extension Int: ListedNumber {
  static let listExpectation = "a list of whole numbers"
  static func parsed(_ text: String) -> Int? { Int(text) }
}

extension Double: ListedNumber {
  static let listExpectation = "a list of numbers"
  static func parsed(_ text: String) -> Double? { decimal(text) }
}

extension Array: ConfigurationValue where Element: ListedNumber {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<[Element]> {
    bounded(
      Element.listExpectation, bounds.bounds(of: property, as: [Element].self),
      write: { "[" + $0.map { "\($0)" }.joined(separator: ", ") + "]" }
    ) { node in
      guard let texts = listed(node) else { return nil }
      let values = texts.compactMap { Element.parsed($0) }
      return values.count == texts.count ? values : nil
    }
  }
}

extension Optional: ConfigurationValue where Wrapped: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<Wrapped?> {
    .optional(Wrapped.codec(bounds, property))
  }
}

extension ValueCodec where Value: OptionChoice {
  static var choice: Self {
    let words = Value.allCases.map(\.rawValue)
    return ValueCodec(
      expectation: (words.count > 1 ? "one of " : "") + words.joined(separator: ", "), choices: words,
      read: { node in
        guard case .scalar(let text, _) = node.content else { return nil }
        return Value(rawValue: text)
      },
      write: { $0.rawValue })
  }
}

extension ValueCodec {
  /// Extends a codec by `null` for a value that is not set.
  static func optional<Wrapped: Sendable>(_ codec: ValueCodec<Wrapped>) -> Self where Value == Wrapped? {
    var result = ValueCodec(
      expectation: codec.expectation + ", or null", choices: codec.choices,
      read: { $0.isNull ? .some(nil) : codec.read($0).map { .some($0) } },
      write: { $0.map(codec.write) ?? "null" })
    guard let readPart = codec.readPart else { return result }
    result.partNames = codec.partNames
    result.readPart = { (part: String, node: ConfigurationNode, value: inout Value?) -> Bool in
      var inner: Wrapped? = value ?? nil
      let isRead = readPart(part, node, &inner)
      value = .some(inner)
      return isRead
    }
    return result
  }
}

/// A path, or `{source: path, target: path}`.
extension DataPath: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<DataPath> {
    ValueCodec(
      expectation: "a path, or {source: path, target: path}",
      read: { node in
        guard case .mapping(let entries) = node.content else {
          guard case .scalar(let text, _) = node.content, !text.isEmpty else { return nil }
          return DataPath(file: text)
        }
        var path: DataPath?
        for entry in entries where !setPart(entry.key, entry.value, &path) { return nil }
        return path
      },
      write: { path in
        if let file = path.file { return yamlScalar(file) }
        let parts = DataPart.files.compactMap { part in
          path.parts[part].map { "\(part.rawValue): \(yamlScalar($0))" }
        }
        return "{" + parts.joined(separator: ", ") + "}"
      }, partNames: DataPart.files.map(\.rawValue), readPart: setPart)
  }

  /// Sets one of the parallel files.
  private static func setPart(_ name: String, _ node: ConfigurationNode, _ path: inout DataPath?) -> Bool {
    guard let part = DataPart.files.first(where: { $0.rawValue == name }), !node.isNull,
      case .scalar(let text, _) = node.content, !text.isEmpty
    else { return false }
    path = DataPath(parts: (path?.parts ?? [:]).merging([part: text]) { $1 })
    return true
  }
}

/// `{source: 2-101, target: label}`: each part is a name, a number, a range, or a list of these. `[text, label]` names one column each
/// for source and target.
extension DataColumns: ConfigurationValue {
  static func codec(_ bounds: OptionBounds, _ property: AnyKeyPath) -> ValueCodec<DataColumns> {
    ValueCodec(
      expectation: "columns by name or number, as [text, label] or {source: 2-101, target: label}",
      read: { node in
        var columns: DataColumns?
        switch node.content {
        case .mapping(let entries):
          for entry in entries where !setPart(entry.key, entry.value, &columns) { return nil }
        case .scalar(let text, isQuoted: false) where text.hasPrefix("{") && text.hasSuffix("}"):
          // On the command line the parts are text.
          for part in parts(of: text.dropFirst().dropLast()) {
            let words = part.split(separator: ":", maxSplits: 1).map {
              $0.trimmingCharacters(in: .whitespaces)
            }
            guard words.count == 2 else { return nil }
            let value = ConfigurationNode(.scalar(text: words[1], isQuoted: false), origin: node.origin)
            guard setPart(words[0], value, &columns) else { return nil }
          }
        case .sequence, .scalar:
          guard let names = names(node), names.count == 2 else { return nil }
          return DataColumns(parts: [.source: [names[0]], .target: [names[1]]])
        }
        return columns
      },
      write: { columns in
        let parts = DataPart.allCases.compactMap { part in
          columns.parts[part].map { "\(part.rawValue): [\($0.map(yamlScalar).joined(separator: ", "))]" }
        }
        return "{" + parts.joined(separator: ", ") + "}"
      }, partNames: DataPart.allCases.map(\.rawValue), readPart: setPart)
  }

  /// Splits a text at the commas that are not in brackets.
  private static func parts(of text: Substring) -> [Substring] {
    var depth = 0
    return text.split { character in
      depth += character == "[" ? 1 : character == "]" ? -1 : 0
      return character == "," && depth == 0
    }
  }

  private static func setPart(_ name: String, _ node: ConfigurationNode, _ columns: inout DataColumns?)
    -> Bool
  {
    guard let part = DataPart(rawValue: name), let names = names(node) else { return false }
    columns = DataColumns(parts: (columns?.parts ?? [:]).merging([part: names]) { $1 })
    return true
  }

  /// The columns of a list, or a single one; nil for anything else.
  private static func names(_ node: ConfigurationNode) -> [String]? {
    guard !node.isNull else { return nil }
    let names: [String]
    switch node.content {
    case .sequence(let nodes): names = nodes.compactMap(scalarText)
    // A quoted text is one name, which may contain commas.
    case .scalar(let text, isQuoted: true): names = [text]
    case .scalar(let text, isQuoted: false):
      let items = text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text[...]
      names = items.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    case .mapping: return nil
    }
    return names.isEmpty || names.contains("") ? nil : names
  }

  private static func scalarText(_ node: ConfigurationNode) -> String? {
    guard case .scalar(let text, _) = node.content else { return nil }
    return text
  }
}

/// Returns the items of a list, in YAML or in the text form of the command line: `[1, 2]`, `1,2`.
private func listed(_ node: ConfigurationNode) -> [String]? {
  if case .sequence(let nodes) = node.content {
    let texts = nodes.compactMap(plainText)
    return texts.count == nodes.count ? texts : nil
  }
  guard var text = plainText(node)?[...], !node.isNull else { return nil }
  if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
  let items = text.split(separator: ",", omittingEmptySubsequences: false).map { $0.filter { $0 != " " } }
  return items == [""] ? [] : items
}

/// Returns the text of an unquoted scalar. Numbers and switches in quotes are text, not values.
private func plainText(_ node: ConfigurationNode) -> String? {
  guard case .scalar(let text, isQuoted: false) = node.content else { return nil }
  return text
}

/// Returns `text` as a YAML scalar that reads back as the same text.
func yamlScalar(_ text: String) -> String {
  func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII
      && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || "_./-" ~= scalar)
  }
  let looksLikeOtherValue = ["", "null", "Null", "NULL", "true", "false", "-", ".", "..."].contains(text)
  if text.unicodeScalars.allSatisfy(isPlain), !text.hasPrefix("-"), !looksLikeOtherValue { return text }

  var quoted = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": quoted += "\\\(scalar)"
    case "\n": quoted += "\\n"
    case "\t": quoted += "\\t"
    case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}", "\u{FEFF}", "\u{FFFE}", "\u{FFFF}":
      let digits = String(scalar.value, radix: 16)
      quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: quoted.unicodeScalars.append(scalar)
    }
  }
  return quoted + "\""
}

private func ~= (set: String, scalar: Unicode.Scalar) -> Bool { set.unicodeScalars.contains(scalar) }
