import Checkpoints
import Configuration
import Datasets
import Exporting
import Foundation
import Inference
import RecurrentNN
import Reporting
import RunLog
import Serving
import Tasks

extension FuzzedReader {
  // MARK: Files of a run directory

  static let runFiles = [
    FuzzedReader("run", runRecord) { _ = try RunRecord(contentsOf: $0) },
    reported("metrics", file: "metrics.jsonl", history),
    reported(
      "samples", file: "samples/step-10.json",
      """
      {"step":10,"epoch":0.5,"samples":[{"sources":["a b"],"output":"x","expected":["y"],"attention":[{"source":["a"],\
      "output":["x"],"weights":[[0.5]]}]}]}
      """),
    reported(
      "classes", file: "classes.json",
      """
      {"step":10,"classes":[{"name":"a","precision":0.5,"recall":1,"f1":0.66,"examples":3}],"spans":[],
      "confusion":[{"reference":"a","predicted":"b","count":2}]}
      """),
    reported(
      "flight-record", file: "flight-record.json",
      """
      {"message":"rank 1 is missing","culprits":[1],"ranks":[]}
      """),
  ]

  private static let runRecord = """
    {
      "command_line" : ["rnn-dist", "train"],
      "hosts" : ["vm"],
      "ranks" : 2,
      "seed" : 1,
      "started" : "2026-11-30T13:53:25Z",
      "status" : "running",
      "versions" : {"rnn-dist" : "0.1.0"}
    }
    """

  private static let history = """
    {"event":"train","step":10,"epoch":0.5,"time":1,"loss":3,"gradient_norm":1,"tokens_per_second":1e3}
    {"event":"valid","step":10,"epoch":0.5,"time":1,"loss":2.5,"best":true}
    {"event":"train","step":20,"epoch":1,"time":2,"loss":"nan","gradient_norm":-0.5,"tokens_per_second":1e300}

    """

  /// A file of a run that a report shows. A damaged one is left out of the page, which names it.
  private static func reported(_ name: String, file: String, _ content: String) -> FuzzedReader {
    FuzzedReader(name, file: file) { folder in
      for directory in ["samples", "attention"] {
        try FileManager.default.createDirectory(
          atPath: "\(folder)/\(directory)", withIntermediateDirectories: true)
      }
      for (name, content) in [("run.json", runRecord), ("metrics.jsonl", history), (file, content)] {
        try Data(content.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
      }
      return {
        let run = ReportedRun(RunPaths(root: folder), configuration: .success(RunConfiguration()))
        guard !ReportPage([run], version: "1").html.isEmpty else {
          throw RefusedInput(description: "no page")
        }
        if let problem = run.problems.first { throw RefusedInput(description: problem) }
      }
    }
  }

  // MARK: A model

  static let services = [importedWeights, requests]

  /// A character-level language model with four units.
  private struct TinyModel {
    let configuration: RunConfiguration

    var weights: String { "\(folder)/weights.safetensors" }
    private let folder: String

    /// Writes its vocabulary and its weights into a folder.
    init(in folder: String) throws {
      let text = "{task: language-model, model: {hidden_size: 4, embedding_size: 4}, data: {tokens: char}}"
      let node = try YAMLReader.node(bytes: Array(text.utf8), source: .file("tiny.yaml"))
      configuration = try RunConfiguration.resolve(layers: [node], overrides: [], requiringText: false)
        .configuration
      self.folder = folder
      let encoding = try textCorpus(.char).encoding
      try encoding.save(to: folder)
      try write(configuration.task.learner, encoding)
    }

    private func write<L: Learner>(_ type: L.Type, _ encoding: DataEncoding) throws {
      let learner = try L(configuration, encoding, .initial(configuration, ranks: 1))
      try withExtendedLifetime(learner) {
        _ = try SafetensorsFile.write(to: weights, tensors: learner.parameters.tensors)
      }
    }

    func imported() throws -> ImportedRun {
      try ImportedRun(
        try ImportedWeights(path: weights, renaming: []), configuration, vocabularies: folder)
    }
  }

  private static let importedWeights = FuzzedReader("import", file: "weights.safetensors") { folder in
    let model = try TinyModel(in: folder)
    return { _ = try model.imported() }
  }

  /// Requests of one connection, which a service answers.
  private static let requests = FuzzedReader("http", file: "requests") { folder in
    let model = try TinyModel(in: folder)
    let run = "\(folder)/tiny"
    try model.imported().write(to: run, versions: [:], commandLine: ["rnn-dist", "import"])
    let saved = try SavedModel(run: RunPaths(existing: run), configuration: model.configuration)
    var options = ServingOptions()
    (options.length, options.lines, options.batch) = (20, 4, 4)
    let service = try Service([(path: run, model: saved)], options)
    let body = "{\"prompt\": \"low\", \"length\": 3, \"temperature\": 0.5, \"top_k\": 3, \"seed\": 1}"
    let head = "POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    let chunk = "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
    let seed = [
      "\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)",
      "\(head)Transfer-Encoding: chunked\r\n\r\n\(chunk)", "GET /metrics HTTP/1.0\r\n\r\n",
    ].joined()
    let path = "\(folder)/requests"
    try Data(seed.utf8).write(to: URL(fileURLWithPath: path))
    return {
      var parser = RequestParser(RequestParser.Limits())
      parser.append([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      do {
        while let request = try parser.next() {
          try check(service.answer(request) { false }.status)
        }
      } catch let problem as HTTPProblem {
        try check(problem.status)
      }
    }
  }

  /// Throws for an answer that is not a success. 500 is a fault of the service itself.
  private static func check(_ status: Int) throws {
    guard status != 500 else { throw ReaderFault(error: "the service answered with status 500") }
    if status >= 400 { throw RefusedInput(description: "status \(status)") }
  }
}
