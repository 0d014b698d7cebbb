/// A struct of settings with their constraints. A program reads the bounds to explain a setting, and ``validate()``
/// rejects values that violate a constraint.
///
/// The defaults are those of the empty initializer.
public protocol Options: Sendable, Equatable {
  init()
  /// Reports every violated constraint. It states the bounds regardless of the values, so that they can be read from
  /// any instance.
  func check(_ checks: inout OptionChecks<Self>)
}

extension Options {
  /// Throws an ``OptionError`` that names the properties of every violated constraint.
  public func validate() throws(OptionError) {
    let problems = problems
    if !problems.isEmpty { throw OptionError(of: "\(Self.self)", problems) }
  }

  /// Every violated constraint.
  public var problems: [OptionProblem] {
    var checks = OptionChecks(self)
    check(&checks)
    return checks.problems
  }

  /// The error of a property whose value is not valid for a particular use.
  public func error(
    _ property: PartialKeyPath<Self>, with others: [PartialKeyPath<Self>] = [], because text: OptionText<Self>
  ) -> OptionError {
    OptionError(
      of: "\(Self.self)", [OptionProblem(kind: .conflict, properties: [property] + others, text: text.pieces)]
    )
  }

  /// The bounds of every property that has bounds.
  public static var bounds: OptionBounds {
    let options = Self()
    var checks = OptionChecks(options)
    options.check(&checks)
    return OptionBounds(byProperty: checks.bounds)
  }
}

/// A setting with a fixed list of values; the raw value is the name that users write.
public protocol OptionChoice: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {}

/// Collects the results of ``Options/check(_:)``.
public struct OptionChecks<Root: Options> {
  /// The options to check.
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

  /// States the bounds of an optional number.
  public mutating func bound<Value>(_ property: KeyPath<Root, Value?>, _ bounds: Bounds<Value>) {
    self.bounds[property] = bounds
    if let value = options[keyPath: property], !bounds.contains(value) {
      refuse(property, because: "is \(text: "\(value)"), expected \(text: "\(bounds)")")
    }
  }

  /// Reports incompatible options.
  ///
  /// - Parameters:
  ///   - property: the property to change first, which the message is about.
  ///   - others: the other properties that the constraint depends on.
  public mutating func refuse(
    _ property: PartialKeyPath<Root>, with others: PartialKeyPath<Root>..., because text: OptionText<Root>
  ) {
    problems.append(OptionProblem(kind: .conflict, properties: [property] + others, text: text.pieces))
  }

  /// Reports an option that was set although it has no effect.
  ///
  /// - Parameters:
  ///   - property: the option, which is only reported if its value differs from the default.
  ///   - condition: whether the option has an effect.
  ///   - others: the properties that the condition depends on.
  ///   - text: the reason why it has no effect.
  public mutating func read<Value: Equatable>(
    _ property: KeyPath<Root, Value>, if condition: Bool, with others: PartialKeyPath<Root>...,
    otherwise text: @autoclosure () -> OptionText<Root>
  ) {
    guard !condition, options[keyPath: property] != defaults[keyPath: property] else { return }
    problems.append(OptionProblem(kind: .unread, properties: [property] + others, text: text().pieces))
  }

  /// Reports an option that has an effect for some choices only.
  public mutating func read<Value: Equatable, Choice: OptionChoice>(
    _ property: KeyPath<Root, Value>, if choice: KeyPath<Root, Choice>, isOneOf choices: [Choice]
  ) {
    let chosen = options[keyPath: choice]
    let words = choices.map(\.rawValue).joined(separator: ", ")
    read(
      property, if: choices.contains(chosen), with: choice,
      otherwise: "is for \(choice) \(words), not \(chosen.rawValue)")
  }

  /// Checks nested options.
  ///
  /// - Parameter value: the options to check instead of the property's value, if other settings complete them.
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

  /// The bounds of a property of the given type, or of an optional of it; nil if any value is allowed.
  public func bounds<Value>(of property: AnyKeyPath, as type: Value.Type) -> Bounds<Value>? {
    byProperty[property] as? Bounds<Value>
  }
}

/// A violated constraint.
public struct OptionProblem: @unchecked Sendable {  // Key paths of plain properties are immutable.
  public enum Kind: Sendable {
    /// A value that is out of bounds, or incompatible with other values.
    case conflict
    /// A value that has no effect.
    case unread
  }
  enum Piece {
    case text(String)
    case property(AnyKeyPath)
  }

  public let kind: Kind
  /// The properties involved, starting with the one to change first.
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

  /// Returns the same problem for options nested in `property`.
  func inside(_ property: AnyKeyPath) -> OptionProblem {
    func path(_ inner: AnyKeyPath) -> AnyKeyPath { property.appending(path: inner) ?? inner }
    return OptionProblem(
      kind: kind, properties: properties.map(path),
      text: text.map { if case .property(let inner) = $0 { .property(path(inner)) } else { $0 } })
  }
}

/// All problems of some options: incompatible values and values out of bounds.
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

/// The values that a number may have, and their description for messages and help.
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

  /// From `low`, included, up to `high`, excluded.
  public static func from(_ low: Value, below high: Value) -> Bounds {
    Bounds(allows: { $0 >= low && $0 < high }, description: "at least \(low) and below \(high)")
  }

  /// From `low`, excluded, up to `high`, included.
  public static func above(_ low: Value, to high: Value) -> Bounds {
    Bounds(allows: { $0 > low && $0 <= high }, description: "above \(low) and at most \(high)")
  }
}

extension Bounds where Value == [Int] {
  /// A list of numbers from `low` in strictly ascending order.
  public static func rising(from low: Int) -> Bounds {
    Bounds(
      allows: { values in
        zip(values, values.dropFirst()).allSatisfy { $0 < $1 } && values.allSatisfy { $0 >= low }
      }, description: "rising, each at least \(low)")
  }
}
