import ArgumentParser
import Checkpoints
import Configuration
import Datasets
import Foundation
import Inference
import RunLog
import Tasks
import Training

struct InspectCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show and verify the contents of a run or a checkpoint.",
    discussion: """
      The path is a run directory, a checkpoint directory such as RUN/checkpoints/best, or any .safetensors file. All \
      problems are reported; the exit code is that of the first, 65 for damaged files.

      Examples:
        rnn-dist inspect runs/shakespeare
        rnn-dist inspect runs/shakespeare/checkpoints/best --json
      """)

  @Argument(help: ArgumentHelp("A run, a checkpoint or a file of weights.", valueName: "run|checkpoint"))
  var path: String
  @Flag(help: "Print one JSON object.") var json = false

  func runLocally() throws -> Int32 {
    let inspection = try Inspection(of: path)
    try StandardOutput.line(json ? inspection.json.text : inspection.text)
    guard let first = inspection.problems.first else { return ExitCode.done }
    Console.error("error: " + inspection.problems.map { "\($0)" }.joined(separator: "\n"))
    return ExitCode.code(of: first)
  }
}

/// The contents of a run, a checkpoint or a safetensors file, all verified; problems are collected.
private struct Inspection {
  /// The tensors of a safetensors file.
  struct Weights {
    let path: String
    let tensors: [TensorInfo]
    /// The verified digest in the file; nil if the file has none.
    let digest: String?

    var parameters: Int { tensors.reduce(0) { $0 + $1.count } }
    var bytes: Int { tensors.reduce(0) { $0 + $1.dataOffsets.count } }
  }

  /// The part of a checkpoint's `state.json` that is shown.
  struct State: Decodable {
    var epoch: Int
    var tokens: Int
    var bestLoss: Double?
    var bestStep: Int?
    var isComplete: Bool
    /// How products are computed, if that was measured.
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
  private var record: RunRecord?
  private var configuration: RunConfiguration?
  /// The vocabulary of a language model.
  private var vocabulary: Vocabulary?
  /// The vocabularies of a model of sequences.
  private var encoding: DataEncoding?
  /// The checkpoints of a run; nil if the path is not a run.
  private var entries: [Entry]?
  private var checkpoint: Checkpoint?
  private var weights: Weights?
  private(set) var problems: [any Error] = []

  // MARK: Reading

  /// Inspects a run directory, a checkpoint directory or a safetensors file.
  ///
  /// Throws if there is nothing to inspect; anything that is there but wrong is added to `problems`.
  init(of path: String) throws {
    self.path = path
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    if exists && !isDirectory.boolValue {
      let file = try SafetensorsFile(path: path)
      try file.verifyDigest()
      read(file)
    } else if exists && Self.isCheckpoint(path) {
      try read(CheckpointStore.load(path: path))
    } else {
      read(try RunPaths(existing: path))
    }
  }

  private static func isCheckpoint(_ path: String) -> Bool {
    [LoadedCheckpoint.FileName.state, LoadedCheckpoint.FileName.model].contains {
      FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
  }

  private mutating func read(_ file: SafetensorsFile) {
    weights = Weights(
      path: file.path, tensors: file.names.compactMap { file.tensors[$0] },
      digest: file.metadata[SafetensorsFile.digestKey])
  }

  private mutating func read(_ loaded: LoadedCheckpoint) throws {
    read(loaded.model)
    checkpoint = Checkpoint(
      path: loaded.path, step: loaded.step, state: try loaded.state(),
      optimizerBytes: loaded.optimizer.tensors.values.reduce(0) { $0 + $1.dataOffsets.count })
  }

  private mutating func read(_ run: RunPaths) {
    record = collect { try RunRecord(contentsOf: run.record) }
    configuration = collect { try RunArguments.configuration(of: run) }
    if let configuration { readVocabularies(of: run, configuration) }
    readCheckpoints(of: CheckpointStore(directory: run.checkpoints, keep: 1))
  }

  private mutating func readVocabularies(of run: RunPaths, _ configuration: RunConfiguration) {
    guard configuration.task == .languageModel else {
      encoding = collect { try SavedSequenceModel.encoding(of: run, configuration) }
      return
    }
    let data = configuration.data
    guard let tokenization = Tokenization(rawValue: data.tokens.rawValue) else { return }
    vocabulary = collect {
      try Vocabulary.load(path: run.vocabulary(), tokenization: tokenization, lowercase: data.lowercase)
    }
  }

  /// Verifies all checkpoints, and keeps the best, or else the newest, of those that verify.
  private mutating func readCheckpoints(of store: CheckpointStore) {
    var list: [Entry] = []
    let (best, last) = (store.best(), store.last())
    for step in collect({ try store.steps() }) ?? [] {
      var entry = Entry(step: step, links: [])
      do {
        let loaded = try store.load(step: step)
        entry.links = [("best", best), ("last", last)].filter { $0.1 == loaded.path }.map(\.0)
        // Steps ascend, so the newest is kept unless the best came before it.
        if checkpoint == nil || checkpoint?.path != best { try read(loaded) }
      } catch let failure as CheckpointFailure where failure.reason == .missing {
        continue  // A run that is still training has removed it in the meantime.
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

  // MARK: For people

  /// Lines of a name and its description.
  var text: String {
    var rows: [(name: String, text: String)] = []
    if let record { rows.append(("run", "\(path): \(describe(record))")) }
    if let configuration { rows.append(("configuration", Self.describe(configuration))) }
    if let vocabulary {
      let kind = vocabulary.tokenization.rawValue
      rows.append(("vocabulary", "\(vocabulary.count) tokens (\(kind)), digest \(Self.digest(vocabulary))"))
    }
    if let encoding {
      let parts = encoding.parts.map {
        "\($0.name) \(Console.grouped($0.count))" + ($0.kind.map { " (\($0))" } ?? "")
      }
      rows.append(("vocabularies", parts.joined(separator: ", ")))
    }
    if let entries {
      let list = entries.map { entry in
        let links = entry.links.isEmpty ? "" : " (\(entry.links.joined(separator: ", ")))"
        return "step \(entry.step)\(links) \(entry.problem == nil ? "verified" : "DAMAGED")"
      }
      rows.append(("checkpoints", list.isEmpty ? "none yet" : list.joined(separator: "; ")))
    }
    if let checkpoint { rows += Self.rows(checkpoint) }
    if let weights { rows += Self.rows(weights) }
    let width = rows.map(\.name.count).max() ?? 0
    return rows.map { $0.name.padding(toLength: width, withPad: " ", startingAt: 0) + "  " + $0.text }
      .joined(separator: "\n")
  }

  private func describe(_ record: RunRecord) -> String {
    let ranks =
      "\(record.ranks) \(record.ranks == 1 ? "rank" : "ranks") on \(record.hosts.joined(separator: ", "))"
    let reason = record.message.map { " (\($0))" } ?? ""
    let status =
      record.status == .running && !RunPaths(root: path).isBeingTrained
      ? "running by its record, but no job on this host holds it (if it was killed: --resume)"
      : record.status.rawValue
    return "\(status)\(reason), \(ranks), started \(record.started.formatted(.iso8601))"
  }

  private static func describe(_ configuration: RunConfiguration) -> String {
    let (model, data, training) = (configuration.model, configuration.data, configuration.training)
    let isText = configuration.task == .languageModel
    let batch =
      isText
      ? "\(training.batchSize) x \(training.bptt) tokens"
      : training.batchTokens.map { "\($0) tokens" } ?? "\(training.batchSize) sequences"
    let input = isText ? "\(data.tokens.rawValue) tokens" : data.format.rawValue
    return """
      \(configuration.task.rawValue) of \(input); \(model.network.cell.kind.rawValue), \(model.network.layers) \
      \(model.network.layers == 1 ? "layer" : "layers") of \(model.network.hiddenSize), embedding of \(model.embeddingSize); \
      \(training.optimizer.kind.rawValue), batch of \(batch), seed \(configuration.seed)
      """
  }

  private static func rows(_ checkpoint: Checkpoint) -> [(name: String, text: String)] {
    let state = checkpoint.state
    var parts = [
      "step \(checkpoint.step)", "epoch \(state.epoch)", "\(Console.grouped(state.tokens)) tokens",
    ]
    if let loss = state.bestLoss, let step = state.bestStep {
      parts.append(String(format: "best loss %.4f at step %d", loss, step))
    }
    parts.append(state.isComplete ? "complete" : "can be resumed")
    return [
      ("checkpoint", "\(checkpoint.path), all files verified"), ("state", parts.joined(separator: ", ")),
      ("optimizer", "\(Console.grouped(checkpoint.optimizerBytes)) bytes of state"),
    ] + (state.products.map { [("products", $0.summary)] } ?? [])
  }

  private static func rows(_ weights: Weights) -> [(name: String, text: String)] {
    let nameWidth = weights.tensors.map(\.name.count).max() ?? 0
    let shapes = weights.tensors.map { "\($0.shape)" }
    let shapeWidth = shapes.map(\.count).max() ?? 0
    let lines = zip(weights.tensors, shapes).map { tensor, shape in
      let name = tensor.name.padding(toLength: nameWidth, withPad: " ", startingAt: 0)
      let padded = shape.padding(toLength: shapeWidth, withPad: " ", startingAt: 0)
      return "\(name)  \(padded)  \(tensor.dtype.rawValue)  \(Console.grouped(tensor.count))"
    }
    let total = "\(Console.grouped(weights.parameters)) in all, \(Console.grouped(weights.bytes)) bytes"
    let digest = weights.digest.map { "\($0), verified" } ?? "none: the file was written by another program"
    return [("weights", weights.path), ("digest", digest)]
      + lines.enumerated().map { ($0 == 0 ? "parameters" : "", $1) } + [("", total)]
  }

  private static func digest(_ vocabulary: Vocabulary) -> String { String(vocabulary.digest, radix: 16) }

  // MARK: For programs

  /// One object; parts that the path doesn't have are absent.
  var json: JSONValue {
    var parts: [KeyValuePairs<String, JSONValue>] = [["path": .string(path)]]
    if let record {
      parts.append(["status": .string(record.status.rawValue), "ranks": .integer(record.ranks)])
    }
    if let configuration { parts.append(["configuration": Self.json(configuration)]) }
    if let vocabulary {
      let object: JSONValue = [
        "tokens": .integer(vocabulary.count), "kind": .string(vocabulary.tokenization.rawValue),
        "digest": .string(Self.digest(vocabulary)),
      ]
      parts.append(["vocabulary": object])
    }
    if let encoding {
      let objects = encoding.parts.map {
        JSONMember($0.name, ["tokens": .integer($0.count), "kind": JSONValue($0.kind)])
      }
      parts.append(["vocabularies": .object(objects)])
    }
    if let entries {
      let list: [JSONValue] = entries.map { entry in
        [
          "step": .integer(entry.step), "links": .array(entry.links.map { .string($0) }),
          "verified": .bool(entry.problem == nil), "problem": JSONValue(entry.problem),
        ]
      }
      parts.append(["checkpoints": .array(list)])
    }
    if let checkpoint { parts += Self.members(checkpoint) }
    if let weights { parts.append(Self.members(weights)) }
    return .object(joining: parts + [["problems": .array(problems.map { .string("\($0)") })]])
  }

  private static func json(_ configuration: RunConfiguration) -> JSONValue {
    let (model, training) = (configuration.model, configuration.training)
    return [
      "task": .string(configuration.task.rawValue), "seed": .integer(configuration.seed),
      "cell": .string(model.network.cell.kind.rawValue), "layers": .integer(model.network.layers),
      "hidden_size": .integer(model.network.hiddenSize), "embedding_size": .integer(model.embeddingSize),
      "tokens": .string(configuration.data.tokens.rawValue),
      "optimizer": .string(training.optimizer.kind.rawValue),
      "batch_size": .integer(training.batchSize), "bptt": .integer(training.bptt),
    ]
  }

  private static func members(_ checkpoint: Checkpoint) -> [KeyValuePairs<String, JSONValue>] {
    let state = checkpoint.state
    let products = state.products?.choices.map { JSONValue.object(joining: [$0.members]) }
    return [
      [
        "checkpoint": .string(checkpoint.path), "step": .integer(checkpoint.step),
        "epoch": .integer(state.epoch), "tokens": .integer(state.tokens),
        "best_loss": JSONValue(state.bestLoss), "best_step": JSONValue(state.bestStep),
        "complete": .bool(state.isComplete), "optimizer_bytes": .integer(checkpoint.optimizerBytes),
      ]
    ] + (products.map { [["products": .array($0)]] } ?? [])
  }

  private static func members(_ weights: Weights) -> KeyValuePairs<String, JSONValue> {
    [
      "weights": .string(weights.path), "digest": JSONValue(weights.digest),
      "parameters": .integer(weights.parameters), "bytes": .integer(weights.bytes),
      "tensors": .array(
        weights.tensors.map { tensor in
          [
            "name": .string(tensor.name), "shape": .array(tensor.shape.map { .integer($0) }),
            "dtype": .string(tensor.dtype.rawValue), "count": .integer(tensor.count),
          ]
        }),
    ]
  }
}

extension DataEncoding {
  /// The vocabularies there are, by name.
  fileprivate var parts: [(name: String, count: Int, kind: String?)] {
    let vocabularies = [("source", source), ("target", target), ("characters", characters)]
    let tokens = vocabularies.compactMap { name, vocabulary in
      vocabulary.map { (name: name, count: $0.count, kind: Optional($0.tokenization.rawValue)) }
    }
    return tokens + (labels.map { [(name: "labels", count: $0.count, kind: nil)] } ?? [])
  }
}
