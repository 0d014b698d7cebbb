// Separate file: the golden tests of one layer.

import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// A single layer against torch.nn.Linear and an activation.
@Suite struct GoldenLinearTests {
  @Test(arguments: Activation.allCases, Precision.allCases)
  func linearEqualsPyTorch(activation: Activation, precision: Precision) throws {
    try check(activation, precision.type, precision.tolerance)
  }

  private func check<Element: Scalar>(
    _ activation: Activation, _ type: Element.Type, _ tolerance: Double
  ) throws {
    let golden = try GoldenFile("linear-\(activation)")
    var builder = ParameterLayout.Builder()
    let layer = Linear<Element>(
      inputSize: try golden.size("input_size"), outputSize: try golden.size("output_size"),
      activation: activation, in: &builder)
    let parameters: ParameterBuffer<Element> = try golden.parameters(builder.build())
    let input: Tensor<Element> = try golden.tensor("input")
    expectClose(layer(input, parameters), try golden.tensor("output"), within: tolerance, "output")

    let scratch = Scratch<Element>()
    let (x, y) = (scratch.matrix(input), scratch.matrix(rows: input.shape[0], columns: layer.outputSize))
    let dy = scratch.matrix(try golden.tensor("weight.output"))
    let dx = scratch.matrix(rows: input.shape[0], columns: layer.inputSize)
    dx.fill(.nan)  // Overwritten, not added to.
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    layer.forward(x, into: y, context)
    let gradients = ParameterBuffer<Element>(parameters.layout)
    layer.backward(x, y, dy, inputGradient: dx, into: gradients, context)
    expectClose(values(dx), try golden.doubles("gradient.input"), within: tolerance, "gradient.input")
    try golden.expect(gradients, equals: "gradient.", within: tolerance)
  }
}
