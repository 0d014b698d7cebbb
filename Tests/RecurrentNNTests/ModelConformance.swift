import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// A model with a small batch for `checkModel`. A model is checked by listing its cases in `ModelConformanceTests`.
protocol ModelCase: Sendable, CustomTestStringConvertible {
  /// The model and its batch in single or double precision, with the same numbers.
  func problem<Element: Scalar>(_ type: Element.Type) throws -> ModelProblem<Element>
}

/// The access to a model that `checkModel` needs.
struct ModelProblem<Element: Scalar> {
  /// The summed loss of some examples of the batch, given by their numbers, with or without the dropout masks of
  /// training. The gradients of the sum are added if requested.
  typealias Evaluation = (
    _ examples: [Int], _ isMasked: Bool, _ gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> LossSum

  let layout: ParameterLayout
  /// Number of examples in the batch.
  let count: Int
  /// True if the loss of training depends on random numbers.
  let isRandom: Bool
  let evaluate: Evaluation
}

/// Checks the properties that all models must have:
///
/// - gradients are the slopes of the loss (row by row), and every parameter has one;
/// - a batch is the sum of its single examples for any lengths, and masks follow the example;
/// - masks matter exactly if an option is random;
/// - an empty batch has neither loss nor gradient;
/// - gradients are added to existing ones, and a later call takes no more memory than the first;
/// - every product with a weight is computed in the precision of the workspace;
/// - single precision agrees with double precision.
func checkModel(_ test: some ModelCase) throws {
  let model = try test.problem(Double.self)
  let parameters = ParameterBuffer<Double>(model.layout, seed: 5)
  // The same numbers in both precisions.
  for index in parameters.elements.indices {
    parameters.elements[index] = Double(Float(parameters.elements[index]))
  }
  let context = LayerContext(parameters: parameters, workspace: Workspace())
  let all = Array(0..<model.count)
  func loss(_ examples: [Int], masked: Bool = true, into gradients: ParameterBuffer<Double>? = nil) -> LossSum
  {
    model.evaluate(examples, masked, gradients, context)
  }

  let gradients = ParameterBuffer<Double>(model.layout)
  let whole = loss(all, into: gradients)
  expectRowGradients(gradients, of: parameters) { loss(all).total }
  for parameter in model.layout.parameters {
    #expect(gradients.elements(parameter).contains { $0 != 0 }, "\(parameter.name) has no gradient")
  }
  #expect((abs(whole.total - loss(all, masked: false).total) < 1e-12) == !model.isRandom)

  let parts = ParameterBuffer<Double>(model.layout)
  let sum = all.reduce(into: LossSum()) { $0 += loss([$1], into: parts) }
  #expect(whole.tokens == sum.tokens)
  expectClose([sum.total], [whole.total], within: 1e-11, "the sum of the losses of single examples")
  expectClose(Array(parts.elements), Array(gradients.elements), within: 1e-11, "the sum of their gradients")

  let none = ParameterBuffer<Double>(model.layout)
  #expect(loss([], into: none) == LossSum() && none.elements.allSatisfy { $0 == 0 })

  let arena = context.workspace.arena
  _ = loss(all, into: ParameterBuffer(model.layout))
  let memory = [arena.peak, arena.capacityInBytes]
  let twice = ParameterBuffer<Double>(model.layout)
  for _ in 0..<2 { #expect(loss(all, into: twice) == whole) }
  expectClose(Array(twice.elements), gradients.elements.map { 2 * $0 }, within: 1e-12, "two gradients")
  #expect([arena.peak, arena.capacityInBytes] == memory)

  let single = try test.problem(Float.self)
  let floats = ParameterBuffer<Float>(single.layout)
  for index in floats.elements.indices { floats.elements[index] = Float(parameters.elements[index]) }
  expectProductsInWorkspacePrecision {
    _ = single.evaluate(
      all, true, ParameterBuffer(single.layout),
      LayerContext(parameters: floats, workspace: Workspace(precision: .bf16)))
  }

  let rounded = ParameterBuffer<Float>(single.layout)
  let rounding = single.evaluate(all, true, rounded, LayerContext(parameters: floats, workspace: Workspace()))
  #expect(rounding.tokens == whole.tokens)
  expectClose([rounding.total], [whole.total], within: 1e-5, "the loss in single precision")
  expectClose(
    Array(rounded.elements), Array(gradients.elements), within: 1e-4, "gradients in single precision")
}

/// Expects that `body`, which computes in a workspace of bf16, computes no GEMM in the default precision: a GEMM in that
/// precision would ignore the workspace.
func expectProductsInWorkspacePrecision(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () -> Void
) {
  let others = ProductRecorder.record(body)
  #expect(
    others.isEmpty, "products that are not in the precision of the workspace", sourceLocation: sourceLocation)
}

/// Numbers from U(-1, 1) that are the same in both precisions.
func exactTensor<Element: Scalar>(_ shape: [Int], stream: Int) -> Tensor<Element> {
  let numbers: Tensor<Float> = randomTensor(shape, stream: stream)
  return Tensor(shape, numbers.values.map { Element($0) })
}
