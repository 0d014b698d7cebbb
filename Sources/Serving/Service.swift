import Foundation
import Inference
import RecurrentNN
import RunLog
import Synchronization
import Tasks

/// An HTTP service for some models: `/v1/predict`, `/v1/generate`, `/v1/models`, `/metrics`, `/healthz` and a page at
/// `/`. docs/SERVING.md describes the requests and answers.
public final class Service: Sendable {
  private let models: [ModelDescription]
  private let options: ServingOptions
  private let metrics: ServiceMetrics
  private let thread: InferenceThread
  /// The number of requests for a model that are being answered.
  private let openRequests = Mutex(0)

  /// Starts the thread of the models, which must not be used elsewhere from now on.
  ///
  /// - Parameter runs: the directories with their models. The last part of a path is the name of the model.
  /// - Throws: ``ServingFailure``.
  public init(_ runs: [(path: String, model: SavedModel)], _ options: ServingOptions) throws(ServingFailure) {
    self.options = options
    metrics = ServiceMetrics()
    var models: [ModelDescription] = []
    for run in runs {
      let name = URL(fileURLWithPath: run.path).standardizedFileURL.lastPathComponent
      if let other = models.firstIndex(where: { $0.name == name }) {
        throw .sameName(runs[other].path, run.path)
      }
      models.append(try ModelDescription(run.model, name: name, run: run.path))
    }
    self.models = models
    thread = InferenceThread(
      zip(runs, models).map { run, description in
        ServedModel(name: description.name, model: run.model)
      }, batch: options.batch, metrics: metrics)
  }

  /// Listens, and serves requests until `shouldStop` returns true and all answers are sent or their time is over.
  ///
  /// - Parameter listening: called with the URL when the service accepts requests.
  /// - Throws: ``ServingFailure`` if the address can't be used.
  public func run(until shouldStop: () -> Bool, listening: (_ url: String) throws -> Void) throws {
    defer { thread.stop() }
    var http = HTTPServer.Options()
    (http.address, http.port, http.limits.body) = (options.address, options.port, options.body)
    // Connections that only read metrics must be accepted even if the limit of requests is reached.
    http.connections = options.concurrency + 64
    let server = try HTTPServer(http, metrics: metrics) { [self] request, hasLeft in
      answer(request, hasLeft)
    }
    let host = options.address.contains(":") ? "[\(options.address)]" : options.address
    try listening("http://\(host):\(server.port)")
    server.run(until: shouldStop, grace: .seconds(options.grace))
  }

  // MARK: Routes

  private static let paths = ["/", "/healthz", "/metrics", "/v1/models", "/v1/predict", "/v1/generate"]

  /// Answers a request. `hasLeft` returns whether the client has closed the connection.
  package func answer(_ request: HTTPRequest, _ hasLeft: () -> Bool) -> HTTPResponse {
    let start = ContinuousClock.now
    // Clients choose other paths freely, and each of them would become a separate series.
    let path = Self.paths.contains(request.path) ? request.path : "(other)"
    @Sendable func count(_ status: Int) {
      metrics.count(path: path, status: status, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
    var response: HTTPResponse
    do throws(HTTPProblem) {
      response = try route(request, hasLeft)
    } catch {
      response = HTTPServer.response(to: error)
    }
    if case .stream(let produce) = response.body {
      let status = response.status
      response.body = .stream { send throws(Connection.Failure) in
        defer { count(status) }
        try produce(send)
      }
    } else {
      count(response.status)
    }
    return response
  }

  private func route(_ request: HTTPRequest, _ hasLeft: () -> Bool) throws(HTTPProblem) -> HTTPResponse {
    switch request.path {
    case "/v1/predict":
      try requirePost(request)
      return try predict(try RequestObject(request.body), hasLeft)
    case "/v1/generate":
      try requirePost(request)
      return try generate(try RequestObject(request.body), hasLeft)
    case "/", "/healthz", "/metrics", "/v1/models":
      guard request.method == "GET" || request.method == "HEAD" else {
        throw HTTPProblem(405, "\(request.path) takes GET", fields: ["Allow": "GET, HEAD"])
      }
    default:
      throw HTTPProblem(404, "there is no such path; see \(Self.paths.joined(separator: ", "))")
    }
    switch request.path {
    case "/healthz": return Self.json(["status": "ok"])
    case "/metrics":
      return HTTPResponse(type: "text/plain; version=0.0.4", .bytes(Array(metrics.text.utf8)))
    case "/v1/models": return Self.json(["models": .array(models.map(\.json))])
    default:
      return HTTPResponse(
        type: "text/html; charset=utf-8", .bytes(PackageResources.page_html),
        fields: [
          (
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"
          )
        ])
    }
  }

  /// A page of another site can make a browser send a form to this service, but not JSON.
  private func requirePost(_ request: HTTPRequest) throws(HTTPProblem) {
    guard request.method == "POST" else {
      throw HTTPProblem(405, "\(request.path) takes POST", fields: ["Allow": "POST"])
    }
    let type = (request.fields["content-type"] ?? "").prefix { $0 != ";" }.trimmingCharacters(
      in: .whitespaces)
    guard type.lowercased() == "application/json" else {
      throw HTTPProblem(415, "the body must be JSON, with the header field Content-Type: application/json")
    }
  }

  static func json(_ value: JSONValue) -> HTTPResponse {
    HTTPResponse(type: "application/json", .bytes(Array((value.text + "\n").utf8)))
  }

  // MARK: Requests for a model

  /// Returns the model that a request names, or the only model.
  private func chosenModel(_ object: inout RequestObject) throws(HTTPProblem) -> Int {
    let names = models.map { "\"\($0.name)\"" }.joined(separator: ", ")
    guard let name = try object.text("model") else {
      guard models.count == 1 else { throw HTTPProblem(400, "name a \"model\": \(names)") }
      return 0
    }
    guard let index = models.firstIndex(where: { $0.name == name }) else {
      throw HTTPProblem(404, "no such model; there are \(names)")
    }
    return index
  }

  private var deadline: ContinuousClock.Instant { .now + .seconds(options.time) }

  /// The slot of a request among those that are answered at the same time. It is free again when this value is
  /// released.
  final class Place: Sendable {
    private let free: @Sendable () -> Void

    fileprivate init(_ free: @escaping @Sendable () -> Void) { self.free = free }

    deinit { free() }
  }

  /// Takes a slot for a request that needs a model, or rejects the request if there are too many.
  private func takePlace() throws(HTTPProblem) -> Place {
    let isOpen = openRequests.withLock { count in
      guard count < options.concurrency else { return false }
      count += 1
      return true
    }
    guard isOpen else { throw HTTPProblem(503, "too many requests; try again later") }
    return Place { [self] in openRequests.withLock { $0 -= 1 } }
  }

  /// Reads the members that control sampling; `given` is one that the request has.
  private func sampling(
    _ object: inout RequestObject
  ) throws(HTTPProblem) -> (sampling: TextSampling, given: String?) {
    let temperature = try object.number("temperature", "of at least 0") { $0 >= 0 }
    let topK = try object.integer("top_k", in: 1...Int.max)
    let topP = try object.number("top_p", "above 0 and up to 1") { $0 > 0 && $0 <= 1 }
    let seed = try object.integer("seed", in: 0...Int.max)
    let given = [
      ("temperature", temperature != nil), ("top_k", topK != nil), ("top_p", topP != nil),
      ("seed", seed != nil),
    ].first { $0.1 }?.0
    let options = SamplingOptions(temperature: temperature ?? 1, topK: topK, topP: topP)
    // JavaScript represents integers exactly only up to 2^53.
    return (TextSampling(options, seed: UInt64(seed ?? Int.random(in: 0..<1 << 31))), given)
  }

  private func predict(_ object: RequestObject, _ hasLeft: () -> Bool) throws(HTTPProblem) -> HTTPResponse {
    var object = object
    let index = try chosenModel(&object)
    let model = models[index]
    guard model.predicts else { throw HTTPProblem(422, "\"\(model.name)\" takes no lines; use /v1/generate") }
    let input = try object.texts("input")
    var wanted = PredictionOptions()
    wanted.count = try object.integer("n_best", in: 1...100) ?? 1
    wanted.keepsAttention = try object.flag("attention")
    wanted.keepsScores = try object.flag("scores")
    let isSampled = try object.flag("sample")
    let (sampling, given) = try self.sampling(&object)
    // A mistyped name is reported before the member that is missing because of it.
    try object.end()
    guard let lines = input, (1...options.lines).contains(lines.count) else {
      throw HTTPProblem(400, "\"input\" must be a string, or an array of 1 to \(options.lines) strings")
    }
    guard !lines.contains(where: { $0.utf8.contains(0x0A) }) else {
      throw HTTPProblem(422, "\"input\" has a line feed; give each line as a string of an array")
    }
    let abilities = model.abilities
    try require(wanted.count == 1 || abilities.ranksOutputs, "n_best", "has one output per line", model)
    try require(!wanted.keepsAttention || abilities.attends, "attention", "has no attention", model)
    try require(!wanted.keepsScores || abilities.scoresOutputs, "scores", "has no scores", model)
    try require(
      !isSampled || abilities.samplesOutputs, "sample", "writes no sequences that could be sampled", model)
    if let given, !isSampled {
      throw HTTPProblem(400, "\"\(given)\" goes with \"sample\": true")
    }
    if isSampled { wanted.sampling = sampling }

    let request = LineRequest(
      model: index, lines: lines.map { Array($0.utf8) }, options: wanted, deadline: deadline)
    let place = try takePlace()
    defer { withExtendedLifetime(place) {} }
    thread.add(.lines(request))
    switch request.reply.receive(unless: hasLeft)?.first {
    case .outputs(let outputs):
      var members: [JSONMember] = [
        JSONMember("model", .string(model.name)),
        JSONMember("results", .array(outputs.map { Self.result($0, scores: wanted.keepsScores) })),
      ]
      if isSampled { members.append(JSONMember("seed", .integer(Int(sampling.seed)))) }
      return Self.json(.object(members))
    case .refused(let problem): throw problem
    case nil: throw HTTPProblem(503, "the service stops, or the client has left")
    }
  }

  private func require(
    _ isTrue: Bool, _ member: String, _ problem: String, _ model: ModelDescription
  ) throws(HTTPProblem) {
    guard isTrue else { throw HTTPProblem(422, "\"\(member)\": \"\(model.name)\" \(problem)") }
  }

  private static func result(_ line: Prediction, scores: Bool) -> JSONValue {
    let outputs: [JSONValue] = line.lines.enumerated().map { index, text in
      var members = [JSONMember("text", JSONText.string(text))]
      if scores, index < line.scores.count {
        members.append(JSONMember("score", .double(line.scores[index])))
      }
      return .object(members)
    }
    var members = [JSONMember("outputs", .array(outputs))]
    if !line.attention.isEmpty {
      members.append(
        JSONMember(
          "attention",
          .array(
            line.attention.map { matrix in
              [
                "source": .array(matrix.sourceLabels.map { .string($0) }),
                "output": .array(matrix.outputLabels.map { .string($0) }),
                "weights": .array(matrix.weights.map { .array($0.map(Self.rounded)) }),
              ]
            })))
    }
    return .object(members)
  }

  /// Rounds a weight to four decimals.
  private static func rounded(_ weight: Double) -> JSONValue { .double((weight * 10_000).rounded() / 10_000) }

  private func generate(_ object: RequestObject, _ hasLeft: () -> Bool) throws(HTTPProblem) -> HTTPResponse {
    var object = object
    let index = try chosenModel(&object)
    let model = models[index]
    guard model.writes else {
      throw HTTPProblem(422, "\"\(model.name)\" does not write by itself; use /v1/predict")
    }
    let (prompt, condition) = (try object.text("prompt"), try object.text("class"))
    let count = try object.integer("count", in: 1...min(16, options.batch)) ?? 1
    let length =
      try object.integer("length", in: 1...options.length) ?? min(model.usualLength, options.length)
    let isStream = try object.flag("stream")
    let (sampling, _) = try self.sampling(&object)
    try object.end()

    var writing = SavedModel.WritingRequest(sampling)
    (writing.count, writing.maximumLength) = (count, length)
    writing.condition = try checked(condition, for: model)
    if let prompt {
      guard let vocabulary = model.stream else {
        throw HTTPProblem(422, "\"prompt\": \"\(model.name)\" is not a language model")
      }
      do {
        writing.prompt = try vocabulary.encode(stream: Array(prompt.utf8), name: "prompt")
      } catch {
        throw HTTPProblem(422, "\(error)")
      }
    }
    let request = TextRequest(model: index, request: writing, deadline: deadline)
    let answer = TextAnswer(request, model: model.name, seed: sampling.seed, try takePlace())
    thread.add(.texts(request))
    return isStream ? answer.stream() : try answer.whole(unless: hasLeft)
  }

  /// Returns the class that a generator writes for, after checking that the model has it.
  private func checked(_ name: String?, for model: ModelDescription) throws(HTTPProblem) -> String? {
    guard model.abilities.writesAfter == .condition else {
      guard name == nil else { throw HTTPProblem(422, "\"class\": \"\(model.name)\" has no classes") }
      return nil
    }
    let labels = model.labels
    guard let name, labels?.id(of: name) != nil else {
      let nearest =
        name.flatMap { labels?.nearest($0, onlyIfSimilar: false) }.map { "; the nearest is \"\($0)\"" } ?? ""
      throw HTTPProblem(422, "\"class\" must be one of those that /v1/models lists\(nearest)")
    }
    return name
  }
}
