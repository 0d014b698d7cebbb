import NumericKernels
import Parameters

/// The product of all input vectors with the input weights, outside of the time loop: gates = x Wᵀ.
///
/// Shapes: x [rowCount, inputSize], W [G, inputSize], gates [rowCount, G]. One product serves all time steps.
/// An indexed input with fewer table entries than rows is projected once per entry instead of once per row:
/// gates = (table Wᵀ)[index].
struct InputProjection<Element: Scalar> {
  let weight: Parameter
  /// The columns of the weight that the input is multiplied with; nil: all.
  var columns: Range<Int>? = nil

  private func part(_ whole: MatrixView<Element>) -> MatrixView<Element> {
    columns.map { whole.columns($0) } ?? whole
  }

  private func projectsTable(_ count: Int, _ table: Parameter) -> Bool { table.shape[0] < count }

  /// Overwrites `gates`.
  func forward(
    _ input: SequenceInput<Element>, into gates: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    switch input {
    case .dense(let x):
      context.multiply(x, by: weight, columns: columns, transposed: true, into: gates)
    case .indexed(let index, let count, let table):
      let entries = context.parameters.matrix(table)
      context.arena.scoped {
        if projectsTable(count, table) {
          let projected = context.arena.matrix(entries.rows, gates.columns)
          context.multiply(entries, by: weight, columns: columns, transposed: true, into: projected)
          gates.rows(0..<count).gatherRows(of: projected, at: index)
        } else {
          context.multiply(
            lookUp(index, count, entries, context), by: weight, columns: columns, transposed: true,
            into: gates)
        }
      }
    }
  }

  /// dW += dgatesᵀ x; dx = dgates W (overwritten), or for an indexed input the table's gradient += dgates W.
  func backward(
    _ dgates: MatrixView<Element>, _ input: SequenceInput<Element>, inputGradient: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let dWeight = part(gradients.matrix(weight))
    switch input {
    case .dense(let x):
      context.multiply(dgates, x, .left, into: dWeight, accumulate: true)
      if let inputGradient {
        context.multiply(dgates, by: weight, columns: columns, transposed: false, into: inputGradient)
      }
    case .indexed(let index, let count, let table):
      let entries = context.parameters.matrix(table)
      context.arena.scoped {
        if projectsTable(count, table) {
          let dProjected = context.arena.zeros(entries.rows, dgates.columns)
          dProjected.scatterAddRows(dgates.rows(0..<count), at: index)
          context.multiply(dProjected, entries, .left, into: dWeight, accumulate: true)
          context.multiply(
            dProjected, by: weight, columns: columns, transposed: false, into: gradients.matrix(table),
            accumulate: true)
          gradients.touchAll(table)
        } else {
          context.multiply(
            dgates, lookUp(index, count, entries, context), .left, into: dWeight, accumulate: true)
          let dx = context.arena.matrix(count, entries.columns)
          context.multiply(dgates, by: weight, columns: columns, transposed: false, into: dx)
          gradients.addRows(dx, at: index, of: table)
        }
      }
    }
  }

  private func lookUp(
    _ index: UnsafePointer<Int32>, _ count: Int, _ entries: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    let x = context.arena.matrix(count, entries.columns)
    x.gatherRows(of: entries, at: index)
    return x
  }
}
