import CKernels
import NumericKernels

/// How the next token is sampled from a distribution.
///
/// The options are applied in order, each to the distribution that the one before it left, normalized again: temperature,
/// then top-k, then top-p (the order of Hugging Face's `generate`).
public struct SamplingOptions: Sendable, Hashable {
  /// Logits are divided by this; 0 takes the most probable token.
  public var temperature: Double
  /// Only the k most probable tokens (Fan et al. 2018, section 5.4); nil: all.
  public var topK: Int?
  /// Only the most probable tokens whose probabilities reach p in sum (Holtzman et al. 2020, section 3.1); nil:
  /// all. With top-k it is the sum over the k tokens that is 1.
  public var topP: Double?

  public init(temperature: Double = 1, topK: Int? = nil, topP: Double? = nil) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
  }
}

/// Samples one token per row.
///
/// Tokens of equal probability keep the order of their ids; with temperature 0 the first of the largest logits is
/// taken.
///
/// - Parameters:
///   - logits: [rows, V]; -inf (or NaN) makes a token impossible.
///   - uniforms: for each row a random number in [0, 1).
///   - weights: scratch memory for 3 V numbers.
///   - tokens: overwritten with one id per row; -1 if no token is possible.
func sampleTokens<Element: Scalar>(
  _ logits: MatrixView<Element>, _ options: SamplingOptions, uniforms: UnsafePointer<Double>,
  weights: UnsafeMutablePointer<Element>, into tokens: UnsafeMutablePointer<Int32>
) {
  // A temperature too small to divide by is the limit as well.
  let inverse = 1 / Element(options.temperature)
  let isGreedy = !(options.temperature > 0 && inverse.isFinite)
  rnd_sample_tokens(
    Element.kernelType,
    rnd_sampling(
      logits: logits.logits, inverse_temperature: isGreedy ? 1 : Double(inverse),
      k: isGreedy ? 1 : max(1, options.topK ?? .max), p: max(options.topP ?? 1, .leastNonzeroMagnitude),
      uniform: uniforms, weights: weights, token: tokens))
}

/// Samples one token; nil if none is possible.
///
/// - Parameters:
///   - logits: [V] logits of one stream; those of excluded ids are overwritten with -inf.
///   - uniform: a random number in [0, 1).
///   - excluded: ids that must not be sampled (such as an unknown-word mark).
public func sampleToken<Element: Scalar>(
  from logits: UnsafeMutableBufferPointer<Element>, _ options: SamplingOptions, uniform: Double,
  excluding excluded: [Int] = []
) -> Int? {
  guard let base = logits.baseAddress, logits.count > 0 else { return nil }
  for id in excluded { logits[id] = -.infinity }
  return withUnsafeTemporaryAllocation(of: Element.self, capacity: 3 * logits.count) { weights in
    guard let scratch = weights.baseAddress else { return nil }
    var (token, uniform) = (Int32(-1), uniform)
    sampleTokens(
      MatrixView(base, rows: 1, columns: logits.count), options, uniforms: &uniform, weights: scratch,
      into: &token)
    return token < 0 ? nil : Int(token)
  }
}

/// A sampled token.
public struct SampledToken: Sendable, Hashable {
  /// Number of the text, 0..<textCount.
  public let text: Int
  public let token: Int32
  /// Its log-probability under the model, before temperature and bounds, nats.
  public let logProbability: Double
  /// True for the end mark, which is not part of the text.
  public let isEnd: Bool
}

/// Ancestral sampling: samples the texts of a batch token by token from the model's distribution.
///
/// Every draw is a function of (seed, number of the text, position), so a text doesn't depend on the other texts of
/// its batch. Texts that have ended leave the batch.
public final class SequenceSampler<Element: Scalar> {
  private let decoder: any StepwiseDecoder<Element>
  private let options: SamplingOptions
  private let constraints: TokenConstraints
  private let random: [CounterRandom]
  /// The numbers of tokens each text may have.
  private let lengths: [ClosedRange<Int>]
  private var block: LogitsBlock<Element>
  private let weights: AlignedBuffer<Element>
  private var uniforms: [Double] = []
  private var drawn: [Int32] = []
  /// Tokens all open texts have so far.
  private var length = 0
  /// The tokens themselves, if repetitions are blocked.
  private var texts: [[Int32]]

  // The unfinished texts, one per row of the next step: number, last token, and row of the last step.
  private var open: [Int] = []
  private var tokens: [Int32] = []
  private var parents: [Int32] = []

  /// - Parameters:
  ///   - decoder: the model with its batch, before its first step.
  ///   - startTokens: for each sequence the token that its texts begin after.
  ///   - textsPerSequence: how many texts are drawn for each; texts 0..<textsPerSequence belong to sequence 0.
  ///   - sourceLengths: positions of each sequence's source, if bounds of the length depend on them.
  ///   - textNumbers: the number that keys the random numbers of each text, so that a part of a larger batch is sampled as
  ///     in the whole; nil: 0, 1, 2, …
  public init(
    _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], textsPerSequence: Int = 1,
    sourceLengths: [Int]? = nil, options: SamplingOptions, constraints: TokenConstraints, seed: UInt64,
    textNumbers: [UInt64]? = nil
  ) {
    let sequences = decoder.sequenceCount
    let count = sequences * textsPerSequence
    precondition(
      startTokens.count == sequences && sourceLengths?.count ?? sequences == sequences
        && textsPerSequence >= 0 && textNumbers?.count ?? count == count,
      "\(startTokens.count) start tokens, \(sourceLengths?.count ?? sequences) lengths and "
        + "\(textNumbers?.count ?? count) numbers for \(textsPerSequence) texts of \(sequences) sequences")
    constraints.requireInVocabulary(decoder.vocabularySize)
    self.decoder = decoder
    self.options = options
    self.constraints = constraints
    lengths = (0..<count).map {
      constraints.length.range(sourceLength: sourceLengths?[$0 / textsPerSequence])
    }
    random = (0..<count).map {
      CounterRandom(key: RandomKey(seed: seed, purpose: .sampling), sample: textNumbers?[$0] ?? UInt64($0))
    }
    block = LogitsBlock(vocabularySize: decoder.vocabularySize)
    weights = AlignedBuffer(count: 3 * decoder.vocabularySize)
    texts = Array(repeating: [], count: constraints.noRepeatedNgram == nil ? 0 : count)
    for text in 0..<count {
      let sequence = text / textsPerSequence
      keepOpen(text, token: startTokens[sequence], length: 0, parent: sequence)
    }
  }

  /// Number of texts.
  public var textCount: Int { lengths.count }
  /// True if no text can be continued.
  public var isFinished: Bool { open.isEmpty }

  /// Draws the next token of every open text, in the order of the texts; nothing if all are finished. A text for
  /// which no token is possible ends without one.
  public func step(_ emit: (SampledToken) -> Void) {
    guard !open.isEmpty else { return }
    let logits = block.rows(open.count)
    decoder.advance(tokens, parents, logits: logits)
    let normalizers = logNormalizers(logits)
    draw(logits)
    let rows = open
    open.removeAll(keepingCapacity: true)
    tokens.removeAll(keepingCapacity: true)
    parents.removeAll(keepingCapacity: true)
    length += 1
    for (row, text) in rows.enumerated() where drawn[row] >= 0 {
      let token = drawn[row]
      let isEnd = token == constraints.endToken
      // The draw that only tells whether a text of full length ends by itself.
      guard isEnd || length <= lengths[text].upperBound else { continue }
      if !isEnd {
        if constraints.noRepeatedNgram != nil { texts[text].append(token) }
        keepOpen(text, token: token, length: length, parent: row)
      }
      let logProbability = min(0, Double(logits[row, Int(token)]) - normalizers[row])
      emit(SampledToken(text: text, token: token, logProbability: logProbability, isEnd: isEnd))
    }
  }

  private func draw(_ logits: MatrixView<Element>) {
    uniforms.removeAll(keepingCapacity: true)
    for (row, text) in open.enumerated() {
      uniforms.append(random[text].uniform(at: UInt64(length)))
      constraints.mask(logits.row(row), length: length, shortest: lengths[text].lowerBound) { texts[text] }
    }
    if drawn.count < open.count { drawn = Array(repeating: 0, count: open.count) }
    drawn.withUnsafeMutableBufferPointer { drawn in
      guard let target = drawn.baseAddress else { return }
      sampleTokens(logits, options, uniforms: uniforms, weights: weights.base, into: target)
    }
  }

  /// Makes a text of `length` tokens a row of the next step, unless nothing may follow it, not even an end.
  private func keepOpen(_ text: Int, token: Int32, length: Int, parent: Int) {
    guard constraints.endToken != nil || length < lengths[text].upperBound else { return }
    open.append(text)
    tokens.append(token)
    parents.append(Int32(parent))
  }
}

/// Samples whole texts for every sequence of a batch, each until its end mark or its maximum length.
///
/// Parameters as in ``SequenceSampler``. Returns the texts of each sequence; their score is their
/// log-probability under the model, before temperature and bounds.
public func sampleSequences<Element: Scalar>(
  _ decoder: any StepwiseDecoder<Element>, startTokens: [Int32], textsPerSequence: Int = 1,
  sourceLengths: [Int]? = nil, options: SamplingOptions, constraints: TokenConstraints, seed: UInt64,
  textNumbers: [UInt64]? = nil
) -> [[Hypothesis<Element>]] {
  let sampler = SequenceSampler(
    decoder, startTokens: startTokens, textsPerSequence: textsPerSequence, sourceLengths: sourceLengths,
    options: options, constraints: constraints, seed: seed, textNumbers: textNumbers)
  var texts = Array(
    repeating: Hypothesis<Element>(
      tokens: [], logProbability: 0, score: 0, tokenLogProbabilities: [], endedByItself: false),
    count: sampler.textCount)
  while !sampler.isFinished {
    sampler.step { sampled in
      texts[sampled.text].tokenLogProbabilities.append(sampled.logProbability)
      texts[sampled.text].logProbability += sampled.logProbability
      texts[sampled.text].score = texts[sampled.text].logProbability
      if sampled.isEnd {
        texts[sampled.text].endedByItself = true
      } else {
        texts[sampled.text].tokens.append(sampled.token)
      }
    }
  }
  return (0..<decoder.sequenceCount).map {
    Array(texts[$0 * textsPerSequence..<($0 + 1) * textsPerSequence])
  }
}
