import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct LinearGradientTests {
  @Test(arguments: Activation.allCases)
  func gradientsAreSlopes(activation: Activation) throws {
    var builder = ParameterLayout.Builder()
    let layer = Linear<Double>(inputSize: 3, outputSize: 7, activation: activation, in: &builder)
    let parameters = ParameterBuffer<Double>(builder.build(), seed: 2)
    var input: Tensor<Double> = randomTensor([5, 3], stream: 1)
    let weight: Tensor<Double> = randomTensor([5, 7], stream: 2)
    func loss(_ input: Tensor<Double>) -> Double { dot(layer(input, parameters).values, weight.values) }

    let scratch = Scratch<Double>()
    let (x, y) = (scratch.matrix(input), scratch.matrix(rows: 5, columns: 7))
    let (dy, dx) = (scratch.matrix(weight), scratch.matrix(rows: 5, columns: 3))
    layer.forward(x, into: y, parameters)
    let gradients = ParameterBuffer<Double>(parameters.layout)
    layer.backward(x, y, dy, inputGradient: dx, into: gradients, parameters)
    expectGradients(gradients, of: parameters) { loss(input) }
    expectGradient(Tensor([5, 3], values(dx)), of: &input, "input") { loss($0) }
  }
}
