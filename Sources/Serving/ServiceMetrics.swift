import Foundation
import Synchronization

/// The counters of a service, which `/metrics` exposes to Prometheus (text format 0.0.4).
final class ServiceMetrics: Sendable {
  /// Counts of values in intervals, in the form of Prometheus: each bucket counts all values up to its bound.
  private struct Histogram {
    let bounds: [Double]
    var counts: [Int]
    var sum = 0.0
    var count = 0

    init(_ bounds: [Double]) {
      self.bounds = bounds
      counts = bounds.map { _ in 0 }
    }

    mutating func add(_ value: Double) {
      for index in bounds.indices where value <= bounds[index] { counts[index] += 1 }
      sum += value
      count += 1
    }
  }

  private struct Answer: Hashable {
    let path: String
    let status: Int
  }

  private struct Counts {
    var answers: [Answer: Int] = [:]
    var seconds: [String: Histogram] = [:]
    var batches: [String: Histogram] = [:]
    var lines: [String: Int] = [:]
    var tokens: [String: Int] = [:]
    var refusedConnections = 0
    var openConnections = 0
    var waiting = 0
    var active = 0
  }

  private static let secondBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
  private static let batchBounds: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256]

  private let counts = Mutex(Counts())

  /// Counts an answer and the time since its request.
  func count(path: String, status: Int, seconds: Double?) {
    counts.withLock { counts in
      counts.answers[Answer(path: path, status: status), default: 0] += 1
      if let seconds { counts.seconds[path, default: Histogram(Self.secondBounds)].add(seconds) }
    }
  }

  func countRefusedConnection() { counts.withLock { $0.refusedConnections += 1 } }
  func setOpenConnections(_ count: Int) { counts.withLock { $0.openConnections = count } }

  /// Sets the number of waiting requests and the number of texts that are being generated.
  func setLoad(waiting: Int, active: Int) { counts.withLock { ($0.waiting, $0.active) = (waiting, active) } }

  /// Counts the lines of a model that were computed together.
  func count(lines: Int, of model: String) {
    counts.withLock { counts in
      counts.lines[model, default: 0] += lines
      counts.batches[model, default: Histogram(Self.batchBounds)].add(Double(lines))
    }
  }

  /// Counts a step, which continued texts of a model by one token each.
  func count(tokens: Int, of model: String) {
    counts.withLock { counts in
      counts.tokens[model, default: 0] += tokens
      counts.batches[model, default: Histogram(Self.batchBounds)].add(Double(tokens))
    }
  }

  // MARK: Text

  var text: String {
    let counts = counts.withLock { $0 }
    var text = PrometheusText()
    text.family("rnn_dist_requests_total", "counter", "Answers by path and status code.")
    for (answer, count) in counts.answers.sorted(by: {
      ($0.key.path, $0.key.status) < ($1.key.path, $1.key.status)
    }) {
      text.sample([("path", answer.path), ("code", "\(answer.status)")], Double(count))
    }
    text.family(
      "rnn_dist_request_seconds", "histogram", "Time from a complete request to the end of its answer.")
    for (path, histogram) in counts.seconds.sorted(by: { $0.key < $1.key }) {
      Self.write(histogram, [("path", path)], to: &text)
    }
    text.family("rnn_dist_batch_size", "histogram", "Lines or texts of a model that were computed together.")
    for (model, histogram) in counts.batches.sorted(by: { $0.key < $1.key }) {
      Self.write(histogram, [("model", model)], to: &text)
    }
    text.family("rnn_dist_predicted_lines_total", "counter", "Lines that were predicted for.")
    for (model, count) in counts.lines.sorted(by: { $0.key < $1.key }) {
      text.sample([("model", model)], Double(count))
    }
    text.family("rnn_dist_written_tokens_total", "counter", "Tokens of generated texts.")
    for (model, count) in counts.tokens.sorted(by: { $0.key < $1.key }) {
      text.sample([("model", model)], Double(count))
    }
    let rest: [(String, String, String, Int)] = [
      (
        "rnn_dist_waiting_requests", "gauge", "Requests for texts that wait for room in a batch.",
        counts.waiting
      ),
      ("rnn_dist_active_texts", "gauge", "Texts that are being generated.", counts.active),
      ("rnn_dist_open_connections", "gauge", "Connections of clients.", counts.openConnections),
      (
        "rnn_dist_refused_connections_total", "counter", "Connections above the limit.",
        counts.refusedConnections
      ),
    ]
    for (name, type, help, value) in rest {
      text.family(name, type, help)
      text.sample([], Double(value))
    }
    return text.text
  }

  private static func write(
    _ histogram: Histogram, _ labels: [(String, String)], to text: inout PrometheusText
  ) {
    for (bound, count) in zip(histogram.bounds, histogram.counts) {
      text.sample(labels + [("le", PrometheusText.number(bound))], Double(count), suffix: "_bucket")
    }
    text.sample(labels + [("le", "+Inf")], Double(histogram.count), suffix: "_bucket")
    text.sample(labels, histogram.sum, suffix: "_sum")
    text.sample(labels, Double(histogram.count), suffix: "_count")
  }
}

/// Lines of the text format of Prometheus.
private struct PrometheusText {
  private(set) var text = ""
  private var name = ""

  mutating func family(_ name: String, _ type: String, _ help: String) {
    self.name = name
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  mutating func sample(_ labels: [(String, String)], _ value: Double, suffix: String = "") {
    let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
    text += "\(name)\(suffix)\(list.isEmpty ? "" : "{\(list)}") \(Self.number(value))\n"
  }

  static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int(value))" : "\(value)"
  }

  private static func escaped(_ value: String) -> String {
    value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
