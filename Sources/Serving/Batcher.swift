import Datasets
import Inference
import RecurrentNN
import Tasks

/// Computes requests together: lines with the same options as one batch, texts token by token. A text joins the other
/// texts of its model at the next token after its request has arrived, and leaves them when it ends.
final class Batcher {
  /// Texts that are continued together, by the numbers that their sampler assigns to them.
  private final class Group {
    let model: Int
    let sampler: SequenceSampler<Float>
    var texts: [Int: OpenText] = [:]

    init(_ model: Int, _ sampler: SequenceSampler<Float>) { (self.model, self.sampler) = (model, sampler) }
  }

  private struct OpenText {
    let request: TextRequest
    /// The number of the text within its request.
    let number: Int
    var text: StreamingText
    var tokens = 0
    /// The bytes that have not been sent yet.
    var unsent: [UInt8] = []
  }

  /// The time between two pieces of a streamed text. Sending each token separately would cost more than computing it.
  private static let sendingPeriod = Duration.milliseconds(20)

  private let models: [ServedModel]
  private let batch: Int
  private let metrics: ServiceMetrics
  private var groups: [Group] = []
  /// Requests whose texts have not been started, because all places are taken.
  private var waiting: [TextRequest] = []
  private var lastSending = ContinuousClock.now

  init(_ models: [ServedModel], batch: Int, metrics: ServiceMetrics) {
    (self.models, self.batch, self.metrics) = (models, batch, metrics)
  }

  /// Whether no text is being generated.
  var isIdle: Bool { groups.isEmpty && waiting.isEmpty }

  /// Answers requests for predictions, and starts the texts of the others.
  func take(_ jobs: [InferenceThread.Job]) {
    var lines: [LineRequest] = []
    for job in jobs {
      switch job {
      case .lines(let request): lines.append(request)
      case .texts(let request): waiting.append(request)
      }
    }
    answer(lines)
    beginTexts()
  }

  // MARK: Lines

  private struct BatchKey: Hashable {
    let model: Int
    let options: PredictionOptions
  }

  private func answer(_ requests: [LineRequest]) {
    var groups: [(key: BatchKey, requests: [LineRequest])] = []
    for request in requests {
      let key = BatchKey(model: request.model, options: request.options)
      // Full batches are closed, so that a request waits for no more than one batch.
      if let index = groups.lastIndex(where: { $0.key == key }),
        groups[index].requests.reduce(request.lines.count, { $0 + $1.lines.count }) <= batch
      {
        groups[index].requests.append(request)
      } else {
        groups.append((key, [request]))
      }
    }
    for group in groups { answer(group.requests, group.key) }
  }

  /// Computes the lines of requests as one batch.
  private func answer(_ requests: [LineRequest], _ key: BatchKey) {
    let served = models[key.model]
    let now = ContinuousClock.now
    do {
      let predictor = try served.model.predictor(key.options)
      let read: [(request: LineRequest, lines: Int, problem: HTTPProblem?)] = requests.map { request in
        let before = predictor.count
        if request.reply.isAbandoned || request.deadline < now { return (request, 0, Self.tooLate) }
        do {
          for (index, line) in request.lines.enumerated() {
            try predictor.add(line, number: index + 1, name: "input")
          }
          return (request, request.lines.count, nil)
        } catch {
          // The lines before an invalid one are computed with the others, and their outputs are dropped.
          return (request, predictor.count - before, Self.problem(error))
        }
      }
      if predictor.count > 0 { metrics.count(lines: predictor.count, of: served.name) }
      var outputs = try predictor.run()[...]
      for (request, lines, problem) in read {
        finish(
          request, problem.map { LineRequest.Reply.refused($0) } ?? .outputs(Array(outputs.prefix(lines))))
        outputs = outputs.dropFirst(lines)
      }
    } catch {
      for request in requests { finish(request, .refused(Self.problem(error))) }
    }
  }

  private func finish(_ request: LineRequest, _ reply: LineRequest.Reply) {
    request.reply.send(reply)
    request.reply.finish()
  }

  private static let tooLate = HTTPProblem(503, "the request has waited for too long; try again later")

  /// The part of an error that a client may see: problems of its data, but no details about files.
  private static func problem(_ error: any Error) -> HTTPProblem {
    switch error {
    case let error as DataError: HTTPProblem(422, "\(error)")
    case TrainingFailure.unfittingData(let problem): HTTPProblem(422, problem)
    default: HTTPProblem(500, "\(error)")
    }
  }

  // MARK: Texts

  /// Starts waiting texts as long as there is room for them.
  private func beginTexts() {
    var open = groups.reduce(0) { $0 + $1.texts.count }
    while let request = waiting.first, open + request.request.count <= batch || open == 0 {
      waiting.removeFirst()
      guard !request.events.isAbandoned else { continue }
      do {
        guard ContinuousClock.now < request.deadline else { throw Self.tooLate }
        try begin(request)
        open += request.request.count
      } catch {
        refuse(request, (error as? HTTPProblem) ?? Self.problem(error))
      }
    }
    // The clock is read only once, so that no request is removed without an answer.
    let now = ContinuousClock.now
    for request in waiting where request.deadline < now { refuse(request, Self.tooLate) }
    waiting.removeAll { $0.events.isAbandoned || $0.deadline < now }
  }

  private func refuse(_ request: TextRequest, _ problem: HTTPProblem) {
    request.events.send(.refused(problem))
    request.events.finish()
  }

  private func begin(_ request: TextRequest) throws {
    let served = models[request.model]
    let sampler = try served.model.sampler(of: request.request)
    guard let vocabulary = served.vocabulary else {
      return refuse(request, HTTPProblem(422, "no texts to write"))
    }
    let count = sampler.textCount
    var (group, offset) = (Group(request.model, sampler), 0)
    for other in groups where other.model == request.model {
      guard let joined = other.sampler.join(sampler) else { break }
      (group, offset) = (other, joined)
      break
    }
    if !groups.contains(where: { $0 === group }) { groups.append(group) }
    var start = StreamingText(vocabulary)
    // The separator before the first token depends on the token before it.
    for id in request.request.prompt.suffix(1) { _ = start.append(id) }
    for number in 0..<count {
      group.texts[offset + number] = OpenText(request: request, number: number, text: start)
    }
  }

  /// Continues every open text by one token.
  func step() {
    let now = ContinuousClock.now
    let isSending = now - lastSending >= Self.sendingPeriod
    if isSending { lastSending = now }
    for group in groups { step(group, now, isSending: isSending) }
    groups.removeAll { $0.texts.isEmpty }
    metrics.setLoad(waiting: waiting.count, active: groups.reduce(0) { $0 + $1.texts.count })
  }

  private func step(_ group: Group, _ now: ContinuousClock.Instant, isSending: Bool) {
    var ended: [Int: TextRequest.End] = [:]
    var tokens = 0
    var continued: Set<Int> = []
    group.sampler.step { token in
      tokens += 1
      if token.isEnd {
        ended[token.text] = .end
      } else {
        continued.insert(token.text)
        group.texts[token.text]?.tokens += 1
        let piece = group.texts[token.text]?.text.append(token.token) ?? []
        group.texts[token.text]?.unsent += piece
      }
    }
    metrics.count(tokens: tokens, of: models[group.model].name)
    var removed: Set<Int> = []
    for (number, text) in group.texts {
      if text.request.events.isAbandoned {
        removed.insert(number)
      } else if let end = reasonToEnd(text, ended[number], isContinued: continued.contains(number), now) {
        send(text.unsent + group.texts[number, default: text].text.finish(), of: text)
        text.request.events.send(.end(text: text.number, end, tokens: text.tokens))
        removed.insert(number)
      } else if isSending {
        send(text.unsent, of: text)
        group.texts[number]?.unsent = []
      }
    }
    group.sampler.remove(texts: removed)
    for number in removed { finish(number, of: group) }
  }

  /// The reason why a text ends at this step; nil if it continues.
  private func reasonToEnd(
    _ text: OpenText, _ marked: TextRequest.End?, isContinued: Bool, _ now: ContinuousClock.Instant
  ) -> TextRequest.End? {
    if let marked { return marked }
    if !isContinued || text.tokens >= text.request.request.maximumLength ?? .max { return .length }
    return text.request.deadline < now ? .time : nil
  }

  private func send(_ bytes: [UInt8], of text: OpenText) {
    if !bytes.isEmpty { text.request.events.send(.piece(text: text.number, bytes)) }
  }

  /// Removes a text. The last text of a request completes its answer.
  private func finish(_ number: Int, of group: Group) {
    guard let text = group.texts.removeValue(forKey: number) else { return }
    let isOpen = group.texts.values.contains { $0.request.events === text.request.events }
    if !isOpen { text.request.events.finish() }
  }
}
