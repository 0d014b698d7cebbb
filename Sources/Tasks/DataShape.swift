import Checkpoints
import Configuration
import Datasets
import Foundation
import Parameters
import RecurrentNN
import RunLog

/// What the data decide about a model besides its vocabularies. Kept in the run, beside the weights.
package struct DataShape: Codable, Equatable {
  /// Numbers of a step of source and target; nil where these are tokens or classes.
  package var sourceWidth: Int?
  package var targetWidth: Int?
  /// Steps of every source, for a model that reads exactly so many.
  package var steps: Int?
  /// 1, or 2 where there is a second source.
  package var sourceCount = 1

  package enum CodingKeys: String, CodingKey {
    case sourceWidth = "source_width"
    case targetWidth = "target_width"
    case steps
    case sourceCount = "source_count"
  }

  /// Of the data to train on.
  package init(_ corpus: SequenceCorpus, _ configuration: RunConfiguration) {
    let train = corpus.train
    sourceWidth = train.source?.vectorSequences?.width
    targetWidth = train.target?.vectorSequences?.width
    let isFixed = configuration.task == .classifier && configuration.model.pooling == .all
    steps = isFixed && train.count > 0 ? train.source?.length(0) : nil
    sourceCount = train.secondSource == nil ? 1 : 2
  }

  /// An encoding that knows them, so that other data are checked against them.
  package func applied(to encoding: DataEncoding, _ configuration: RunConfiguration) -> DataEncoding {
    var encoding = encoding
    if encoding.source == nil { encoding.sourceWidth = sourceWidth }
    if configuration.model.output.isNumeric { encoding.targetWidth = targetWidth }
    if configuration.task == .classifier, configuration.model.pooling == .all { encoding.sourceSteps = steps }
    if configuration.task == .seq2seq { encoding.hasSecondSource = sourceCount == 2 }
    return encoding
  }
}

// MARK: - In a run

extension DataShape {
  /// Of the data that a run was trained on: as it says itself, or, in runs of versions that did not, by the shapes of its
  /// weights. Throws ``TrainingFailure/unusableRun(path:problem:)``, `FileFailure`.
  package init(of run: RunPaths, _ tensors: [String: TensorInfo], _ configuration: RunConfiguration) throws {
    guard FileManager.default.fileExists(atPath: run.dataShape) else {
      self.init(tensors, configuration)
      return
    }
    let problem = "is not what a run says of its data: restore it, or remove it and the weights will be asked"
    guard let text = try DurableFile.read(run.dataShape, limit: 1 << 16),
      let stored = try? JSONDecoder().decode(DataShape.self, from: text), stored.isCredible
    else { throw TrainingFailure.unusableRun(path: run.dataShape, problem: problem) }
    self = stored
  }

  /// Writes it. Throws `FileFailure`.
  package func save(to run: RunPaths) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    try DurableFile.write(try encoder.encode(self) + Data("\n".utf8), to: run.dataShape)
  }

  /// Larger numbers are none that data could have had.
  private var isCredible: Bool {
    let sizes = 1...Int(Int32.max)
    return [sourceWidth, targetWidth, steps].allSatisfy { $0.map(sizes.contains) ?? true }
      && (1...2).contains(sourceCount)
  }

  /// By the shapes of saved weights.
  private init(_ tensors: [String: TensorInfo], _ configuration: RunConfiguration) {
    let model = configuration.model
    sourceWidth =
      configuration.task == .generator
      ? Self.featureWidth(tensors, model)
      : (tensors["rnn.weight_ih_l0"] ?? tensors["encoder.rnn.weight_ih_l0"])?.shape.last
    targetWidth = tensors["output.weight"]?.shape.first
    let states = model.network.outputSize
    steps = tensors["output.weight"]?.shape.last.map { $0 / states }
    sourceCount = tensors.keys.contains { $0.hasPrefix("encoder2.") } ? 2 : 1
  }

  /// Numbers of a generator's vector, which is seen by the bridge, by the projection in place of the first token, or by the
  /// cells beside the token and what is fed back to them.
  private static func featureWidth(_ tensors: [String: TensorInfo], _ model: ModelOptions) -> Int? {
    switch model.condition {
    case .none: return nil
    case .initialState: return tensors["bridge.h_l0.weight"]?.shape.last
    case .initialInput: return tensors["decoder.condition.weight"]?.shape.last
    case .everyStep:
      guard let read = tensors["decoder.rnn.weight_ih_l0"]?.shape.last,
        let embedding = tensors["decoder.embedding.weight"]?.shape.last,
        let output = tensors["decoder.output.weight"]?.shape.last
      else { return nil }
      let width = read - embedding - (model.inputFeeding ? output : 0)
      return width > 0 ? width : nil
    }
  }
}

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
