import Datasets
import NumericKernels
import RecurrentNN
import Tasks

/// Lets a generator write sequences for a class or a vector.
public final class SequenceWriter {
  private let learner: GeneratorLearner
  private let saved: SavedSequenceModel
  private let target: SequenceVocabulary
  private let workspace: Workspace<Float>

  /// nil for models that are no generators.
  init?(_ saved: SavedSequenceModel) {
    guard let learner = saved.learner as? GeneratorLearner, let target = saved.encoding.target else {
      return nil
    }
    (self.learner, self.saved, self.target) = (learner, saved, target)
    workspace = Workspace(precision: saved.configuration.training.precision)
  }

  /// True if the model writes for a class, or for a vector in a file.
  public var needsInput: Bool { learner.model.shape.condition != .none }

  /// Draws sequences.
  ///
  /// - Parameters:
  ///   - input: what to write for: the name of a class, or the path of an .npy file; nil without condition.
  ///   - maximumLength: most tokens of a sequence that does not end by itself; nil: decoding.max_length. What else the
  ///     configuration says of what may be written, holds.
  ///   - seed: with the number of the sequence and the position it decides every draw.
  /// - Throws: `DataError` for a class that was never learnt or a file that is no fitting vector,
  ///   ``TrainingFailure/unfittingData(_:)`` where an input is missing or too many.
  public func write(
    for input: String?, count: Int, options: SamplingOptions, maximumLength: Int?, seed: UInt64
  ) throws -> [[UInt8]] {
    guard (input != nil) == needsInput else {
      throw TrainingFailure.unfittingData(
        needsInput
          ? "this generator writes for a class (--class) or a vector (--features): give one"
          : "this generator was trained without a condition")
    }
    workspace.arena.reset()
    let begin = Int32(learner.model.shape.decoder.beginToken)
    var constraints = SearchOptions(saved.configuration.decoding, target).constraints
    constraints.excludedTokens += target.unknown.map { [$0] } ?? []
    if let maximumLength {
      constraints.length.maximum = maximumLength
      constraints.length.minimum = min(constraints.length.minimum, maximumLength)
    }
    let drawn = sampleSequences(
      try decoder(for: input), startTokens: [begin], textsPerSequence: count, options: options,
      constraints: constraints,
      seed: seed)
    return drawn[0].map { target.decode($0.tokens) }
  }

  private func decoder(for input: String?) throws -> any StepwiseDecoder<Float> {
    guard let input else { return learner.decoder(.none, count: 1, workspace) }
    var inputs = try PredictionInputs(
      options: SequenceData.options(saved.configuration), encoding: saved.encoding,
      like: SequenceData.trainingSource(saved.configuration))
    do {
      try inputs.append(Array(input.utf8), name: input, line: 1)
    } catch DataError.line(_, _, .array(let path, .missing)) {
      throw DataError.missing(path: path)
    } catch DataError.line(_, _, .array(let path, let problem)) {
      throw DataError.input(name: path, reason: "\(problem)")
    } catch DataError.line(let name, _, let problem) {
      // There is but one, and it stands in no file of lines.
      throw DataError.input(name: name, reason: "\(problem)")
    }
    let split = inputs.take()
    try learner.check(split)
    return learner.decoder(learner.conditions([0], split, workspace.arena), count: 1, workspace)
  }
}
