import Communication
import Parameters

/// The source of a model's parameters: an initialization or a checkpoint.
package struct ParameterSource {
  private let make: (_ layout: ParameterLayout, _ carried: Int) throws -> ParameterBuffer<Float>

  package init(_ make: @escaping (_ layout: ParameterLayout, _ carried: Int) throws -> ParameterBuffer<Float>)
  {
    self.make = make
  }

  /// Initial values for training, determined by the seed. Throws ``TrainingFailure/tooLarge(parameters:bytes:memory:)``
  /// if the machine does not have enough memory.
  package static func initial(_ configuration: RunConfiguration) -> ParameterSource {
    ParameterSource { layout, carried in
      let states = configuration.training.batchSize.multipliedReportingOverflow(by: carried)
      try ModelMemory.require(
        layout, copies: ModelMemory.copies(configuration.training),
        further: states.overflow ? .max : states.partialValue)
      return ParameterBuffer(layout, seed: UInt64(configuration.seed))
    }
  }

  /// Throws ``TrainingFailure`` if the source does not fit this model.
  ///
  /// - Parameter carried: the size of the state that each stream of the model carries, in numbers.
  package func parameters(of layout: ParameterLayout, carrying carried: Int = 0) throws
    -> ParameterBuffer<Float>
  { try make(layout, carried) }
}

/// Rejects models that are larger than the memory of the machine, before any memory is allocated.
package enum ModelMemory {
  /// Throws ``TrainingFailure/tooLarge(parameters:bytes:memory:)`` if the copies of the parameters alone take more than the
  /// memory of this machine. Activations are not counted.
  ///
  /// - Parameters:
  ///   - copies: the number of buffers with the layout: parameters, gradient, moments.
  ///   - further: the count of other numbers that are kept, such as carried states.
  package static func require(_ layout: ParameterLayout, copies: Int, further: Int = 0)
    throws(TrainingFailure)
  {
    try require(
      parameters: layout.count, copies: copies, further: further,
      memory: HostMemory.perRank)
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

  /// The number of buffers that each rank keeps in training: parameters, gradient, moments, and the average of the weights.
  /// Moments that are divided among the ranks don't count, because the number of parts is not known here. Where nothing is
  /// divided, as with one rank, the check admits models that are larger by the moments than the memory.
  package static func copies(_ training: TrainingConfiguration) -> Int {
    let hasParts = training.reduction.shardsOptimizer || training.reduction.sharesParameters
    return 2 + (hasParts ? 0 : training.optimizer.kind.momentNames.count)
      + (training.averageDecay > 0 ? 1 : 0)
  }
}
