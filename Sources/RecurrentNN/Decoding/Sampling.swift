import NumericKernels

/// How the next token is drawn from a distribution.
public struct SamplingOptions: Sendable, Hashable {
  /// Logits are divided by this; 0 takes the most probable token.
  public var temperature: Double
  /// Only the k most probable tokens; nil: all.
  public var topK: Int?
  /// Only the most probable tokens whose probabilities reach p in sum (Holtzman et al. 2020); nil: all.
  public var topP: Double?

  public init(temperature: Double = 1, topK: Int? = nil, topP: Double? = nil) {
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
  }
}

/// Draws one token from logits, which are overwritten.
///
/// - Parameters:
///   - logits: [V] logits of one stream.
///   - uniform: a random number in [0, 1).
///   - excluded: ids that must not be drawn (such as an unknown-word mark); fewer than V of them.
public func sampleToken<Element: Scalar>(
  from logits: UnsafeMutableBufferPointer<Element>, _ options: SamplingOptions, uniform: Double,
  excluding excluded: [Int] = []
) -> Int {
  guard let base = logits.baseAddress else { preconditionFailure("sampling from an empty vocabulary") }
  for id in excluded { logits[id] = -.infinity }
  func mostProbable() -> Int { logits.indices.max { logits[$0] < logits[$1] } ?? 0 }
  guard options.temperature > 0 else { return mostProbable() }
  let best = logits[mostProbable()]
  // A temperature too small to divide by is the limit as well.
  guard best.isFinite, (1 / Element(options.temperature)).isFinite else { return mostProbable() }
  Element.softmaxRows(base, logits.count, nil, 1, logits.count, Element(options.temperature))
  for id in excluded { logits[id] = 0 }
  guard options.topK != nil || options.topP != nil else {
    return draw(Array(logits.indices), logits, uniform)
  }
  // Equal probabilities keep the order of ids, so that the result does not depend on the sort.
  var candidates = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
  if let k = options.topK { candidates = Array(candidates.prefix(max(1, k))) }
  if let p = options.topP {
    var sum = 0.0
    let kept = candidates.prefix { id in
      defer { sum += Double(logits[id]) }
      return sum < p
    }
    candidates = Array(kept.isEmpty ? candidates.prefix(1) : kept)
  }
  return draw(candidates, logits, uniform)
}

/// Inverts the cumulative distribution of the candidates' weights.
private func draw<Element: Scalar>(
  _ candidates: [Int], _ weights: UnsafeMutableBufferPointer<Element>, _ uniform: Double
) -> Int {
  let total = candidates.reduce(0.0) { $0 + Double(weights[$1]) }
  var rest = uniform * total
  for id in candidates {
    rest -= Double(weights[id])
    if rest < 0 { return id }
  }
  return candidates.last { weights[$0] > 0 } ?? candidates[0]
}
