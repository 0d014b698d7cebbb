import Foundation
import Training

/// The progress of a run as one line. The least important fields are left out if there is no room.
package struct ProgressLine {
  /// In the order of the line; the larger `order`, the earlier a field is left out. 0: never.
  private let fields: [(order: Int, text: String)]

  /// - Parameters:
  ///   - report: the last report of a step.
  ///   - losses: all losses of this run so far, for the bar and the curve of a terminal; nil: a plain line.
  package init(_ report: StepReport, losses: [Double]? = nil, symbols: ProgressSymbols = .ascii) {
    // The loss is NaN if nothing was predicted.
    let isFinite = report.loss.isFinite
    let perplexity = report.perplexity.flatMap { isFinite ? $0 : nil }
    let done = Double(report.step) / Double(max(1, report.totalSteps))
    let curve = losses.flatMap { symbols.curve($0) } ?? ""
    let fields: [(order: Int, text: String)?] = [
      losses.map { _ in (3, symbols.bar(done)) },
      (0, "step \(report.step)/\(report.totalSteps)"),
      (5, String(format: "epoch %.2f", report.epoch)),
      (0, "loss " + (isFinite ? Console.loss(report.loss) : "-")),
      curve.isEmpty ? nil : (2, curve),
      perplexity.map { (7, "ppl \(Console.number($0))") },
      (8, String(format: "|g| %.3g", report.gradientNorm)),
      (6, String(format: "lr %.3g", report.learningRate)),
      (1, "\(Console.grouped(Int(report.tokensPerSecond))) tok/s"),
      Self.communication(report.communicationShares).map { (4, $0) },
      (0, "ETA \(Console.clock(report.remaining))"),
    ]
    self.fields = fields.compactMap { $0 }
  }

  /// `comm 3%`, or `comm 3-12%` if some ranks wait less than others: for those, the others wait.
  private static func communication(_ shares: [Double]) -> String? {
    guard let least = shares.min(), let most = shares.max() else { return nil }
    let (from, to) = (String(format: "%.0f", 100 * least), String(format: "%.0f", 100 * most))
    return from == to ? "comm \(to)%" : "comm \(from)-\(to)%"
  }

  /// How many fields can be left out.
  private static let optional = 8

  /// The line without the `count` fields that are left out first.
  package func text(leavingOut count: Int) -> String {
    fields.filter { $0.order <= Self.optional - count }.map(\.text).joined(separator: "  ")
  }

  /// How many fields must be left out to fit a width; all of them if even that is not enough.
  package func fieldsToLeaveOut(width: Int) -> Int {
    (0..<Self.optional).first { text(leavingOut: $0).count <= width } ?? Self.optional
  }
}

/// The characters of bars and curves: block elements, or ASCII where the locale is not UTF-8.
package enum ProgressSymbols: Sendable {
  case blocks, ascii

  /// The characters of a bar, and the most of a curve: on a terminal of 80 columns there is room for both.
  private static let width = 8

  /// Follows the variables of the locale, of which the first that is set decides.
  package init(environment: [String: String]) {
    let locale =
      ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    let encoding = locale.lowercased().filter { $0 != "-" }
    self = encoding.contains("utf8") ? .blocks : .ascii
  }

  /// A bar for a share from 0 to 1.
  package func bar(_ share: Double) -> String {
    let filled = share.isFinite ? Int((Double(Self.width) * min(max(share, 0), 1)).rounded(.down)) : 0
    let (full, empty) = self == .blocks ? ("━", "┄") : ("#", ".")
    return String(repeating: full, count: filled) + String(repeating: empty, count: Self.width - filled)
  }

  /// A curve through the means of equal parts of `values`, from the smallest to the largest mean;
  /// nil for fewer than two finite values, and in ASCII, which has no characters for it.
  package func curve(_ values: [Double]) -> String? {
    let values = values.filter(\.isFinite)
    guard self == .blocks, values.count > 1 else { return nil }
    let columns = min(Self.width, values.count)
    let means = (0..<columns).map { column in
      let part = values[(column * values.count / columns)..<((column + 1) * values.count / columns)]
      return part.reduce(0, +) / Double(part.count)
    }
    guard let low = means.min(), let high = means.max(), high > low else {
      return String(repeating: "▁", count: columns)
    }
    let levels = Array("▁▂▃▄▅▆▇█")
    return String(means.map { levels[Int((($0 - low) / (high - low) * 7).rounded())] })
  }
}
