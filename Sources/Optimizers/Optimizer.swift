import CKernels
import Foundation

/// An update rule with its moments, over one flat buffer of parameters; it knows no layers.
///
/// Moments restored together with `updates` continue a run bit for bit. The update of an element depends on
/// that element alone, so it is the same however many numbers the buffer holds and whatever instructions the
/// machine has.
public final class Optimizer<S: OptimizerScalar> {
  public let settings: OptimizerSettings

  /// The number of parameters.
  public let count: Int

  /// The moments with the names PyTorch gives them, each `[count]`, 64-byte aligned, zero at first. The
  /// memory is the optimizer's: read it for a checkpoint, overwrite it when a run is resumed, and don't use
  /// it after the optimizer.
  public let moments: [(name: String, buffer: UnsafeMutableBufferPointer<S>)]

  /// The updates made so far: t of Adam's bias correction. To be set when a run is resumed.
  public var updates: Int

  /// - Parameter count: the number of parameters. The moments are allocated here, once.
  public init(settings: OptimizerSettings, count: Int) {
    precondition(count >= 0, "an optimizer for \(count) parameters: the count can't be negative")
    self.settings = settings
    self.count = count
    updates = 0
    moments = settings.kind.momentNames.map { ($0, Self.allocateZeros(count)) }
  }

  deinit {
    for moment in moments { moment.buffer.deallocate() }
  }

  /// Makes one update: overwrites the parameters and the moments, and counts the update. Gradients are only
  /// read. Parameters as in ``beginUpdate(parameters:gradients:gradientScale:learningRate:within:)``.
  public func apply(
    parameters: UnsafeMutableBufferPointer<S>, gradients: UnsafeBufferPointer<S>, gradientScale: Double,
    learningRate: Double, within spans: [Range<Int>]? = nil
  ) {
    beginUpdate(
      parameters: parameters, gradients: gradients, gradientScale: gradientScale, learningRate: learningRate,
      within: spans
    ).apply(to: 0..<count)
  }

  /// Counts the next update and fixes its constants. The caller then applies it block by block, from any threads, to
  /// ranges that together cover every element once. The optimizer must live until the last block is done.
  ///
  /// - Parameters:
  ///   - parameters: θ, `[count]`.
  ///   - gradients: `[count]`; the rule sees g = gradientScale·gradients.
  ///   - gradientScale: for gradients that are sums over tokens, the clip factor divided by the number of
  ///     tokens.
  ///   - learningRate: η of this update.
  ///   - spans: where gradients may differ from zero; nil: anywhere. A rule that leaves a parameter without gradient as
  ///     it is skips the rest.
  public func beginUpdate(
    parameters: UnsafeMutableBufferPointer<S>, gradients: UnsafeBufferPointer<S>, gradientScale: Double,
    learningRate: Double, within spans: [Range<Int>]? = nil
  ) -> OptimizerUpdate<S> {
    precondition(
      parameters.count == count && gradients.count == count,
      "optimizer for \(count) parameters got \(parameters.count) parameters and \(gradients.count) gradients")
    updates += 1
    let time = Double(updates)
    return OptimizerUpdate(
      kind: settings.kind, parameters: parameters, gradients: gradients.baseAddress,
      first: moments.first?.buffer.baseAddress, second: moments.last?.buffer.baseAddress,
      spans: settings.leavesWithoutGradient ? spans : nil,
      constants: rnd_update(
        count: 0, parameters: nil, gradient: nil, first: nil, second: nil, gradient_scale: gradientScale,
        learning_rate: learningRate, weight_decay: settings.weightDecay,
        momentum: settings.momentum, decay: settings.decay, beta1: settings.beta1, beta2: settings.beta2,
        epsilon: settings.resolvedEpsilon, bias1: 1 - pow(settings.beta1, time),
        bias2: 1 - pow(settings.beta2, time)))
  }

  private static func allocateZeros(_ count: Int) -> UnsafeMutableBufferPointer<S> {
    let bytes = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(count, 1) * MemoryLayout<S>.stride, alignment: 64)
    let buffer = UnsafeMutableBufferPointer(
      start: bytes.baseAddress?.bindMemory(to: S.self, capacity: count), count: count)
    buffer.initialize(repeating: 0)
    return buffer
  }
}

/// One update of an ``Optimizer``, with its constants, ready to be applied to the parameters block by block.
public struct OptimizerUpdate<S: OptimizerScalar> {
  let kind: OptimizerSettings.Kind
  let parameters: UnsafeMutableBufferPointer<S>
  let gradients: UnsafePointer<S>?
  let first: UnsafeMutablePointer<S>?
  let second: UnsafeMutablePointer<S>?
  /// Where to update; nil: everywhere.
  let spans: [Range<Int>]?
  let constants: rnd_update

  /// Updates the elements of a range, and their moments. Each element must be updated once.
  public func apply(to range: Range<Int>) {
    guard let spans else { return sweep(range) }
    var next = spans.partitioningIndex { $0.upperBound > range.lowerBound }
    while next < spans.count, spans[next].lowerBound < range.upperBound {
      sweep(spans[next].clamped(to: range))
      next += 1
    }
  }

  private func sweep(_ range: Range<Int>) {
    guard let base = parameters.baseAddress else { return }
    var update = constants
    update.count = range.count
    update.parameters = UnsafeMutableRawPointer(base + range.lowerBound)
    update.gradient = gradients.map { UnsafeRawPointer($0 + range.lowerBound) }
    update.first = first.map { UnsafeMutableRawPointer($0 + range.lowerBound) }
    update.second = second.map { UnsafeMutableRawPointer($0 + range.lowerBound) }
    S.sweep(kind, update)
  }
}

extension Array {
  /// The index of the first element for which `belongs` is true. All elements for which it is true come last.
  fileprivate func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if belongs(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
