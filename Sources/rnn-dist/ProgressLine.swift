import Foundation
import Training

/// The progress of a run as one line. The least important fields are left out if there is no room.
package struct ProgressLine {
  /// The fields in the order of the line. Fields with a larger `order` are left out earlier; those with order 0 are
  /// never left out. On a terminal, fields that change their length with every report have a fixed width, so that the line
  /// does not jump.
  private let fields: [(order: Int, text: String)]

  /// - Parameters:
  ///   - report: the last report of a step.
  ///   - unit: what the task counts, such as `token` or `example`.
  ///   - losses: all losses of this run so far, for the bar and the curve on a terminal; nil: a plain line.
  package init(
    _ report: StepReport, unit: String = "token", losses: [Double]? = nil, symbols: ProgressSymbols = .ascii
  ) {
    // The loss is NaN if there were no targets.
    let isFinite = report.loss.isFinite
    let perplexity = report.perplexity.flatMap { isFinite ? $0 : nil }
    let done = Double(report.step) / Double(max(1, report.totalSteps))
    let curve = losses.flatMap { symbols.curve($0) } ?? ""
    func padded(_ text: String, to width: Int) -> String {
      losses == nil ? text : text + String(repeating: " ", count: max(0, width - text.count))
    }
    let total = String(report.totalSteps)
    let step = String(report.step)
    let space = losses == nil ? "" : String(repeating: " ", count: max(0, total.count - step.count))
    let fields: [(order: Int, text: String)?] = [
      losses.map { _ in (4, symbols.bar(done)) },
      (0, "step \(space)\(step)/\(total)"),
      (5, String(format: "epoch %.2f", report.epoch)),
      (0, "loss " + (isFinite ? Console.loss(report.loss) : "-")),
      curve.isEmpty ? nil : (2, curve),
      perplexity.map { (7, "ppl \(Console.number($0))") },
      (8, padded(String(format: "|g| %.3g", report.gradientNorm), to: "|g| 0.0123".count)),
      (6, padded(String(format: "lr %.3g", report.learningRate), to: "lr 0.00123".count)),
      (1, "\(Console.grouped(Int(report.tokensPerSecond))) \(unit == "token" ? "tok" : unit + "s")/s"),
      Self.communication(report.communicationShares).map { (3, padded($0, to: "comm 10-12%".count)) },
      (0, "ETA \(Console.clock(report.remaining))"),
    ]
    self.fields = fields.compactMap { $0 }
  }

  /// `comm 3%`, or `comm 3-12%` if the ranks wait for different times. The others wait for the rank with the smallest
  /// share.
  private static func communication(_ shares: [Double]) -> String? {
    guard let least = shares.min(), let most = shares.max() else { return nil }
    let (from, to) = (String(format: "%.0f", 100 * least), String(format: "%.0f", 100 * most))
    return from == to ? "comm \(to)%" : "comm \(from)-\(to)%"
  }

  /// The number of fields that can be left out.
  private static let optional = 8

  /// Returns the line without the `count` fields that are left out first.
  package func text(leavingOut count: Int) -> String {
    fields.filter { $0.order <= Self.optional - count }.map(\.text).joined(separator: "  ")
  }

  /// Returns the number of fields that must be left out to fit a width; the maximum if the line does not fit even then.
  package func fieldsToLeaveOut(width: Int) -> Int {
    (0..<Self.optional).first { text(leavingOut: $0).count <= width } ?? Self.optional
  }
}

/// The characters of bars and curves: block elements, or ASCII if the locale is not UTF-8.
package enum ProgressSymbols: Sendable {
  case blocks, ascii

  /// The length of a bar, and the maximum length of a curve. A terminal of 80 columns has room for both.
  private static let width = 8

  /// Chooses by the locale variables, of which the first one that is set takes precedence.
  package init(environment: [String: String]) {
    let locale =
      ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
    let encoding = locale.lowercased().filter { $0 != "-" }
    self = encoding.contains("utf8") ? .blocks : .ascii
  }

  /// Returns a bar for a fraction from 0 to 1.
  package func bar(_ share: Double) -> String {
    let filled = share.isFinite ? Int((Double(Self.width) * min(max(share, 0), 1)).rounded(.down)) : 0
    let (full, empty) = self == .blocks ? ("━", "┄") : ("#", ".")
    return String(repeating: full, count: filled) + String(repeating: empty, count: Self.width - filled)
  }

  /// Returns a curve through the means of equal parts of `values`, scaled from the smallest to the largest mean.
  /// Returns nil for fewer than two finite values, and in ASCII, which has no characters for curves.
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
