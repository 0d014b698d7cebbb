import Foundation
import Training

/// The report of a step as a line, which leaves out what matters least where there is no room.
package struct StepLine {
  /// In the order of the line; the larger `rank`, the earlier a field is left out. 0: never.
  private let fields: [(rank: Int, text: String)]

  package init(_ report: StepReport) {
    // No number where there was nothing to predict, or nothing finite.
    let isFinite = report.loss.isFinite
    let perplexity = report.perplexity.flatMap { isFinite ? $0 : nil }
    let fields: [(rank: Int, text: String)?] = [
      (0, "step \(report.step)/\(report.totalSteps)"),
      (3, String(format: "epoch %.2f", report.epoch)),
      (0, "loss " + (isFinite ? Console.loss(report.loss) : "-")),
      perplexity.map { (5, "ppl \(Console.number($0))") },
      (6, String(format: "|g| %.3g", report.gradientNorm)),
      (4, String(format: "lr %.3g", report.learningRate)),
      (1, "\(Console.grouped(Int(report.tokensPerSecond))) tok/s"),
      report.communicationShare.map { (2, String(format: "comm %.0f%%", 100 * $0)) },
      (0, "ETA \(Console.clock(report.remaining))"),
    ]
    self.fields = fields.compactMap { $0 }
  }

  /// Ranks of fields that can be left out.
  private static let ranks = 6

  /// The line without the fields of the `count` highest ranks.
  package func text(leavingOut count: Int) -> String {
    fields.filter { $0.rank <= Self.ranks - count }.map(\.text).joined(separator: "  ")
  }

  /// How many must be left out for a line of at most so many characters; all where even that is too little.
  package func fieldsToLeaveOut(width: Int) -> Int {
    (0..<Self.ranks).first { text(leavingOut: $0).count <= width } ?? Self.ranks
  }
}
