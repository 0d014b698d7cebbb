/// A struct of settings that states its own constraints, once: a program reads the bounds to explain a setting, and
/// ``validate()`` refuses values that break them.
///
/// The defaults are those of the empty initializer.
public protocol Options: Sendable, Equatable {
  init()
  /// Reports every constraint that a value breaks. Bounds are stated whatever the values are, so that they can be read
  /// from any instance.
  func check(_ checks: inout OptionChecks<Self>)
}

extension Options {
  /// Throws an ``OptionError`` that names the properties of every broken constraint.
  public func validate() throws(OptionError) {
    let problems = problems
    if !problems.isEmpty { throw OptionError(of: "\(Self.self)", problems) }
  }

  /// Every broken constraint.
  public var problems: [OptionProblem] {
    var checks = OptionChecks(self)
    check(&checks)
    return checks.problems
  }

  /// The error of a property whose value does not serve a particular use.
  public func error(
    _ property: PartialKeyPath<Self>, with others: [PartialKeyPath<Self>] = [], because text: OptionText<Self>
  ) -> OptionError {
    OptionError(
      of: "\(Self.self)", [OptionProblem(kind: .conflict, properties: [property] + others, text: text.pieces)]
    )
  }

  /// The bounds of every property that has some.
  public static var bounds: OptionBounds {
    let options = Self()
    var checks = OptionChecks(options)
    options.check(&checks)
    return OptionBounds(byProperty: checks.bounds)
  }
}

/// A setting with a closed list of values; the raw value is the word that users write.
public protocol OptionChoice: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {}

/// Collects what ``Options/check(_:)`` finds.
public struct OptionChecks<Root: Options> {
  /// The options that are checked.
  public let options: Root
  private let defaults = Root()
  fileprivate(set) var problems: [OptionProblem] = []
  fileprivate(set) var bounds: [AnyKeyPath: Any] = [:]

  init(_ options: Root) { self.options = options }

  /// States the bounds of a number.
  public mutating func bound<Value>(_ property: KeyPath<Root, Value>, _ bounds: Bounds<Value>) {
    self.bounds[property] = bounds
    let value = options[keyPath: property]
    if !bounds.contains(value) {
      refuse(property, because: "is \(text: "\(value)"), expected \(text: "\(bounds)")")
    }
  }

  /// States the bounds of a number that may be absent.
  public mutating func bound<Value>(_ property: KeyPath<Root, Value?>, _ bounds: Bounds<Value>) {
    self.bounds[property] = bounds
    if let value = options[keyPath: property], !bounds.contains(value) {
      refuse(property, because: "is \(text: "\(value)"), expected \(text: "\(bounds)")")
    }
  }

  /// Reports options that do not go together.
  ///
  /// - Parameters:
  ///   - property: the one to change first, which the message is about.
  ///   - others: the others that the constraint depends on.
  public mutating func refuse(
    _ property: PartialKeyPath<Root>, with others: PartialKeyPath<Root>..., because text: OptionText<Root>
  ) {
    problems.append(OptionProblem(kind: .conflict, properties: [property] + others, text: text.pieces))
  }

  /// Reports an option that was set although nothing reads it: accepted, it would be ignored.
  ///
  /// - Parameters:
  ///   - property: ignored unless its value differs from the default.
  ///   - condition: whether something reads it.
  ///   - others: the properties that the condition depends on.
  ///   - text: why nothing reads it.
  public mutating func read<Value: Equatable>(
    _ property: KeyPath<Root, Value>, if condition: Bool, with others: PartialKeyPath<Root>...,
    otherwise text: @autoclosure () -> OptionText<Root>
  ) {
    guard !condition, options[keyPath: property] != defaults[keyPath: property] else { return }
    problems.append(OptionProblem(kind: .unread, properties: [property] + others, text: text().pieces))
  }

  /// The same of an option that some choices have and others do not.
  public mutating func read<Value: Equatable, Choice: OptionChoice>(
    _ property: KeyPath<Root, Value>, if choice: KeyPath<Root, Choice>, isOneOf choices: [Choice]
  ) {
    let chosen = options[keyPath: choice]
    let words = choices.map(\.rawValue).joined(separator: ", ")
    read(
      property, if: choices.contains(chosen), with: choice,
      otherwise: "is for \(choice) \(words), not \(chosen.rawValue)")
  }

  /// Checks options that are part of these.
  ///
  /// - Parameter value: what to check in place of the property's value, for options that are completed by others.
  public mutating func include<Part: Options>(_ property: KeyPath<Root, Part>, as value: Part? = nil) {
    let value = value ?? options[keyPath: property]
    var part = OptionChecks<Part>(value)
    value.check(&part)
    for (inner, bounds) in part.bounds {
      if let outer = (property as AnyKeyPath).appending(path: inner) { self.bounds[outer] = bounds }
    }
    problems += part.problems.map { $0.inside(property) }
  }
}

/// The bounds of properties.
public struct OptionBounds: @unchecked Sendable {  // Key paths of plain properties are immutable.
  fileprivate let byProperty: [AnyKeyPath: Any]

  /// The bounds of a property of the given type, or of an optional of it; nil if any value will do.
  public func bounds<Value>(of property: AnyKeyPath, as type: Value.Type) -> Bounds<Value>? {
    byProperty[property] as? Bounds<Value>
  }
}

/// One broken constraint.
public struct OptionProblem: @unchecked Sendable {  // Key paths of plain properties are immutable.
  public enum Kind: Sendable {
    /// A value that is out of bounds, or does not go together with others.
    case conflict
    /// A value that nothing reads.
    case unread
  }
  enum Piece {
    case text(String)
    case property(AnyKeyPath)
  }

  public let kind: Kind
  /// The properties involved, the one to change first.
  public let properties: [AnyKeyPath]
  let text: [Piece]

  /// The problem as a statement about the first property.
  ///
  /// - Parameter name: the name of a property.
  public func message(_ name: (AnyKeyPath) -> String) -> String {
    text.map { piece in
      switch piece {
      case .text(let text): text
      case .property(let property): name(property)
      }
    }.joined()
  }

  /// The same of options that are the value of `property`.
  func inside(_ property: AnyKeyPath) -> OptionProblem {
    func path(_ inner: AnyKeyPath) -> AnyKeyPath { property.appending(path: inner) ?? inner }
    return OptionProblem(
      kind: kind, properties: properties.map(path),
      text: text.map { if case .property(let inner) = $0 { .property(path(inner)) } else { $0 } })
  }
}

/// Options that do not go together, or values that an option can't have: everything that is wrong.
public struct OptionError: Error, CustomStringConvertible {
  /// The type of the options.
  public let type: String
  public let problems: [OptionProblem]

  public init(of type: String, _ problems: [OptionProblem]) {
    self.type = type
    self.problems = problems
  }

  /// One line for each problem: `CellOptions: peepholes is an option of lstm; kind is gru`.
  public var description: String {
    problems.map { problem in
      "\(type): \(Self.name(problem.properties[0])) \(problem.message(Self.name))"
    }.joined(separator: "\n")
  }

  /// The names from the root to a property: `cell.zoneout`.
  private static func name(_ property: AnyKeyPath) -> String {
    let path = property.debugDescription
    return path.firstIndex(of: ".").map { String(path[path.index(after: $0)...]) } ?? path
  }
}

/// A message in which the interpolation of a key path, `\(\.hiddenSize)`, is the name of that property.
public struct OptionText<Root>: ExpressibleByStringInterpolation {
  let pieces: [OptionProblem.Piece]

  public init(stringLiteral text: String) { pieces = [.text(text)] }
  public init(stringInterpolation: StringInterpolation) { pieces = stringInterpolation.pieces }

  public struct StringInterpolation: StringInterpolationProtocol {
    var pieces: [OptionProblem.Piece] = []

    public init(literalCapacity: Int, interpolationCount: Int) {}
    public mutating func appendLiteral(_ text: String) { pieces.append(.text(text)) }
    public mutating func appendInterpolation(_ property: PartialKeyPath<Root>) {
      pieces.append(.property(property))
    }
    public mutating func appendInterpolation(text: String) { pieces.append(.text(text)) }
    public mutating func appendInterpolation(_ text: String) { pieces.append(.text(text)) }
    public mutating func appendInterpolation(_ number: Int) { pieces.append(.text(String(number))) }
  }
}

/// The values that a number may have, with the words that say so in messages and help.
public struct Bounds<Value: Sendable>: Sendable, CustomStringConvertible {
  private let allows: @Sendable (Value) -> Bool
  public let description: String

  public func contains(_ value: Value) -> Bool { allows(value) }
}

extension Bounds where Value: Comparable {
  public static func atLeast(_ low: Value) -> Bounds {
    Bounds(allows: { $0 >= low }, description: "at least \(low)")
  }

  public static func above(_ low: Value) -> Bounds {
    Bounds(allows: { $0 > low }, description: "above \(low)")
  }

  public static func within(_ range: ClosedRange<Value>) -> Bounds {
    Bounds(
      allows: { range.contains($0) },
      description: "from \(range.lowerBound) to \(range.upperBound)")
  }

  /// From `low`, which is allowed, up to `high`, which is not.
  public static func from(_ low: Value, below high: Value) -> Bounds {
    Bounds(allows: { $0 >= low && $0 < high }, description: "at least \(low) and below \(high)")
  }

  /// From `low`, which is not allowed, up to `high`, which is.
  public static func above(_ low: Value, to high: Value) -> Bounds {
    Bounds(allows: { $0 > low && $0 <= high }, description: "above \(low) and at most \(high)")
  }
}

extension Bounds where Value == [Int] {
  /// Each number above the one before.
  public static func rising(from low: Int) -> Bounds {
    Bounds(
      allows: { values in
        zip(values, values.dropFirst()).allSatisfy { $0 < $1 } && values.allSatisfy { $0 >= low }
      }, description: "rising, each at least \(low)")
  }
}
