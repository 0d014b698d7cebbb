import Configuration
import Foundation
import Optimizers
import Parameters

/// Refuses models that the machine has no room for, before it is asked for any.
package enum ModelMemory {
  /// Throws ``TrainingFailure/tooLarge(parameters:bytes:memory:)`` if so many numbers as large as the model alone would take
  /// more than the memory of this machine. What a step needs besides is not counted.
  ///
  /// - Parameters:
  ///   - copies: the parameters, their gradient, moments: buffers of the layout.
  ///   - further: numbers besides.
  package static func require(_ layout: ParameterLayout, copies: Int, further: Int = 0)
    throws(TrainingFailure)
  {
    try require(
      parameters: layout.count, copies: copies, further: further,
      memory: Int(clamping: ProcessInfo.processInfo.physicalMemory))
  }

  package static func require(
    parameters: Int, copies: Int, further: Int = 0, memory: Int
  ) throws(TrainingFailure) {
    let (numbers, tooMany) = parameters.multipliedReportingOverflow(by: copies)
    let (all, tooManyMore) = numbers.addingReportingOverflow(further)
    let (bytes, overflows) = all.multipliedReportingOverflow(by: MemoryLayout<Float>.stride)
    let isCountable = !tooMany && !tooManyMore && !overflows
    guard isCountable, bytes <= memory else {
      throw .tooLarge(parameters: parameters, bytes: isCountable ? bytes : .max, memory: memory)
    }
  }

  /// Buffers that training keeps: parameters, gradient, moments, and the average of the weights.
  package static func copies(_ training: TrainingConfiguration) -> Int {
    2 + training.optimizer.kind.momentNames.count + (training.averageDecay > 0 ? 1 : 0)
  }
}
