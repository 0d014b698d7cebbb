import CKernels
import NumericKernels

/// How the next token is sampled from a distribution.
///
/// The options are applied in order, each to the renormalized distribution that the previous one left: temperature, then
/// top-k, then top-p (the order of Hugging Face's `generate`).
public struct SamplingOptions: Sendable, Hashable {
  /// Logits are divided by this; 0 takes the most probable token.
  public var temperature: Double
  /// Only the k most probable tokens (Fan et al. 2018, section 5.4); nil: all.
  public var topK: Int?
  /// Only the most probable tokens whose probabilities add up to at least p (Holtzman et al. 2020, section 3.1); nil:
  /// all. With top-k, the probabilities of the k tokens add up to 1.
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
  // A temperature too small to divide by is treated like 0.
  let inverse = 1 / Element(options.temperature)
  let isGreedy = !(options.temperature > 0 && inverse.isFinite)
  rnd_sample_tokens(
    Element.kernelType,
    rnd_sampling(
      logits: logits.logits, inverse_temperature: isGreedy ? 1 : Double(inverse),
      k: isGreedy ? 1 : max(1, options.topK ?? .max), p: max(options.topP ?? 1, .leastNonzeroMagnitude),
      uniform: uniforms, weights: weights, token: tokens))
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
/// its batch. Texts that have ended leave the batch, and texts of another sampler can join it.
public final class SequenceSampler<Element: Scalar> {
  /// The sampling rules of some texts, shared by all texts that one sampler started with.
  private final class Rules {
    let options: SamplingOptions
    let constraints: TokenConstraints

    init(_ options: SamplingOptions, _ constraints: TokenConstraints) {
      (self.options, self.constraints) = (options, constraints)
    }
  }

  /// An unfinished text, which is a row of the next step.
  private struct OpenText {
    var number: Int
    let rules: Rules
    let random: CounterRandom
    /// The allowed numbers of tokens.
    let lengths: ClosedRange<Int>
    /// The number of tokens so far.
    var length = 0
    /// The tokens themselves, if repetitions are blocked.
    var tokens: [Int32] = []
    var lastToken: Int32
    /// The text's row in the last step, or its sequence before the first step.
    var parent: Int32
  }

  private let decoder: any StepwiseDecoder<Element>
  private var block: LogitsBlock<Element>
  private let weights: AlignedBuffer<Element>
  private var uniforms: [Double] = []
  private var drawn: [Int32] = []
  private var open: [OpenText] = []

  /// Number of texts, finished ones included.
  public private(set) var textCount: Int

  /// - Parameters:
  ///   - decoder: the model with its batch, before its first step.
  ///   - startTokens: for each sequence the token that its texts begin after.
  ///   - textsPerSequence: the number of texts sampled per sequence; texts 0..<textsPerSequence belong to sequence 0.
  ///   - sourceLengths: positions of each sequence's source, if bounds of the length depend on them.
  ///   - textNumbers: the number that keys the random numbers of each text, so that a part of a larger batch gets the
  ///     same samples as in the whole batch; nil: 0, 1, 2, …
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
    block = LogitsBlock(vocabularySize: decoder.vocabularySize)
    weights = AlignedBuffer(count: 3 * decoder.vocabularySize)
    textCount = count
    let rules = Rules(options, constraints)
    let key = RandomKey(seed: seed, purpose: .sampling)
    for number in 0..<count {
      let sequence = number / textsPerSequence
      keepOpen(
        OpenText(
          number: number, rules: rules,
          random: CounterRandom(key: key, sample: textNumbers?[number] ?? UInt64(number)),
          lengths: constraints.length.range(sourceLength: sourceLengths?[sequence]),
          lastToken: startTokens[sequence], parent: Int32(sequence)))
    }
  }

  /// True if no text can be continued.
  public var isFinished: Bool { open.isEmpty }

  /// Takes over the unfinished texts of another sampler of the same model. Their options, lengths and seeds may differ:
  /// one step then continues the texts of both. The other sampler is finished afterwards.
  ///
  /// - Returns: the number that is added to the numbers of those texts; nil if the decoder can't take over rows of another.
  public func join(_ other: SequenceSampler) -> Int? {
    guard let rows = decoder.join(other.decoder) else { return nil }
    let offset = textCount
    for var text in other.open {
      text.number += offset
      text.parent += Int32(rows)
      open.append(text)
    }
    textCount += other.textCount
    other.open = []
    return offset
  }

  /// Ends some texts at their current length.
  public func remove(texts numbers: Set<Int>) { open.removeAll { numbers.contains($0.number) } }

  /// Samples the next token of every open text, in the order of the texts; does nothing if all are finished. A text for
  /// which no token is possible ends without one.
  public func step(_ emit: (SampledToken) -> Void) {
    guard !open.isEmpty else { return }
    let logits = block.rows(open.count)
    decoder.advance(open.map(\.lastToken), open.map(\.parent), logits: logits)
    let normalizers = logNormalizers(logits)
    draw(logits)
    let rows = open
    open.removeAll(keepingCapacity: true)
    for (row, text) in rows.enumerated() where drawn[row] >= 0 {
      var text = text
      let token = drawn[row]
      let isEnd = token == text.rules.constraints.endToken
      text.length += 1
      // At full length, the sampled token only tells whether the text ends by itself.
      guard isEnd || text.length <= text.lengths.upperBound else { continue }
      let number = text.number
      if !isEnd {
        if text.rules.constraints.noRepeatedNgram != nil { text.tokens.append(token) }
        (text.lastToken, text.parent) = (token, Int32(row))
        keepOpen(text)
      }
      let logProbability = min(0, Double(logits[row, Int(token)]) - normalizers[row])
      emit(SampledToken(text: number, token: token, logProbability: logProbability, isEnd: isEnd))
    }
  }

  private func draw(_ logits: MatrixView<Element>) {
    uniforms.removeAll(keepingCapacity: true)
    for (row, text) in open.enumerated() {
      uniforms.append(text.random.uniform(at: UInt64(text.length)))
      text.rules.constraints.mask(logits.row(row), length: text.length, shortest: text.lengths.lowerBound) {
        text.tokens
      }
    }
    if drawn.count < open.count { drawn = Array(repeating: 0, count: open.count) }
    uniforms.withUnsafeBufferPointer { uniforms in
      drawn.withUnsafeMutableBufferPointer { drawn in
        guard let numbers = uniforms.baseAddress, let target = drawn.baseAddress else { return }
        var first = 0
        while first < open.count {
          // Rows with the same rules are sampled together.
          let rules = open[first].rules
          let end = open[first...].firstIndex { $0.rules !== rules } ?? open.count
          sampleTokens(
            logits.rows(first..<end), rules.options, uniforms: numbers + first, weights: weights.base,
            into: target + first)
          first = end
        }
      }
    }
  }

  /// Makes a text a row of the next step, unless no token may follow it, not even the end mark.
  private func keepOpen(_ text: OpenText) {
    guard text.rules.constraints.endToken != nil || text.length < text.lengths.upperBound else { return }
    open.append(text)
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
