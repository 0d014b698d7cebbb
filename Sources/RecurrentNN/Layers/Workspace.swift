import NumericKernels
import Parameters

/// What a model needs besides its parameters: scratch memory and packed copies of the weights used at every
/// time step.
public final class Workspace<Element: Scalar> {
  public let arena = Arena<Element>()

  private struct Key: Hashable {
    let offset: Int
    let rows: Range<Int>
    let transposed: Bool
  }
  private struct Entry {
    let parameters: ParameterBuffer<Element>
    let matrix: PackedMatrix<Element>
    var version: Int
  }
  private var packs: [Key: Entry] = [:]

  public init() {}

  /// The packed form of (some rows of) a weight, packed again only if the parameters have changed since.
  func packed(
    _ weight: Parameter, rows: Range<Int>?, of parameters: ParameterBuffer<Element>, transposed: Bool
  ) -> PackedMatrix<Element> {
    let whole = parameters.matrix(weight)
    let rows = rows ?? 0..<whole.rows
    let key = Key(offset: weight.offset, rows: rows, transposed: transposed)
    if var entry = packs[key], entry.parameters === parameters {
      if entry.version != parameters.version {
        entry.matrix.repack()
        entry.version = parameters.version
        packs[key] = entry
      }
      return entry.matrix
    }
    let matrix = PackedMatrix(whole.rows(rows), transposed: transposed)
    packs[key] = Entry(parameters: parameters, matrix: matrix, version: parameters.version)
    return matrix
  }
}
