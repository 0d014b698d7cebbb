import Foundation
import Metrics
import RecurrentNN
import Tasks
import Training

/// Prints messages for the user, and a progress line that is redrawn on a terminal.
package final class Console: TrainingObserver {
  private let isTerminal: Bool
  private let usesColor: Bool
  /// Writes a text to standard error.
  private let write: (String) -> Void
  private let symbols = ProgressSymbols(environment: ProcessInfo.processInfo.environment)
  /// The metric that is shown first; nil: none is preferred.
  private let metric: Metric?
  /// What the task counts: tokens, steps, examples or pairs.
  private var unit = "token"
  /// The length of the unfinished progress line on the terminal.
  private var openLine: Int?
  /// The number of fields that did not fit an earlier progress line of the same width. They remain hidden, so that all
  /// lines have the same fields.
  private var leftOut = 0
  /// The width of the terminal at the last progress line.
  private var lastWidth = 0
  /// The losses of all reports, for the curve.
  private var losses: [Double] = []
  private let clock = ContinuousClock()
  /// The times of the last line of progress where lines are not redrawn, and of the last line of a checkpoint.
  private var lastLine: ContinuousClock.Instant?
  private var lastSave: ContinuousClock.Instant?
  /// The number of steps of the run, and the one that training continues from.
  private var totalSteps = 0
  private var firstStep = 0
  /// The last evaluation, while a checkpoint of its step is being saved.
  private var heldEvaluation: EvaluationReport?
  /// The times at which the evaluation in progress started and at which its progress was last shown.
  private var evaluation: (started: ContinuousClock.Instant, shown: ContinuousClock.Instant)?

  /// - Parameter metric: the metric of the run, which evaluations show besides the loss and a few others.
  convenience init(metric: Metric? = nil) {
    self.init(metric: metric, isTerminal: StandardError.isTerminal, write: StandardError.write)
  }

  /// - Parameters:
  ///   - isTerminal: whether lines can be redrawn.
  ///   - write: receives the messages.
  package init(metric: Metric?, isTerminal: Bool, write: @escaping (String) -> Void) {
    (self.metric, self.isTerminal, self.write) = (metric, isTerminal, write)
    usesColor = isTerminal && (ProcessInfo.processInfo.environment["NO_COLOR"] ?? "").isEmpty
  }

  /// Writes a line to standard error.
  static func error(_ text: String) {
    StandardError.write(text + "\n")
  }

  /// Writes an error. If it lists several problems, each of them begins with `error:`; indented lines continue a problem.
  static func failure(_ text: String) {
    error(failureLines(text))
  }

  package static func failureLines(_ text: String) -> String {
    text.split(separator: "\n").map { $0.hasPrefix(" ") ? $0 : "error: " + $0 }.joined(separator: "\n")
  }

  package func handle(_ event: TrainingEvent) {
    if !event.mayFollowEvaluation { showEvaluation() }
    switch event {
    case .started(let summary):
      unit = summary.task.lossUnit
      totalSteps = summary.totalSteps
      line(Self.describe(summary))
    case .resumed(let step, let path, let rejected):
      for bad in rejected { line("warning: skipped a checkpoint that does not verify: \(bad)") }
      line("resumed from step \(step) (\(path))")
      firstStep = step
    case .planned(let plan):
      line(values: Self.describe(plan))
      // The first report may take a while.
      if isTerminal { redraw("step \(firstStep)/\(totalSteps)") }
    case .choseProducts(let choices): line("products: \(choices.summary)")
    case .choseSums(let choice): line("sums of gradients: \(choice.summary)")
    case .step(let report): progress(report)
    case .evaluating(let done, let count): evaluationProgress(done, of: count)
    case .skippedStep(let step, let inARow, let parameters):
      line(
        "warning: step \(step): the gradient is not finite (\(parameters.joined(separator: ", "))); update skipped, "
          + "\(inARow) in a row")
    case .evaluated(let report):
      heldEvaluation = report
      if !report.isSaveDue { showEvaluation() }
    case .observed: break
    case .saved(let step, _, let seconds): saved(step, in: seconds)
    case .saveFailed(let step, let reason):
      line("warning: no checkpoint at step \(step): \(reason); training continues and will try again")
    case .note(let text): line(text)
    case .warning(let text): line("warning: \(text)")
    case .finished(let outcome):
      // After a signal, the messages that follow repeat the content of the line.
      closeLine(erasing: outcome.ending == .signalled)
      write("peak memory of this rank \(outcome.peakResidentMiB) MiB\n")
    }
  }

  // MARK: Lines

  /// Writes the line of the last evaluation, unless it has been written.
  ///
  /// - Parameter isSaved: whether there is a checkpoint of the evaluated model.
  func showEvaluation(isSaved: Bool = false) {
    guard let report = heldEvaluation else { return }
    heldEvaluation = nil
    let best = usesColor ? "\u{1B}[32mbest\u{1B}[0m" : "best"
    let marks = [report.isBest ? best : nil, isSaved ? "saved" : nil].compactMap { $0 }
    line(values: describe(report) + (marks.isEmpty ? "" : "; " + marks.joined(separator: ", ")))
  }

  /// Adds a checkpoint to the line of its evaluation. A checkpoint at another step has its own line, unless there was such a
  /// line a short time ago.
  private func saved(_ step: Int, in seconds: Double) {
    // A checkpoint that was saved in the background may be older than the evaluation.
    if heldEvaluation?.step == step { return showEvaluation(isSaved: true) }
    guard isDue(after: &lastSave) else { return }
    line("saved step \(step) in \(String(format: "%.2f", seconds)) s")
  }

  /// Whether the last line of a kind is long enough ago; sets the time of the next one.
  private func isDue(after last: inout ContinuousClock.Instant?) -> Bool {
    let now = clock.now
    guard last.map({ now - $0 >= Self.lineInterval }) ?? true else { return false }
    last = now
    return true
  }

  private func line(_ text: String) {
    closeLine(erasing: true)
    let width = isTerminal ? StandardError.windowWidth : nil
    write((width.map { Self.wrapped(text, columns: $0) } ?? text) + "\n")
  }

  /// Writes a line that is only broken between its values.
  private func line(values text: String) {
    closeLine(erasing: true)
    write(Self.wrapped(values: text, columns: isTerminal ? StandardError.windowWidth : nil) + "\n")
  }

  /// Breaks the lines of a text at spaces to fit a window. Rows after the first are indented unless the window is very narrow.
  package static func wrapped(_ text: String, columns: Int, indent: Int? = nil) -> String {
    let indent = indent ?? (columns > 20 ? 2 : 0)
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      joined(
        line.split(separator: " ", omittingEmptySubsequences: false).map(String.init), columns, indent: indent
      )
    }.joined(separator: "\n")
  }

  /// Breaks a line after commas and semicolons to fit a window, so that each value stays with its name.
  ///
  /// - Parameters:
  ///   - columns: the width of the window; nil: the line is not broken.
  ///   - indent: the spaces before the rows after the first; 0 unless the window is more than twice as wide.
  package static func wrapped(values line: String, columns: Int?, indent: Int = 2) -> String {
    guard let columns else { return line }
    var values: [String] = []
    var isOpen = false
    for word in line.split(separator: " ", omittingEmptySubsequences: false) {
      if isOpen, let value = values.popLast() {
        values.append("\(value) \(word)")
      } else {
        values.append(String(word))
      }
      isOpen = !word.hasSuffix(",") && !word.hasSuffix(";")
    }
    return joined(values, columns, indent: indent)
  }

  /// Joins pieces by spaces, and begins a new row before a piece that does not fit. Color codes have no width.
  private static func joined(_ pieces: [String], _ columns: Int, indent: Int) -> String {
    let indent = indent < columns / 2 ? indent : 0
    var (rows, length) = ("", 0)
    for piece in pieces {
      let width = piece.replacing(/\u{1B}\[[0-9;]*m/, with: "").count
      if rows.isEmpty {
        (rows, length) = (piece, width)
      } else if length + 1 + width > columns {
        rows += "\n" + String(repeating: " ", count: indent) + piece
        length = indent + width
      } else {
        rows += " " + piece
        length += 1 + width
      }
    }
    return rows
  }

  /// The width of `^C`.
  private static let interruption = 2

  /// The assumed width if it can't be queried, as behind a launcher that forwards the lines.
  private static let usualWidth = 80

  /// The time between lines of progress that are not redrawn, and between lines of checkpoints; the first and the last step have
  /// a line in any case.
  private static let lineInterval = Duration.seconds(10)

  private func progress(_ report: StepReport) {
    guard isTerminal else {
      guard isDue(after: &lastLine) || report.step == report.totalSteps else { return }
      let line = ProgressLine(report, unit: unit)
      leftOut = max(leftOut, line.fieldsToLeaveOut(width: Self.usualWidth))
      return write(line.text(leavingOut: leftOut) + "\n")
    }
    losses.append(report.loss)
    let line = ProgressLine(report, unit: unit, losses: losses, symbols: symbols)
    let width = Self.lineWidth
    if width != lastWidth { (lastWidth, leftOut) = (width, 0) }
    leftOut = max(leftOut, line.fieldsToLeaveOut(width: width))
    redraw(line.text(leavingOut: leftOut))
  }

  /// Shows the progress of an evaluation: redrawn ten times per second on a terminal, one line per minute elsewhere.
  func evaluationProgress(_ done: Int, of count: Int) {
    let now = clock.now
    let times = evaluation ?? (now, now)
    guard done < count else {
      evaluation = nil
      return
    }
    evaluation = times
    guard now - times.shown > (isTerminal ? .milliseconds(100) : .seconds(60)) else { return }
    evaluation?.shown = now
    let remaining = (now - times.started) / max(1, done) * (count - done)
    let share = Double(done) / Double(count)
    let bar = isTerminal ? symbols.bar(share) + "  " : ""
    let text =
      bar + String(format: "evaluating: %.0f%%  ETA ", 100 * share) + Self.clock(remaining / .seconds(1))
    if isTerminal { redraw(text) } else { write(text + "\n") }
  }

  /// Erases the progress line; later messages start at the left margin.
  func eraseProgress() { closeLine(erasing: true) }

  private func redraw(_ text: String) {
    let width = Self.lineWidth
    let text = String(text.prefix(width))
    write(Self.erasing(openLine ?? 0, columns: width + 1 + Self.interruption) + text)
    openLine = text.count
  }

  /// The maximum length of the progress line: a wrapped line could not be redrawn, and a terminal appends ^C to the
  /// line.
  private static var lineWidth: Int {
    StandardError.windowWidth.map { $0 - 1 - Self.interruption } ?? Self.usualWidth
  }

  private func closeLine(erasing: Bool = false) {
    guard let length = openLine else { return }
    write(
      erasing ? Self.erasing(length, columns: StandardError.windowWidth ?? Self.usualWidth + 1) : "\n")
    openLine = nil
  }

  /// The codes that erase a line of `length` characters with the cursor at its end. If the window has become narrower since
  /// the line was written, the line is wrapped into several rows.
  package static func erasing(_ length: Int, columns: Int) -> String {
    let further = max(0, length - 1) / max(1, columns)
    return (further > 0 ? "\u{1B}[\(further)A" : "") + "\r\u{1B}[J"
  }

  // MARK: Texts

  private static func describe(_ summary: RunSummary) -> String {
    let isText = summary.task.data == .stream
    let (unit, size) = (isText ? "tokens" : "sequences", summary.size)
    let (train, valid) =
      isText ? (size.trainTokens, size.validTokens) : (size.trainExamples, size.validExamples)
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
    let vocabulary = size.vocabulary > 0 ? "\(grouped(size.vocabulary)) \(size.vocabularyName), " : ""
    let threads = "\(summary.threadsPerRank) \(summary.threadsPerRank == 1 ? "thread" : "threads")"
    let ranks =
      summary.ranks == 1
      ? "1 rank with \(threads)"
      : "\(summary.ranks) ranks on \(summary.hosts.joined(separator: ", ")), \(threads) each"
    let firstExample = size.firstExample.map { "\nfirst example: \($0)" } ?? ""
    let steps = counted(summary.stepsPerEpoch, "step")
    let inputs = size.inputs.map { "\ninputs: \(describe($0))" } ?? ""
    return """
      \(grouped(summary.parameters)) parameters, \(vocabulary)\(data)
      \(ranks); batch of \
      \(batch), \(steps) per epoch, \(grouped(summary.totalSteps)) in all\(inputs)\(firstExample)
      """
  }

  private static func describe(_ shape: NumericInputs) -> String {
    let (fewest, most) = (shape.steps.lowerBound, shape.steps.upperBound)
    let steps = fewest == most ? counted(most, "step") : "\(grouped(fewest)) to \(counted(most, "step"))"
    return "\(counted(shape.width, "number")) per step"
      + (shape.isMasked ? ", each with a mask (1: present)" : "") + "; \(steps)"
  }

  private static func describe(_ plan: MemoryPlan) -> String {
    func mebibytes(_ bytes: Int) -> String { String(format: "%.1f", Double(bytes) / Double(1 << 20)) }
    return """
      memory per rank, MiB: parameters \(mebibytes(plan.parameters)), gradients \(mebibytes(plan.gradients)), \
      optimizer \(mebibytes(plan.optimizer)), packed weights \(mebibytes(plan.packedWeights)), activations \
      \(mebibytes(plan.activations)); together \(mebibytes(plan.total)), without data and program
      """
  }

  private func describe(_ report: EvaluationReport) -> String {
    let result = report.result
    let metrics = shown(result.otherMetrics).map { ", \(MetricText.describe($0.metric, $0.value))" }.joined()
    // If all sources are compared, their number says nothing.
    let decoded = result.decoded.flatMap { $0 < result.examples ? " (of \(Self.grouped($0)) sources)" : nil }
    return String(
      format: "%@ at step %d (epoch %.2f): loss %@%@%@%@, over %@ in %.1f s",
      report.split.rawValue, report.step, report.epoch, Self.loss(result.loss.mean),
      result.perplexity.map { ", perplexity \(Self.number($0))" } ?? "", metrics, decoded ?? "",
      Self.counted(result.loss.tokens, unit), report.seconds)
  }

  /// Of many metrics the one of the run and three more: `evaluate` prints all.
  private func shown(_ metrics: [EvaluationResult.MetricValue]) -> ArraySlice<EvaluationResult.MetricValue> {
    (metrics.filter { $0.metric == metric } + metrics.filter { $0.metric != metric }).prefix(4)
  }

  /// Losses of a million and more, which occur in models that have diverged, are shortened.
  static func loss(_ value: Double) -> String { String(format: value < 1e6 ? "%.4f" : "%.3g", value) }

  /// Perplexities range from 1 to the size of the vocabulary.
  static func number(_ value: Double) -> String {
    String(format: value < 1000 ? "%.3f" : value < 1e6 ? "%.0f" : "%.4g", value)
  }

  static func clock(_ seconds: Double) -> String {
    guard seconds < 1e8 else { return "?" }
    let total = Int(seconds.rounded())
    return total >= 3600
      ? String(format: "%d:%02d:%02d", total / 3600, total / 60 % 60, total % 60)
      : String(format: "%d:%02d", total / 60, total % 60)
  }

  /// A count with its noun: `1 token`, `2,000 tokens`.
  static func counted(_ count: Int, _ thing: String) -> String {
    "\(grouped(count)) \(thing)\(count == 1 ? "" : "s")"
  }

  /// Formats 1234567 as 1,234,567.
  static func grouped(_ value: Int) -> String {
    var text = ""
    for (index, digit) in String(abs(value)).reversed().enumerated() {
      if index > 0 && index % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return (value < 0 ? "-" : "") + String(text.reversed())
  }
}

extension TrainingEvent {
  /// Whether the event can come between an evaluation and the news that its model was saved, or is that news.
  fileprivate var mayFollowEvaluation: Bool {
    switch self {
    case .observed, .saved: true
    default: false
    }
  }
}
