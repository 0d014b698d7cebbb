import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Every layer over the rows of a matrix that is listed here passes `checkLayer`.
@Suite struct LayerConformanceTests {
  @Test(arguments: LayerCase.all)
  func layer(test: LayerCase) { checkLayer(test) }
}

/// A layer over rows, with a loss that depends on all of its outputs.
struct LayerProblem<Element: Scalar> {
  let layout: ParameterLayout
  /// Overwrites `dh` with the gradient of `h`, and adds the gradients of the parameters, if they are given.
  let loss:
    (
      _ h: MatrixView<Element>, _ dh: MatrixView<Element>?, _ gradients: ParameterBuffer<Element>?,
      _ context: LayerContext<Element>
    ) -> Double
}

/// Checks the properties that all layers must have:
///
/// - the gradients of inputs and parameters are the slopes of the loss;
/// - the loss is the same with gradients and without;
/// - the gradient of the input is overwritten, those of the parameters are added;
/// - a row without target has no gradient;
/// - every product with a weight is computed in the precision of the workspace;
/// - single precision agrees with double precision.
func checkLayer(_ test: LayerCase) {
  let layer = test.problem(Double.self)
  let parameters = ParameterBuffer<Double>(layer.layout, seed: 5)
  // The same numbers in both precisions.
  for index in parameters.elements.indices {
    parameters.elements[index] = Double(Float(parameters.elements[index]))
  }
  let context = LayerContext(parameters: parameters, workspace: Workspace())
  let scratch = Scratch<Double>()
  let h = scratch.matrix(LayerCase.inputs())
  func loss() -> Double { layer.loss(h, nil, nil, context) }

  let dh = scratch.matrix(rows: h.rows, columns: h.columns)
  dh.fill(.nan)
  let gradients = ParameterBuffer<Double>(layer.layout)
  let total = layer.loss(h, dh, gradients, context)
  expectClose([loss()], [total], within: 1e-12, "the loss without gradients")
  let analytic = values(dh)
  expectGradients(gradients, of: parameters) { loss() }
  expectGradient(analytic, of: UnsafeMutableBufferPointer(start: h.base, count: h.count), "input") { loss() }
  for row in 0..<h.rows {
    let isZero = analytic[row * h.columns..<(row + 1) * h.columns].allSatisfy { $0 == 0 }
    #expect(isZero == test.ignoredRows.contains(row), "row \(row)")
  }

  let twice = ParameterBuffer<Double>(layer.layout)
  for _ in 0..<2 { _ = layer.loss(h, dh, twice, context) }
  expectClose(Array(twice.elements), gradients.elements.map { 2 * $0 }, within: 1e-12, "two gradients")

  let single = test.problem(Float.self)
  let floats = ParameterBuffer<Float>(single.layout)
  for index in floats.elements.indices { floats.elements[index] = Float(parameters.elements[index]) }
  let memory = Scratch<Float>()
  let (x, dx) = (memory.matrix(LayerCase.inputs()), memory.matrix(rows: h.rows, columns: h.columns))
  expectProductsInWorkspacePrecision {
    _ = single.loss(
      x, dx, ParameterBuffer(single.layout),
      LayerContext(parameters: floats, workspace: Workspace(precision: .bf16)))
  }
  let rounded = ParameterBuffer<Float>(single.layout)
  let rounding = single.loss(x, dx, rounded, LayerContext(parameters: floats, workspace: Workspace()))
  expectClose([rounding], [total], within: 1e-5, "the loss in single precision")
  expectClose(values(dx), analytic, within: 1e-4, "the gradient of the input in single precision")
  expectClose(
    Array(rounded.elements), Array(gradients.elements), within: 1e-4, "gradients in single precision")
}

/// The layers, on nine rows of five numbers.
enum LayerCase: Sendable, CustomTestStringConvertible {
  case linear(Activation)
  case softmax(smoothing: Double)
  case tiedSoftmax
  /// Classes 0 to 2 are in the head, 3 and 4 in the first cluster, the rest in the second.
  case adaptiveSoftmax([Int])
  case numbers
  case bits
  case conditionalRandomField

  static let all: [LayerCase] = {
    let linear = Activation.allCases.map { LayerCase.linear($0) }
    let adaptive = AdaptiveSoftmaxTests.targets.map { LayerCase.adaptiveSoftmax($0) }
    return linear + adaptive
      + [
        .softmax(smoothing: 0), .softmax(smoothing: 0.1), .tiedSoftmax, .numbers, .bits,
        .conditionalRandomField,
      ]
  }()

  var testDescription: String { "\(self)" }

  private static let (rows, inputSize, classes) = (9, 5, 9)
  /// A class for each row; some rows have none.
  private static let targets = [0, -1, 2, 3, -1, 4, 8, 5, -3]

  static func inputs<Element: Scalar>() -> Tensor<Element> { exactTensor([rows, inputSize], stream: 3) }

  /// The rows that have no target.
  var ignoredRows: [Int] {
    let targets =
      switch self {
      case .linear, .numbers, .conditionalRandomField: [Int]()
      case .softmax, .tiedSoftmax, .bits: Self.targets
      case .adaptiveSoftmax(let targets): targets
      }
    return targets.indices.filter { targets[$0] < 0 }
  }

  func problem<Element: Scalar>(_ type: Element.Type) -> LayerProblem<Element> {
    var builder = ParameterLayout.Builder()
    let scratch = Scratch<Element>()
    let targets = scratch.indices(Self.targets)
    switch self {
    case .linear(let activation):
      let layer = Linear<Element>(
        inputSize: Self.inputSize, outputSize: 7, activation: activation, in: &builder)
      let weight: Tensor<Element> = exactTensor([Self.rows, 7], stream: 2)
      return LayerProblem(layout: builder.build()) { h, dh, gradients, context in
        let y = scratch.matrix(rows: h.rows, columns: 7)
        layer.forward(h, into: y, context)
        let loss = dot(values(y), weight.values)
        if let gradients {
          layer.backward(h, y, scratch.matrix(weight), inputGradient: dh, into: gradients, context)
        }
        return loss
      }
    case .softmax(let smoothing):
      let layer = SoftmaxOutput<Element>(inputSize: Self.inputSize, classes: Self.classes, in: &builder)
      return LayerProblem(layout: builder.build()) { h, dh, gradients, context in
        withExtendedLifetime(scratch) {
          layer.loss(h, targets: targets, smoothing: smoothing, gradient: dh, into: gradients, context)
        }
      }
    case .tiedSoftmax:
      let table = builder.add("table", [Self.classes, Self.inputSize], .uniform(1))
      let layer = SoftmaxOutput<Element>(sharing: table, in: &builder)
      return LayerProblem(layout: builder.build()) { h, dh, gradients, context in
        withExtendedLifetime(scratch) {
          layer.loss(h, targets: targets, gradient: dh, into: gradients, context)
        }
      }
    case .adaptiveSoftmax(let classes):
      let layer = AdaptiveSoftmaxOutput<Element>(
        inputSize: Self.inputSize, classes: Self.classes, cutoffs: [3, 5], factor: 2, in: &builder)
      return LayerProblem(layout: builder.build()) { h, dh, gradients, context in
        layer.loss(h, targets: scratch.indices(classes), gradient: dh, into: gradients, context)
      }
    case .numbers, .bits:
      let isBits = if case .bits = self { true } else { false }
      let layer = LinearOutput<Element>(
        isBits ? .bits : .numbers, inputSize: Self.inputSize, size: 3, in: &builder)
      let numbers: Tensor<Element> = exactTensor([Self.rows, 3], stream: 4)
      let bits = Self.targets.flatMap { target -> [Element] in
        target < 0 ? [-1, -1, -1] : [Element(target & 1), Element(target >> 1 & 1), 1]
      }
      let wanted = scratch.matrix(isBits ? Tensor([Self.rows, 3], bits) : numbers)
      return LayerProblem(layout: builder.build()) { h, dh, gradients, context in
        withExtendedLifetime(scratch) {
          layer.loss(h, targets: wanted, gradient: dh, into: gradients, context)
        }
      }
    case .conditionalRandomField:
      let layer = ConditionalRandomFieldOutput<Element>(inputSize: Self.inputSize, tags: 4, in: &builder)
      let tags = scratch.indices(Self.targets.map { $0 < 0 ? -1 : $0 % 4 })
      let layout = PackedLayout(lengths: [4, 3, 2])
      return LayerProblem(layout: builder.build()) { h, dh, gradients, context in
        withExtendedLifetime(scratch) {
          layer.loss(h, layout, targets: tags, gradient: dh, into: gradients, context)
        }
      }
    }
  }
}
