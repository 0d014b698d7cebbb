import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The adaptive softmax alone, with ignored rows: in the head, in every cluster, and everywhere.
@Suite struct AdaptiveSoftmaxTests {
  /// Cutoffs 3 and 5 of nine classes: 0 to 2 are in the head, 3 and 4 in the first cluster, the rest in the second.
  private static let (classes, inputSize, cutoffs) = (9, 5, [3, 5])

  /// Targets with ignored rows, so that head or clusters have fewer rows or none.
  static let targets: [[Int]] = [
    [0, -1, 2, 3, -1, 4, 8, 5, -3], [-1, -1, 3, -1, 6, -1, -1, -1, -1], [-1, 0, 1, 2, -1, -1, -1, -1, -1],
    [-1, 4, -2, 3, -1, -1, -1, -1, -1], [-1, 7, 8, -5, -1, -1, -1, -1, -1],
    [-1, -1, -7, -1, -1, -1, -1, -1, -1],
  ]

  private struct Problem {
    let output: AdaptiveSoftmaxOutput<Double>
    let parameters: ParameterBuffer<Double>
    let scratch = Scratch<Double>()

    init() {
      var builder = ParameterLayout.Builder()
      output = AdaptiveSoftmaxOutput(
        inputSize: AdaptiveSoftmaxTests.inputSize, classes: AdaptiveSoftmaxTests.classes,
        cutoffs: AdaptiveSoftmaxTests.cutoffs, factor: 2, in: &builder)
      parameters = ParameterBuffer(builder.build(), seed: 5)
    }

    func states(_ rows: Int) -> MatrixView<Double> {
      scratch.matrix(randomTensor([rows, AdaptiveSoftmaxTests.inputSize], stream: 3))
    }

    func loss(
      _ h: MatrixView<Double>, _ targets: [Int], gradient dh: MatrixView<Double>? = nil,
      into gradients: ParameterBuffer<Double>? = nil
    ) -> Double {
      output.loss(
        h, targets: scratch.indices(targets), gradient: dh, into: gradients,
        LayerContext(parameters: parameters, workspace: Workspace()))
    }

    /// Logarithms of the probabilities, row by row.
    func logProbabilities(_ h: MatrixView<Double>) -> [Double] {
      let logits = scratch.matrix(rows: h.rows, columns: AdaptiveSoftmaxTests.classes)
      output.logits(h, into: logits, LayerContext(parameters: parameters, workspace: Workspace()))
      return values(logits)
    }
  }

  @Test(arguments: targets)
  func ignoredRowsAddNothingToTheLoss(targets: [Int]) {
    let problem = Problem()
    let h = problem.states(targets.count)
    let logProbabilities = problem.logProbabilities(h)
    let expected = targets.enumerated().filter { $0.element >= 0 }.reduce(0.0) {
      $0 - logProbabilities[$1.offset * Self.classes + $1.element]
    }
    let dh = problem.scratch.matrix(rows: targets.count, columns: Self.inputSize)
    let gradients = ParameterBuffer<Double>(problem.parameters.layout)
    for loss in [problem.loss(h, targets), problem.loss(h, targets, gradient: dh, into: gradients)] {
      #expect(abs(loss - expected) < 1e-12)
    }
  }

  /// Leaving rows out of the batch has the same result as ignoring them.
  @Test func ignoringIsLeavingOut() {
    let problem = Problem()
    let targets: [Int] = [1, -1, 4, -1, -1, 8, 0]
    let kept = targets.indices.filter { targets[$0] >= 0 }
    let h = problem.states(targets.count)
    let part = problem.scratch.matrix(rows: kept.count, columns: Self.inputSize)
    for (row, source) in kept.enumerated() {
      for column in 0..<Self.inputSize { part[row, column] = h[source, column] }
    }
    var results: [(loss: Double, gradients: [Double])] = []
    for (rows, targets) in [(h, targets), (part, kept.map { targets[$0] })] {
      let gradients = ParameterBuffer<Double>(problem.parameters.layout)
      let dh = problem.scratch.matrix(rows: rows.rows, columns: Self.inputSize)
      let loss = problem.loss(rows, targets, gradient: dh, into: gradients)
      results.append((loss, Array(gradients.elements)))
    }
    #expect(abs(results[0].loss - results[1].loss) < 1e-12 && results[0].loss > 0)
    expectClose(results[0].gradients, results[1].gradients, within: 1e-12, "gradients")
  }
}
