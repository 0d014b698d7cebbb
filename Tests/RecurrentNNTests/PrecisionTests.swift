import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Compares single and double precision at sizes where the vector loops, their remainders and the packed products all
/// run. These are two implementations of every kernel, which must agree.
@Suite struct PrecisionTests {
  @Test(arguments: NetworkCase.networks, [1, 16, 37])
  func floatAgreesWithDouble(network: NetworkCase, hiddenSize: Int) throws {
    try expectFloatAgreesWithDouble(network, hiddenSize: hiddenSize)
  }

  @Test(arguments: NetworkCase.options, [3, 16, 37])
  func optionsInFloatAgreeWithDouble(network: NetworkCase, hiddenSize: Int) throws {
    try expectFloatAgreesWithDouble(network, hiddenSize: hiddenSize)
  }
}

/// Expects outputs, states and gradients of a network in single precision to agree with those in double precision.
func expectFloatAgreesWithDouble(
  _ network: NetworkCase, hiddenSize: Int, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let (single, double) = (try run(network, hiddenSize, Float.self), try run(network, hiddenSize, Double.self))
  for (name, values) in double {
    expectClose(try #require(single[name]), values, within: 1e-4, name, sourceLocation: sourceLocation)
  }
}

/// Outputs, states and all gradients by name.
private func run<Element: Scalar>(
  _ network: NetworkCase, _ hiddenSize: Int, _ type: Element.Type
) throws -> [String: [Double]] {
  let (stack, parameters): (LayerStack<Element>, _) = try network.make(inputSize: 19, hiddenSize: hiddenSize)
  // Parameters of both types are the same numbers only if they are exact in single precision.
  for index in parameters.elements.indices {
    parameters.elements[index] = Element(Float(parameters.elements[index]))
  }
  parameters.didChange()
  func random(_ shape: [Int], _ stream: Int) -> Tensor<Element> {
    let tensor: Tensor<Float> = randomTensor(shape, stream: stream)
    return Tensor(shape, tensor.values.map { Element($0) })
  }
  let result = dynamicRNN(
    stack, random([9, 4, 19], 1), sequenceLengths: [4, 1, 3, 4, 0, 2, 4, 4, 3], parameters: parameters)
  let gradients = ParameterBuffer<Element>(parameters.layout)
  let (dInputs, dInitial) = result.backpropagate(
    outputGradient: random([9, 4, stack.outputSize], 2), into: gradients)
  var values = [
    "outputs": result.outputs.values, "h": result.state.stackedH, "c": result.state.stackedC,
    "input gradient": dInputs.values, "h gradient": dInitial.stackedH, "c gradient": dInitial.stackedC,
  ]
  for parameter in parameters.layout.parameters {
    values[parameter.name] = Array(gradients.elements(parameter))
  }
  return values.mapValues { $0.map { Double($0) } }
}
