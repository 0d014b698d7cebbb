import Datasets
import NumericKernels
import Parameters
import RecurrentNN

/// Lets a language model write: samples token after token, several texts at once.
public final class TextGenerator {
  private let model: LanguageModel<Float>
  private let vocabulary: Vocabulary
  private let context: LayerContext<Float>
  /// Tokens that are no text.
  private let excluded: [Int]

  public init(
    _ model: LanguageModel<Float>, parameters: ParameterBuffer<Float>, vocabulary: Vocabulary,
    precision: ProductPrecision = .fp32
  ) {
    self.model = model
    self.vocabulary = vocabulary
    context = LayerContext(parameters: parameters, workspace: Workspace(precision: precision))
    excluded = vocabulary.unknown.map { [Int($0)] } ?? []
  }

  public convenience init(_ saved: SavedModel) {
    self.init(
      saved.model, parameters: saved.parameters, vocabulary: saved.vocabulary,
      precision: ProductPrecision(saved.configuration.training.precision))
  }

  /// Writes `count` texts of `length` tokens after a prompt.
  ///
  /// - Parameters:
  ///   - prompt: tokens the model reads first; if empty, it starts as after the end of a line.
  ///   - options: temperature, top-k, top-p.
  ///   - seed: with the number of the text and the position it decides every draw.
  ///   - emit: called with every token as soon as it is drawn: number of the text, id. Return false to stop.
  public func generate(
    prompt: [Int32], length: Int, count: Int = 1, options: SamplingOptions, seed: UInt64,
    emit: (_ text: Int, _ id: Int32) -> Bool
  ) {
    let streams = max(1, count)
    let state = model.stateParts.map { AlignedMatrix(rows: streams, columns: $0) }
    let logits = AlignedMatrix(rows: streams, columns: vocabulary.count)
    var current = [Int32](repeating: 0, count: streams)
    for id in prompt.isEmpty ? [lineEnd] : prompt {
      for stream in current.indices { current[stream] = id }
      advance(current, state, logits)
    }
    var random = (0..<streams).map { stream in
      CounterRandom(key: RandomKey(seed: seed, purpose: .sampling), sample: UInt64(stream))
    }
    for position in 0..<length {
      for stream in current.indices {
        let row = UnsafeMutableBufferPointer(start: logits.view.row(stream), count: vocabulary.count)
        let id = sampleToken(from: row, options, uniform: random[stream].nextUniform(), excluding: excluded)
        current[stream] = Int32(id)
        guard emit(stream, Int32(id)) else { return }
      }
      if position < length - 1 { advance(current, state, logits) }
    }
  }

  /// The text of a generation as bytes, prompt not included.
  public func text(
    prompt: [Int32], length: Int, options: SamplingOptions, seed: UInt64
  ) -> [UInt8] {
    var ids: [Int32] = []
    generate(prompt: prompt, length: length, options: options, seed: seed) { _, id in
      ids.append(id)
      return true
    }
    return vocabulary.decode(ids)
  }

  /// What a text is as good as preceded by.
  private var lineEnd: Int32 { vocabulary.endOfSentence ?? vocabulary.id(of: "\n") ?? 0 }

  private func advance(_ tokens: [Int32], _ state: [AlignedMatrix], _ logits: AlignedMatrix) {
    tokens.withUnsafeBufferPointer { model.step($0, state: state.map(\.view), logits: logits.view, context) }
  }
}
