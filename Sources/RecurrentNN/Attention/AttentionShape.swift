import Options

/// How a decoder weighs the states of its source: the score, the positions it may attend to, and the decoder state it uses as
/// the query.
///
/// With s the decoder's state, h_j the encoder's states, the score e_j is one of
///
///     additive   v · tanh(W_k h_j + W_q s + b)      Bahdanau et al. 2014, appendix A.1.2
///     dot        s · h_j                            Luong et al. 2015, eq. 8
///     general    s · W h_j                          Luong et al. 2015, eq. 8
///
/// and the context c = Σ_j a_j h_j with a = softmax(e) over the sentence.
public struct AttentionShape: Options, Hashable {
  /// The form of the score.
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// A hidden layer.
    case additive
    /// Requires encoder outputs as wide as the decoder's state.
    case dot
    case general
  }

  /// The factor of a dot or general score.
  public enum Scaling: String, Sendable, Hashable, CaseIterable {
    case none
    /// 1/√H, H the width of the decoder's state (Vaswani et al. 2017, section 3.2.1).
    case inverseSquareRoot
    /// A learned number that starts at 1, as in TensorFlow's LuongAttention(scale: True).
    case learned
  }

  /// The decoder state s of step i.
  public enum Query: String, OptionChoice {
    /// s_{i-1}: the context is part of the cell's input at step i (Bahdanau et al. 2014).
    case previous
    /// s_i: the context is joined to the cell's output at step i (Luong et al. 2015). It reaches later steps by input
    /// feeding only.
    case current
  }

  /// Filters over the weights of the previous step, U f_j with f = F * a_{i-1} inside tanh (Chorowski et al. 2015, eq. 8).
  public struct LocationFeatures: Sendable, Hashable {
    /// Number of filters.
    public var channels: Int
    /// Positions each filter spans, an odd number.
    public var width: Int

    public init(channels: Int, width: Int) {
      self.channels = channels
      self.width = width
    }

    /// The sizes of Chorowski et al. 2015, section 4, for inputs that are not speech.
    static let standard = LocationFeatures(channels: 10, width: 15)
  }

  /// Named combinations of form, scaling and additional terms.
  public enum Score: String, OptionChoice {
    case additive
    case normedAdditive = "normed-additive"
    case dot, general
    /// Dot, divided by the square root of the width.
    case scaled
    /// Dot, times a learned number.
    case learnedScale = "learned-scale"
    /// Additive with location features.
    case location

    /// Whether encoder and decoder states are multiplied without a learned projection.
    public var multipliesStates: Bool { self == .dot || self == .scaled || self == .learnedScale }
  }

  public var form = Form.additive
  /// Additive: the number of units of the hidden layer; nil: that of the decoder's cells.
  public var size: Int?
  /// Additive: v is g v/‖v‖ with a learned g (Salimans & Kingma 2016), as in TensorFlow's normed BahdanauAttention, whose
  /// bias is the bias of the query.
  public var normed = false
  /// Dot and general: the factor of the score.
  public var scaling = Scaling.none
  public var query = Query.previous
  /// Additive: adds w_c cov_j inside tanh, where cov_j sums the weights of all previous steps (See et al. 2017, eq. 11).
  public var coverage = false
  /// Additive: the filters over the previous weights; nil: none.
  public var location: LocationFeatures?
  /// The largest distance of attended positions from position i at step i, or from the last position past the end of the
  /// source (Luong et al. 2015, local-m). nil: no limit.
  public var window: Int?

  public init() {}

  public init(
    _ form: Form, size: Int? = nil, normed: Bool = false, scaling: Scaling = .none, query: Query = .previous,
    coverage: Bool = false, location: LocationFeatures? = nil, window: Int? = nil
  ) {
    self.form = form
    self.size = size
    self.normed = normed
    self.scaling = scaling
    self.query = query
    self.coverage = coverage
    self.location = location
    self.window = window
  }

  /// The name of this combination, or of the nearest named one if other terms are set. Setting it sets form, scaling,
  /// `normed` and location features.
  public var score: Score {
    get {
      switch form {
      case .additive: location != nil ? .location : normed ? .normedAdditive : .additive
      case .dot: scaling == .none ? .dot : scaling == .learned ? .learnedScale : .scaled
      case .general: .general
      }
    }
    set {
      form = newValue == .general ? .general : newValue.multipliesStates ? .dot : .additive
      scaling = newValue == .scaled ? .inverseSquareRoot : newValue == .learnedScale ? .learned : .none
      normed = newValue == .normedAdditive
      location = newValue == .location ? .standard : nil
    }
  }

  /// The number of features of a position that enter its score.
  var featureCount: Int { (coverage ? 1 : 0) + (location?.channels ?? 0) }

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.bound(\.size, .within(1...65_536))
    checks.bound(\.window, .within(0...100_000))
    if form != .additive {
      let reason: OptionText<Self> = "is a part of additive scores; \(\.score) is \(score.rawValue)"
      if coverage { checks.refuse(\.coverage, with: \.score, because: reason) }
      if location != nil { checks.refuse(\.location, with: \.score, because: reason) }
      if normed { checks.refuse(\.normed, with: \.score, because: reason) }
    } else if scaling != .none {
      checks.refuse(\.scaling, with: \.form, because: "is for dot and general scores; \(\.form) is additive")
    }
    if let location, location.channels < 1 || location.width < 1 || location.width % 2 == 0 {
      checks.refuse(
        \.location,
        because: "has \(location.channels) filters of width \(location.width): at least 1, of an odd width")
    }
  }
}
