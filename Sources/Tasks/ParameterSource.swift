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
  ///
  /// - Parameter ranks: the number of ranks of the job, among which a sharded optimizer divides the moments.
  package static func initial(_ configuration: RunConfiguration, ranks: Int) -> ParameterSource {
    ParameterSource { layout, carried in
      let states = configuration.training.batchSize.multipliedReportingOverflow(by: carried)
      try ModelMemory.require(
        layout, copies: ModelMemory.copies(configuration.training, ranks: ranks, onHost: HostMemory.ranks),
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

  /// The number of buffers of the parameters' size that each rank keeps in training: parameters, gradient and moments; the average of
  /// the weights with its scratch buffer; the start and the momentum of local steps. Buffers that are divided among ranks count with
  /// the rank's part, rounded down.
  package static func copies(_ training: TrainingConfiguration, ranks: Int, onHost neighbors: Int) -> Int {
    let (reduction, moments) = (training.reduction, training.optimizer.kind.momentNames.count)
    let (divided, parts) =
      reduction.sharesParameters
      ? (1 + moments, neighbors) : reduction.shardsOptimizer ? (moments, ranks) : (0, 1)
    return 2 + moments - divided + divided / parts
      + (training.averageDecay > 0 ? 2 : 0) + (reduction.localSteps > 1 ? 2 : 0)
  }
}
