import Checkpoints
import Configuration
import Datasets
import Foundation
import RunLog

// MARK: - For people

extension Inspection {
  /// Several lines: a name, then what it is.
  var text: String {
    var rows: [(String, String)] = []
    if let record { rows.append(("run", "\(path): \(Self.describe(record, of: path))")) }
    if let configuration { rows.append(("configuration", Self.describe(configuration))) }
    if let vocabulary {
      rows.append(
        (
          "vocabulary",
          "\(vocabulary.count) tokens (\(vocabulary.tokenization.rawValue)), digest \(digest(vocabulary))"
        ))
    }
    if let encoding {
      let parts = encoding.parts.map {
        "\($0.name) \(Console.grouped($0.count))" + ($0.kind.map { " (\($0))" } ?? "")
      }
      rows.append(("vocabularies", parts.joined(separator: ", ")))
    }
    if let entries {
      rows.append(
        ("checkpoints", entries.isEmpty ? "none yet" : entries.map(Self.describe).joined(separator: "; ")))
    }
    if let checkpoint { rows += Self.rows(checkpoint) }
    if let weights { rows += Self.rows(weights) }
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { name, value in
      (name + String(repeating: " ", count: width - name.count) + "  " + value)
    }.joined(separator: "\n")
  }

  private static func describe(_ record: RunRecord, of path: String) -> String {
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

  private static func describe(_ entry: Entry) -> String {
    let links = entry.links.isEmpty ? "" : " (\(entry.links.joined(separator: ", ")))"
    return "step \(entry.step)\(links) \(entry.problem == nil ? "verified" : "DAMAGED")"
  }

  private static func rows(_ checkpoint: Checkpoint) -> [(String, String)] {
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

  private static func rows(_ weights: Weights) -> [(String, String)] {
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
}

// MARK: - For programs

extension Inspection {
  /// One object; what does not apply is absent.
  var json: JSONValue {
    var members = [JSONMember("path", .string(path))]
    if let record {
      members += [
        JSONMember("status", .string(record.status.rawValue)), JSONMember("ranks", .integer(record.ranks)),
      ]
    }
    if let configuration { members.append(JSONMember("configuration", Self.json(configuration))) }
    if let vocabulary {
      members.append(
        JSONMember(
          "vocabulary",
          [
            "tokens": .integer(vocabulary.count), "kind": .string(vocabulary.tokenization.rawValue),
            "digest": .string(digest(vocabulary)),
          ]))
    }
    if let encoding {
      let parts = encoding.parts.map { part in
        JSONMember(
          part.name, ["tokens": .integer(part.count), "kind": part.kind.map { .string($0) } ?? .null])
      }
      members.append(JSONMember("vocabularies", .object(parts)))
    }
    if let entries { members.append(JSONMember("checkpoints", .array(entries.map(Self.json)))) }
    if let checkpoint { members += Self.members(checkpoint) }
    if let weights { members += Self.members(weights) }
    members.append(JSONMember("problems", .array(problems.map { .string("\($0)") })))
    return .object(members)
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

  private static func json(_ entry: Entry) -> JSONValue {
    [
      "step": .integer(entry.step), "links": .array(entry.links.map { .string($0) }),
      "verified": .bool(entry.problem == nil), "problem": entry.problem.map { .string($0) } ?? .null,
    ]
  }

  private static func members(_ checkpoint: Checkpoint) -> [JSONMember] {
    let state = checkpoint.state
    return [
      JSONMember("checkpoint", .string(checkpoint.path)), JSONMember("step", .integer(checkpoint.step)),
      JSONMember("epoch", .integer(state.epoch)), JSONMember("tokens", .integer(state.tokens)),
      JSONMember("best_loss", state.bestLoss.map { .double($0) } ?? .null),
      JSONMember("best_step", state.bestStep.map { .integer($0) } ?? .null),
      JSONMember("complete", .bool(state.isComplete)),
      JSONMember("optimizer_bytes", .integer(checkpoint.optimizerBytes)),
    ]
      + (state.products.map { products in
        [JSONMember("products", .array(products.choices.map(ProductText.json)))]
      } ?? [])
  }

  private static func members(_ weights: Weights) -> [JSONMember] {
    [
      JSONMember("weights", .string(weights.path)),
      JSONMember("digest", weights.digest.map { .string($0) } ?? .null),
      JSONMember("parameters", .integer(weights.parameters)), JSONMember("bytes", .integer(weights.bytes)),
      JSONMember(
        "tensors",
        .array(
          weights.tensors.map { tensor in
            [
              "name": .string(tensor.name), "shape": .array(tensor.shape.map { .integer($0) }),
              "dtype": .string(tensor.dtype.rawValue), "count": .integer(tensor.count),
            ]
          })),
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

private func digest(_ vocabulary: Vocabulary) -> String { String(vocabulary.digest, radix: 16) }
