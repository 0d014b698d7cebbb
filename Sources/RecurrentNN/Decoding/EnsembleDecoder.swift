import CKernels
import NumericKernels

/// Several models whose probabilities are averaged.
///
///     log p(y | ...) = log Σ_m w_m p_m(y | ...),   Σ_m w_m = 1
///
/// The models must share a vocabulary and have read the same batch; they may differ in everything else.
public final class EnsembleDecoder<Element: Scalar>: StepwiseDecoder {
  private let members: [any StepwiseDecoder<Element>]
  private let weights: [Double]
  private var block: LogitsBlock<Element>
  private var rowCount = 0
  /// The averages of all rows of this step, computed on first use.
  private var averages: AttentionAverages<Element>?

  /// Requires at least one model, equal sizes, and one weight above 0 per model. Without weights, all models have the
  /// same one.
  public init(_ members: [any StepwiseDecoder<Element>], weights: [Double]? = nil) {
    precondition(!members.isEmpty, "an ensemble of no models")
    let weights = weights ?? Array(repeating: 1, count: members.count)
    precondition(
      weights.count == members.count && weights.allSatisfy { $0 > 0 && $0.isFinite },
      "weights \(weights) for \(members.count) models")
    let sizes = members.map { [$0.vocabularySize, $0.sequenceCount] }
    precondition(
      Set(sizes).count == 1, "an ensemble of models of different [vocabulary, sequences]: \(sizes)")
    self.members = members
    let sum = weights.reduce(0, +)
    self.weights = weights.map { $0 / sum }
    block = LogitsBlock(vocabularySize: members[0].vocabularySize)
  }

  public var vocabularySize: Int { members[0].vocabularySize }
  public var sequenceCount: Int { members[0].sequenceCount }

  /// Overwrites `logits` with the logarithms of the averaged probabilities.
  public func advance(
    tokens: UnsafeBufferPointer<Int32>, parents: UnsafeBufferPointer<Int32>, logits: MatrixView<Element>
  ) {
    rowCount = tokens.count
    averages = nil
    for (index, member) in members.enumerated() {
      let own = block.rows(rowCount)
      member.advance(tokens: tokens, parents: parents, logits: own)
      rnd_mix_log_probabilities(
        Element.kernelType,
        rnd_mixture(
          logits: own.logits, log_weight: RealFunctions.log(weights[index]),
          is_first: index == 0, y: logits.base, y_stride: logits.stride))
    }
  }

  /// The weighted average of the models' attention; nil unless all have attention over the same number of positions.
  public func attention(ofRow row: Int) -> UnsafeBufferPointer<Element>? {
    if averages == nil { averages = AttentionAverages(members, weights: weights, rows: rowCount) }
    return averages?.row(row)
  }
}

/// The averaged attention of all rows of a step.
private struct AttentionAverages<Element: Scalar> {
  private var storage = AlignedBuffer<Element>(count: 0)
  private var counts: [Int]?
  private var offsets: [Int] = []

  init(_ members: [any StepwiseDecoder<Element>], weights: [Double], rows: Int) {
    var counts: [Int] = []
    for row in 0..<rows {
      let lengths = Set(members.map { $0.attention(ofRow: row)?.count })
      guard lengths.count == 1, case .some(.some(let count)) = lengths.first else { return }
      counts.append(count)
    }
    self.counts = counts
    offsets = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
    storage = AlignedBuffer(count: offsets[rows])
    for (member, weight) in zip(members, weights) {
      for row in 0..<rows {
        guard let own = member.attention(ofRow: row)?.baseAddress else { continue }
        (storage.base + offsets[row]).addScaled(Element(weight), own, count: counts[row])
      }
    }
  }

  func row(_ row: Int) -> UnsafeBufferPointer<Element>? {
    counts.map { UnsafeBufferPointer(start: storage.base + offsets[row], count: $0[row]) }
  }
}
