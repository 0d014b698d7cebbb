import Foundation
import NumericKernels
import Optimizers
import Testing

/// Runs the golden sequence of gradients through an optimizer and returns the final parameters.
private func train<S: Scalar>(
  _ optimizer: Optimizer<S>, from parameters: [S], steps: Range<Int>, gradientScale: Double = 1
) -> [S] {
  var parameters = parameters
  for step in steps {
    let gradients = (0..<optimizer.count).map { S(GoldenUpdate.gradient($0, step: step)) }
    parameters.withUnsafeMutableBufferPointer { parameters in
      gradients.withUnsafeBufferPointer { gradients in
        optimizer.beginUpdate(
          parameters: parameters, gradients: gradients, gradientScale: gradientScale,
          learningRate: GoldenUpdate.learningRate(step: step)
        ).apply(to: parameters.indices)
      }
    }
  }
  return parameters
}

private func initial<S: Scalar>(_ count: Int, as type: S.Type) -> [S] {
  (0..<count).map { S(GoldenUpdate.parameter($0)) }
}

private func isClose<S: Scalar>(_ a: S, _ b: Double, _ tolerance: Double) -> Bool {
  abs(Double(a) - b) <= tolerance * max(1, abs(b))
}

@Suite struct OptimizerTests {
  /// If gradients are zero outside of spans, updating only the spans has the same bits as updating everything.
  @Test(arguments: OptimizerSettings.Kind.allCases, [0, 0.01])
  func anUpdateWithinSpansIsThatOfEverything(kind: OptimizerSettings.Kind, weightDecay: Double) {
    let spans = [0..<5, 17..<18, 30..<47]
    let gradients = (0..<47).map { index in
      spans.contains { $0.contains(index) } ? Float(GoldenUpdate.gradient(index % 7, step: index)) : 0
    }
    // The pieces cut through spans and the gaps between them, and are in no order.
    let pieces = [30..<40, 0..<3, 40..<47, 3..<18, 18..<30]
    let ways: [([Range<Int>]?, [Range<Int>]?)] = [(spans, nil), (nil, nil), (spans, pieces), (nil, pieces)]
    let results = ways.map { spans, pieces in
      let optimizer = Optimizer<Float>(
        settings: OptimizerSettings(kind: kind, weightDecay: weightDecay), count: 47)
      var parameters = (0..<47).map { Float($0) / 10 - 2 }
      for _ in 0..<3 {
        parameters.withUnsafeMutableBufferPointer { parameters in
          gradients.withUnsafeBufferPointer {
            let update = optimizer.beginUpdate(
              parameters: parameters, gradients: $0, gradientScale: 0.5, learningRate: 0.1, within: spans)
            for piece in pieces ?? [0..<47] { update.apply(to: piece) }
          }
        }
      }
      return parameters + optimizer.moments.flatMap { Array($0.buffer) }
    }
    for result in results.dropFirst() { #expect(result == results[0]) }
    gradients.withUnsafeBufferPointer {
      #expect(gradientNorm($0, in: spans) == gradientNorm($0, in: [0..<47]))
    }
  }

  @Test func everyRuleIsCompared() throws {
    let settings = try GoldenUpdate.all().map { try $0.settings() }
    for kind in OptimizerSettings.Kind.allCases {
      #expect(settings.filter { $0.kind == kind }.map(\.weightDecay) == [0, 0.01])
    }
  }

  @Test(arguments: try GoldenUpdate.all())
  func doubleEqualsPyTorch(golden: GoldenUpdate) throws {
    let optimizer = Optimizer<Double>(settings: try golden.settings(), count: GoldenUpdate.count)
    let result = train(
      optimizer, from: initial(GoldenUpdate.count, as: Double.self), steps: 0..<GoldenUpdate.steps,
      gradientScale: GoldenUpdate.gradientScale)
    for (ours, theirs) in zip(result, golden.double) { #expect(isClose(ours, theirs, 1e-12)) }
    #expect(optimizer.moments.count == golden.moments.count)
    for (moment, theirs) in zip(optimizer.moments, golden.moments) {
      for (a, b) in zip(moment.buffer, theirs) { #expect(isClose(a, b, 1e-12), "\(moment.name)") }
    }
  }

  @Test(arguments: try GoldenUpdate.all())
  func floatEqualsPyTorch(golden: GoldenUpdate) throws {
    let optimizer = Optimizer<Float>(settings: try golden.settings(), count: GoldenUpdate.count)
    let result = train(
      optimizer, from: initial(GoldenUpdate.count, as: Float.self), steps: 0..<GoldenUpdate.steps,
      gradientScale: GoldenUpdate.gradientScale)
    for (ours, theirs) in zip(result, golden.single) { #expect(isClose(ours, theirs, 1e-6)) }
  }

  /// Results agree bit for bit: neither the width of a vector register nor fused multiply-adds may change them.
  @Test(arguments: OptimizerSettings.Kind.allCases, [1, 15, 17, 1023])
  func everyCountEqualsAPlainLoopBitForBit(kind: OptimizerSettings.Kind, count: Int) {
    let settings = OptimizerSettings(kind: kind, weightDecay: 0.01)
    let ours = train(
      Optimizer<Float>(settings: settings, count: count), from: initial(count, as: Float.self), steps: 0..<5)
    let plain = (0..<count).map { index in
      var rule = PlainRule(settings: settings, parameter: Float(GoldenUpdate.parameter(index)))
      for step in 0..<5 {
        rule.update(
          gradient: Float(GoldenUpdate.gradient(index, step: step)),
          learningRate: GoldenUpdate.learningRate(step: step))
      }
      return rule.parameter
    }
    #expect(ours == plain)
  }

  @Test(arguments: [1, 15, 17, 1023])
  func adamEqualsTheEquationsWrittenOut(count: Int) {
    let (beta1, beta2, epsilon) = (0.8, 0.95, 1e-3)
    let optimizer = Optimizer<Double>(
      settings: OptimizerSettings(kind: .adam, beta1: beta1, beta2: beta2, epsilon: epsilon), count: count)
    let ours = train(optimizer, from: initial(count, as: Double.self), steps: 0..<10)
    for index in 0..<count {
      var (theta, m, v) = (GoldenUpdate.parameter(index), 0.0, 0.0)
      var (power1, power2) = (1.0, 1.0)
      for step in 0..<10 {
        let g = GoldenUpdate.gradient(index, step: step)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        power1 *= beta1
        power2 *= beta2
        let step = GoldenUpdate.learningRate(step: step) * m / (1 - power1)
        theta -= step / ((v / (1 - power2)).squareRoot() + epsilon)
      }
      #expect(isClose(ours[index], theta, 1e-13))
    }
  }

  @Test(arguments: OptimizerSettings.Kind.allCases)
  func restoredMomentsContinueBitForBit(kind: OptimizerSettings.Kind) {
    let settings = OptimizerSettings(kind: kind, weightDecay: 0.01)
    let start = initial(33, as: Float.self)
    let whole = train(Optimizer<Float>(settings: settings, count: 33), from: start, steps: 0..<12)

    let before = Optimizer<Float>(settings: settings, count: 33)
    let middle = train(before, from: start, steps: 0..<5)
    let after = Optimizer<Float>(settings: settings, count: 33)
    for (to, from) in zip(after.moments, before.moments) {
      _ = to.buffer.update(fromContentsOf: from.buffer)
    }
    after.updates = before.updates
    #expect(train(after, from: middle, steps: 5..<12) == whole)
  }

  @Test(arguments: [OptimizerSettings.Kind.adam, .adamw])
  func biasCorrectionDependsOnTheRestoredCount(kind: OptimizerSettings.Kind) {
    let start = initial(3, as: Double.self)
    let settings = OptimizerSettings(kind: kind)
    let early = Optimizer<Double>(settings: settings, count: 3)
    let late = Optimizer<Double>(settings: settings, count: 3)
    late.updates = 100
    #expect(train(early, from: start, steps: 0..<1) != train(late, from: start, steps: 0..<1))
    #expect(late.updates == 101)
  }

  @Test func momentsHaveTheNamesOfPyTorchsState() {
    let names = OptimizerSettings.Kind.allCases.map { kind in
      Optimizer<Float>(settings: OptimizerSettings(kind: kind), count: 1).moments.map(\.name)
    }
    #expect(
      names == [
        [], ["momentum_buffer"], ["momentum_buffer"], ["square_avg"], ["sum"], ["exp_avg", "exp_avg_sq"],
        ["exp_avg", "exp_avg_sq"],
      ])
  }

  @Test func momentMemoryIsAlignedAndStartsAtZero() {
    let optimizer = Optimizer<Float>(settings: OptimizerSettings(kind: .adam), count: 19)
    for moment in optimizer.moments {
      #expect(moment.buffer.count == 19)
      #expect(moment.buffer.allSatisfy { $0 == 0 })
      #expect(Int(bitPattern: moment.buffer.baseAddress) % 64 == 0)
    }
    _ = train(optimizer, from: initial(19, as: Float.self), steps: 0..<1)
    #expect(optimizer.moments.allSatisfy { $0.buffer.contains { $0 != 0 } })
  }

  @Test(arguments: OptimizerSettings.Kind.allCases)
  func noParametersIsNoWork(kind: OptimizerSettings.Kind) {
    let optimizer = Optimizer<Float>(settings: OptimizerSettings(kind: kind), count: 0)
    #expect(train(optimizer, from: [], steps: 0..<2).isEmpty)
    #expect(optimizer.updates == 2)
  }

  @Test func defaultEpsilonsArePyTorchs() {
    #expect(OptimizerSettings(kind: .adagrad).resolvedEpsilon == 1e-10)
    #expect(OptimizerSettings(kind: .adam).resolvedEpsilon == 1e-8)
    #expect(OptimizerSettings(kind: .rmsprop).resolvedEpsilon == 1e-8)
    #expect(OptimizerSettings(kind: .rmsprop, epsilon: 1e-6).resolvedEpsilon == 1e-6)
  }
}

/// An entry of optimizers.json, which Tests/Golden/make_optimizers.py has written: parameters and moments after twelve
/// updates by torch.optim. The inputs are the functions below.
struct GoldenUpdate: Decodable, Sendable, CustomStringConvertible {
  private let kind: String
  private let weightDecay: Double
  /// The parameters in double and in single precision.
  let double: [Double]
  let single: [Double]
  let moments: [[Double]]

  var description: String { "\(kind) with weight decay \(weightDecay)" }

  func settings() throws -> OptimizerSettings {
    OptimizerSettings(kind: try #require(OptimizerSettings.Kind(rawValue: kind)), weightDecay: weightDecay)
  }

  static func all() throws -> [GoldenUpdate] {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.appendingPathComponent("Golden/optimizers.json")
    return try JSONDecoder().decode([GoldenUpdate].self, from: Data(contentsOf: file))
  }

  static let (count, steps, gradientScale) = (5, 12, 0.5)

  static func parameter(_ i: Int) -> Double { Double((i * 37) % 101 - 50) / 64 }
  static func gradient(_ i: Int, step: Int) -> Double { Double((i * 29 + step * 53) % 97 - 48) / 32 }
  static func learningRate(step: Int) -> Double { 0.02 / Double(1 + step) }
}
