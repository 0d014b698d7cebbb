import CKernels
import Foundation
import NumericKernels

/// An update rule with its moments, over one flat buffer of parameters. It is independent of the layers.
///
/// If the moments and `updates` are restored, a run continues bit for bit. The update of an element depends on that
/// element alone, so it is independent of the length of the buffer and of the machine's instruction set.
public final class Optimizer<S: Scalar> {
  public let settings: OptimizerSettings

  /// The number of parameters.
  public let count: Int

  /// The elements that this optimizer updates, and keeps moments for.
  public let part: Range<Int>
  /// Whether other optimizers update the rest of the elements, even if there is none.
  public let isSharded: Bool

  /// The moments with the names PyTorch gives them, each `[part.count]`, 64-byte aligned, zero at first. The
  /// memory is the optimizer's: read it for a checkpoint, overwrite it when a run is resumed, and don't use
  /// it after the optimizer.
  public let moments: [(name: String, buffer: UnsafeMutableBufferPointer<S>)]
  /// The owners of that memory.
  private let memory: [AlignedBuffer<S>]

  /// The number of updates so far: t of Adam's bias correction. It must be set when a run resumes.
  public var updates: Int

  /// The moments are allocated here, once.
  ///
  /// - Parameters:
  ///   - count: the number of parameters.
  ///   - part: the elements to update, if other optimizers, on other ranks, update the rest; nil: all.
  public init(settings: OptimizerSettings, count: Int, part: Range<Int>? = nil) {
    precondition(count >= 0, "an optimizer for \(count) parameters: the count can't be negative")
    isSharded = part != nil
    let part = part ?? 0..<count
    precondition(
      part.lowerBound >= 0 && part.upperBound <= count, "an optimizer for \(part) of \(count) parameters")
    self.settings = settings
    self.count = count
    self.part = part
    updates = 0
    memory = settings.kind.momentNames.map { _ in AlignedBuffer(count: part.count) }
    moments = zip(settings.kind.momentNames, memory).map { ($0, $1.elements) }
  }

  /// Counts the next update and fixes its constants. The caller then applies it block by block, from any threads, to
  /// ranges that together cover every element once; elements outside of ``part`` don't change. The optimizer must live until
  /// the last block is done.
  ///
  /// - Parameters:
  ///   - parameters: θ, `[count]`.
  ///   - gradients: `[count]`; the rule sees g = gradientScale·gradients.
  ///   - gradientScale: the clip factor divided by the number of tokens, if the gradients are sums over tokens.
  ///   - learningRate: η, the learning rate of this update.
  ///   - spans: the ranges in which gradients may differ from zero; nil: the whole buffer. A rule that doesn't change
  ///     parameters with a zero gradient skips the rest.
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
      kind: settings.kind, part: part, parameters: parameters, gradients: gradients.baseAddress,
      first: moments.first?.buffer.baseAddress, second: moments.last?.buffer.baseAddress,
      spans: settings.leavesWithoutGradient ? spans : nil,
      constants: rnd_update(
        count: 0, parameters: nil, gradient: nil, first: nil, second: nil, gradient_scale: gradientScale,
        learning_rate: learningRate, weight_decay: settings.weightDecay,
        momentum: settings.momentum, decay: settings.decay, beta1: settings.beta1, beta2: settings.beta2,
        epsilon: settings.resolvedEpsilon, bias1: 1 - pow(settings.beta1, time),
        bias2: 1 - pow(settings.beta2, time)))
  }
}

/// One update of an ``Optimizer``, with its constants, ready to be applied to the parameters block by block.
public struct OptimizerUpdate<S: Scalar> {
  let kind: OptimizerSettings.Kind
  /// The elements to update. The moments begin at the first of them.
  let part: Range<Int>
  let parameters: UnsafeMutableBufferPointer<S>
  let gradients: UnsafePointer<S>?
  let first: UnsafeMutablePointer<S>?
  let second: UnsafeMutablePointer<S>?
  /// The ranges to update; nil: the whole buffer.
  let spans: [Range<Int>]?
  let constants: rnd_update

  /// Updates the elements of a range, and their moments. Each element must be updated exactly once.
  public func apply(to range: Range<Int>) {
    let range = range.clamped(to: part)
    guard let spans else { return sweep(range) }
    var next = spans.partitioningIndex { $0.upperBound > range.lowerBound }
    while next < spans.count, spans[next].lowerBound < range.upperBound {
      sweep(spans[next].clamped(to: range))
      next += 1
    }
  }

  private func sweep(_ range: Range<Int>) {
    guard !range.isEmpty, let base = parameters.baseAddress else { return }
    var update = constants
    update.count = range.count
    update.parameters = UnsafeMutableRawPointer(base + range.lowerBound)
    update.gradient = gradients.map { UnsafeRawPointer($0 + range.lowerBound) }
    let moment = range.lowerBound - part.lowerBound
    update.first = first.map { UnsafeMutableRawPointer($0 + moment) }
    update.second = second.map { UnsafeMutableRawPointer($0 + moment) }
    switch kind {
    case .sgd: rnd_sgd(S.kernelType, update)
    case .momentum: rnd_momentum(S.kernelType, update)
    case .nesterov: rnd_nesterov(S.kernelType, update)
    case .rmsprop: rnd_rmsprop(S.kernelType, update)
    case .adagrad: rnd_adagrad(S.kernelType, update)
    case .adam: rnd_adam(S.kernelType, update)
    case .adamw: rnd_adamw(S.kernelType, update)
    }
  }
}

extension Array {
  /// Returns the index of the first element for which `belongs` is true. The elements for which it is true must be at
  /// the end.
  fileprivate func partitioningIndex(where belongs: (Element) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if belongs(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
