import Checkpoints
import Configuration
import Datasets
import Foundation
import Tasks
import Training

extension FuzzedReader {
  /// Formats that are not those of examples: tensors, configurations, vocabularies.
  static let formats = [
    FuzzedReader("safetensors", bytes: tensors) { path in
      let file = try SafetensorsFile(path: path)
      for name in file.names { _ = try file.readDoubles(name) }
    },
    FuzzedReader("state", bytes: (try? ExactJSON.encode(TrainingState())) ?? []) { path in
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      do { _ = try ExactJSON.decode(TrainingState.self, from: bytes) } catch let error as DecodingError {
        // The checkpoint store reports this error, with the path of the checkpoint.
        throw RefusedInput(description: "\(error)")
      }
    },
    checkpoint,
    FuzzedReader("configuration", Presets.text(named: "default") ?? "") { path in
      let node = try YAMLReader.node(named: path)
      _ = try RunConfiguration.resolve(layers: [node], overrides: [], requiringText: false)
    },
    FuzzedReader("overrides", "model.layers=2\nmodel.cell=gru\ntraining.learning_rate=0.01\n") {
      path in
      let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
      _ = try RunConfiguration.resolve(
        layers: [], overrides: text.split(separator: "\n").map(String.init), requiringText: false)
    },
    vocabulary(.word), vocabulary(.char), vocabulary(.byte),
    FuzzedReader("labels", "DET\nNOUN\n\" \"\nVERB\n") { _ = try LabelVocabulary.load(path: $0) },
    FuzzedReader("subword-model", file: "vocabulary.model") { folder in
      try saveVocabulary(of: .bpe, in: folder)
      return {
        let model = try SubwordModel.load(path: "\(folder)/vocabulary.model")
        _ = try? model.decode(try model.encode("lower newest".utf8))
      }
    },
    FuzzedReader("word-vectors", file: "vectors.txt") { folder in
      try Data("3 2\nlow 0.5 -1e-3\nlower 1 2\nunknown word 3 4\n".utf8).write(
        to: URL(fileURLWithPath: "\(folder)/vectors.txt"))
      let vocabulary = try textCorpus(.word).vocabulary
      return {
        _ = try readWordVectors(from: .file("\(folder)/vectors.txt"), for: vocabulary, width: 2) { _, _ in }
      }
    },
  ]

  private static var tensors: [UInt8] {
    let header = """
      {"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F64","shape":[1],\
      "data_offsets":[24,32]}}
      """
    return withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
      + (0..<32).map { UInt8($0) }
  }

  /// The description of a checkpoint, beside its tensors.
  private static let checkpoint = FuzzedReader("checkpoint", file: "checkpoints/step-3/state.json") {
    folder in
    let values: [Float] = [1, 2, 3]
    let path = try values.withUnsafeBufferPointer { values in
      let tensor = TensorToWrite(name: "w", shape: [3], floats: values)
      return try CheckpointStore(directory: "\(folder)/checkpoints", keep: 1).save(
        step: 3, model: [tensor], optimizer: [], state: TrainingState(), isBest: true)
    }
    return { _ = try CheckpointStore.load(path: path) }
  }

  private static func vocabulary(_ unit: TokenUnit) -> FuzzedReader {
    FuzzedReader("vocabulary-\(unit.rawValue)", file: "vocabulary.txt") { folder in
      try saveVocabulary(of: unit, in: folder)
      return {
        _ = try Vocabulary.load(
          path: "\(folder)/vocabulary.txt", options: TextOptions(unit),
          boundaries: unit == .word ? .lineEnds : .none)
      }
    }
  }

  private static func saveVocabulary(of unit: TokenUnit, in folder: String) throws {
    try textCorpus(unit).vocabulary.save(to: "\(folder)/vocabulary.txt")
  }

  /// A small text, large enough for a subword model.
  static func textCorpus(_ unit: TokenUnit) throws -> TextCorpus {
    let text = (0..<40).map { "low lower \($0) newest wider \u{e9}t\u{e9}\n" }.joined()
    return try TextCorpus.load(
      train: .memory(Array(text.utf8), name: "text"), options: TextOptions(unit, maxVocabulary: 60))
  }
}
