import CKernels
import NumericKernels
import Testing

/// Attention over ragged sources, one step of several rows.
@Suite struct AttentionKernelTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let isAdditive: Bool
    var window: Int?
    var center = 0

    var testDescription: String {
      (isAdditive ? "additive" : "dot") + (window.map { " window \($0) at \(center)" } ?? "")
    }
    static let all = [
      Case(isAdditive: true), Case(isAdditive: false), Case(isAdditive: true, window: 1, center: 2),
      Case(isAdditive: false, window: 0, center: 9), Case(isAdditive: true, window: 2, center: 0),
    ]

    func step<Element: Scalar>(_ type: Element.Type) -> AttentionStep<Element> {
      AttentionStep(isAdditive: isAdditive, window: window, center: center)
    }
  }

  @Test(arguments: Case.all, Precision.allCases)
  func weightsAndContextsFollowTheEquations(test: Case, precision: Precision) {
    switch precision {
    case .double: expectEquations(test.step(Double.self), within: 1e-12)
    case .float: expectEquations(test.step(Float.self), within: 1e-5)
    }
  }

  private func expectEquations<Element: Scalar>(_ step: AttentionStep<Element>, within tolerance: Double) {
    step.forward()
    let (weights, context) = step.expected()
    for (index, weight) in weights.enumerated() {
      #expect(abs(Double(step.weights.base[index]) - weight) < tolerance, "weight \(index)")
    }
    for (index, value) in context.enumerated() {
      #expect(abs(Double(step.context.base[index]) - value) < tolerance, "context \(index)")
    }
  }

  @Test(arguments: Case.all)
  func gradientsAreSlopes(test: Case) {
    let step = test.step(Double.self)
    for (name, variable, gradient) in pairs(step, step.gradients()) {
      for index in stride(from: 0, to: variable.count, by: variable.count > 100 ? 13 : 1) {
        let value = variable.base[index]
        variable.base[index] = value + 1e-5
        let above = step.loss()
        variable.base[index] = value - 1e-5
        let below = step.loss()
        variable.base[index] = value
        let slope = (above - below) / 2e-5
        if abs(slope - gradient.base[index]) > 1e-8 * max(1, abs(slope)) {
          Issue.record("\(name)[\(index)]: gradient \(gradient.base[index]), slope \(slope)")
          break
        }
      }
    }
  }

  private func pairs<Element>(
    _ step: AttentionStep<Element>, _ gradients: AttentionStep<Element>.Gradients
  ) -> [(String, MatrixView<Element>, MatrixView<Element>)] {
    let always = [
      ("keys", step.keys, gradients.keys), ("query", step.query, gradients.query),
      ("values", step.values, gradients.values),
    ]
    guard step.isAdditive else { return always }
    return always + [
      ("v", step.v, gradients.v), ("features", step.feature, gradients.feature),
      ("featureWeight", step.featureWeight, gradients.featureWeight),
    ]
  }

  @Test(arguments: Case.all)
  func singlePrecisionAgrees(test: Case) {
    let (single, double) = (test.step(Float.self), test.step(Double.self))
    for ((name, _, a), (_, _, b)) in zip(pairs(single, single.gradients()), pairs(double, double.gradients()))
    {
      let largest = (0..<a.count).map { abs(Double(a.base[$0]) - b.base[$0]) }.max() ?? 0
      #expect(largest < 2e-5, "\(name)")
    }
  }

  /// See et al. 2017, equation 12, and its gradient: the smaller of the two receives it.
  @Test func coverageLossIsTheSumOfTheSmallerOnes() {
    let (weights, coverage) = (Block([0.25, 0.5, 0.25]), Block([0.5, 0.125, 0.0]))
    let (dWeights, dCoverage) = (Block([1.0, 1, 1]), Block([2.0, 2, 2]))
    let loss = rnd_coverage_loss(
      rnd_f64,
      rnd_coverage(
        count: 3, weights: weights.base, coverage: coverage.base, scale: 0.5, d_weights: dWeights.base,
        d_coverage: dCoverage.base))
    #expect(loss == 0.375)
    #expect(dWeights.values == [1.5, 1, 1] && dCoverage.values == [2, 2.5, 2.5])
  }
}
