#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A BLEU score and what it is made of.
public struct BLEUScore: Sendable, Equatable {
  /// In 0 ... 100.
  public let value: Double
  /// Of n = 1 ... 4, smoothed, in percent.
  public let precisions: [Double]
  public let brevityPenalty: Double
  /// In tokens.
  public let hypothesisLength: Int
  /// In tokens; of each entry that of the reference closest in length.
  public let referenceLength: Int

  /// Hypothesis length / reference length; 0 where the references are empty.
  public var lengthRatio: Double {
    referenceLength == 0 ? 0 : Double(hypothesisLength) / Double(referenceLength)
  }
}

extension BLEUScore: CustomStringConvertible {
  /// As sacrebleu prints it:
  /// `32.10 60.0/40.0/25.0/17.0 (BP = 1.000 ratio = 1.014 hyp_len = 73 ref_len = 72)`.
  public var description: String {
    let precisions = precisions.map { fixedPoint($0, decimals: 1) }.joined(separator: "/")
    return "\(fixedPoint(value, decimals: 2)) \(precisions) (BP = \(fixedPoint(brevityPenalty, decimals: 3)) "
      + "ratio = \(fixedPoint(lengthRatio, decimals: 3)) hyp_len = \(hypothesisLength) "
      + "ref_len = \(referenceLength))"
  }
}

extension BLEU {
  /// The score of what was counted; 0 where nothing matches, whatever the smoothing.
  public func score(_ tally: BLEUTally) -> BLEUScore {
    let (length, referenceLength) = (Double(tally.hypothesisLength), Double(tally.referenceLength))
    var brevityPenalty = 1.0
    if length < referenceLength { brevityPenalty = length > 0 ? exp(1 - referenceLength / length) : 0 }
    let (precisions, order) = precisions(tally)
    var value = 0.0
    if tally.matches.contains(where: { $0 > 0 }) {
      let logarithms = precisions[..<order].map { $0 == 0 ? Self.logarithmOfZero : log($0) }
      value = brevityPenalty * exp(logarithms.reduce(0, +) / Double(order))
    }
    return BLEUScore(
      value: value, precisions: precisions, brevityPenalty: brevityPenalty,
      hypothesisLength: tally.hypothesisLength, referenceLength: tally.referenceLength)
  }

  /// sacrebleu's stand-in for minus infinity.
  private static let logarithmOfZero = -9_999_999_999.0

  /// The smoothed precisions in percent, and of how many n the mean is to be taken.
  private func precisions(_ tally: BLEUTally) -> (values: [Double], order: Int) {
    var values = [Double](repeating: 0, count: BLEUTally.order)
    guard tally.matches.contains(where: { $0 > 0 }) else { return (values, BLEUTally.order) }
    var order = BLEUTally.order
    var halves = 1.0
    for n in 1...BLEUTally.order {
      var (matches, total) = (Double(tally.matches[n - 1]), Double(tally.totals[n - 1]))
      if case .addK(let k) = smoothing, n > 1 { (matches, total) = (matches + k, total + k) }
      if total == 0 { break }
      if effectiveOrder { order = n }
      if matches > 0 {
        values[n - 1] = 100 * matches / total
      } else if smoothing == .exponential {
        halves *= 2
        values[n - 1] = 100 / (halves * total)
      } else if case .floor(let value) = smoothing {
        values[n - 1] = 100 * value / total
      }
    }
    return (values, order)
  }

  /// How the score was computed, in the form of sacrebleu 2:
  /// `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:…`.
  ///
  /// - Parameters:
  ///   - tally: what was counted, for the number of references.
  ///   - version: name and version of this program, such as `rnn-dist-0.1.0`: the score wasn't computed by
  ///     sacrebleu, and the signature must not say so.
  public func signature(_ tally: BLEUTally, version: String) -> String {
    let smooth =
      switch smoothing {
      case .none: "none"
      case .floor(let value): "floor[\(fixedPoint(value, decimals: 2))]"
      case .addK(let value): "add-k[\(fixedPoint(value, decimals: 2))]"
      case .exponential: "exp"
      }
    return "nrefs:\(tally.references.signature)|case:\(lowercase ? "lc" : "mixed")"
      + "|eff:\(effectiveOrder ? "yes" : "no")|tok:\(tokenizer.rawValue)|smooth:\(smooth)|version:\(version)"
  }
}
