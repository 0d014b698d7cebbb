import Datasets
import NumericKernels
import RecurrentNN

/// The uses of a model.
public struct ModelAbilities: Sendable, Equatable {
  /// The input that a model needs to write a text from scratch.
  public enum Beginning: Sendable, Equatable {
    /// Tokens that the texts continue.
    case prompt
    /// A class, or a vector.
    case condition
    case nothing
  }

  /// Whether the model can return several outputs per line, best first.
  public var ranksOutputs = false
  /// Whether outputs have a score: a probability or its logarithm.
  public var scoresOutputs = false
  /// Whether texts can be sampled for a line instead of searched for.
  public var samplesOutputs = false
  /// Whether the model has attention weights to show.
  public var attends = false
  /// The input from which the model writes texts without source lines; nil: it only produces outputs for lines.
  public var writesAfter: Beginning?

  package init() {}
}

/// Options of the outputs for lines.
public struct PredictionOptions: Sendable, Hashable {
  /// The number of outputs per line, best first. There are fewer if the model finds fewer, and one for models that
  /// don't rank outputs.
  public var count = 1
  /// Whether attention weights are returned as well.
  public var keepsAttention = false
  /// Whether taggers return the score of their outputs as well. This reads each line a second time.
  public var keepsScores = false
  /// How texts are sampled; nil: a search finds the best texts.
  public var sampling: TextSampling?
  /// The number of each line, which determines the random numbers of its samples.
  package var lineNumbers: [Int] = []

  public init(
    count: Int = 1, keepsAttention: Bool = false, keepsScores: Bool = false, sampling: TextSampling? = nil
  ) {
    (self.count, self.keepsAttention, self.keepsScores) = (count, keepsAttention, keepsScores)
    self.sampling = sampling
  }
}

/// The outputs of a model for one example.
public struct Prediction: Sendable {
  /// The outputs, best first; one unless the options asked for several.
  public var lines: [[UInt8]]
  /// The score of each line, if the model has one: a probability (classifier), a log-probability (tagger, if requested)
  /// or a length-normalized log-probability (texts).
  public var scores: [Double] = []
  /// The log-probability of each line given the input, in nats, if the model has one (for a tagger: if scores are
  /// requested).
  public var logProbabilities: [Double] = []
  /// The tokens of each line with their log-probabilities, for models that write texts.
  public var tokens: [[ScoredToken]] = []
  /// The probability of each class in the order of the ids, for models that predict a class.
  public var classes: [(name: String, probability: Double)] = []
  /// The attention of the first line, if requested: one matrix per source.
  public var attention: [AttentionMatrix] = []

  init(lines: [[UInt8]], scores: [Double] = []) { (self.lines, self.scores) = (lines, scores) }

  /// Texts written by a model, best first.
  ///
  /// - Parameter text: returns the text of a hypothesis.
  init(_ hypotheses: [Hypothesis<Float>], _ vocabulary: Vocabulary, text: (Hypothesis<Float>) -> [UInt8]) {
    self.init(lines: hypotheses.map(text), scores: hypotheses.map(\.score))
    logProbabilities = hypotheses.map(\.logProbability)
    tokens = hypotheses.map { hypothesis in
      let ids =
        hypothesis.tokens + (hypothesis.endedByItself ? [vocabulary.endOfSentence].compactMap { $0 } : [])
      return ScoredToken.list(ids, hypothesis.tokenLogProbabilities, vocabulary)
    }
  }
}

/// A token of a text with its log-probability given the tokens before it, in nats.
public struct ScoredToken: Sendable, Equatable {
  public let text: String
  public let logProbability: Double

  static func list(_ ids: [Int32], _ logProbabilities: [Double], _ vocabulary: Vocabulary) -> [ScoredToken] {
    zip(ids, logProbabilities).map { ScoredToken(text: vocabulary[$0], logProbability: $1) }
  }
}

/// The log-probability that a model assigns to a given target, in nats.
public struct TargetScore: Sendable, Equatable {
  public let logProbability: Double
  /// The tokens of the target including its end, for models that write texts.
  public let tokens: [ScoredToken]

  init(logProbability: Double, tokens: [ScoredToken] = []) {
    (self.logProbability, self.tokens) = (logProbability, tokens)
  }

  init(_ tokens: [ScoredToken]) {
    self.init(logProbability: tokens.reduce(0) { $0 + $1.logProbability }, tokens: tokens)
  }
}

/// The attention of one output: row i belongs to output step i.
public struct AttentionMatrix: Sendable, Equatable {
  public var sourceLabels: [String]
  public var outputLabels: [String]
  /// [output step][source step].
  public var weights: [[Double]]
}

/// How texts are sampled from a model, as opposed to searched for.
public struct TextSampling: Sendable, Hashable {
  public var options: SamplingOptions
  /// The seed. Together with the number of the line, of the text within the line, and of the token, it determines every
  /// random number.
  public var seed: UInt64

  public init(_ options: SamplingOptions, seed: UInt64) {
    self.options = options
    self.seed = seed
  }

  /// An upper bound of the number of texts per line. A text is numbered from its line's number times this bound. Its
  /// number therefore does not depend on how many texts are sampled, nor on which lines are computed together.
  private static let textsPerLine: UInt64 = 1 << 16

  /// Returns `count` texts for each line, in the order in which they were sampled, with their log-probabilities as
  /// scores.
  func texts(
    _ decoder: any StepwiseDecoder<Float>, startTokens: [Int32], sourceLengths: [Int]? = nil,
    _ options: PredictionOptions, _ constraints: TokenConstraints
  ) -> [[Hypothesis<Float>]] {
    precondition(
      options.lineNumbers.count == startTokens.count && options.count < Self.textsPerLine,
      "\(options.count) texts for each of \(startTokens.count) examples of \(options.lineNumbers.count) lines"
    )
    let numbers = options.lineNumbers.flatMap { line in
      (0..<UInt64(options.count)).map { UInt64(line) * Self.textsPerLine + $0 }
    }
    return sampleSequences(
      decoder, startTokens: startTokens, textsPerSequence: options.count, sourceLengths: sourceLengths,
      options: self.options, constraints: constraints, seed: seed, textNumbers: numbers)
  }
}

/// The beginning of a text that a model continues.
package struct TextBeginning {
  /// The tokens before the text.
  package var prompt: [Int32] = []
  /// The class or the vector that the text is conditioned on, as the only example of a set.
  package var condition: ExampleSet?
  /// The largest number of tokens to write; nil: as configured.
  package var maximumLength: Int?

  package init(prompt: [Int32] = [], condition: ExampleSet? = nil, maximumLength: Int? = nil) {
    (self.prompt, self.condition, self.maximumLength) = (prompt, condition, maximumLength)
  }
}

/// A model that is ready to write a text.
package struct TextWriter {
  let decoder: any StepwiseDecoder<Float>
  /// The token that the text follows.
  let startToken: Int32
  let constraints: TokenConstraints

  package init(decoder: any StepwiseDecoder<Float>, startToken: Int32, constraints: TokenConstraints) {
    (self.decoder, self.startToken, self.constraints) = (decoder, startToken, constraints)
  }

  /// Returns a sampler at the beginning of `count` texts.
  package func sampler(count: Int, _ sampling: TextSampling) -> SequenceSampler<Float> {
    SequenceSampler(
      decoder, startTokens: [startToken], textsPerSequence: count, options: sampling.options,
      constraints: constraints, seed: sampling.seed)
  }

  /// Samples `count` texts in parallel.
  ///
  /// - Parameter emit: receives every token as soon as it is sampled, as the number of the text and the id. It returns
  ///   false to stop.
  package func write(
    count: Int, _ sampling: TextSampling, emit: (_ text: Int, _ id: Int32) -> Bool
  ) {
    let sampler = sampler(count: count, sampling)
    var isWanted = true
    while isWanted && !sampler.isFinished {
      sampler.step { token in
        if isWanted && !token.isEnd { isWanted = emit(token.text, token.token) }
      }
    }
  }
}
