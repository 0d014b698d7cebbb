import ArgumentParser
import Checkpoints
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
    Console.failure(inspection.problems.map { "\($0)" }.joined(separator: "\n"))
    return ExitCode.code(of: first)
  }
}

/// The contents of a run, a checkpoint or a safetensors file. All of them are verified, and problems are collected.
private struct Inspection {
  /// The part of a checkpoint's `state.json` that is shown.
  struct State: Decodable {
    var epoch: Int
    var tokens: Int
    var bestLoss: Double?
    var bestStep: Int?
    var isComplete: Bool
    /// The chosen methods of matrix products, if they were measured.
    var products: ProductChoices?
  }

  /// One checkpoint of a run; `problem` is the reason why it can't be used.
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
  /// The vocabularies of a model for examples.
  private var encoding: DataEncoding?
  /// The checkpoints of a run; nil if the path is not a run.
  private var entries: [Entry]?
  /// A checkpoint that passes verification.
  private var checkpoint: (files: LoadedCheckpoint, state: State)?
  private var weights: SafetensorsFile?
  private(set) var problems: [any Error] = []

  // MARK: Reading

  /// Inspects a run directory, a checkpoint directory or a safetensors file.
  ///
  /// Throws if there is nothing to inspect. Parts that exist but are invalid are reported in `problems`.
  init(of path: String) throws {
    self.path = path
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    if exists && !isDirectory.boolValue {
      let file = try SafetensorsFile(path: path)
      try file.verifyDigest()
      weights = file
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

  private mutating func read(_ loaded: LoadedCheckpoint) throws {
    weights = loaded.model
    checkpoint = (loaded, try loaded.state())
  }

  private mutating func read(_ run: RunPaths) {
    record = collect { try RunRecord(contentsOf: run.record) }
    configuration = collect { try RunArguments.configuration(of: run) }
    if let configuration { readVocabularies(of: run, configuration) }
    readCheckpoints(of: CheckpointStore(directory: run.checkpoints, keep: 1))
  }

  private mutating func readVocabularies(of run: RunPaths, _ configuration: RunConfiguration) {
    let kept = collect { try SavedModel.encoding(of: run, configuration) }
    vocabulary = kept?.stream
    encoding = vocabulary == nil ? kept : nil
  }

  /// Verifies all checkpoints. Of the valid ones, keeps the best, or the newest if the best is not among them.
  private mutating func readCheckpoints(of store: CheckpointStore) {
    var list: [Entry] = []
    let (best, last) = (store.best(), store.last())
    for step in collect({ try store.steps() }) ?? [] {
      var entry = Entry(step: step, links: [])
      do {
        let loaded = try store.load(step: step)
        entry.links = [("best", best), ("last", last)].filter { $0.1 == loaded.path }.map(\.0)
        // The steps are ascending, so this keeps the newest unless the best came before it.
        if checkpoint == nil || checkpoint?.files.path != best { try read(loaded) }
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

  /// The report as lines of a name and a description.
  var text: String {
    var rows: [(name: String, text: String)] = []
    if let record { rows.append(("run", "\(path): \(describe(record))")) }
    if let configuration {
      rows.append(("configuration", Self.describe(configuration, hasEmbedding: hasEmbedding)))
    }
    if let vocabulary {
      let kind = vocabulary.unit.rawValue
      rows.append(("vocabulary", "\(vocabulary.count) tokens (\(kind)), digest \(Self.digest(vocabulary))"))
    }
    if let encoding, !encoding.parts.isEmpty {
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
    if let checkpoint { rows += Self.rows(checkpoint.files, checkpoint.state) }
    if let weights { rows += Self.rows(weights) }
    let width = rows.map(\.name.count).max() ?? 0
    let columns = StandardOutput.windowWidth
    return rows.map { row in
      let line = row.name.padding(toLength: width, withPad: " ", startingAt: 0) + "  " + row.text
      return Console.wrapped(values: line, columns: columns, indent: width + 2)
    }.joined(separator: "\n")
  }

  private func describe(_ record: RunRecord) -> String {
    let ranks =
      "\(record.ranks) \(record.ranks == 1 ? "rank" : "ranks") on \(record.hosts.joined(separator: ", "))"
    let reason = record.message.map { " (\($0))" } ?? ""
    let status =
      record.status == .running && !RunPaths(root: path).isBeingTrained
      ? "recorded as running, but no job on this host is training it (if it was killed, use --resume)"
      : record.status.rawValue
    return "\(status)\(reason), \(ranks), started \(record.started.formatted(.iso8601))"
  }

  /// False for a model that reads and writes numbers only.
  private var hasEmbedding: Bool {
    weights?.names.contains { $0.hasSuffix("embedding.weight") } ?? true
  }

  private static func describe(_ configuration: RunConfiguration, hasEmbedding: Bool) -> String {
    let (model, data, training) = (configuration.model, configuration.data, configuration.training)
    let isText = configuration.task.data == .stream
    let batch =
      isText
      ? "\(training.batchSize) x \(training.bptt) tokens"
      : training.batchTokens.map { "\($0) tokens" } ?? "\(training.batchSize) sequences"
    let input = isText ? "\(data.tokens.rawValue) tokens" : data.format.rawValue
    let embedding = hasEmbedding ? ", embedding of \(model.embeddingSize)" : ""
    return """
      \(configuration.task.name) of \(input); \(model.network.cell.kind.rawValue), \(model.network.layers) \
      \(model.network.layers == 1 ? "layer" : "layers") of \(model.network.hiddenSize)\(embedding); \
      \(training.optimizer.kind.rawValue), batch of \(batch), seed \(configuration.seed)
      """
  }

  private static func rows(_ files: LoadedCheckpoint, _ state: State) -> [(name: String, text: String)] {
    var parts = [
      "step \(files.step)", "epoch \(state.epoch)", "\(Console.grouped(state.tokens)) tokens",
    ]
    if let loss = state.bestLoss, let step = state.bestStep {
      parts.append(String(format: "best loss %.4f at step %d", loss, step))
    }
    parts.append(state.isComplete ? "complete" : "can be resumed")
    return [
      ("checkpoint", "\(files.path), all files verified"), ("state", parts.joined(separator: ", ")),
      ("optimizer", "\(Console.grouped(files.optimizer.byteCount)) bytes of state"),
    ] + (state.products.map { [("products", $0.summary)] } ?? [])
  }

  private static func rows(_ weights: SafetensorsFile) -> [(name: String, text: String)] {
    let nameWidth = weights.names.map(\.count).max() ?? 0
    let shapes = weights.list.map { "\($0.shape)" }
    let shapeWidth = shapes.map(\.count).max() ?? 0
    let lines = zip(weights.list, shapes).map { tensor, shape in
      let name = tensor.name.padding(toLength: nameWidth, withPad: " ", startingAt: 0)
      let padded = shape.padding(toLength: shapeWidth, withPad: " ", startingAt: 0)
      return "\(name)  \(padded)  \(tensor.dtype.rawValue)  \(Console.grouped(tensor.count))"
    }
    let total = "\(Console.grouped(weights.parameters)) in all, \(Console.grouped(weights.byteCount)) bytes"
    let digest = weights.digest.map { "\($0), verified" } ?? "none: the file was written by another program"
    return [("weights", weights.path), ("digest", digest)]
      + lines.enumerated().map { ($0 == 0 ? "parameters" : "", $1) } + [("", total)]
  }

  private static func digest(_ vocabulary: Vocabulary) -> String { String(vocabulary.digest, radix: 16) }

  // MARK: For programs

  /// The report as one object, without the parts that the path doesn't have.
  var json: JSONValue {
    var parts: [KeyValuePairs<String, JSONValue>] = [["path": .string(path)]]
    if let record {
      parts.append(["status": .string(record.status.rawValue), "ranks": .integer(record.ranks)])
    }
    if let configuration { parts.append(["configuration": Self.json(configuration)]) }
    if let vocabulary {
      let object: JSONValue = [
        "tokens": .integer(vocabulary.count), "kind": .string(vocabulary.unit.rawValue),
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
    if let checkpoint { parts += Self.members(checkpoint.files, checkpoint.state) }
    if let weights { parts.append(Self.members(weights)) }
    return .object(joining: parts + [["problems": .array(problems.map { .string("\($0)") })]])
  }

  private static func json(_ configuration: RunConfiguration) -> JSONValue {
    let (model, training) = (configuration.model, configuration.training)
    return [
      "task": .string(configuration.task.name), "seed": .integer(configuration.seed),
      "cell": .string(model.network.cell.kind.rawValue), "layers": .integer(model.network.layers),
      "hidden_size": .integer(model.network.hiddenSize), "embedding_size": .integer(model.embeddingSize),
      "tokens": .string(configuration.data.tokens.rawValue),
      "optimizer": .string(training.optimizer.kind.rawValue),
      "batch_size": .integer(training.batchSize), "bptt": .integer(training.bptt),
    ]
  }

  private static func members(
    _ files: LoadedCheckpoint, _ state: State
  ) -> [KeyValuePairs<String, JSONValue>] {
    let products = state.products?.choices.map { JSONValue.object(joining: [$0.members]) }
    return [
      [
        "checkpoint": .string(files.path), "step": .integer(files.step),
        "epoch": .integer(state.epoch), "tokens": .integer(state.tokens),
        "best_loss": JSONValue(state.bestLoss), "best_step": JSONValue(state.bestStep),
        "complete": .bool(state.isComplete), "optimizer_bytes": .integer(files.optimizer.byteCount),
      ]
    ] + (products.map { [["products": .array($0)]] } ?? [])
  }

  private static func members(_ weights: SafetensorsFile) -> KeyValuePairs<String, JSONValue> {
    [
      "weights": .string(weights.path), "digest": JSONValue(weights.digest),
      "parameters": .integer(weights.parameters), "bytes": .integer(weights.byteCount),
      "tensors": .array(
        weights.list.map { tensor in
          [
            "name": .string(tensor.name), "shape": .array(tensor.shape.map { .integer($0) }),
            "dtype": .string(tensor.dtype.rawValue), "count": .integer(tensor.count),
          ]
        }),
    ]
  }
}

extension SafetensorsFile {
  fileprivate var list: [TensorInfo] { names.compactMap { tensors[$0] } }
  fileprivate var parameters: Int { list.reduce(0) { $0 + $1.count } }
  fileprivate var byteCount: Int { list.reduce(0) { $0 + $1.dataOffsets.count } }
  /// The digest in the file, verified when it was loaded; nil if the file has none.
  fileprivate var digest: String? { metadata[Self.digestKey] }
}

extension DataEncoding {
  /// The available vocabularies, by name.
  fileprivate var parts: [(name: String, count: Int, kind: String?)] {
    let vocabularies = [("source", source), ("target", target), ("characters", characters)]
    let tokens = vocabularies.compactMap { name, vocabulary in
      vocabulary.map { (name: name, count: $0.count, kind: Optional($0.unit.rawValue)) }
    }
    return tokens + (labels.map { [(name: "labels", count: $0.count, kind: nil)] } ?? [])
  }
}
