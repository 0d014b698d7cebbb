import Checkpoints
import Configuration
import Datasets
import Foundation
import RunLog
import Training
import Inference

/// What is in a run, a checkpoint or a safetensors file, all of it verified; what is wrong is collected.
struct Inspection {
  /// The tensors of a safetensors file.
  struct Weights {
    let path: String
    let tensors: [TensorInfo]
    /// As the file carries it, verified; nil where it carries none.
    let digest: String?

    var parameters: Int { tensors.reduce(0) { $0 + $1.count } }
    var bytes: Int { tensors.reduce(0) { $0 + $1.dataOffsets.count } }

    init(_ file: SafetensorsFile) {
      path = file.path
      tensors = file.names.compactMap { file.tensors[$0] }
      digest = file.metadata[SafetensorsFile.digestKey]
    }
  }

  /// What a checkpoint's `state.json` says of the training behind it.
  struct State: Decodable {
    var epoch: Int
    var tokens: Int
    var bestLoss: Double?
    var bestStep: Int?
    var isComplete: Bool
    /// How products were computed, where that was measured.
    var products: ProductChoices?
  }

  /// A checkpoint that verifies.
  struct Checkpoint {
    let path: String
    let step: Int
    let state: State
    /// Bytes of the optimizer's moments and the carried states.
    let optimizerBytes: Int
  }

  /// One checkpoint of a run; `problem` says why it can't be used.
  struct Entry {
    let step: Int
    var problem: String?
    /// The links to it: `best`, `last`.
    var links: [String]
  }

  let path: String
  private(set) var record: RunRecord?
  private(set) var configuration: RunConfiguration?
  private(set) var vocabulary: Vocabulary?
  /// Vocabularies of a model of sequences.
  private(set) var encoding: DataEncoding?
  /// Nil where a single checkpoint or file is looked at.
  private(set) var entries: [Entry]?
  private(set) var checkpoint: Checkpoint?
  private(set) var weights: Weights?
  private(set) var problems: [any Error] = []

  /// Looks at a run directory, a checkpoint's directory or a safetensors file.
  ///
  /// Throws where there is nothing to look at; what is there but wrong is in `problems`.
  init(of path: String) throws {
    self.path = path
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    if exists && !isDirectory.boolValue {
      try look(atFile: path)
    } else if exists && Self.isCheckpoint(path) {
      try take(CheckpointStore.load(path: path))
    } else {
      look(at: try RunPaths(existing: path))
    }
  }

  private static func isCheckpoint(_ path: String) -> Bool {
    [LoadedCheckpoint.FileName.state, LoadedCheckpoint.FileName.model].contains {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
  }

  private mutating func look(atFile path: String) throws {
    let file = try SafetensorsFile(path: path)
    try file.verifyDigest()
    weights = Weights(file)
  }

  private mutating func take(_ loaded: LoadedCheckpoint) throws {
    weights = Weights(loaded.model)
    checkpoint = Checkpoint(
      path: loaded.path, step: loaded.step, state: try loaded.state(),
      optimizerBytes: loaded.optimizer.tensors.values.reduce(0) { $0 + $1.dataOffsets.count })
  }

  private mutating func look(at run: RunPaths) {
    record = collect { try RunRecord(contentsOf: run.record) }
    configuration = collect { try RunArguments.configuration(of: run) }
    if let configuration { look(atVocabulariesOf: run, configuration) }
    look(at: CheckpointStore(directory: run.checkpoints, keep: 1))
  }

  private mutating func look(atVocabulariesOf run: RunPaths, _ configuration: RunConfiguration) {
    guard configuration.task == .languageModel else {
      encoding = collect { try SavedModel.encoding(of: run, configuration) }
      return
    }
    let data = configuration.data
    guard let tokenization = Tokenization(rawValue: data.tokens.rawValue) else { return }
    vocabulary = collect {
      try Vocabulary.load(path: run.vocabulary(), tokenization: tokenization, lowercase: data.lowercase)
    }
  }

  /// Verifies all checkpoints, and takes the best, or else the newest, of those that are whole.
  private mutating func look(at store: CheckpointStore) {
    var list: [Entry] = []
    let (best, last) = (store.best(), store.last())
    for step in collect({ try store.steps() }) ?? [] {
      var entry = Entry(step: step, links: [])
      do {
        let loaded = try store.load(step: step)
        entry.links = [("best", best), ("last", last)].filter { $0.1 == loaded.path }.map(\.0)
        // Steps ascend: the newest stays unless the best was there before it.
        if checkpoint == nil || checkpoint?.path != best { try take(loaded) }
      } catch let failure as CheckpointFailure where failure.reason == .missing {
        continue  // A run that is still training has removed it meanwhile.
      } catch {
        entry.problem = "\(error)"
        problems.append(error)
      }
      list.append(entry)
    }
    entries = list
  }

  private mutating func collect<Value>(_ read: () throws -> Value) -> Value? {
    do { return try read() } catch {
      problems.append(error)
      return nil
    }
  }
}
