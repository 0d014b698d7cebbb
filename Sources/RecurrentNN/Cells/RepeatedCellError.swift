import NumericKernels
import Parameters

/// Stacked or combined cells must be different cells.
public struct RepeatedCellError: Error, Hashable, CustomStringConvertible {
  /// Positions of the two equal cells.
  public let first: Int
  public let second: Int
  /// Name of a parameter both would use.
  public let parameter: String

  public var description: String {
    """
    cells \(first) and \(second) of the stack are the same cell (both use parameter \(parameter)): a cell owns \
    one set of weights, so stacking it twice would tie the two layers together. Make a new cell for every \
    layer, for example with (0..<layers).map { _ in makeCell() }
    """
  }
}

/// Throws ``RepeatedCellError`` if two layers share a parameter.
func requireDistinct<Element>(_ layers: [any SequenceLayer<Element>]) throws(RepeatedCellError) {
  var owner: [Int: Int] = [:]
  for (position, layer) in layers.enumerated() {
    for parameter in layer.parameters {
      if let first = owner[parameter.offset] {
        throw RepeatedCellError(first: first, second: position, parameter: parameter.name)
      }
    }
    for parameter in layer.parameters { owner[parameter.offset] = position }
  }
}
