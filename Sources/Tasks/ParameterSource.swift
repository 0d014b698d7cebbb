import Configuration
import Foundation
import Optimizers
import Parameters

/// Where the parameters of a model come from, once it is known which it has.
package struct ParameterSource {
  private let make: (_ layout: ParameterLayout, _ carried: Int) throws -> ParameterBuffer<Float>

  package init(_ make: @escaping (_ layout: ParameterLayout, _ carried: Int) throws -> ParameterBuffer<Float>)
  {
    self.make = make
  }

  /// Initial values for training, drawn from the seed. It throws ``TrainingFailure/tooLarge(parameters:bytes:memory:)`` where
  /// the machine has no room for them.
  package static func initial(_ configuration: RunConfiguration) -> ParameterSource {
    ParameterSource { layout, carried in
      let states = configuration.training.batchSize.multipliedReportingOverflow(by: carried)
      try ModelMemory.require(
        layout, copies: ModelMemory.copies(configuration.training),
        further: states.overflow ? .max : states.partialValue)
      return ParameterBuffer(layout, seed: UInt64(configuration.seed))
    }
  }

  /// Throws ``TrainingFailure`` if there are none for this model.
  ///
  /// - Parameter carried: numbers of the state that each stream of the model carries.
  package func parameters(of layout: ParameterLayout, carrying carried: Int = 0) throws
    -> ParameterBuffer<Float>
  { try make(layout, carried) }
}

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
