import Checkpoints
import Foundation
import RecurrentNN
import Tasks

extension ExportedModel {
  /// The graphs of the model by file name: `model.onnx`, or `encoder.onnx` and `decoder.onnx` for a model that writes
  /// sequences.
  var graphs: [(name: String, graph: Graph)] {
    switch shape {
    case .languageModel(let shape): return [("model.onnx", SequenceGraph(self).languageModel(shape))]
    case .tagger(let shape): return [("model.onnx", SequenceGraph(self).tagger(shape))]
    case .classifier(let shape): return [("model.onnx", SequenceGraph(self).classifier(shape))]
    case .matcher(let shape): return [("model.onnx", SequenceGraph(self).matcher(shape))]
    case .generator(let shape):
      let decoder = DecoderPart(shape)
      return [
        ("encoder.onnx", EncoderGraph(self, decoder).generator(shape)),
        ("decoder.onnx", DecoderGraph(self, decoder).build()),
      ]
    case .encoderDecoder(let shape):
      let decoder = DecoderPart(shape)
      return [
        ("encoder.onnx", EncoderGraph(self, decoder).encoderDecoder(shape)),
        ("decoder.onnx", DecoderGraph(self, decoder).build()),
      ]
    }
  }

  /// The begin and end marks of a model that writes sequences.
  private var marks: [String: String] {
    let decoder: DecoderShape
    switch shape {
    case .generator(let shape): decoder = shape.decoder
    case .encoderDecoder(let shape): decoder = shape.decoder
    default: return [:]
    }
    return ["begin": "\(decoder.beginToken)", "end": "\(decoder.endToken)"]
  }

  /// The maximum size of a Protocol Buffers file, 2 GB.
  private static let largestFile = Int(Int32.max)

  /// Writes the graphs and the vocabularies to a new or empty directory. The metadata of a graph consist of those of the
  /// weights and the ids of the marks, `begin` and `end`.
  ///
  /// Throws ``ExportFailure``, `FileFailure`, `DataError`.
  package func writeONNX(to directory: String) throws {
    guard weights.byteCount < Self.largestFile / 10 * 9 else {
      throw ExportFailure(
        "the weights have \(weights.byteCount) bytes; an ONNX file holds 2 GB: use --format pytorch")
    }
    try createExportDirectory(directory)
    for (name, graph) in graphs {
      let data = try graph.serialized(
        metadata: metadata.merging(marks) { _, new in new }, version: ReleaseVersion.text)
      try DurableFile.write(data, to: "\(directory)/\(name)")
    }
    try encoding.save(to: directory)
  }
}
