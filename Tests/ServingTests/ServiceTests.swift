import Communication
import Configuration
import Foundation
import Glibc
import Inference
import RunLog
import Synchronization
import Tasks
import Testing
import Training

@testable import Serving

/// A service of tiny models, which are trained once.
@Suite(.serialized) struct ServiceTests {
  private static let folder: Result<Folder, any Error> = Result { try Folder() }

  /// Runs of a language model, an encoder-decoder with attention, and a generator with classes.
  private final class Folder: Sendable {
    let root: String
    let configurations: [String: RunConfiguration]

    init() throws {
      let root = NSTemporaryDirectory() + "/rnn-dist-serving-" + UUID().uuidString
      self.root = root
      try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
      let words = ["one", "two", "three", "four"]
      func lines(_ line: (Int) -> String) -> String { (0..<40).map { line($0) + "\n" }.joined() }
      func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/\(name)"))
        return "\(root)/\(name)"
      }
      let text = try write("text.txt", lines { "\(words[$0 % 4]) \(words[$0 / 4 % 4]) café" })
      let pairs = try write(
        "pairs.tsv", lines { "\(words[$0 % 4]) \(words[$0 / 4 % 4])\t\(words[$0 / 4 % 4])" })
      let names = try write("names.tsv", lines { "\($0 % 2 == 0 ? "even" : "odd")\t\(words[$0 % 4])" })
      let settings = [
        "language": ["task=language-model", "data.train=\(text)", "data.tokens=char", "training.bptt=8"],
        "pairs": [
          "task=seq2seq", "data.train=\(pairs)", "data.format=tsv", "data.tokens=word",
          "model.context=attention",
          "decoding.max_length=9",
        ],
        "names": ["task=generator", "data.train=\(names)", "data.format=tsv", "data.tokens=char"],
      ]
      let small = [
        "model.hidden_size=8", "model.embedding_size=8", "training.batch_size=8", "training.epochs=0",
        "training.steps=10", "log.tensorboard=false", "data.valid_fraction=0",
      ]
      var configurations: [String: RunConfiguration] = [:]
      for (name, own) in settings {
        let configuration = try RunConfiguration.resolve(layers: [], overrides: small + own).configuration
        configurations[name] = configuration
        let request = TrainingJob.Request(configuration: configuration, runDirectory: "\(root)/\(name)")
        _ = try TrainingJob(request, communicator: SoloCommunicator()).run()
      }
      self.configurations = configurations
    }

    func model(_ name: String) throws -> (path: String, model: SavedModel) {
      let configuration = try #require(configurations[name])
      return (
        "\(root)/\(name)",
        try SavedModel(run: RunPaths(existing: "\(root)/\(name)"), configuration: configuration)
      )
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }
  }

  /// A service that runs until the value is released.
  private final class Running: Sendable {
    let port: Int
    private let stopped: Stopped
    private let ended: DispatchSemaphore

    private final class Stopped: Sendable {
      let flag = Atomic(false)
    }

    init(_ names: [String], _ change: (inout ServingOptions) -> Void = { _ in }) throws {
      let folder = try ServiceTests.folder.get()
      var options = ServingOptions()
      options.port = 0
      change(&options)
      let service = try Service(names.map(folder.model), options)
      let (stopped, ended) = (Stopped(), DispatchSemaphore(value: 0))
      let address = Channel<String>()
      Thread {
        try? service.run(until: { stopped.flag.load(ordering: .relaxed) }) { address.send($0) }
        address.finish()
        ended.signal()
      }.start()
      let url = try #require(address.receive(unless: { false })?.first)
      port = try #require(Int(url.split(separator: ":").last ?? ""))
      (self.stopped, self.ended) = (stopped, ended)
    }

    /// Requests the service to stop and waits for its end.
    func stop() {
      stopped.flag.store(true, ordering: .relaxed)
      ended.wait()
      ended.signal()
    }

    deinit { stop() }

    /// Sends bytes and returns all received bytes until the service closes the connection.
    func exchange(_ text: String) throws -> String {
      let client = try Client(port)
      client.send(text)
      return client.readAll()
    }

    func request(_ method: String, _ path: String, _ body: String? = nil, type: String = "application/json")
      throws
      -> (status: Int, body: String)
    {
      let head = "\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
      let rest =
        body.map { "Content-Type: \(type)\r\nContent-Length: \($0.utf8.count)\r\n\r\n\($0)" } ?? "\r\n"
      let answer = try exchange(head + rest)
      let status = Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0
      return (status, answer.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n"))
    }

    func post(_ path: String, _ body: String) throws -> (status: Int, body: String) {
      try request("POST", path, body)
    }

    func object(_ path: String, _ body: String) throws -> [String: Any] {
      let answer = try post(path, body)
      #expect(answer.status == 200, "\(answer)")
      return try #require(
        try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any], "\(answer)")
    }
  }

  /// A TCP connection of a client.
  private final class Client {
    private let descriptor: Int32

    struct Refused: Error {}

    init(_ port: Int) throws {
      descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = in_port_t(UInt16(port).bigEndian)
      address.sin_addr.s_addr = inet_addr("127.0.0.1")
      let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      guard result == 0 else { throw Refused() }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
      let bytes = Array(text.utf8)
      _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Everything up to the end of the connection.
    func readAll() -> String {
      var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
      }
    }

    /// Reads until a text has arrived.
    func read(until text: String) -> String {
      var (bytes, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
        if String(decoding: bytes, as: UTF8.self).contains(text) {
          return String(decoding: bytes, as: UTF8.self)
        }
      }
    }
  }

  // MARK: Answers

  @Test func predictionsAreThoseOfTheModel() throws {
    let folder = try Self.folder.get()
    let predictor = try folder.model("pairs").model.predictor(
      PredictionOptions(count: 2, keepsAttention: true))
    let lines = ["one two", "three four one"]
    for (index, line) in lines.enumerated() { try predictor.add(Array(line.utf8), number: index + 1) }
    let expected = try predictor.run()

    let service = try Running(["pairs"])
    let answer = try service.object(
      "/v1/predict",
      #"{"input": ["one two", "three four one"], "n_best": 2, "attention": true, "scores": true}"#)
    let results = try #require(answer["results"] as? [[String: Any]])
    #expect(results.count == 2)
    for (result, prediction) in zip(results, expected) {
      let outputs = try #require(result["outputs"] as? [[String: Any]])
      #expect(
        outputs.map { $0["text"] as? String } == prediction.lines.map { String(decoding: $0, as: UTF8.self) })
      let scores = outputs.compactMap { $0["score"] as? Double }
      #expect(scores.count == 2)
      // Foundation's reader of JSON may be off by the last bit.
      #expect(zip(scores, prediction.scores).allSatisfy { abs($0 - $1) < 1e-12 })
      let matrix = try #require((result["attention"] as? [[String: Any]])?.first)
      #expect(matrix["output"] as? [String] == prediction.attention[0].outputLabels)
      #expect((matrix["weights"] as? [[Double]])?.count == prediction.attention[0].weights.count)
    }
  }

  @Test func textsAreThoseOfTheModelWhateverElseIsWritten() throws {
    let folder = try Self.folder.get()
    let model = try folder.model("language").model
    func text(_ prompt: String, seed: UInt64, length: Int) throws -> String {
      var request = SavedModel.WritingRequest(TextSampling(.init(temperature: 0.9), seed: seed))
      request.prompt = try #require(model.encoding.stream).encode(stream: Array(prompt.utf8))
      request.maximumLength = length
      return String(decoding: try model.texts(request)[0], as: UTF8.self)
    }
    let prompts = ["one", "t", "", "four café"]
    let cases: [(String, UInt64, Int)] = (0..<12).map { index in
      (prompts[index % 4], UInt64(index), 5 + 17 * (index % 5))
    }
    let expected: [String?] = try cases.map { try text($0.0, seed: $0.1, length: $0.2) }

    let service = try Running(["language", "pairs"])
    let answers = Mutex([String?](repeating: nil, count: cases.count))
    DispatchQueue.concurrentPerform(iterations: cases.count) { index in
      let (prompt, seed, length) = cases[index]
      let body =
        #"{"model": "language", "prompt": "\#(prompt)", "seed": \#(seed), "length": \#(length), "temperature": 0.9}"#
      let answer = try? service.object("/v1/generate", body)
      let text = (answer?["texts"] as? [[String: Any]])?.first?["text"] as? String
      answers.withLock { $0[index] = text }
    }
    let found = answers.withLock { $0 }
    #expect(found == expected)
  }

  @Test func streamedTextsAreTheWholeOnes() throws {
    let service = try Running(["names"])
    let body = #"{"class": "odd", "seed": 3, "count": 4, "length": 8"#
    let whole = try service.object("/v1/generate", body + "}")
    let expected = try #require(whole["texts"] as? [[String: Any]]).map { $0["text"] as? String }
    let answer = try service.exchange(
      "POST /v1/generate HTTP/1.0\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count + 17)\r\n\r\n\(body), \"stream\": true}")
    var texts = [String](repeating: "", count: 4)
    var ends = 0
    for event in answer.components(separatedBy: "data: ").dropFirst() {
      let object = try #require(try JSONSerialization.jsonObject(with: Data(event.utf8)) as? [String: Any])
      if let index = object["index"] as? Int, let text = object["text"] as? String { texts[index] += text }
      if object["finish_reason"] != nil { ends += 1 }
    }
    #expect(texts == expected && ends == 4)
    #expect(answer.hasSuffix("data: {\"done\":true}\n\n"))
  }

  @Test(arguments: [
    ("/v1/predict", #"{"input": 5}"#, 400, "input"), ("/v1/predict", #"{"inputs": "one"}"#, 400, "input"),
    ("/v1/predict", #"{"input": "one", "n_bets": 2}"#, 400, "n_best"),
    ("/v1/predict", #"{"inptu": "one"}"#, 400, #"did you mean \"input\"?"#),
    ("/v1/predict", "[]", 400, "JSON object"),
    ("/v1/predict", #"{"input": "one", "n_best": 2, "input": "two"}"#, 400, #"\"input\" occurs twice"#),
    ("/v1/predict", #"{"input": "a:\"b", "n_best": 1, "n\u005fbest": 2}"#, 400, #"\"n_best\" occurs twice"#),
    ("/v1/predict", #"{"input": {"a": [1, {"b": ":"}], "a": 2}}"#, 400, "a string or an array"),
    ("/v1/predict", #"{"input": "one", "temperature": 1}"#, 400, "sample"),
    ("/v1/predict", #"{"input": []}"#, 400, "64 strings"), ("/v1/predict", #"{"input": ""}"#, 422, "input:1"),
    ("/v1/predict", #"{"input": "a\nb"}"#, 422, "line feed"),
    ("/v1/generate", #"{"prompt": "a"}"#, 422, "predict"),
    ("/v1/predict", #"{"model": "other", "input": "one"}"#, 404, "pairs"),
    ("/v1/other", "{}", 404, "/v1/predict"),
  ]) func wrongRequestsAreRefused(_ path: String, _ body: String, _ status: Int, _ word: String) throws {
    let answer = try Running(["pairs"]).post(path, body)
    #expect(answer.status == status && answer.body.hasPrefix("{\"error\":"), "\(answer)")
    #expect(answer.body.contains(word), "\(answer)")
  }

  @Test(arguments: [String.Encoding.utf16, .utf16LittleEndian, .utf32BigEndian])
  func otherEncodingsThanUTF8AreRefused(_ encoding: String.Encoding) throws {
    let body = try #require(#"{"input": "one"}"#.data(using: encoding))
    #expect(throws: HTTPProblem.self) { try RequestObject(Array(body)) }
  }

  @Test func methodsAndTypesAreChecked() throws {
    let service = try Running(["pairs"])
    #expect(try service.request("GET", "/v1/predict").status == 405)
    #expect(try service.request("DELETE", "/metrics").status == 405)
    // A form on a page of another site can't send JSON.
    #expect(try service.request("POST", "/v1/predict", "{}", type: "text/plain").status == 415)
    #expect(try service.request("GET", "/healthz").body == "{\"status\":\"ok\"}\n")
    let page = try service.request("GET", "/")
    #expect(page.status == 200 && page.body.contains("<!DOCTYPE html>") && !page.body.contains("http://"))
    #expect(try service.request("HEAD", "/").body.isEmpty)
  }

  @Test func metricsCountWhatWasAnswered() throws {
    let service = try Running(["pairs", "language"])
    _ = try service.object("/v1/predict", #"{"model": "pairs", "input": ["one", "two", "three"]}"#)
    _ = try service.object("/v1/generate", #"{"model": "language", "length": 7}"#)
    _ = try service.post("/v1/predict", "{}")
    let lines = try service.request("GET", "/metrics").body.split(separator: "\n")
    for line in [
      #"rnn_dist_requests_total{path="/v1/predict",code="200"} 1"#,
      #"rnn_dist_requests_total{path="/v1/predict",code="400"} 1"#,
      #"rnn_dist_predicted_lines_total{model="pairs"} 3"#,
      #"rnn_dist_written_tokens_total{model="language"} 7"#,
      #"rnn_dist_batch_size_bucket{model="pairs",le="2"} 0"#,
      #"rnn_dist_batch_size_bucket{model="pairs",le="4"} 1"#,
      #"rnn_dist_request_seconds_count{path="/v1/generate"} 1"#, "# TYPE rnn_dist_request_seconds histogram",
    ] { #expect(lines.contains { $0 == line }, "\(line)") }
  }

  // MARK: Limits

  @Test func brokenRequestsHarmNoOthers() throws {
    let service = try Running(["language"]) { $0.body = 256 }
    let idle = try Client(service.port)
    let half = try Client(service.port)
    half.send("POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-Le")
    #expect(try service.exchange("nonsense\r\n\r\n").contains("HTTP/1.1 400"))
    #expect(try service.exchange("GET /" + String(repeating: "x", count: 40_000)).contains("HTTP/1.1 431"))
    let long = String(repeating: "x", count: 300)
    #expect(try service.post("/v1/generate", "{\"prompt\": \"\(long)\"}").status == 413)
    let leaving = try Client(service.port)
    leaving.send(
      "POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n"
        + #"{"stream": true, "length":1000}"#)
    #expect(leaving.read(until: "\"seed\"").contains("text/event-stream"))
    withExtendedLifetime((idle, half)) {}
    let answer = try service.object("/v1/generate", #"{"length": 3, "seed": 1}"#)
    #expect(((answer["texts"] as? [[String: Any]])?.first?["tokens"] as? Int) == 3)
  }

  @Test func requestsAboveTheLimitAreRefused() throws {
    let service = try Running(["language"]) { $0.concurrency = 1 }
    let first = try Client(service.port)
    let body = #"{"stream": true, "length":1000}"#
    first.send(
      "POST /v1/generate HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    let beginning = first.read(until: "\"seed\"")
    let second = try service.post("/v1/generate", #"{"length": 3}"#)
    // Either the request was rejected, or the first text had ended before.
    #expect(second.status == 503 || second.status == 200)
    #expect((beginning + first.readAll()).contains("\"done\""))
    #expect(try service.post("/v1/generate", #"{"length": 3}"#).status == 200)
  }

  @Test func openRequestsAreFinishedBeforeTheEnd() throws {
    let service = try Running(["language"])
    let client = try Client(service.port)
    let body = #"{"stream": true, "length": 400}"#
    client.send(
      "POST /v1/generate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: "
        + "\(body.utf8.count)\r\n\r\n\(body)")
    let beginning = client.read(until: "\"seed\"")
    service.stop()
    #expect((beginning + client.readAll()).contains("\"tokens\":400"))
    #expect(throws: Client.Refused.self) { try Client(service.port) }
  }

  @Test func modelsOfTheSameNameAreRefused() throws {
    #expect(throws: ServingFailure.self) { try Running(["pairs", "pairs"]) }
  }
}
