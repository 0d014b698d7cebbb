import Checkpoints
import Foundation
import NumericKernels
import Testing

@Suite struct SoftmaxTests {
  @Test(arguments: [1, 2, 15, 16, 17, 100])
  func rowsAreNormalizedExponentials(columns: Int) {
    let x = Block<Double>(rows: 3, columns: columns, gap: 2) { smallInteger($0, $1) }
    let logits = x.values
    let bias = (0..<columns).map { Double($0 % 3) }
    x.view.softmax(bias: bias)
    for row in 0..<3 {
      let powers = (0..<columns).map { exp(logits[row * columns + $0] + bias[$0]) }
      let sum = powers.reduce(0, +)
      for column in 0..<columns { #expect(abs(x.view[row, column] - powers[column] / sum) < 1e-14) }
    }
    #expect(x.gapsAreUntouched)
  }

  @Test func largeLogitsNeitherOverflowNorVanish() {
    for shift in [-1e4, 0, 1e4] as [Float] {
      let block = Block<Float>([shift, shift + 1, shift - 200])
      block.view.softmax()
      let x = block.values
      #expect(abs(x[0] - 0.268_941_43) < 1e-6 && abs(x[1] - 0.731_058_6) < 1e-6 && x[2] < 1e-30)
    }
  }

  @Test(arguments: [2, 17])
  func backwardIsTheJacobian(columns: Int) {
    let y = Block<Double>(rows: 2, columns: columns, gap: 1) { smallInteger($0, $1) }
    y.view.softmax()
    let dy = Block<Double>(rows: 2, columns: columns, gap: 3) { smallInteger($0, $1, salt: 4) }
    let before = dy.values
    dy.view.softmaxBackward(y.view)
    for row in 0..<2 {
      for column in 0..<columns {
        // dL/dx_j = Σ_i dL/dy_i y_i (δ_ij − y_j)
        let expected = (0..<columns).reduce(0.0) {
          let delta = $1 == column ? 1.0 : 0
          return $0 + before[row * columns + $1] * y.view[row, $1] * (delta - y.view[row, column])
        }
        #expect(abs(dy.view[row, column] - expected) < 1e-13)
      }
    }
    #expect(dy.gapsAreUntouched)
  }
}

/// Cross-entropy compared with PyTorch: large logits, label smoothing, skipped rows.
@Suite struct CrossEntropyTests {
  static let names = [
    "cross-entropy-7", "cross-entropy-7-smoothed", "cross-entropy-131", "cross-entropy-131-smoothed",
  ]

  @Test(arguments: names, Precision.allCases)
  func equalsPyTorch(name: String, precision: Precision) throws {
    try check(name, precision.type, precision == .double ? 1e-12 : 1e-5)
  }

  private func check<Element: Scalar>(_ name: String, _ type: Element.Type, _ tolerance: Double) throws {
    let golden = try Golden(name)
    // The bias is subtracted from the logits first, so adding it must restore the same numbers.
    let bias = (0..<golden.classes).map { Element($0 % 5) / 4 }
    for row in golden.targets.indices {
      let logits = golden.row(golden.logits, row).enumerated().map { Element($0.element) - bias[$0.offset] }
      let (withGradient, without) = (Block(logits), Block(logits))
      func loss(_ block: Block<Element>, gradient: Bool) -> Double {
        block.view.softmaxCrossEntropy(
          targets: [golden.targets[row]], bias: bias, smoothing: golden.smoothing, withGradient: gradient)
      }
      let (first, second) = (loss(withGradient, gradient: true), loss(without, gradient: false))
      #expect(first == second)
      #expect(abs(first - golden.losses[row]) < tolerance * max(1, golden.losses[row]), "row \(row)")
      for (ours, theirs) in zip(withGradient.values, golden.row(golden.gradient, row)) {
        #expect(abs(Double(ours) - theirs) < tolerance, "row \(row)")
      }
    }
  }

  @Test(arguments: names)
  func rowsAddUpAndSkippedOnesDoNot(name: String) throws {
    let golden = try Golden(name)
    let x = Block<Double>(rows: 5, columns: golden.classes, gap: 3, golden.logits)
    var targets = golden.targets
    targets[3] = -1
    let loss = x.view.softmaxCrossEntropy(
      targets: targets, smoothing: golden.smoothing, withGradient: true)
    let expected = [0, 1, 2, 4].reduce(0) { $0 + golden.losses[$1] }
    #expect(abs(loss - expected) < 1e-12 * expected)
    for row in 0..<5 {
      for (column, theirs) in golden.row(golden.gradient, row).enumerated() {
        #expect(abs(x.view[row, column] - (row == 3 ? 0 : theirs)) < 1e-12)
      }
    }
    #expect(x.gapsAreUntouched)
  }
}

/// One of the cross-entropy files of Tests/Golden.
private struct Golden {
  let logits: [Double]
  let targets: [Int32]
  let losses: [Double]
  let gradient: [Double]
  let smoothing: Double

  var classes: Int { logits.count / targets.count }

  init(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden")
    let file = try SafetensorsFile(path: folder.appendingPathComponent("\(name).safetensors").path)
    logits = try file.readDoubles("logits")
    losses = try file.readDoubles("losses")
    gradient = try file.readDoubles("gradient.logits")
    var numbers = [Int64](repeating: 0, count: losses.count)
    try numbers.withUnsafeMutableBytes { try file.read("targets", into: $0) }
    targets = numbers.map { Int32($0) }
    smoothing = try #require(file.metadata["label_smoothing"].flatMap(Double.init))
  }

  func row(_ values: [Double], _ index: Int) -> [Double] {
    Array(values[index * classes..<(index + 1) * classes])
  }
}
