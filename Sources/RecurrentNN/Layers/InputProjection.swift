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
    context.arena.scoped {
      guard case .indexed(let index, let count, let table) = input, projectsTable(count, table) else {
        return context.multiply(
          vectors(input, context), by: weight, columns: columns, transposed: true, into: gates)
      }
      let entries = context.parameters.matrix(table)
      let projected = context.arena.matrix(entries.rows, gates.columns)
      context.multiply(entries, by: weight, columns: columns, transposed: true, into: projected)
      gates.rows(0..<count).gatherRows(of: projected, at: index)
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
      context.arena.scoped {
        if projectsTable(count, table) {
          let entries = context.parameters.matrix(table)
          let dProjected = context.arena.zeros(entries.rows, dgates.columns)
          dProjected.scatterAddRows(dgates.rows(0..<count), at: index)
          context.multiply(dProjected, entries, .left, into: dWeight, accumulate: true)
          context.multiply(
            dProjected, by: weight, columns: columns, transposed: false, into: gradients.matrix(table),
            accumulate: true)
          gradients.touchAll(table)
        } else {
          context.multiply(
            dgates, vectors(input, context), .left, into: dWeight, accumulate: true)
          let dx = context.arena.matrix(count, table.shape[1])
          context.multiply(dgates, by: weight, columns: columns, transposed: false, into: dx)
          gradients.addRows(dx, at: index, of: table)
        }
      }
    }
  }

  /// The vectors of all rows; indexed ones are looked up.
  private func vectors(
    _ input: SequenceInput<Element>, _ context: LayerContext<Element>
  ) -> MatrixView<Element> {
    switch input {
    case .dense(let x): return x
    case .indexed(let index, let count, let table):
      let x = context.arena.matrix(count, table.shape[1])
      x.gatherRows(of: context.parameters.matrix(table), at: index)
      return x
    }
  }
}
