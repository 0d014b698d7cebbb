import NumericKernels
import Parameters
import RecurrentNN

/// A small batch of pairs, with the memory of the views that the model reads.
final class PairBatch<Element: Scalar> {
  /// One source of one sentence.
  enum Source {
    case tokens([Int])
    case vectors(Tensor<Element>)
  }
  let sources: [[Source]]
  let targets: [[Int]]
  /// The number of distinct words, each spelled with one to three of four characters; nil: tokens aren't spelled.
  var spelledWords: Int?
  private let scratch = Scratch<Element>()

  init(sources: [[Source]], targets: [[Int]]) {
    self.sources = sources
    self.targets = targets
  }

  /// The sentences of the given indices as a batch; `samples` are their numbers within the whole.
  func batch(_ sentences: [Int]? = nil, masks: (seed: UInt64, step: UInt64)? = nil) -> EncoderDecoderBatch<
    Element
  > {
    let chosen = sentences ?? Array(targets.indices)
    return EncoderDecoderBatch(
      sources: sources.map { source in sequences(chosen.map { source[$0] }, like: source.first) },
      targets: TokenSequences(
        lengths: chosen.map { targets[$0].count }, ids: scratch.indices(chosen.flatMap { targets[$0] })),
      masks: masks.map { SampleMasks(seed: $0.seed, step: $0.step, samples: chosen.map { UInt32($0 + 7) }) })
  }

  /// - Parameter example: a source of the same kind, used if there are no sequences.
  func sequences(_ sentences: [Source], like example: Source? = nil) -> InputSequences<Element> {
    var (ids, values, lengths, width): ([Int], [Element], [Int], Int?) = ([], [], [], nil)
    if case .vectors(let tensor)? = example { width = tensor.shape[1] }
    for sentence in sentences {
      switch sentence {
      case .tokens(let tokens):
        ids += tokens
        lengths.append(tokens.count)
      case .vectors(let tensor):
        values += tensor.values
        lengths.append(tensor.shape[0])
        width = tensor.shape[1]
      }
    }
    if let width {
      let view = scratch.matrix(Tensor([values.count / width, width], values))
      return InputSequences(lengths: lengths, content: .vectors(view.base, width: width))
    }
    let spelling = spelledWords.map { words in
      InputSequences<Element>.WordForms(
        index: scratch.indices(ids), lengths: (0..<words).map { 1 + $0 % 3 },
        characters: scratch.indices((0..<words).flatMap { word in (0...word % 3).map { (word + $0) % 4 } }))
    }
    return InputSequences(lengths: lengths, content: .tokens(scratch.indices(ids), characters: spelling))
  }
}

/// Token sequences of given lengths, drawn from the words of a vocabulary.
func randomTokens(_ lengths: [Int], vocabulary: Int, stream: Int) -> [[Int]] {
  var random = CounterRandom(key: RandomKey(seed: 3, purpose: .generatedData), sample: UInt64(stream))
  return lengths.map { length in (0..<length).map { _ in random.nextIndex(below: vocabulary) } }
}

/// An encoder-decoder with parameters and a workspace.
struct EncoderDecoderRun<Element: Scalar> {
  let model: EncoderDecoder<Element>
  let parameters: ParameterBuffer<Element>
  let context: LayerContext<Element>

  init(_ shape: EncoderDecoderShape, seed: UInt64 = 5) throws {
    let model = try EncoderDecoder<Element>(shape)
    self.init(model, ParameterBuffer(model.layout, seed: seed))
  }

  init(
    _ model: EncoderDecoder<Element>, _ parameters: ParameterBuffer<Element>,
    _ workspace: Workspace<Element> = Workspace()
  ) {
    self.model = model
    self.parameters = parameters
    context = LayerContext(parameters: parameters, workspace: workspace)
  }

  func loss(
    _ batch: EncoderDecoderBatch<Element>, _ options: DecoderOptions = DecoderOptions(),
    into gradients: ParameterBuffer<Element>? = nil
  ) -> LossSum {
    model.evaluate(batch, options, into: gradients, context)
  }

  /// The attention weights of forced targets: for each source, sentence and step (including that of the end mark), the
  /// weights over the positions; empty without attention.
  func attention(_ pairs: PairBatch<Element>) -> [[[[Element]]]] {
    let end = Int32(model.shape.decoder.endToken)
    let decoder = model.decoder(for: pairs.batch().sources, context)
    let sources = model.shape.context.kind == .attention ? model.shape.sources.count : 0
    var result = (0..<sources).map { _ in pairs.targets.map { _ in [[Element]]() } }
    forcedDecoding(
      decoder, startTokens: decoder.startTokens, texts: pairs.targets.map { $0.map { Int32($0) } + [end] }
    ) { _, sentences, _ in
      for (row, sentence) in sentences.enumerated() {
        for source in result.indices {
          result[source][sentence].append(
            decoder.attention(ofRow: row, source: source).map { Array($0) } ?? [])
        }
      }
    }
    return result
  }
}

extension SequenceDecoder<Double> {
  /// Extends rows by one token each; returns the logits [rows, V].
  func advance(_ tokens: [Int], _ parents: [Int]) -> [Double] {
    var logits = [Double](repeating: .nan, count: tokens.count * vocabularySize)
    let (tokens, parents) = (tokens.map { Int32($0) }, parents.map { Int32($0) })
    logits.withUnsafeMutableBufferPointer { logits in
      guard let base = logits.baseAddress else { return }
      tokens.withUnsafeBufferPointer { tokens in
        parents.withUnsafeBufferPointer { parents in
          advance(
            tokens: tokens, parents: parents,
            logits: MatrixView(base, rows: tokens.count, columns: vocabularySize))
        }
      }
    }
    return logits
  }
}
