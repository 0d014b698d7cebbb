import RecurrentNN
import Tasks
import Testing
import rnn_dist

@testable import Training

@Suite struct ConsoleTests {
  /// In a terminal that has become narrower the progress line has several rows, which are all erased.
  @Test(arguments: [(0, 80, 0), (1, 80, 0), (79, 80, 0), (80, 80, 0), (81, 80, 1), (79, 40, 1), (79, 20, 3)])
  func aLineIsErasedWithAllItsRows(length: Int, columns: Int, above: Int) {
    let up = above > 0 ? "\u{1B}[\(above)A" : ""
    #expect(Console.erasing(length, columns: columns) == up + "\r\u{1B}[J")
  }

  private static let report = StepReport(
    step: 30, totalSteps: 400, epoch: 0.1, loss: 1.1449, perplexity: 3.1421, gradientNorm: 0.5,
    learningRate: 0.003, tokensPerSecond: 4912.3, communicationShares: [0.01, 0.012], elapsed: 3,
    remaining: 57)

  /// A narrow window shows the most important fields: step, loss and remaining time.
  @Test(arguments: [
    (
      120,
      "step 30/400  epoch 0.10  loss 1.1449  ppl 3.142  |g| 0.5  lr 0.003  4,912 tok/s  comm 1%  ETA 0:57"
    ),
    (77, "step 30/400  epoch 0.10  loss 1.1449  4,912 tok/s  comm 1%  ETA 0:57"),
    (60, "step 30/400  loss 1.1449  4,912 tok/s  comm 1%  ETA 0:57"),
    (37, "step 30/400  loss 1.1449  ETA 0:57"), (10, "step 30/400  loss 1.1449  ETA 0:57"),
  ])
  func fieldsThatFit(width: Int, expected: String) {
    let line = ProgressLine(Self.report)
    #expect(line.text(leavingOut: line.fieldsToLeaveOut(width: width)) == expected)
  }

  /// An 80-column terminal also shows a progress bar and a loss curve.
  @Test(arguments: [
    (
      77, ProgressSymbols.blocks,
      "┄┄┄┄┄┄┄┄  step  30/400  loss 1.1449  █▄▁  4,912 tok/s  comm 1%      ETA 0:57"
    ),
    (77, .ascii, "........  step  30/400  loss 1.1449  4,912 tok/s  comm 1%      ETA 0:57"),
    (70, .blocks, "step  30/400  loss 1.1449  █▄▁  4,912 tok/s  comm 1%      ETA 0:57"),
    (53, .blocks, "step  30/400  loss 1.1449  █▄▁  4,912 tok/s  ETA 0:57"),
  ])
  func fieldsOfATerminal(width: Int, symbols: ProgressSymbols, expected: String) {
    let line = ProgressLine(Self.report, losses: [3, 2, 1.1449], symbols: symbols)
    #expect(line.text(leavingOut: line.fieldsToLeaveOut(width: width)) == expected)
  }

  /// The rate is in the unit that the task declares.
  @Test(arguments: [
    ("token", "  4,912 tok/s  "), ("example", "  4,912 examples/s  "), ("step", "  4,912 steps/s  "),
  ])
  func unitsOfTheRate(unit: String, expected: String) {
    #expect(ProgressLine(Self.report, unit: unit).text(leavingOut: 0).contains(expected))
  }

  /// Ranks that wait for each other show the range of their waiting; a single rank shows nothing.
  @Test(arguments: [
    ([0.031, 0.12, 0.05], "  comm 3-12%  "), ([0.03], "  comm 3%  "), ([], "  4,912 tok/s  ETA"),
  ])
  func waitingOfTheRanks(shares: [Double], expected: String) {
    var report = Self.report
    report.communicationShares = shares
    #expect(ProgressLine(report).text(leavingOut: 0).contains(expected))
  }

  /// The share of communication changes with every report, and the line on a terminal must not jump.
  @Test func fieldsOfATerminalKeepTheirPlaces() {
    func line(_ step: Int, _ shares: [Double], norm: Double, rate: Double) -> String {
      var report = Self.report
      (report.step, report.communicationShares) = (step, shares)
      (report.gradientNorm, report.learningRate) = (norm, rate)
      return ProgressLine(report, losses: [3, 2, 1]).text(leavingOut: 0)
    }
    let first = line(30, [0.01, 0.01], norm: 0.5, rate: 0.002)
    let second = line(130, [0.031, 0.12], norm: 0.0123, rate: 0.00123)
    #expect(first.count == second.count && first.contains("comm 1%  ") && second.contains("comm 3-12%  "))
  }

  /// Each problem of a list begins with the same word; the indented rest of a problem does not.
  @Test func everyProblemIsMarked() {
    #expect(Console.failureLines("a: unknown key") == "error: a: unknown key")
    #expect(Console.failureLines("a\n  rest of a\nb\n") == "error: a\n  rest of a\nerror: b")
  }

  @Test func barsAndCurves() {
    #expect(ProgressSymbols.ascii.bar(0.55) == "####...." && ProgressSymbols.ascii.bar(2) == "########")
    #expect(ProgressSymbols.blocks.bar(.nan) == "┄┄┄┄┄┄┄┄")
    #expect(ProgressSymbols.blocks.curve((0..<80).map { 80 - Double($0) }) == "█▇▆▅▄▃▂▁")
    #expect(ProgressSymbols.blocks.curve([1, .nan, 1]) == "▁▁" && ProgressSymbols.blocks.curve([1]) == nil)
    #expect(ProgressSymbols.ascii.curve([2, 1]) == nil)
  }

  @Test(arguments: [
    ([:], ProgressSymbols.ascii), (["LANG": "en_US.UTF-8"], .blocks), (["LANG": "C.utf8"], .blocks),
    (["LANG": "en_US.UTF-8", "LC_ALL": "C"], .ascii), (["LC_ALL": "", "LC_CTYPE": "de_DE.UTF-8"], .blocks),
  ])
  func symbolsFollowTheLocale(environment: [String: String], symbols: ProgressSymbols) {
    #expect(ProgressSymbols(environment: environment) == symbols)
  }

  @Test func messagesAreBrokenAtSpaces() {
    let text = "20,000 training and 1,000 validation sequences\nbatch of 64"
    #expect(
      Console.wrapped(text, columns: 24)
        == "20,000 training and\n  1,000 validation\n  sequences\nbatch of 64")
    #expect(Console.wrapped(text, columns: 80) == text)
    #expect(
      Console.wrapped("loss 1  \u{1B}[32mbest\u{1B}[0m", columns: 12) == "loss 1  \u{1B}[32mbest\u{1B}[0m")
    #expect(Console.wrapped("a/path/that/is/too/long now", columns: 8) == "a/path/that/is/too/long\nnow")
    #expect(Console.wrapped("", columns: 8).isEmpty)
    // A metric stays with its value.
    let values = "loss 1.2, exact match 99.20 %, CER 0.1 %; best"
    #expect(
      Console.wrapped(values: values, columns: 28)
        == "loss 1.2,\n  exact match 99.20 %,\n  CER 0.1 %; best")
    #expect(Console.wrapped(values: values, columns: 80) == values)
    #expect(Console.wrapped(values: values, columns: nil) == values)
    let row =
      "loss" + String(repeating: " ", count: 18) + "1.7711 nats/token, 2.5552 bits/token, 2.5552 bits/byte"
    #expect(
      Console.wrapped(values: row + ", 2.5552 bits/character", columns: nil, indent: 22)
        == row + ", 2.5552 bits/character")
    // The indent takes less than half of the window.
    #expect(Console.wrapped(values: "loss    1.2, 1.7", columns: 16, indent: 8) == "loss    1.2, 1.7")
    #expect(Console.wrapped(values: "loss    1.2, 1.75", columns: 16, indent: 8) == "loss    1.2,\n1.75")
    #expect(
      Console.wrapped(values: "loss    1.2, 1.7500", columns: 18, indent: 8)
        == "loss    1.2,\n        1.7500")
    #expect(
      Console.wrapped(values: row + ", 2.5552 bits/character", columns: 80, indent: 22)
        == row + ",\n" + String(repeating: " ", count: 22) + "2.5552 bits/character")
  }

  private static func evaluated(_ step: Int, isSaveDue: Bool) -> TrainingEvent {
    .evaluated(
      EvaluationReport(
        split: .valid, step: step, epoch: 1,
        result: EvaluationResult(loss: LossSum(total: 20, tokens: 10), examples: 1),
        seconds: 0.5, isBest: false, isSaveDue: isSaveDue))
  }

  /// The lines that a console writes to a pipe.
  private static func lines(_ events: [TrainingEvent]) -> [String] {
    var text = ""
    let console = Console(metric: nil, isTerminal: false) { text += $0 }
    for event in events { console.handle(event) }
    return text.split(separator: "\n").map(String.init)
  }

  /// A checkpoint that was written in the background may be older than the last evaluation.
  @Test func anEvaluationIsMarkedByItsOwnCheckpoint() {
    let lines = Self.lines([
      Self.evaluated(20, isSaveDue: true), .saved(step: 10, path: "step-10", seconds: 1),
      .saved(step: 20, path: "step-20", seconds: 1),
    ])
    #expect(lines.count == 2 && lines.first == "saved step 10 in 1.00 s", "\(lines)")
    #expect(
      lines.last?.hasPrefix("valid at step 20 ") == true && lines.last?.hasSuffix("; saved") == true,
      "\(lines)")
  }

  /// The next event may be minutes away.
  @Test func anEvaluationWithoutACheckpointIsShownAtOnce() {
    let lines = Self.lines([Self.evaluated(20, isSaveDue: false)])
    #expect(lines.count == 1 && lines.first?.hasPrefix("valid at step 20 ") == true, "\(lines)")
    #expect(Self.lines([Self.evaluated(20, isSaveDue: true)]).isEmpty)
  }

  /// Commands that use a model run in one process, whatever the number of ranks of training.
  @Test(arguments: [
    ("launch/run -np 4", "launch/run"), ("launch/run", "launch/run"),
    ("../launch/run --hostfile hosts -np 4 --debug", "../launch/run --debug"),
    ("/my\\ run/launch/run -np 2 --bind-to none --", "/my\\ run/launch/run"),
    ("$'/my\\t run\\'s/launch/run' -np 2", "$'/my\\t run\\'s/launch/run'"), ("", "./rnn-dist"),
  ])
  func commandsOfOneProcess(launcher: String, expected: String) {
    let environment = ["RNN_DIST_LAUNCHER": launcher]
    #expect(Launcher.localCommand(program: "./rnn-dist", environment: environment) == expected)
  }

  @Test func aCommandCanBeTypedAgain() {
    #expect(Launcher.command(ranks: 1, program: "rnn-dist", environment: [:]) == "rnn-dist")
    #expect(Launcher.command(ranks: 4, program: "./rnn-dist", environment: [:]) == "mpirun -np 4 ./rnn-dist")
    let environment = ["RNN_DIST_LAUNCHER": "launch/run -np 2"]
    #expect(Launcher.command(ranks: 2, program: "/a/b", environment: environment) == "launch/run -np 2")
    #expect(Launcher.quoted("runs/my-run.1") == "runs/my-run.1")
    #expect(Launcher.quoted("my run's") == "'my run'\\''s'" && Launcher.quoted("") == "''")
  }
}
