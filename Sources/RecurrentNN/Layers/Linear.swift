import NumericKernels
import Parameters

/// The function f of a single-layer network.
public enum Activation: String, Sendable, CaseIterable {
  case identity, sigmoid, tanh, relu, softmax

  /// The elementwise function; nil for softmax, which works on a whole row.
  var elementwise: ElementwiseActivation? {
    switch self {
    case .identity: .identity
    case .sigmoid: .sigmoid
    case .tanh: .tanh
    case .relu: .relu
    case .softmax: nil
    }
  }
}

/// A single-layer network, y = f(W x + b) (torch.nn.Linear with an activation).
///
/// Shapes: x [N, inputSize], `weight` [outputSize, inputSize], `bias` [outputSize], y [N, outputSize].
public struct Linear<Element: Scalar>: Sendable {
  public let activation: Activation
  let weight: Parameter
  let bias: Parameter

  public var inputSize: Int { weight.shape[1] }
  public var outputSize: Int { weight.shape[0] }

  /// Adds `weight` and `bias` to a layout, drawn from U(±1/√inputSize) as PyTorch does.
  public init(
    inputSize: Int, outputSize: Int, activation: Activation = .identity,
    in builder: inout ParameterLayout.Builder
  ) {
    let initializer = Initializer.uniform(1 / Double(inputSize).squareRoot())
    self.activation = activation
    weight = builder.add("weight", [outputSize, inputSize], initializer)
    bias = builder.add("bias", [outputSize], initializer)
  }

  /// Creates the layer with an existing weight (tied weights): only `bias` is added.
  public init(
    sharing weight: Parameter, activation: Activation = .identity, in builder: inout ParameterLayout.Builder
  ) {
    self.activation = activation
    self.weight = weight
    builder.tie("weight", to: weight)
    bias = builder.add("bias", [weight.shape[0]], .uniform(1 / Double(weight.shape[1]).squareRoot()))
  }

  /// y = f(x Wᵀ + b), overwriting `y`.
  public func forward(
    _ x: MatrixView<Element>, into y: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.multiply(x, by: weight, transposed: true, into: y)
    let bias = context.parameters.pointer(bias)
    if let elementwise = activation.elementwise {
      y.activate(elementwise, bias: bias)
    } else {
      y.softmax(bias: bias)
    }
  }

  /// Given y and dL/dy (which is overwritten with the gradient of the pre-activation): overwrites `dx`, if given, with
  /// dL/dx; the gradients of weight and bias are ADDED.
  public func backward(
    _ x: MatrixView<Element>, _ y: MatrixView<Element>, _ dy: MatrixView<Element>,
    inputGradient dx: MatrixView<Element>?, into gradients: ParameterBuffer<Element>,
    _ context: LayerContext<Element>
  ) {
    if let elementwise = activation.elementwise {
      dy.activateBackward(elementwise, y)
    } else {
      dy.softmaxBackward(y)
    }
    backward(x, preActivation: dy, inputGradient: dx, into: gradients, context)
  }

  /// The backward pass from the gradient dz of the pre-activation, [N, outputSize]: dx = dz W, overwritten; dW += dzᵀ x;
  /// db += Σ dz. Without `dx` and `gradients` it does nothing.
  func backward(
    _ x: MatrixView<Element>, preActivation dz: MatrixView<Element>, inputGradient dx: MatrixView<Element>?,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) {
    if let dx { context.multiply(dz, by: weight, transposed: false, into: dx) }
    guard let gradients else { return }
    context.multiply(dz, x, .left, into: gradients.matrix(weight), accumulate: true)
    dz.addColumnSums(to: gradients.pointer(bias))
  }

  /// y = f(x Wᵀ + b) of a tensor [N, inputSize].
  public func callAsFunction(_ x: Tensor<Element>, _ parameters: ParameterBuffer<Element>) -> Tensor<Element>
  {
    precondition(
      x.shape.count == 2 && x.shape[1] == inputSize,
      "input of shape \(x.shape) for a layer that takes [N, \(inputSize)]")
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    // The views do not keep the memory they point into alive.
    return withExtendedLifetime(context) {
      let y = context.arena.matrix(x.shape[0], outputSize)
      forward(x.copied(to: context.arena), into: y, context)
      return Tensor(copying: y)
    }
  }
}
