import RunLog

/// The answer to a request for texts: sent as a whole, or as events while the texts grow.
///
/// When it is released, whether it was sent or not, its texts are no longer continued.
final class TextAnswer: Sendable {
  private let request: TextRequest
  private let model: String
  private let seed: UInt64
  private let place: Service.Place

  init(_ request: TextRequest, model: String, seed: UInt64, _ place: Service.Place) {
    (self.request, self.model, self.seed, self.place) = (request, model, seed, place)
  }

  deinit { request.events.abandon() }

  /// Waits for all texts to end and returns the answer.
  func whole(unless gaveUp: () -> Bool) throws(HTTPProblem) -> HTTPResponse {
    let count = request.request.count
    var texts = [[UInt8]](repeating: [], count: count)
    var ends = [(end: TextRequest.End, tokens: Int)?](repeating: nil, count: count)
    while let events = request.events.receive(unless: gaveUp) {
      for event in events {
        switch event {
        case .piece(let text, let bytes): texts[text] += bytes
        case .end(let text, let end, let tokens): ends[text] = (end, tokens)
        case .refused(let problem): throw problem
        }
      }
    }
    guard !ends.contains(where: { $0 == nil }) else {
      throw HTTPProblem(503, "the service stops, or the client has left")
    }
    return Service.json([
      "model": .string(model), "seed": .integer(Int(seed)),
      "texts": .array(
        zip(texts, ends).map { text, end in
          [
            "text": JSONText.string(text), "tokens": .integer(end?.tokens ?? 0),
            "finish_reason": end.map { .string($0.end.rawValue) } ?? .null,
          ]
        }),
    ])
  }

  /// Sends server-sent events (WHATWG HTML, section 9.2), each with a JSON object: pieces of texts, their ends, and
  /// `{"done": true}`.
  func stream() -> HTTPResponse {
    HTTPResponse(
      type: "text/event-stream",
      .stream { [self] send throws(Connection.Failure) in
        let events = request.events
        try send(Self.event(["model": .string(model), "seed": .integer(Int(seed))]))
        var isRefused = false
        while let arrived = events.receive(unless: { false }) {
          var text: [UInt8] = []
          for event in arrived {
            if case .refused = event { isRefused = true }
            text += Self.event(Self.json(event))
          }
          try send(text)
        }
        if !isRefused { try send(Self.event(["done": true])) }
      })
  }

  private static func event(_ value: JSONValue) -> [UInt8] { Array("data: \(value.text)\n\n".utf8) }

  private static func json(_ event: TextRequest.Event) -> JSONValue {
    switch event {
    case .piece(let text, let bytes): ["index": .integer(text), "text": JSONText.string(bytes)]
    case .end(let text, let end, let tokens):
      ["index": .integer(text), "finish_reason": .string(end.rawValue), "tokens": .integer(tokens)]
    case .refused(let problem): ["error": .string(problem.message)]
    }
  }
}
