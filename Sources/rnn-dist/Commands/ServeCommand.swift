import ArgumentParser
import Communication
import Inference
import Serving
import Tasks
import Training

struct ServeCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve the models of runs over HTTP.",
    discussion: """
      Requests and answers are JSON: POST /v1/predict for lines, POST /v1/generate for texts (as server-sent events with \
      "stream": true), GET /v1/models, /healthz and /metrics (for Prometheus). GET / is a page to try the models. Requests that \
      come at the same time are computed together. docs/SERVING.md describes all of it.

      The service listens only on this machine unless --address is given. SIGTERM or Ctrl-C ends it after it has answered the \
      open requests.

      Examples:
        rnn-dist serve runs/dates
        rnn-dist serve runs/shakespeare runs/dates --port 9000 decoding.beam=5
      """)

  @Argument(
    help: ArgumentHelp(
      "Directories of runs, then changes of settings such as decoding.beam=5.",
      valueName: "run | key.path=value"))
  var words: [String]
  @Option(help: "Port to listen on; 0: any free one.") var port = 8080
  @Option(help: "Numeric address to listen on; 0.0.0.0 for all of this machine.") var address = "127.0.0.1"
  @Option(help: "Checkpoint to use: best, last, a step, or average-N.") var checkpoint: CheckpointChoice =
    .best
  @OptionGroup var products: PrecisionArguments
  @Option(help: "Maximum number of lines or texts that are computed together.") var batchSize = 64
  @Option(help: "Maximum number of requests at the same time; others are refused.") var maxRequests = 256
  @Option(help: "Maximum number of lines in a request.") var maxLines = 64
  @Option(help: "Maximum number of tokens of a text.") var maxLength = 1000
  @Option(help: "Maximum number of bytes in the body of a request.") var maxBody = 65_536
  @Option(help: "Seconds after which a request is given up.") var timeLimit = 60

  private var runs: [String] { words.filter { !$0.contains("=") } }

  func validate() throws {
    guard !runs.isEmpty else { throw ValidationError("name at least one run") }
    for (name, value, range) in [
      ("port", port, 0...65_535), ("batch-size", batchSize, 1...4096),
      ("max-requests", maxRequests, 1...4096),
      ("max-lines", maxLines, 1...4096), ("max-length", maxLength, 1...100_000),
      ("max-body", maxBody, 256...(64 << 20)), ("time-limit", timeLimit, 1...86_400),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) \(value): \(range.lowerBound) to \(range.upperBound)")
    }
  }

  func runLocally() throws -> Int32 {
    StopSignals.install()
    let overrides = words.filter { $0.contains("=") }
    let models = try runs.map { run in
      // A value that was not created by the parser lacks the options that no argument sets.
      let arguments = try RunArguments.parse(["--checkpoint", checkpoint.defaultValueDescription, "--", run])
      let saved = try arguments.load(overrides: overrides, precision: products.precision)
      arguments.warn(of: saved)
      return (path: run, model: saved)
    }
    try Threads.share(among: SoloCommunicator(), reproducible: false)
    var options = ServingOptions()
    (options.address, options.port) = (address, port)
    (options.batch, options.concurrency, options.lines) = (batchSize, maxRequests, maxLines)
    (options.length, options.body, options.time) = (maxLength, maxBody, timeLimit)
    try Service(models, options).run(until: { StopSignals.process.stop != nil }) { url in
      // A script that chose port 0 reads the address from this line.
      try StandardOutput.line("listening on \(url)")
    }
    Console.error("stopped")
    return ExitCode.done
  }
}
