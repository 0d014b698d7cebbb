import NumericKernels

/// How the next token is drawn from a distribution.
///
/// The options act one after the other, each on what the one before it left, made to sum to 1 again:
/// temperature, then top-k, then top-p (the order of Hugging Face's `generate`).
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

/// Draws one token a row.
///
/// Tokens of equal probability keep the order of their ids; with temperature 0 the first of the largest logits is
/// taken.
///
/// - Parameters:
///   - logits: [rows, V]; -inf (or NaN) makes a token impossible.
///   - uniforms: for each row a random number in [0, 1).
///   - weights: scratch memory for 3 V numbers.
///   - tokens: overwritten with one id a row; -1 where no token is possible.
func sampleTokens<Element: Scalar>(
  _ logits: MatrixView<Element>, _ options: SamplingOptions, uniforms: UnsafePointer<Double>,
  weights: UnsafeMutablePointer<Element>, into tokens: UnsafeMutablePointer<Int32>
) {
  // A temperature too small to divide by is the limit as well.
  let inverse = 1 / Element(options.temperature)
  let isGreedy = !(options.temperature > 0 && inverse.isFinite)
  Element.drawTokens(
    logits.base, logits.stride, logits.rows, logits.columns, isGreedy ? 1 : inverse,
    isGreedy ? 1 : max(1, options.topK ?? .max), max(options.topP ?? 1, .leastNonzeroMagnitude), uniforms,
    weights, tokens)
}

/// Draws one token; nil if none is possible.
///
/// - Parameters:
///   - logits: [V] logits of one stream; those of excluded ids are overwritten with -inf.
///   - uniform: a random number in [0, 1).
///   - excluded: ids that must not be drawn (such as an unknown-word mark).
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
