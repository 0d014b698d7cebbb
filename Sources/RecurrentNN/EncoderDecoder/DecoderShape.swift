import Parameters

/// How the decoder's output vector is made, over which the softmax stands.
///
/// s is the output of the top cell, c the context (attention's, or the condition of every step), y the embedding of the
/// token the step has read.
public enum DecoderReadout: Sendable, Hashable {
  /// r = s, or [s; c] with the context: logits = W r + b.
  case direct(withContext: Bool = false)
  /// r = tanh(W_read [s; c; y] + b_read), without c or y if not asked for (Bahdanau et al. 2014, appendix A.2.2, has
  /// the same operands; Luong et al. 2015, eq. 5, has s and c).
  case hidden(size: Int, withContext: Bool = true, withInput: Bool = true)

  var withContext: Bool {
    switch self {
    case .direct(let withContext), .hidden(_, let withContext, _): withContext
    }
  }
  var withInput: Bool {
    switch self {
    case .direct: false
    case .hidden(_, _, let withInput): withInput
    }
  }
}

/// The sizes and options of a decoder.
public struct DecoderShape: Sendable, Hashable {
  public var vocabularySize: Int
  public var embeddingSize: Int
  /// Cells, units, layers, dropout between layers: everything but two directions.
  public var network: NetworkOptions
  public var readout: DecoderReadout
  /// The output vector r of a step is joined to the input of the next (Luong et al. 2015, section 3.3).
  public var inputFeeding: Bool
  /// Probability to drop a unit of the output vector r, when training. What input feeding hands on is not dropped.
  public var readoutDropout: Double
  /// Probability to drop a unit of the embedding.
  public var embeddingDropout: Double
  /// The token read at the first step.
  public var beginToken: Int
  /// The token that ends every target.
  public var endToken: Int

  public init(
    vocabularySize: Int, embeddingSize: Int, network: NetworkOptions, readout: DecoderReadout = .direct(),
    inputFeeding: Bool = false, readoutDropout: Double = 0, embeddingDropout: Double = 0, beginToken: Int,
    endToken: Int
  ) {
    self.vocabularySize = vocabularySize
    self.embeddingSize = embeddingSize
    self.network = network
    self.readout = readout
    self.inputFeeding = inputFeeding
    self.readoutDropout = readoutDropout
    self.embeddingDropout = embeddingDropout
    self.beginToken = beginToken
    self.endToken = endToken
  }

  /// A decoder with the usual options only; `dropout` is between layers and before the output layer.
  public init(
    vocabularySize: Int, embeddingSize: Int, hiddenSize: Int, layers: Int = 1, cell: CellKind = .lstm(),
    readout: DecoderReadout = .direct(), inputFeeding: Bool = false, dropout: Double = 0,
    embeddingDropout: Double = 0, beginToken: Int, endToken: Int
  ) {
    self.init(
      vocabularySize: vocabularySize, embeddingSize: embeddingSize,
      network: NetworkOptions(CellOptions(cell), hiddenSize: hiddenSize, layers: layers, dropout: dropout),
      readout: readout, inputFeeding: inputFeeding, readoutDropout: dropout,
      embeddingDropout: embeddingDropout,
      beginToken: beginToken, endToken: endToken)
  }
}

extension DecoderShape {
  /// The state of the cells, one entry for each layer: it is needed before they are built, whose parameters come last.
  func stateSize() throws(CellOptionsError) -> StateSize {
    var scratch = ParameterLayout.Builder()
    return try StackedCell<Float>(network, inputSize: 1, in: &scratch).stateSize
  }
}

/// How a vector X (a class, features, the summary of a source) reaches the decoder besides its initial state.
public enum DecoderCondition: String, Sendable, Hashable, CaseIterable {
  /// Not at all.
  case none
  /// A projection of X takes the place of the first token's embedding.
  case initialInput
  /// X is joined to the input of every step.
  case everyStep
}

/// What may differ from one evaluation of a model to the next.
public struct DecoderOptions: Sendable, Hashable {
  /// Label smoothing ε (Szegedy et al. 2016, section 7).
  public var labelSmoothing: Double
  /// Probability that a step reads the true previous token rather than the model's own (scheduled sampling, Bengio et
  /// al. 2015): a coin for each sample and step. Below 1 a batch needs masks, whose coordinates the coins are keyed by.
  public var teacherForcing: Double
  /// The model's own token is drawn from its distribution instead of being the most probable one.
  public var feedsSamples: Bool
  /// Weight λ of the coverage loss λ Σ_j min(a_ij, cov_ij) of every step (See et al. 2017, eq. 12 and 13), which is part
  /// of the loss.
  public var coverageLoss: Double

  public init(
    labelSmoothing: Double = 0, teacherForcing: Double = 1, feedsSamples: Bool = false,
    coverageLoss: Double = 0
  ) {
    self.labelSmoothing = labelSmoothing
    self.teacherForcing = teacherForcing
    self.feedsSamples = feedsSamples
    self.coverageLoss = coverageLoss
  }
}
