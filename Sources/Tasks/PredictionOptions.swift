import Datasets
import NumericKernels
import RecurrentNN

/// The uses of a model.
public struct ModelAbilities: Sendable, Equatable {
  /// The input after which a model writes texts.
  public enum Beginning: Sendable, Equatable {
    /// Tokens that the texts go on from.
    case prompt
    /// A class, or a vector.
    case condition
    case nothing
  }

  /// Several outputs can be had for a line, best first.
  public var ranksOutputs = false
  /// An output has a score: a probability or its logarithm.
  public var scoresOutputs = false
  /// Texts can be sampled for a line instead of searched for.
  public var samplesOutputs = false
  /// There is attention to show.
  public var attends = false
  /// The beginning after which it writes without input; nil: it only answers lines.
  public var writesAfter: Beginning?

  package init() {}
}

/// Options of the outputs for lines.
public struct PredictionOptions: Sendable {
  /// Outputs for each line, best first; fewer if there are fewer, and one for models that don't rank.
  public var count = 1
  /// Also say where the model looked.
  public var keepsAttention = false
  /// Also give taggers' outputs their score, for which the line is read a second time.
  public var keepsScores = false
  /// How texts are sampled; nil: the best are searched for.
  public var sampling: TextSampling?
  /// The number of each line, which decides what is sampled for it.
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
  /// Best first; one unless several were asked for.
  public var lines: [[UInt8]]
  /// The score of each line, where the model has one: a probability (classifier), a log-probability (tagger, if asked for)
  /// or a normalized one (texts).
  public var scores: [Double] = []
  /// The log-probability of each line given the input, nats, where the model has one (of a tagger if scores are asked for).
  public var logProbabilities: [Double] = []
  /// The tokens of each line with their log-probabilities, of models that write.
  public var tokens: [[ScoredToken]] = []
  /// Of models that choose a class: the probability of each, in the order of their ids.
  public var classes: [(name: String, probability: Double)] = []
  /// The attention of the first line, if that was asked for: one matrix for each source.
  public var attention: [AttentionMatrix] = []

  init(lines: [[UInt8]], scores: [Double] = []) { (self.lines, self.scores) = (lines, scores) }

  /// Texts that a model has written, best first.
  ///
  /// - Parameter text: the text of a hypothesis.
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

/// A token of a text with its log-probability given the tokens before it, nats.
public struct ScoredToken: Sendable, Equatable {
  public let text: String
  public let logProbability: Double

  static func list(_ ids: [Int32], _ logProbabilities: [Double], _ vocabulary: Vocabulary) -> [ScoredToken] {
    zip(ids, logProbabilities).map { ScoredToken(text: vocabulary[$0], logProbability: $1) }
  }
}

/// The log-probability that a model gives to a target it did not choose, nats.
public struct TargetScore: Sendable, Equatable {
  public let logProbability: Double
  /// Of models that write: the tokens of the target, its end included.
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

/// How texts are sampled from a model instead of searched for.
public struct TextSampling: Sendable {
  public var options: SamplingOptions
  /// With the number of the line, of the text among those of the line and of the token, the seed decides every random number.
  public var seed: UInt64

  public init(_ options: SamplingOptions, seed: UInt64) {
    self.options = options
    self.seed = seed
  }

  /// More texts than are ever asked for of one line. The number of a text is that of its line times this, so that it depends
  /// neither on how many texts are sampled nor on which lines are computed together.
  private static let textsPerLine: UInt64 = 1 << 16

  /// `count` texts for each line, in the order in which they were sampled, with their log-probabilities as scores.
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
  /// Tokens that were written before.
  package var prompt: [Int32] = []
  /// The class or the vector to write for, as the only example of a set.
  package var condition: ExampleSet?
  /// Most tokens to write; nil: as configured.
  package var maximumLength: Int?

  package init(prompt: [Int32] = [], condition: ExampleSet? = nil, maximumLength: Int? = nil) {
    (self.prompt, self.condition, self.maximumLength) = (prompt, condition, maximumLength)
  }
}

/// A model at the beginning of a text.
package struct TextWriter {
  package let decoder: any StepwiseDecoder<Float>
  /// The token that the text follows.
  package let startToken: Int32
  package let constraints: TokenConstraints

  /// The beginnings of `count` texts.
  package func sampler(count: Int, _ sampling: TextSampling) -> SequenceSampler<Float> {
    SequenceSampler(
      decoder, startTokens: [startToken], textsPerSequence: count, options: sampling.options,
      constraints: constraints, seed: sampling.seed)
  }

  /// Samples `count` texts side by side.
  ///
  /// - Parameter emit: called with every token as soon as it is sampled: number of the text, id. Return false to stop.
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
