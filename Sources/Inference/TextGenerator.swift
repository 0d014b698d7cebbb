import Datasets
import NumericKernels
import Parameters
import RecurrentNN

/// Lets a language model write: samples token after token, several texts at once.
public final class TextGenerator {
  private let model: LanguageModel<Float>
  private let vocabulary: Vocabulary
  private let context: LayerContext<Float>

  public init(
    _ model: LanguageModel<Float>, parameters: ParameterBuffer<Float>, vocabulary: Vocabulary,
    precision: ProductPrecision = .fp32
  ) {
    self.model = model
    self.vocabulary = vocabulary
    context = LayerContext(parameters: parameters, workspace: Workspace(precision: precision))
  }

  public convenience init(_ saved: SavedModel) {
    self.init(
      saved.model, parameters: saved.parameters, vocabulary: saved.vocabulary,
      precision: saved.configuration.training.precision)
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
    let prompt = prompt.isEmpty ? [lineEnd] : prompt
    // All texts begin alike: the prompt is read once.
    let decoder = LanguageModelDecoder(model, context)
    decoder.read([prompt.dropLast()])
    let sampler = SequenceSampler(
      decoder, startTokens: prompt.suffix(1), textsPerSequence: count, options: options,
      constraints: TokenConstraints(
        endToken: nil, length: LengthBounds(maximum: length), excludedTokens: vocabulary.notText),
      seed: seed)
    var isWanted = true
    while isWanted && !sampler.isFinished {
      sampler.step { drawn in
        if isWanted { isWanted = emit(drawn.text, drawn.token) }
      }
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
}
