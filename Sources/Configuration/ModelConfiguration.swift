/// Shape and initial state of the network.
public struct ModelConfiguration: Sendable, Equatable {
  /// Recurrent cell.
  public enum Cell: String, ConfigurationChoice { case rnn, gru, lstm }
  /// Nonlinearity of the plain recurrent cell.
  public enum Activation: String, ConfigurationChoice { case tanh, relu }
  /// Where a GRU applies its reset gate: to the product with the recurrent matrix, or to the state before it.
  public enum ResetGate: String, ConfigurationChoice { case after, before }
  /// How matrices get their first values.
  public enum Initialization: String, ConfigurationChoice { case pytorch, xavier, orthogonal }
  /// What a model says at each step.
  public enum Output: String, ConfigurationChoice { case softmax, crf, bernoulli, linear }
  /// How a classifier makes one vector of all states.
  public enum Pooling: String, ConfigurationChoice { case last, mean, max, attention, all }
  /// How a decoder uses the encoder.
  public enum Context: String, ConfigurationChoice {
    case initialState = "initial-state"
    case everyStep = "every-step"
    case attention
  }
  /// How c is made of the encoder's states.
  public enum Summary: String, ConfigurationChoice {
    case last
    case lastTransform = "last-transform"
    case allTransform = "all-transform"
  }
  /// How a decoder's first state is made: of c by a layer of its own, or as the encoder's last states are.
  public enum Bridge: String, ConfigurationChoice { case transform, copy }
  /// Where a generator reads its X.
  public enum Condition: String, ConfigurationChoice {
    case initialState = "initial-state"
    case initialInput = "initial-input"
    case everyStep = "every-step"
    case none
  }
  /// The score of an encoder's state for a decoder's state.
  public enum Attention: String, ConfigurationChoice {
    case additive
    case normedAdditive = "normed-additive"
    case dot, general, scaled
    case learnedScale = "learned-scale"
    case location
  }
  /// Which state of the decoder asks: the one before the step (Bahdanau) or the one after it (Luong).
  public enum AttentionQuery: String, ConfigurationChoice { case previous, current }

  // The recurrent network; of an encoder-decoder, its encoder.
  public var cell = Cell.lstm
  public var activation = Activation.tanh
  public var forgetBias = 0.0
  public var gruReset = ResetGate.after
  public var layers = 1
  public var hiddenSize = 256
  public var embeddingSize = 256
  public var bidirectional = false
  public var pyramid = 0

  // Options of cells and between layers.
  public var peepholes = false
  public var projectionSize: Int?
  public var cellClip: Double?
  public var coupledGates = false
  public var layerNorm = false
  public var residual = false
  public var highway = false

  // Regularisation.
  public var dropout = 0.0
  /// Dropout of the embedding output; nil: the same as `dropout`, see `effectiveEmbeddingDropout`.
  public var embeddingDropout: Double?
  public var variationalDropout = 0.0
  public var variationalInputDropout = 0.0
  public var zoneout = 0.0
  public var zoneoutCell: Double?
  public var wordDropout = 0.0

  // First values.
  public var initialization = Initialization.pytorch
  public var initUniform: Double?
  public var forgetGateInit: Double?

  // Input and output.
  public var tieEmbeddings = false
  public var characterEmbeddingSize = 0
  public var characterHiddenSize = 0
  public var output = Output.softmax
  /// Where the clusters of an adaptive softmax begin; empty: one softmax.
  public var adaptiveCutoffs: [Int] = []
  public var adaptiveFactor = 4.0
  public var pooling = Pooling.last
  public var readoutSize = 0

  // Encoder and decoder.
  public var context = Context.attention
  public var bridge = Bridge.transform
  public var summary = Summary.last
  public var contextToOutput = false
  public var condition = Condition.everyStep
  public var attention = Attention.additive
  public var attentionSize: Int?
  public var attentionQuery = AttentionQuery.previous
  public var attentionWindow: Int?
  public var coverage = false
  public var inputFeeding = false
  public var decoderLayers: Int?
  public var decoderHiddenSize: Int?
  public var decoderEmbeddingSize: Int?

  public init() {}

  /// The rate that applies to the embedding output.
  public var effectiveEmbeddingDropout: Double { embeddingDropout ?? dropout }
  public var effectiveDecoderLayers: Int { decoderLayers ?? layers }
  public var effectiveDecoderHiddenSize: Int { decoderHiddenSize ?? hiddenSize }
  public var effectiveDecoderEmbeddingSize: Int { decoderEmbeddingSize ?? embeddingSize }
  public var effectiveAttentionSize: Int { attentionSize ?? effectiveDecoderHiddenSize }
  /// seq2seq: numbers of a state of one source's encoder, and of the contexts made of them.
  public var encoderOutputSize: Int { (projectionSize ?? hiddenSize) * (bidirectional ? 2 : 1) }
  /// seq2seq: what the output layer reads, or the readout before it, has the contexts beside the decoder's state.
  public var joinsContext: Bool { context == .attention || contextToOutput }
}

extension ModelConfiguration.Output {
  /// Whether e^loss is a perplexity: the loss is that of a choice among tokens, classes or tags.
  public var hasPerplexity: Bool { self == .softmax || self == .crf }
  /// What a loss is counted in: a squared error is no logarithm of a probability.
  public var isInNats: Bool { self != .linear }
}
