import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Expects an analytic gradient to be the slope of a loss, element by element, by central differences:
/// dL/dx = (L(x + ε) − L(x − ε)) / 2ε + O(ε²).
///
/// - Parameters:
///   - analytic: the gradient to be checked.
///   - variables: the variables of `loss`; every element is moved and restored.
///   - loss: computes L from the present values of the variables.
func expectGradient(
  _ analytic: [Double], of variables: UnsafeMutableBufferPointer<Double>, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation, loss: () -> Double
) {
  #expect(analytic.count == variables.count, "\(what)", sourceLocation: sourceLocation)
  let epsilon = 1e-5
  for index in variables.indices {
    let value = variables[index]
    variables[index] = value + epsilon
    let above = loss()
    variables[index] = value - epsilon
    let below = loss()
    variables[index] = value
    let slope = (above - below) / (2 * epsilon)
    // Numbers near zero are compared absolutely, because the difference of two losses has no more accurate digits.
    let scale = max(abs(slope), abs(analytic[index]), 1e-2)
    if !(abs(slope - analytic[index]) < 1e-6 * scale) {
      Issue.record(
        "\(what)[\(index)]: gradient \(analytic[index]), slope \(slope)", sourceLocation: sourceLocation)
      return
    }
  }
}

/// Expects the gradients of all parameters to be the slopes of a loss.
func expectGradients(
  _ gradients: ParameterBuffer<Double>, of parameters: ParameterBuffer<Double>,
  sourceLocation: SourceLocation = #_sourceLocation, loss: () -> Double
) {
  for parameter in parameters.layout.parameters {
    expectGradient(
      Array(gradients.elements(parameter)), of: parameters.elements(parameter), parameter.name,
      sourceLocation: sourceLocation
    ) {
      parameters.didChange()
      return loss()
    }
  }
  parameters.didChange()
}

/// Expects the gradients of all parameters to be the slopes of a loss: those of each row along a random direction.
///
/// A model has too many parameters for a slope of each element, whose layers are checked element by element. A wrong element
/// changes the slope of its row along any direction that is not chosen for it (as `jax.test_util.check_grads` does it).
func expectRowGradients(
  _ gradients: ParameterBuffer<Double>, of parameters: ParameterBuffer<Double>, loss: () -> Double
) {
  for (stream, parameter) in parameters.layout.parameters.enumerated() {
    let width = parameter.shape.last ?? 1
    let (values, analytic) = (parameters.elements(parameter), Array(gradients.elements(parameter)))
    let direction: Tensor<Double> = randomTensor([parameter.count], stream: 1000 + stream)
    for first in stride(from: 0, to: parameter.count, by: width) {
      let row = first..<first + width
      let own = Array(values[row])
      let along = row.reduce(0) { $0 + analytic[$1] * direction.values[$1] }
      var position = [0.0]
      position.withUnsafeMutableBufferPointer { position in
        expectGradient([along], of: position, "\(parameter.name), elements \(row)") {
          for index in row { values[index] = own[index - first] + position[0] * direction.values[index] }
          parameters.didChange()
          return loss()
        }
      }
      for index in row { values[index] = own[index - first] }
    }
  }
  parameters.didChange()
}

/// Expects the gradient of the elements of a tensor to be the slope of a loss.
func expectGradient(
  _ analytic: Tensor<Double>, of tensor: inout Tensor<Double>, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation, loss: (Tensor<Double>) -> Double
) {
  let shape = tensor.shape
  #expect(analytic.shape == shape, "\(what)", sourceLocation: sourceLocation)
  tensor.values.withUnsafeMutableBufferPointer { values in
    expectGradient(analytic.values, of: values, what, sourceLocation: sourceLocation) {
      loss(Tensor(shape, Array(values)))
    }
  }
}

/// Numbers from U(-1, 1), different for every `stream`.
func randomTensor<Element: Scalar>(_ shape: [Int], stream: Int) -> Tensor<Element> {
  var tensor = Tensor<Element>.zeros(shape)
  tensor.values.withUnsafeMutableBufferPointer {
    Element.fillUniform(
      $0, low: -1, high: 1, key: RandomKey(seed: 17, purpose: .generatedData), stream: UInt32(stream))
  }
  return tensor
}

/// A state of random numbers.
func randomState<Element: Scalar>(_ size: StateSize, batchSize: Int, stream: Int) -> CellState<Element> {
  switch size {
  case .vector(let width): .vector(randomTensor([batchSize, width], stream: stream))
  case .lstm(let c, let h):
    .lstm(
      c: randomTensor([batchSize, c], stream: stream), h: randomTensor([batchSize, h], stream: stream + 1))
  case .stacked(let sizes):
    .stacked(
      sizes.enumerated().map {
        randomState($0.element, batchSize: batchSize, stream: stream + 100 * ($0.offset + 1))
      })
  }
}

/// Σ x·w.
func dot<Element: Scalar>(_ x: [Element], _ w: [Element]) -> Double {
  zip(x, w).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

/// Σ of state·weight over all tensors of a state.
func dot<Element: Scalar>(_ state: CellState<Element>, _ weight: CellState<Element>) -> Double {
  dot(state.stackedH, weight.stackedH) + dot(state.stackedC, weight.stackedC)
}
