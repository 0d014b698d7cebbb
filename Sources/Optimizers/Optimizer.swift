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
  /// read.
  ///
  /// - Parameters:
  ///   - parameters: θ, `[count]`.
  ///   - gradients: `[count]`; the rule sees g = gradientScale·gradients.
  ///   - gradientScale: for gradients that are sums over tokens, the clip factor divided by the number of
  ///     tokens.
  ///   - learningRate: η of this update.
  ///   - spans: where gradients may differ from zero; nil: anywhere. A rule that leaves a parameter without gradient as
  ///     it is does not walk through the rest.
  ///   - walk: runs the update piece by piece: is given a function that updates a range of elements, and calls it, from
  ///     any threads, for ranges that together are all elements, each once. nil: in one piece.
  public func apply(
    parameters: UnsafeMutableBufferPointer<S>, gradients: UnsafeBufferPointer<S>, gradientScale: Double,
    learningRate: Double, within spans: [Range<Int>]? = nil,
    piecewise walk: ((_ sweep: (Range<Int>) -> Void) -> Void)? = nil
  ) {
    precondition(
      parameters.count == count && gradients.count == count,
      "optimizer for \(count) parameters got \(parameters.count) parameters and \(gradients.count) gradients")
    updates += 1
    let time = Double(updates)
    let update = rnd_update(
      gradient_scale: gradientScale, learning_rate: learningRate, weight_decay: settings.weightDecay,
      momentum: settings.momentum, decay: settings.decay, beta1: settings.beta1, beta2: settings.beta2,
      epsilon: settings.resolvedEpsilon, bias1: 1 - pow(settings.beta1, time),
      bias2: 1 - pow(settings.beta2, time))
    // Looked up here, because the sweep may be called for thousands of pieces.
    let (kind, first, second) = (
      settings.kind, moments.first?.buffer.baseAddress, moments.last?.buffer.baseAddress
    )
    let sweep = { (range: Range<Int>) in
      S.sweep(
        kind, parameters: .init(rebasing: parameters[range]),
        gradients: gradients.baseAddress.map { $0 + range.lowerBound },
        first: first.map { $0 + range.lowerBound }, second: second.map { $0 + range.lowerBound },
        update: update)
    }
    let walk = walk ?? { $0(0..<self.count) }
    guard let spans, settings.leavesWithoutGradient else { return walk(sweep) }
    walk { range in
      var next = spans.partitioningIndex { $0.upperBound > range.lowerBound }
      while next < spans.count, spans[next].lowerBound < range.upperBound {
        sweep(spans[next].clamped(to: range))
        next += 1
      }
    }
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

extension Array {
  /// The index of the first element for which `belongs` is true, of elements of which all such come last.
  fileprivate func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if belongs(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
