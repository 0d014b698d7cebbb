import ArgumentParser
import Checkpoints
import Communication
import Datasets
import Foundation
import RunLog
import Tasks
import Inference

struct PredictCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predict classes, tags or sequences for the lines of standard input.",
    discussion: """
      Each input line gives one output line, in order: a class (classifier), one tag per token (tagger; for bits the keys of \
      the next step) or a sequence (seq2seq). A second source follows the first after a tab. Lines that arrive together are \
      computed together; a line that arrives alone is answered immediately. An empty line gives an empty line. With \
      --n-best N each line gives N lines; the last ones are empty if there are fewer outputs. A line feed in an output is written \
      as \\n.

      A csv file whose header names the columns of the training data, in any order and among others, is answered by the same file \
      with a column "predicted" (and "score").

      For a forecast the lines are the rows of a table, with its header if its columns are named. Each row gives the forecast of \
      the rows after it: steps with a space between them, in each step the quantiles with commas. The header and the rows before \
      the first whole window give an empty line. For a model of arrays (npy) a line is the path of an array.

      With --sample, sequences are sampled from the model instead of searched for. The samples for a line depend on its number, \
      the options and the seed, but not on the other lines.

      With --json, each line gives one object: its outputs with score, log-probability and the log-probability of each token, \
      the probabilities of all classes, the attention, and the time that it took.

      Examples:
        rnn-dist predict runs/dates < dates.txt
        echo 'May 3rd, 2017' | rnn-dist predict runs/dates --attention pictures
        rnn-dist predict runs/dates --beam 5 --n-best 3 --scores < dates.txt
        rnn-dist predict runs/dates --sample --temperature 0.8 < dates.txt
        rnn-dist predict runs/dates --json < dates.txt
        rnn-dist predict runs/reviews < reviews.csv > answers.csv
      """)

  @OptionGroup var run: RunArguments
  @OptionGroup var products: PrecisionArguments
  @OptionGroup var ensemble: EnsembleArguments
  @Argument(
    help: ArgumentHelp("Changes of settings, such as decoding.max_length=50.", valueName: "key.path=value"))
  var overrides: [String] = []
  @Option(help: "Beam size (default: the run's decoding.beam).") var beam: Int?
  @Option(help: "Exponent of the length normalization (default: the run's decoding.length_penalty).")
  var lengthPenalty: Double?
  @Flag(help: "Sample sequences instead of searching for the most probable ones (seq2seq, generator).")
  var sample = false
  @OptionGroup var sampling: SamplingArguments
  @Option(
    help:
      "Outputs per line, each on its own line, best first (with --sample: in the order of sampling; not for taggers)."
  )
  var nBest = 1
  @Flag(
    help:
      "Write a score and a tab before each output: a probability (classifier), a log-probability (tagger, seq2seq)."
  )
  var scores = false
  @Option(help: ArgumentHelp("Write a picture of the attention for each line.", valueName: "dir"))
  var attention: String?
  @Flag(help: "Print one JSON object per line.") var json = false
  @Option(help: "Maximum number of lines to compute together.") var batchSize = 64

  func validate() throws {
    for (name, value, most) in [
      ("beam", beam ?? 1, 1000), ("n-best", nBest, 1000), ("batch-size", batchSize, 65_536),
    ]
    where !(1...most).contains(value) {
      throw ValidationError("--\(name) \(value): 1 to \(most)")
    }
    try checkSampling()
    if json, scores { throw ValidationError("--scores: the objects of --json have scores already") }
    if let lengthPenalty, !(0...10).contains(lengthPenalty) {
      throw ValidationError("--length-penalty \(lengthPenalty): 0 to 10")
    }
  }

  /// Rejects incompatible options: a search has no temperature, and sampling has no beam.
  private func checkSampling() throws {
    guard sample else {
      guard let option = sampling.given else { return }
      throw ValidationError("\(option) is for sampling: add --sample")
    }
    let search = ["beam", "length_penalty", "coverage_penalty", "patience"].map { "decoding.\($0)=" }
    let named =
      beam != nil
      ? "--beam"
      : lengthPenalty != nil
        ? "--length-penalty" : overrides.first { key in search.contains { key.hasPrefix($0) } }
    if let named {
      throw ValidationError("\(named) is for a search, not for sampling: leave out --sample or \(named)")
    }
  }

  func runLocally() throws -> Int32 {
    if let word = overrides.first(where: { !$0.contains("=") }) {
      throw ValidationError(
        "\(word): expects one run, then overrides such as decoding.beam=5. Lines are read from standard input: "
          + "rnn-dist predict \(Launcher.quoted(run.run)) < \(Launcher.quoted(word))")
    }
    var changes = overrides
    if let beam { changes.append("decoding.beam=\(beam)") }
    if let lengthPenalty { changes.append("decoding.length_penalty=\(lengthPenalty)") }
    let saved = try run.load(
      overrides: changes, ensemble: ensemble.runs, precision: products.precision)
    run.warn(of: saved)
    guard saved.abilities.writesAfter != .prompt else {
      throw ValidationError("\(run.run) is a language model: use rnn-dist generate")
    }
    guard nBest == 1 || saved.abilities.ranksOutputs else {
      throw ValidationError("--n-best: \(run.run) has one output per line")
    }
    guard !scores || saved.abilities.scoresOutputs else {
      throw ValidationError("--scores: \(run.run) predicts numbers or bits, which have no score")
    }
    guard attention == nil || saved.abilities.attends else {
      throw ValidationError("--attention: \(run.run) has no attention")
    }
    guard !sample || saved.abilities.samplesOutputs else {
      throw ValidationError("--sample: \(run.run) writes no sequences that could be sampled")
    }
    try Threads.share(among: SoloCommunicator(), reproducible: saved.configuration.training.reproducible)
    let seed = sampling.seed ?? UInt64(saved.configuration.seed)
    let options = PredictionOptions(
      count: nBest, keepsAttention: attention != nil || json && saved.abilities.attends,
      keepsScores: scores || json,
      sampling: sample ? TextSampling(sampling.options, seed: seed) : nil)
    try serve(saved.predictor(options), window: saved.configuration.data.window)
    return ExitCode.done
  }

  /// A line of input, or a row of csv.
  private struct Question {
    var number: Int
    /// The line, or the text that is read.
    var text: [UInt8]
    var row: PredictionTable.Row?
    /// Whether there is nothing to answer.
    var isEmpty = false
  }

  /// The columns that the answer to a csv file has after those of the file. An answer in JSON has none.
  private var addedColumns: [String] { json ? [] : scores ? ["predicted", "score"] : ["predicted"] }

  /// - Parameter window: the rows that a forecast needs; 0: each line is an input of its own.
  private func serve(_ predictor: Predictor, window: Int) throws {
    let pictures = try attention.map { try AttentionFolder($0) }
    StandardInput.announce("an input")
    let input = try LineReader(.standardInput)
    var table: PredictionTable?
    var (read, answered) = (0, 0)
    while let lines = try input.nextLines(atMost: batchSize) {
      var text: [UInt8] = []
      var questions: [Question] = []
      var failure: (any Error)?
      do {
        for line in lines {
          read += 1
          if read == 1, let found = try predictor.table(header: line, adding: addedColumns) {
            table = found
            if !json { text += found.answerHeader }
            continue
          }
          if read == 1, predictor.looksLikeRow(line) {
            Console.error(
              "warning: the first line looks like a row of csv, but each line is read as a text; to predict from csv, begin it with a "
                + "header that names the columns of the training data (add data.columns=TEXT,LABEL if they have other names)"
            )
          }
          if let question = try ask(line, read, &table, predictor) {
            questions.append(question)
          }
        }
      } catch {
        // The lines before an invalid one are still answered.
        failure = error
      }
      let started = ContinuousClock.now
      var outputs = try predictor.run()[...]
      answered += outputs.count
      let seconds = (ContinuousClock.now - started) / .seconds(1) / Double(max(1, outputs.count))
      for question in questions {
        let output = question.isEmpty ? nil : outputs.popFirst()
        text +=
          json
          ? Array((object(output, of: question, table, seconds).text + "\n").utf8)
          : answer(output, to: question.row, table)
        if let pictures, let output {
          try pictures.draw(output, of: question.text, number: question.number)
        }
      }
      try StandardOutput.write(text)
      if let failure { throw failure }
    }
    try table?.finish()
    if window > 0, answered == 0 {
      Console.error(
        "warning: nothing was forecast, because a forecast needs \(window) rows of a series (data.window); give more rows"
      )
    }
    if predictor.tokens.unknown > 0 {
      Console.error(
        "warning: \(predictor.tokens.unknown) of \(predictor.tokens.read) tokens of the input were not in the training data, or too "
          + "rarely; they are read as \(SpecialToken.unknown)")
    }
  }

  /// Gives a line to the predictor; nil if it is the beginning of a row of csv that continues in the next line.
  private func ask(
    _ line: [UInt8], _ number: Int, _ table: inout PredictionTable?, _ predictor: Predictor
  ) throws -> Question? {
    var question = Question(number: number, text: line)
    if let isOpen = table?.isOpen, isOpen || !line.isEmpty {
      guard let row = try table?.add(line, number: number) else { return nil }
      question = Question(number: row.line, text: row.source, row: row)
    }
    do {
      if let row = question.row {
        try predictor.add(row)
      } else if line.isEmpty {
        question.isEmpty = true
      } else {
        try predictor.add(line, number: number)
      }
    } catch DataError.line(_, _, .empty) {
      question.isEmpty = true
    }
    return question
  }

  /// - Parameter seconds: the time for a batch of lines, divided by their number.
  private func object(
    _ output: Prediction?, of question: Question, _ table: PredictionTable?, _ seconds: Double
  ) -> JSONValue {
    let outputs = (output?.lines ?? []).indices.map { index -> JSONValue in
      guard let output else { return .null }
      var members = [JSONMember("text", .string(String(decoding: output.lines[index], as: UTF8.self)))]
      if index < output.scores.count { members.append(JSONMember("score", .double(output.scores[index]))) }
      if index < output.logProbabilities.count {
        members.append(JSONMember("log_probability", .double(output.logProbabilities[index])))
      }
      if index < output.tokens.count { members += Self.members(of: output.tokens[index]) }
      return .object(members)
    }
    var members = [
      JSONMember("line", .integer(question.number)),
      JSONMember("input", .string(String(decoding: question.text, as: UTF8.self))),
      JSONMember("outputs", .array(outputs)),
    ]
    if let row = question.row, let table {
      let fields = zip(table.names, row.fields).map {
        JSONMember($0, .string(String(decoding: $1, as: UTF8.self)))
      }
      members.insert(JSONMember("row", .object(fields)), at: 2)
    }
    if let classes = output?.classes, !classes.isEmpty {
      let probabilities = classes.map { JSONMember($0.name, .double($0.probability)) }
      members.append(JSONMember("probabilities", .object(probabilities)))
    }
    if let attention = output?.attention, !attention.isEmpty {
      members.append(JSONMember("attention", .array(attention.map(Self.object))))
    }
    return .object(members + [JSONMember("seconds", output == nil ? .null : .double(seconds))])
  }

  /// The tokens of a text, and the log-probability of each.
  static func members(of tokens: [ScoredToken]) -> [JSONMember] {
    [
      JSONMember("tokens", .array(tokens.map { .string($0.text) })),
      JSONMember("token_log_probabilities", .array(tokens.map { .double($0.logProbability) })),
    ]
  }

  private static func object(_ attention: AttentionMatrix) -> JSONValue {
    [
      "source": .array(attention.sourceLabels.map { .string($0) }),
      "output": .array(attention.outputLabels.map { .string($0) }),
      "weights": .array(attention.weights.map { .array($0.map { .double($0) }) }),
    ]
  }

  /// Returns exactly the requested number of lines, so that a reader can tell which input they belong to: of csv the row itself, with
  /// output and score as further columns.
  private func answer(
    _ output: Prediction?, to row: PredictionTable.Row?, _ table: PredictionTable?
  ) -> [UInt8] {
    var text: [UInt8] = []
    for index in 0..<nBest {
      let isAnswered = output.map { index < $0.lines.count } ?? false
      let line = isAnswered ? output?.lines[index] ?? [] : []
      let score = isAnswered && scores ? output.map { String(format: "%.4f", $0.scores[index]) } : nil
      if let row, let table {
        text += table.answer(row, adding: [line] + (scores ? [Array((score ?? "").utf8)] : []))
      } else {
        text += Array((score.map { $0 + "\t" } ?? "").utf8) + OneLine.of(line) + [UInt8(ascii: "\n")]
      }
    }
    return text
  }
}
