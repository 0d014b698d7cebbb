import Checkpoints
import Configuration
import Datasets
import Foundation
import Parameters
import RunLog
import Tasks

/// A run created from imported weights. It has a configuration, vocabularies and one checkpoint of step 0, and can be
/// evaluated, used and exported like any other run.
package struct ImportedRun {
  private let configuration: RunConfiguration
  private let encoding: DataEncoding
  private let parameters: ParameterBuffer<Float>
  /// Decisions made on the user's behalf, one per line.
  package let notes: [String]

  /// Builds the model of a configuration with the imported weights.
  ///
  /// - Parameter vocabularies: a directory with the vocabulary files of a run or an export; nil: the vocabularies are
  ///   counted in the training data, as in `train`.
  /// - Throws: ``ImportFailure``, `DataError`, ``TrainingFailure``.
  package init(_ weights: ImportedWeights, _ configuration: RunConfiguration, vocabularies: String?) throws {
    var weights = weights
    try weights.requireSameFunction(as: configuration)
    self.configuration = configuration
    func build<L: Learner>(_ type: L.Type) throws -> (DataEncoding, ParameterBuffer<Float>) {
      let encoding =
        if let vocabularies {
          try L.Data.encoding(of: RunPaths(root: vocabularies), configuration)
        } else {
          try L.Data.load(configuration).encoding
        }
      let learner = try L(
        configuration, encoding, ParameterSource { layout, _ in try weights.parameters(of: layout) })
      try weights.requireScales(ExportedModel.scales(of: learner.shape, encoding, configuration))
      return (encoding, learner.parameters)
    }
    (encoding, parameters) = try build(configuration.task.learner)
    notes = weights.notes
  }

  /// The number of parameters.
  package var count: Int { parameters.count }

  /// The part of a checkpoint's state that is displayed; there is no training to continue.
  private struct State: Encodable {
    let epoch = 0
    let tokens = 0
    let isComplete = true
  }

  /// Writes the run to a new or empty directory. Throws `RunDirectoryFailure`, `FileFailure`, `DataError`.
  package func write(to path: String, versions: [String: String], commandLine: [String]) throws {
    let directory = try RunDirectory(path: path)
    let now = Date()
    try DurableFile.write(Data(configuration.yaml(commented: true).utf8), to: directory.paths.configuration)
    try encoding.save(to: path)
    try CheckpointStore(directory: directory.paths.checkpoints, keep: 1).save(
      step: 0, model: parameters.tensors, optimizer: [], state: State(), isBest: true,
      metadata: configuration.modelMetadata)
    try RunRecord(
      versions: versions, commandLine: commandLine, ranks: 1, hosts: [ProcessInfo.processInfo.hostName],
      seed: UInt64(configuration.seed), started: now, ended: now, status: .finished,
      message: "imported weights, not trained"
    ).write(to: directory.paths.record)
    // The lock is held until here.
    withExtendedLifetime(directory) {}
  }
}
