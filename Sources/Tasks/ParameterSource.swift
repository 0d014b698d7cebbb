import Configuration
import Parameters

/// Where the parameters of a model come from, once it is known which it has.
package struct ParameterSource {
  private let make: (ParameterLayout) throws -> ParameterBuffer<Float>

  package init(_ make: @escaping (ParameterLayout) throws -> ParameterBuffer<Float>) { self.make = make }

  /// First values for training, drawn from the seed. It throws ``TrainingFailure/tooLarge(parameters:bytes:memory:)`` where
  /// the machine has no room for them.
  package static func initial(_ configuration: RunConfiguration) -> ParameterSource {
    ParameterSource { layout in
      try ModelMemory.require(layout, copies: ModelMemory.copies(configuration.training))
      return ParameterBuffer(layout, seed: UInt64(configuration.seed))
    }
  }

  /// Throws ``TrainingFailure`` if there are none for this model.
  package func parameters(of layout: ParameterLayout) throws -> ParameterBuffer<Float> { try make(layout) }
}
