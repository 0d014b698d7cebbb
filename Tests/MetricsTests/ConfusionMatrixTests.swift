// Separate file: the tests of one type.

import Metrics
import Testing

@Suite struct ConfusionMatrixTests {
  private static let reference: [Int32] = [0, 0, 0, 1, 1, 2, 2, 2, 2, -1]
  private static let predicted: [Int32] = [0, 0, 1, 1, 2, 2, 2, 0, 2, 2]

  private func matrix(_ range: Range<Int>) -> ConfusionMatrix {
    var matrix = ConfusionMatrix()
    matrix.add(predicted: Array(Self.predicted[range]), reference: Array(Self.reference[range]))
    return matrix
  }

  /// `sklearn.metrics.precision_recall_fscore_support(reference, predicted, labels=[0, 1, 2, 3], zero_division=0)`
  /// returns precision 2/3, 1/2, 3/5, 0, recall 2/3, 1/2, 3/4, 0, F1 2/3, 1/2, 2/3, 0 and support 3, 2, 4, 0.
  @Test func scoresAreThoseOfScikitLearn() {
    let scores = matrix(0..<10).scores(classes: 4)
    let (half, twoThirds) = (0.5, 2.0 / 3)
    #expect(scores.map(\.precision) == [twoThirds, half, 0.6, 0])
    #expect(scores.map(\.recall) == [twoThirds, half, 0.75, 0])
    #expect(scores.map(\.f1) == [twoThirds, half, twoThirds, 0])
    #expect(scores.map(\.reference) == [3, 2, 4, 0] && scores.map(\.predicted) == [3, 2, 5, 0])
    #expect(scores.map(\.correct) == [2, 1, 3, 0])
  }

  @Test func countsOfShardsAddUp() {
    var sum = matrix(0..<4)
    sum += matrix(4..<10)
    #expect(sum == matrix(0..<10))
    #expect(sum[reference: 2, predicted: 0] == 1 && sum[reference: -1, predicted: 2] == 1)
    #expect(sum[reference: 1, predicted: 0] == 0)
    let pairs = sum.pairs
    #expect(pairs.map(\.pair) == pairs.map(\.pair).sorted() && pairs.reduce(0) { $0 + $1.count } == 10)
    #expect(ConfusionMatrix().isEmpty && !sum.isEmpty)
  }
}
