import Checkpoints
import Foundation
import RunLog

/// The events in `metrics.jsonl`, and the curves of their numbers.
struct RunHistory {
  /// An event, which is one line of the file.
  struct Event {
    /// `train`, `valid`, `skipped`, `checkpoint`, `memory`, `products`, `sums` or `finished`.
    let kind: String
    let step: Int?
    /// The time in seconds since 1970.
    let time: Double?
    let numbers: [String: Double]
    /// The share of communication of each rank in a `train` event.
    let shares: [Double]
    let isBest: Bool
  }

  private(set) var events: [Event] = []
  /// The number of lines that are not JSON objects, for example after a crash.
  private(set) var unreadableLines = 0

  /// Reads the file; throws `FileFailure`.
  init(contentsOf path: String) throws {
    let data = try DurableFile.read(path, limit: Self.largestFile)
    guard let data else {
      throw RunRecordFailure(path: path, problem: "has more than \(Self.largestFile) bytes")
    }
    for line in data.split(separator: UInt8(ascii: "\n")) {
      if let event = Event(line) { events.append(event) } else { unreadableLines += 1 }
    }
  }

  private static let largestFile = 1 << 30

  func events(_ kind: String) -> [Event] { events.filter { $0.kind == kind } }

  /// The names of the numbers in events of a kind, without those that give the position of the event.
  func names(_ kind: String) -> Set<String> {
    events(kind).reduce(into: Set<String>()) { $0.formUnion($1.numbers.keys) }.subtracting(["epoch"])
  }

  /// A number by step. If a step occurs twice, as after a crash without a checkpoint, the later value counts.
  func curve(_ kind: String, _ name: String) -> [(step: Int, value: Double)] {
    var values: [Int: Double] = [:]
    for event in events(kind) {
      if let step = event.step, let value = event.numbers[name] { values[step] = value }
    }
    return values.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// The best evaluation on the validation data, or the last one if none is marked as best.
  var bestEvaluation: Event? {
    let evaluations = events("valid")
    return evaluations.last(where: \.isBest) ?? evaluations.last
  }

  var lastStep: Int? { events.compactMap(\.step).max() }
}

extension RunHistory.Event {
  /// Returns nil for bytes that are not a JSON object with an event.
  init?(_ line: some Collection<UInt8>) {
    guard let fields = try? JSONDecoder().decode([String: Field].self, from: Data(line)),
      case .text(let kind)? = fields["event"]
    else { return nil }
    var (numbers, shares, isBest) = ([String: Double](), [Double](), false)
    for (name, field) in fields where name != "event" {
      switch field {
      case .flag(let flag): isBest = isBest || name == "best" && flag
      case .number(let number): numbers[name] = number
      case .numbers(let list): if name == "communication_shares" { shares = list }
      case .text, .other: break
      }
    }
    let step = numbers.removeValue(forKey: "step").flatMap { Int(exactly: $0) }
    self.init(
      kind: kind, step: step, time: numbers.removeValue(forKey: "time"), numbers: numbers, shares: shares,
      isBest: isBest)
  }

  private enum Field: Decodable {
    case flag(Bool)
    case number(Double)
    case numbers([Double])
    case text(String)
    case other

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let flag = try? container.decode(Bool.self) {
        self = .flag(flag)
      } else if let number = try? container.decode(Double.self) {
        self = .number(number)
      } else if let text = try? container.decode(String.self) {
        self = .text(text)
      } else if let numbers = try? container.decode([Double].self) {
        self = .numbers(numbers)
      } else {
        self = .other
      }
    }
  }
}
