import Datasets
import Parameters
import RecurrentNN

/// The weights of another model that training starts from. Parameters of the same name and shape are copied. From
/// parameters with a row per token or label, the rows of tokens or labels that both models have are copied.
public struct StartingWeights {
  /// The name of the run that the weights come from, for messages.
  let name: String
  let parameters: ParameterBuffer<Float>
  let encoding: DataEncoding

  public init(name: String, _ parameters: ParameterBuffer<Float>, _ encoding: DataEncoding) {
    (self.name, self.parameters, self.encoding) = (name, parameters, encoding)
  }

  /// Copies the parameters that both models have, and describes the result: one line in total, and one for each
  /// parameter that was copied only in part. Throws ``TrainingFailure/unfittingData(_:)`` if the models have nothing in
  /// common.
  func copy(to target: ParameterBuffer<Float>, _ encoding: DataEncoding) throws -> [String] {
    var (copied, notes) = (0, [String]())
    for parameter in target.layout.parameters {
      let names = [parameter.name] + target.layout.aliases.filter { $0.parameter == parameter }.map(\.name)
      guard let source = names.lazy.compactMap({ parameters.layout[$0] }).first else {
        notes.append("\(parameter.name): new")
        continue
      }
      switch rows(of: parameter, from: source, encoding) {
      case .success(let pairs):
        let (from, to) = (parameters.matrix(source), target.matrix(parameter))
        let width = parameter.count / parameter.shape[0]
        for (row, own) in pairs {
          (to.base + own * width).update(from: from.base + row * width, count: width)
        }
        if !pairs.isEmpty { copied += 1 }
        if pairs.count < parameter.shape[0] {
          notes.append("\(parameter.name): \(pairs.count) of \(parameter.shape[0]) rows")
        }
      case .failure(let difference):
        notes.append("\(parameter.name): not copied: \(difference.text)")
      }
    }
    guard copied > 0 else {
      throw TrainingFailure.unfittingData(
        "--init-from \(name): its model has no parameter of this model's names and shapes")
    }
    target.didChange()
    return ["starts from \(name): \(copied) of \(target.layout.parameters.count) parameters"] + notes
  }

  private struct Difference: Error { let text: String }

  /// Returns the rows that both parameters have, as pairs of the index in the old and in the new parameter.
  private func rows(
    of parameter: Parameter, from source: Parameter, _ encoding: DataEncoding
  ) -> Result<[(Int, Int)], Difference> {
    if let mine = encoding.rowNames(of: parameter), let theirs = self.encoding.rowNames(of: source) {
      guard parameter.shape.dropFirst() == source.shape.dropFirst() else {
        return .failure(shapes(parameter, source))
      }
      let places = Dictionary(zip(theirs, theirs.indices), uniquingKeysWith: { first, _ in first })
      return .success(mine.enumerated().compactMap { own, name in places[name].map { ($0, own) } })
    }
    guard parameter.shape == source.shape else { return .failure(shapes(parameter, source)) }
    guard !parameter.name.hasPrefix("crf.") || encoding.labels == self.encoding.labels,
      !parameter.name.hasPrefix("output.head.") && !parameter.name.hasPrefix("output.tail.")
        || encoding.stream == self.encoding.stream
    else { return .failure(Difference(text: "it belongs to another vocabulary")) }
    return .success((0..<parameter.shape[0]).map { ($0, $0) })
  }

  private func shapes(_ parameter: Parameter, _ source: Parameter) -> Difference {
    Difference(text: "its shape is \(source.shape), but this model needs \(parameter.shape)")
  }
}

extension DataEncoding {
  /// The tokens or labels of the rows of a parameter; nil if its rows don't correspond to tokens or labels.
  fileprivate func rowNames(of parameter: Parameter) -> [String]? {
    let names: [String]? =
      switch parameter.name {
      case "decoder.embedding.weight", "decoder.output.weight", "decoder.output.bias": target?.tokens
      case "condition.weight": labels?.names
      case "output.weight", "output.bias": stream?.tokens ?? labels?.names
      case let name where name.hasSuffix("characters.embedding.weight"): characters?.tokens
      case "embedding.weight", "encoder.embedding.weight", "encoder2.embedding.weight":
        (stream ?? source)?.tokens
      default: nil
      }
    return names.flatMap { $0.count == parameter.shape[0] ? $0 : nil }
  }

  /// The embeddings of the tokens that a model reads first.
  fileprivate static let inputEmbeddings = [
    "embedding.weight", "encoder.embedding.weight", "encoder2.embedding.weight",
  ]
}

extension ParameterBuffer<Float> {
  /// Overwrites the embeddings of tokens with the vectors of a word vector file, and describes the result. Throws
  /// `DataError`, and ``TrainingFailure/unfittingData(_:)`` if the model does not embed tokens.
  func readWordVectors(_ path: String, _ encoding: DataEncoding) throws -> String {
    let tables = DataEncoding.inputEmbeddings.compactMap { layout[$0] }
    guard let vocabulary = encoding.stream ?? encoding.source, let width = tables.first?.shape[1] else {
      throw TrainingFailure.unfittingData("data.embeddings: the model reads numbers, not tokens")
    }
    let found = try Datasets.readWordVectors(from: .file(path), for: vocabulary, width: width) { id, vector in
      for table in tables {
        (matrix(table).base + Int(id) * width).update(from: vector, count: width)
      }
    }
    didChange()
    return "\(path): vectors of \(found) of \(vocabulary.count) tokens"
  }
}
