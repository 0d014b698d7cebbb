import NumericKernels
import Parameters

/// An exponential moving average of the weights, which replaces them in evaluations and saved models.
///
///     w̄ ← d w̄ + (1 − d) w,   d = min(decay, (1 + n) / (10 + n)) after n updates
///
/// (Polyak & Juditsky 1992. The smaller decay of the first updates, which removes the influence of the initial weights,
/// is from TensorFlow's ExponentialMovingAverage.) Every rank computes the same bits from the same weights.
final class WeightAverage {
  private let decay: Double
  /// The average, in the order of the weights.
  let values: AlignedBuffer<Float>
  private let scratch: AlignedBuffer<Float>

  init(decay: Double, of parameters: ParameterBuffer<Float>) {
    self.decay = decay
    values = AlignedBuffer(count: parameters.count)
    scratch = AlignedBuffer(count: parameters.count)
    _ = values.elements.update(fromContentsOf: UnsafeBufferPointer(parameters.elements))
  }

  /// Adds the weights after update number `updates`, counted from 1, to the average.
  func add(_ parameters: ParameterBuffer<Float>, updates: Int) {
    let n = Double(updates)
    let rate = Float(1 - min(decay, (1 + n) / (10 + n)))
    // w̄ += (1 − d) (w − w̄)
    _ = scratch.elements.update(fromContentsOf: UnsafeBufferPointer(parameters.elements))
    scratch.base.addScaled(-1, values.base, count: values.count)
    values.base.addScaled(rate, scratch.base, count: values.count)
  }

  /// Swaps weights and average. It is called before an evaluation and again after it.
  func exchange(_ parameters: ParameterBuffer<Float>) {
    _ = scratch.elements.update(fromContentsOf: UnsafeBufferPointer(parameters.elements))
    _ = parameters.elements.update(fromContentsOf: UnsafeBufferPointer(values.elements))
    _ = values.elements.update(fromContentsOf: UnsafeBufferPointer(scratch.elements))
    parameters.didChange()
  }
}
