import Datasets
import Inference
import RunLog
import Tasks

/// A model and the name that requests use for it.
struct ServedModel {
  let name: String
  let model: SavedModel

  /// The vocabulary of the texts that it writes without source lines.
  var vocabulary: Vocabulary? { model.encoding.stream ?? model.encoding.target }
}

/// The properties of a model that requests need. Unlike the model, any thread can read them.
struct ModelDescription: Sendable {
  let name: String
  let task: String
  let abilities: ModelAbilities
  let step: Int
  /// The classes of a classifier or a generator.
  let labels: LabelVocabulary?
  /// The vocabulary of a language model.
  let stream: Vocabulary?
  /// The number of tokens of a text if the request does not give a length.
  let usualLength: Int

  /// Throws ``ServingFailure`` if the model can't be used through HTTP.
  init(_ model: SavedModel, name: String, run: String) throws(ServingFailure) {
    let configuration = model.configuration
    guard configuration.data.train == nil || configuration.data.format != .npy else {
      // The lines of these models are paths, and a request must not name files of the server.
      throw .unsuitable(
        run: run,
        reason:
          "its inputs are arrays in files (data.format npy), which can't be served; use rnn-dist predict")
    }
    guard configuration.data.window == 0 else {
      throw .unsuitable(
        run: run,
        reason:
          "it reads rows of a table one after the other (data.window), which can't be served; use rnn-dist predict"
      )
    }
    self.name = name
    task = configuration.task.name
    abilities = model.abilities
    step = model.step
    labels = model.encoding.labels
    stream = model.encoding.stream
    usualLength = stream.map { Self.usualLength($0.unit) } ?? configuration.decoding.maxLength
  }

  private static func usualLength(_ unit: TokenUnit) -> Int {
    switch unit {
    case .byte, .char: 200
    case .word, .space, .bpe: 50
    }
  }

  /// Whether the model predicts outputs for lines.
  var predicts: Bool {
    switch abilities.writesAfter {
    case .prompt, .nothing: false
    case .condition, nil: true
    }
  }

  /// Whether the model writes texts without source lines.
  var writes: Bool { abilities.writesAfter != nil }

  private var endpoints: [String] {
    (predicts ? ["/v1/predict"] : []) + (writes ? ["/v1/generate"] : [])
  }

  var json: JSONValue {
    [
      "name": .string(name), "task": .string(task), "step": .integer(step),
      "endpoints": .array(endpoints.map { JSONValue.string($0) }),
      "attention": .bool(abilities.attends), "ranks_outputs": .bool(abilities.ranksOutputs),
      "scores_outputs": .bool(abilities.scoresOutputs), "samples_outputs": .bool(abilities.samplesOutputs),
      "classes": labels.map { JSONValue.array($0.names.map { JSONValue.string($0) }) } ?? .null,
    ]
  }
}
