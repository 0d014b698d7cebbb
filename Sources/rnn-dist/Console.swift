import Foundation
import RecurrentNN
import Training

/// Standard error: messages, and one progress line that is redrawn if standard error is a terminal.
package final class Console: TrainingObserver {
  private let isTerminal: Bool
  private let usesColor: Bool
  /// The length of the progress line on the terminal, which is not finished yet.
  private var openLine: Int?
  /// How many fields did not fit an earlier progress line of the same width. They stay away, so that all lines have the same
  /// fields.
  private var leftOut = 0
  /// The width of the terminal at the last progress line.
  private var lastWidth = 0

  init() {
    isTerminal = isatty(STDERR_FILENO) == 1
    usesColor = isTerminal && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
  }

  /// Writes a line to standard error.
  static func error(_ text: String) {
    StandardError.write(text + "\n")
  }

  package func handle(_ event: TrainingEvent) {
    switch event {
    case .started(let summary): line(Self.describe(summary))
    case .resumed(let step, let path, let rejected):
      for bad in rejected { line("warning: skipped a checkpoint that does not verify: \(bad)") }
      line("resumed from step \(step) (\(path))")
    case .planned(let plan): line(Self.describe(plan))
    case .choseProducts(let choices): line("products: \(choices.summary)")
    case .step(let report): progress(report)
    case .skippedStep(let step, let inARow, let parameters):
      line(
        "warning: step \(step): the gradient is not finite (\(parameters.joined(separator: ", "))); update skipped, "
          + "\(inARow) in a row")
    case .evaluated(let report): line(describe(report))
    case .saved(let step, _, let seconds):
      if !isTerminal { line("saved step \(step) in \(String(format: "%.2f", seconds)) s") }
    case .saveFailed(let step, let reason):
      line("warning: no checkpoint at step \(step): \(reason); training continues and will try again")
    case .warning(let text): line("warning: \(text)")
    case .finished(let outcome):
      closeLine()
      Self.error("peak memory of this rank \(outcome.peakResidentMiB) MiB")
    }
  }

  // MARK: Lines

  private func line(_ text: String) {
    closeLine(erasing: true)
    let width = isTerminal ? Self.windowWidth : nil
    Self.error(width.map { Self.wrapped(text, columns: $0) } ?? text)
  }

  /// Breaks the lines of a text at spaces to fit a window; the rest of a broken line is indented. Color codes have no width.
  package static func wrapped(_ text: String, columns: Int) -> String {
    let indent = columns > 20 ? "  " : ""
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var (rows, length) = ("", 0)
      for word in line.split(separator: " ", omittingEmptySubsequences: false) {
        let width = word.replacing(/\u{1B}\[[0-9;]*m/, with: "").count
        if rows.isEmpty {
          (rows, length) = (String(word), width)
        } else if length + 1 + width > columns {
          rows += "\n" + indent + word
          length = indent.count + width
        } else {
          rows += " " + word
          length += 1 + width
        }
      }
      return rows
    }.joined(separator: "\n")
  }

  /// Columns of `^C`.
  private static let interruption = 2

  /// The width that is assumed where it can't be asked for, as behind a launcher that passes the lines on.
  private static let usualWidth = 80

  private func progress(_ report: StepReport) {
    let line = StepLine(report)
    guard isTerminal else {
      leftOut = max(leftOut, line.fieldsToLeaveOut(width: Self.usualWidth))
      return Self.error(line.text(leavingOut: leftOut))
    }
    // A wrapped line could not be redrawn; a terminal appends ^C to the line.
    let width = Self.windowWidth.map { $0 - 1 - Self.interruption } ?? Self.usualWidth
    if width != lastWidth { (lastWidth, leftOut) = (width, 0) }
    leftOut = max(leftOut, line.fieldsToLeaveOut(width: width))
    let text = String(line.text(leavingOut: leftOut).prefix(width))
    StandardError.write(Self.erasing(openLine ?? 0, columns: width + 1 + Self.interruption) + text)
    openLine = text.count
  }

  private func closeLine(erasing: Bool = false) {
    guard let length = openLine else { return }
    StandardError.write(
      erasing ? Self.erasing(length, columns: Self.windowWidth ?? Self.usualWidth + 1) : "\n")
    openLine = nil
  }

  /// The codes that erase a line of `length` characters with the cursor at its end. If the window has become narrower since
  /// the line was written, the line is wrapped into several rows.
  package static func erasing(_ length: Int, columns: Int) -> String {
    let further = max(0, length - 1) / max(1, columns)
    return (further > 0 ? "\u{1B}[\(further)A" : "") + "\r\u{1B}[J"
  }

  private static var windowWidth: Int? {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 8 else { return nil }
    return Int(size.ws_col)
  }

  // MARK: Texts

  private static func describe(_ summary: RunSummary) -> String {
    let isText = summary.task.data == .stream
    let unit = isText ? "tokens" : "sequences"
    let (train, valid) =
      isText
      ? (summary.trainTokens, summary.validTokens) : (summary.trainExamples, summary.validExamples)
    let data =
      valid > 0
      ? "\(grouped(train)) training and \(grouped(valid)) validation \(unit)"
      : "\(grouped(train)) training \(unit)"
    let batch =
      if isText {
        "\(summary.batchSize) x \(summary.bptt) tokens"
      } else if let tokens = summary.batchTokens {
        "\(grouped(tokens)) tokens"
      } else {
        "\(summary.batchSize) sequences"
      }
    let vocabulary =
      summary.vocabularySize > 0 ? "\(summary.vocabularyName) of \(grouped(summary.vocabularySize)), " : ""
    let firstExample = summary.firstExample.map { "\nfirst example: \($0)" } ?? ""
    return """
      \(grouped(summary.parameters)) parameters, \(vocabulary)\(data)
      \(summary.ranks) \(summary.ranks == 1 ? "rank" : "ranks") on \(summary.hosts.joined(separator: ", ")), \
      \(summary.threadsPerRank) \(summary.threadsPerRank == 1 ? "thread" : "threads") each; batch of \
      \(batch), \(grouped(summary.stepsPerEpoch)) steps per epoch, \(grouped(summary.totalSteps)) in all\(firstExample)
      """
  }

  private static func describe(_ plan: MemoryPlan) -> String {
    func mebibytes(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / Double(1 << 20)) }
    return """
      memory per rank, MiB: parameters \(mebibytes(plan.parameters)), gradients \(mebibytes(plan.gradients)), \
      optimizer \(mebibytes(plan.optimizer)), packed weights \(mebibytes(plan.packedWeights)), activations \
      \(mebibytes(plan.activations)): \(mebibytes(plan.total)) besides data and program
      """
  }

  private func describe(_ report: EvaluationReport) -> String {
    let result = report.result
    let metrics = result.otherMetrics.map { ", \(MetricText.describe($0.metric, $0.value))" }.joined()
    let decoded = result.decoded.map { " (of \($0) sources)" } ?? ""
    let text = String(
      format: "%@ at step %d (epoch %.2f): loss %@%@%@%@ over %@ tokens in %.1f s",
      report.split.rawValue, report.step, report.epoch, Self.loss(result.loss.mean),
      result.perplexity.map { ", perplexity \(Self.number($0))" } ?? "", metrics, decoded,
      Self.grouped(result.loss.tokens), report.seconds)
    guard report.isBest else { return text }
    return text + (usesColor ? "  \u{1B}[32mbest\u{1B}[0m" : "  best")
  }

  /// Losses of a million and more, of models that have diverged, are shortened.
  static func loss(_ value: Double) -> String { String(format: value < 1e6 ? "%.4f" : "%.3g", value) }

  /// Perplexities range from 1 to the size of the vocabulary.
  static func number(_ value: Double) -> String {
    value < 1000 ? String(format: "%.3f", value) : String(format: "%.4g", value)
  }

  static func clock(_ seconds: Double) -> String {
    guard seconds < 1e8 else { return "?" }
    let total = Int(seconds.rounded())
    return total >= 3600
      ? String(format: "%d:%02d:%02d", total / 3600, total / 60 % 60, total % 60)
      : String(format: "%d:%02d", total / 60, total % 60)
  }

  /// 1234567 as 1,234,567.
  static func grouped(_ value: Int) -> String {
    var text = ""
    for (index, digit) in String(abs(value)).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return (value < 0 ? "-" : "") + String(text.reversed())
  }
}

/// The report of a step as a line. The least important fields are left out if there is no room.
package struct StepLine {
  /// In the order of the line; the larger `order`, the earlier a field is left out. 0: never.
  private let fields: [(order: Int, text: String)]

  package init(_ report: StepReport) {
    // The loss is NaN if nothing was predicted.
    let isFinite = report.loss.isFinite
    let perplexity = report.perplexity.flatMap { isFinite ? $0 : nil }
    let fields: [(order: Int, text: String)?] = [
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

  /// How many fields can be left out.
  private static let optional = 6

  /// The line without the `count` fields that are left out first.
  package func text(leavingOut count: Int) -> String {
    fields.filter { $0.order <= Self.optional - count }.map(\.text).joined(separator: "  ")
  }

  /// How many fields must be left out to fit a width; all of them if even that is not enough.
  package func fieldsToLeaveOut(width: Int) -> Int {
    (0..<Self.optional).first { text(leavingOut: $0).count <= width } ?? Self.optional
  }
}
