import NumericKernels
import Options
import Parameters

/// The cells that a network can be made of.
public struct CellKind: OptionChoice, CustomStringConvertible {
  /// All cells, one per line. Each cell's name is declared in its own file.
  public static let allCases: [CellKind] = [
    .rnn,
    .gru,
    .lstm,
    .mingru,
  ]

  public let rawValue: String
  public var description: String { rawValue }
  let definition: any CellDefinition.Type

  init(_ name: String, _ definition: any CellDefinition.Type) {
    rawValue = name
    self.definition = definition
  }

  public init?(rawValue: String) {
    guard let kind = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
    self = kind
  }

  public static func == (a: CellKind, b: CellKind) -> Bool { a.rawValue == b.rawValue }
  public func hash(into hasher: inout Hasher) { hasher.combine(rawValue) }
}

/// Describes a cell to ``CellKind``. Every cell has a definition in its own file.
protocol CellDefinition: SendableMetatype {
  /// The options of this cell that some other cells do not have.
  static var ownOptions: [PartialKeyPath<CellOptions>] { get }

  /// Checks options of this cell that depend on each other.
  static func check(_ checks: inout OptionChecks<CellOptions>)

  /// Creates the cell and adds its parameters to a layout.
  static func makeCell<Element: Scalar>(
    _ setup: CellSetup, in builder: inout ParameterLayout.Builder
  ) -> any RecurrentCell<Element>
}

extension CellDefinition {
  static func check(_ checks: inout OptionChecks<CellOptions>) {}
}

/// The sizes, options and names from which a cell is made.
struct CellSetup {
  var inputSize: Int
  var hiddenSize: Int
  /// Valid options of the kind of cell.
  var options: CellOptions
  /// Appended to the names of the parameters, for example `_l0`.
  var suffix = ""
  /// The place of the cell in its network; its random masks depend on it.
  var position = CellPosition()

  func makeCell<Element: Scalar>(in builder: inout ParameterLayout.Builder) -> any RecurrentCell<Element> {
    options.kind.definition.makeCell(self, in: &builder)
  }
}

/// The place of a cell in its network.
public struct CellPosition: Sendable, Hashable {
  /// The number of the layer, from 0 at the bottom.
  public var layer: Int
  /// Whether the cell reads the sequences from their ends.
  public var isReverse: Bool

  public init(layer: Int = 0, isReverse: Bool = false) {
    self.layer = layer
    self.isReverse = isReverse
  }
}
