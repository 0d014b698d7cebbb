import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The CRF alone, compared with the enumeration of all ways to tag a sequence.
@Suite struct ConditionalRandomFieldTests {
  /// Tags, lengths, and steps without a target. 18 tags are more than the kernels process at once.
  static let cases: [(tags: Int, lengths: [Int], unknown: Set<Int>)] = [
    (3, [2, 6, 1, 0, 4], []), (3, [2, 6, 1, 0, 4], [3, 5, 8, 12]), (2, [5, 5], [0, 1, 2, 3, 4]),
    (1, [3, 1], []),
    (18, [1, 3, 2], []), (18, [1, 3, 2], [0, 2]),
  ]

  @Test(arguments: cases, Precision.allCases)
  func equalsEnumeration(option: (tags: Int, lengths: [Int], unknown: Set<Int>), precision: Precision) {
    switch precision {
    case .double: Field<Double>(option.tags, option.lengths).check(option.unknown, within: 1e-11)
    case .float: Field<Float>(option.tags, option.lengths).check(option.unknown, within: 2e-5)
    }
  }

  /// Single precision holds for long sequences and for scores whose exponentials overflow.
  @Test(arguments: [(length: 3000, scale: 4.0), (length: 5, scale: 400), (length: 40, scale: 3000)])
  func singlePrecisionHolds(length: Int, scale: Double) {
    let (double, float) = (Field<Double>(5, [length, 2], scale), Field<Float>(5, [length, 2], scale))
    let targets = (0..<length + 2).map { $0 * 3 % 5 }
    let (exact, rounded) = (double.loss(targets), float.loss(targets))
    #expect(exact.total > 0 && abs(exact.total - rounded.total) < 1e-6 * exact.total)
    // Scores of this size differ only by rounding.
    expectClose(rounded.gradient, exact.gradient, within: 1e-6 * Double(length) * scale, "gradient")
    #expect(rounded.gradient.allSatisfy { $0.isFinite })
    #expect(double.bestPath() == float.bestPath())
  }

  @Test func aNaNStaysVisible() {
    let field = Field<Float>(4, [3])
    field.h[1, 0] = .nan
    let result = field.loss([0, 1, 2])
    #expect(result.total.isNaN && result.gradient.contains { $0.isNaN })
  }
}

/// A CRF over numbers of which the first `tags` are the emissions themselves.
private final class Field<Element: Scalar> {
  let h: MatrixView<Element>
  private let tags: Int
  private let layout: PackedLayout
  private let output: ConditionalRandomFieldOutput<Element>
  private let parameters: ParameterBuffer<Element>
  private let context: LayerContext<Element>
  private let scratch = Scratch<Element>()

  init(_ tags: Int, _ lengths: [Int], _ scale: Double = 3) {
    self.tags = tags
    layout = PackedLayout(lengths: lengths)
    var builder = ParameterLayout.Builder()
    output = ConditionalRandomFieldOutput(inputSize: tags, tags: tags, in: &builder)
    parameters = ParameterBuffer(builder.build())
    for (index, name) in ["crf.start_transitions", "crf.end_transitions", "crf.transitions"].enumerated() {
      guard let parameter = parameters.layout[name] else { continue }
      let values: Tensor<Double> = randomTensor(parameter.shape, stream: 60 + index)
      for (place, value) in values.values.enumerated() {
        parameters.elements(parameter)[place] = Element(Float(value * scale))
      }
    }
    if let identity = parameters.layout["output.weight"] {
      for tag in 0..<tags { parameters.matrix(identity)[tag, tag] = 1 }
    }
    context = LayerContext(parameters: parameters, workspace: Workspace())
    let emissions: Tensor<Double> = randomTensor([layout.rowCount, tags], stream: 70)
    h = scratch.matrix(Tensor(emissions.shape, emissions.values.map { Element(Float($0 * scale)) }))
  }

  func loss(_ targets: [Int]) -> (total: Double, gradient: [Element]) {
    let gradients = ParameterBuffer<Element>(parameters.layout)
    let dh = scratch.matrix(rows: h.rows, columns: h.columns)
    dh.fill(.nan)  // Overwritten, not added to.
    let total = output.loss(
      h, layout, targets: scratch.indices(targets), gradient: dh, into: gradients, context)
    return (total, values(dh) + Array(gradients.elements))
  }

  func bestPath() -> [Int32] {
    var path = [Int32](repeating: -1, count: h.rows)
    path.withUnsafeMutableBufferPointer { output.bestPath(h, layout, into: $0.baseAddress!, context) }
    return path
  }

  private func score(_ path: [Int], _ position: Int) -> Double {
    func value(_ name: String, _ index: Int) -> Double {
      parameters.layout[name].map { Double(parameters.elements($0)[index]) } ?? .nan
    }
    guard let first = path.first, let last = path.last else { return 0 }
    var score = value("crf.start_transitions", first) + value("crf.end_transitions", last)
    for (step, tag) in path.enumerated() {
      score += Double(h[layout.offsets[step] + position, tag])
      if step > 0 { score += value("crf.transitions", path[step - 1] * tags + tag) }
    }
    return score
  }

  /// All paths of a length, in lexicographic order.
  private func paths(_ length: Int) -> [[Int]] {
    length == 0 ? [[]] : paths(length - 1).flatMap { path in (0..<tags).map { path + [$0] } }
  }

  func check(_ unknown: Set<Int>, within tolerance: Double) {
    let targets = (0..<layout.rowCount).map { unknown.contains($0) ? -1 : ($0 * 5 + $0 / 2) % tags }
    let path = bestPath()
    var expected = 0.0
    for (position, length) in layout.lengths.enumerated() where length > 0 {
      let rows = (0..<length).map { layout.offsets[$0] + position }
      let all = paths(length).map { (path: $0, score: score($0, position)) }
      let agreeing = all.filter { zip($0.path, rows).allSatisfy { [$0, -1].contains(targets[$1]) } }
      func logSum(_ scores: [Double]) -> Double { log(scores.reduce(0) { $0 + exp($1) }) }
      expected += logSum(all.map(\.score)) - logSum(agreeing.map(\.score))
      let best = all.max { $0.score < $1.score }
      #expect(best?.path == rows.map { Int(path[$0]) })
    }
    let plain = output.loss(h, layout, targets: scratch.indices(targets), gradient: nil, into: nil, context)
    #expect(plain == loss(targets).total && abs(plain - expected) < tolerance * max(1, expected))
  }
}
