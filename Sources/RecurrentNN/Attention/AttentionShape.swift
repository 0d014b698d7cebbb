/// How a decoder weighs the states of its source: the score, what it may look at, and from which of its own states.
///
/// With s the decoder's state, h_j the encoder's states, the score e_j is one of
///
///     additive   v · tanh(W_k h_j + W_q s + b)      Bahdanau et al. 2014, appendix A.1.2
///     dot        s · h_j                            Luong et al. 2015, eq. 8
///     general    s · W h_j                          Luong et al. 2015, eq. 8
///
/// and the context c = Σ_j a_j h_j with a = softmax(e) over the sentence.
public struct AttentionShape: Sendable, Hashable {
  /// The form of the score.
  public enum Score: Sendable, Hashable {
    /// A hidden layer of `size` units. With `normed`, v is g v/‖v‖ with a learned g (Salimans & Kingma 2016), as in
    /// TensorFlow's normed BahdanauAttention, whose bias is the bias of the query.
    case additive(size: Int, normed: Bool = false)
    /// Requires encoder outputs as wide as the decoder's state.
    case dot
    case general
  }

  /// What a dot or general score is multiplied with.
  public enum Scaling: String, Sendable, Hashable, CaseIterable {
    case none
    /// 1/√H, H the width of the decoder's state (Vaswani et al. 2017, section 3.2.1).
    case inverseSquareRoot
    /// A learned number that starts at 1, as in TensorFlow's LuongAttention(scale: True).
    case learned
  }

  /// The decoder state s of step i.
  public enum Query: String, Sendable, Hashable, CaseIterable {
    /// s_{i-1}: the context is part of the cell's input at step i (Bahdanau et al. 2014).
    case previous
    /// s_i: the context is joined to the cell's output at step i (Luong et al. 2015). It reaches later steps by input
    /// feeding only.
    case current
  }

  /// Filters over the weights of the step before, U f_j with f = F * a_{i-1} inside tanh (Chorowski et al. 2015, eq. 8).
  public struct LocationFeatures: Sendable, Hashable {
    /// Number of filters.
    public var channels: Int
    /// Positions each filter spans, an odd number.
    public var width: Int

    public init(channels: Int, width: Int) {
      self.channels = channels
      self.width = width
    }
  }

  public var score: Score
  public var scaling: Scaling
  public var query: Query
  /// Adds w_c cov_j inside tanh, cov_j the sum of the weights of all steps before (See et al. 2017, eq. 11).
  public var coverage: Bool
  public var location: LocationFeatures?
  /// Only positions at most this far from position i of step i (Luong et al. 2015, local-m), from the last position in
  /// steps past the end of the source.
  public var window: Int?

  /// Coverage and location need an additive score, scaling a dot or general one.
  public init(
    _ score: Score, scaling: Scaling = .none, query: Query = .previous, coverage: Bool = false,
    location: LocationFeatures? = nil, window: Int? = nil
  ) {
    self.score = score
    self.scaling = scaling
    self.query = query
    self.coverage = coverage
    self.location = location
    self.window = window
  }

  /// Features of a position that enter its score.
  var featureCount: Int { (coverage ? 1 : 0) + (location?.channels ?? 0) }

  /// Stops at a combination that has no meaning.
  func requireMeaning(memorySize: Int, querySize: Int) {
    if case .additive(let size, _) = score {
      precondition(size > 0, "additive attention of size \(size)")
      precondition(scaling == .none, "additive attention with scaling \(scaling)")
    } else {
      precondition(featureCount == 0, "coverage or location features without an additive score")
    }
    if case .dot = score {
      precondition(
        memorySize == querySize, "dot attention of a state of \(querySize) over outputs of \(memorySize)")
    }
    if let location {
      precondition(
        location.channels > 0 && location.width > 0 && location.width % 2 == 1,
        "\(location.channels) location filters of width \(location.width): the width has to be odd")
    }
    precondition((window ?? 0) >= 0, "attention window of \(window ?? 0)")
  }
}
