import NumericKernels
import Parameters
import Testing

@testable import RecurrentNN

@Suite struct WorkspaceTests {
  /// Few rows are multiplied with a packed copy that is kept, many with the weight itself.
  @Test(arguments: [1, 255, 256, 301], [false, true])
  func productsWithAWeight(rows: Int, transposed: Bool) {
    var builder = ParameterLayout.Builder()
    let (outputs, inputs) = (7, 67)
    let weight = builder.add("weight", [outputs, inputs], .uniform(1))
    let context = LayerContext(
      parameters: ParameterBuffer<Float>(builder.build(), seed: 3), workspace: Workspace())
    let depth = transposed ? inputs : outputs
    let x = Tensor<Float>(shape: [rows, depth], seed: 4)
    let scratch = Scratch<Float>()
    let (a, c) = (scratch.matrix(x), scratch.matrix(rows: rows, columns: transposed ? outputs : inputs))
    c.fill(.nan)
    context.multiply(a, by: weight, transposed: transposed, into: c)
    context.multiply(a, by: weight, transposed: transposed, into: c, accumulate: true)
    let w = context.parameters.matrix(weight)
    withExtendedLifetime((scratch, context.parameters)) {
      for row in 0..<rows {
        for column in 0..<c.columns {
          let sum = (0..<depth).reduce(0.0) {
            $0 + Double(a[row, $1]) * Double(transposed ? w[column, $1] : w[$1, column])
          }
          #expect(abs(Double(c[row, column]) - 2 * sum) < 1e-4)
        }
      }
    }
    #expect(
      (context.workspace.packedBytes == 0) == (rows >= 256 || ProductMode.rule == .blas)
    )
  }
}
