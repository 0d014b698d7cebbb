import Foundation
import RunLog

/// The shares of computing and communication of each rank over the time of a run, with its checkpoints and resumptions. The time
/// between two starts of the run is left out.
struct RankTimeline {
  /// The number of blocks of all lanes, above which neighbors are merged to keep the page small.
  private static let mostBlocks = 6000
  /// The largest number of blocks of a lane, since more would be narrower than two pixels.
  private static let mostBlocksPerLane = 300

  /// The time before a `train` event in which its steps were computed, in seconds of the run.
  private struct Span {
    var start: Double
    var end: Double
    var firstStep: Int
    var lastStep: Int
    /// The share of communication of each rank.
    var shares: [Double]

    /// Adds a later span; the shares become the means over time.
    mutating func merge(_ other: Span) {
      let (own, added) = (end - start, other.end - other.start)
      shares = zip(shares, other.shares).map { ($0 * own + $1 * added) / (own + added) }
      (end, lastStep) = (other.end, other.lastStep)
    }

    var steps: String { firstStep == lastStep ? "step \(lastStep)" : "steps \(firstStep) to \(lastStep)" }
  }

  private var spans: [Span] = []
  private var saves: [(time: Double, hint: String)] = []
  private var resumptions: [(time: Double, hint: String)] = []
  /// The duration of the run so far.
  private var elapsed = 0.0
  private let ranks: Int

  /// Returns nil if all of the run was on one rank.
  init?(_ run: ReportedRun) {
    ranks = run.history?.events.map(\.shares.count).max() ?? 0
    guard let history = run.history, ranks > 1 else { return nil }
    let savesInBackground = run.configuration?.checkpoint.background ?? false
    for (number, period) in run.periods.enumerated() {
      if number > 0 { resumptions.append((elapsed, "resumed")) }
      add(period, history.events, savesInBackground: savesInBackground)
      elapsed += period.upperBound - period.lowerBound
    }
    guard !spans.isEmpty else { return nil }
    let most = max(1, min(Self.mostBlocksPerLane, Self.mostBlocks / ranks))
    spans = Self.merged(spans, shortest: elapsed / Double(most))
  }

  /// Adds the events of one start of the run.
  private mutating func add(
    _ period: ClosedRange<Double>, _ events: [RunHistory.Event], savesInBackground: Bool
  ) {
    let origin = period.lowerBound - elapsed
    var lastStep = spans.last?.lastStep ?? 0
    // The end of the last reported step, evaluation, save or preparation.
    var since = period.lowerBound
    for event in events {
      guard let time = event.time, period.contains(time) else { continue }
      switch event.kind {
      case "train":
        let step = event.step ?? lastStep
        if event.shares.count > 1, time > since {
          spans.append(
            Span(
              start: since - origin, end: time - origin, firstStep: min(lastStep + 1, step), lastStep: step,
              shares: event.shares.map { min(max($0, 0), 1) }))
        }
        (since, lastStep) = (time, step)
      case "checkpoint":
        saves.append((time - origin, "checkpoint of step \(event.step ?? 0)"))
        if !savesInBackground { since = time }
      case "skipped": break
      default: since = time
      }
    }
  }

  /// Merges neighbors that are shorter together than `shortest`.
  private static func merged(_ spans: [Span], shortest: Double) -> [Span] {
    spans.reduce(into: []) { merged, span in
      if let last = merged.last, last.shares.count == span.shares.count, span.end - last.start <= shortest {
        merged[merged.count - 1].merge(span)
      } else {
        merged.append(span)
      }
    }
  }

  func chart(title: String) -> LaneChart {
    let (unit, length) =
      elapsed < 180 ? ("seconds", 1.0) : elapsed < 10_800 ? ("minutes", 60.0) : ("hours", 3600.0)
    func marks(_ name: String, _ moments: [(time: Double, hint: String)], crossLanes: Bool) -> LaneChart.Marks
    {
      LaneChart.Marks(
        name: name, crossesLanes: crossLanes, moments: moments.map { ($0.time / length, $0.hint) })
    }
    return LaneChart(
      title: title, xLabel: "time of the run, \(unit)", kinds: ["computing", "communication"],
      lanes: (0..<ranks).map { rank in
        LaneChart.Lane(
          name: "rank \(rank)",
          blocks: spans.filter { $0.shares.count > rank }.map { span in
            let share = span.shares[rank]
            return LaneChart.Block(
              start: span.start / length, end: span.end / length, shares: [1 - share, share],
              hint: "rank \(rank), \(span.steps): \(String(format: "%.1f %%", 100 * share)) communication")
          })
      },
      marks: [
        marks("checkpoint", saves, crossLanes: false), marks("resumed", resumptions, crossLanes: true),
      ])
  }
}

extension FlightRecordFile {
  /// The last collectives of every rank before the watchdog ended the run; nil if no rank has recorded any.
  func chart(title: String) -> LaneChart? {
    guard ranks.contains(where: { !$0.records.isEmpty }) else { return nil }
    return LaneChart(
      title: title, xLabel: "seconds, 0 is the end", kinds: ["finished", "not finished"],
      lanes: ranks.map { rank in
        let isCulprit = culprits.contains(rank.rank)
        return LaneChart.Lane(
          name: "rank \(rank.rank)\(isCulprit ? " ✗" : "")", isEmphasized: isCulprit,
          blocks: rank.records.map { operation in
            let duration = operation.seconds.map { String(format: "%.4f s", $0) } ?? "not finished"
            return LaneChart.Block(
              start: -operation.age, end: (operation.seconds ?? operation.age) - operation.age,
              shares: operation.seconds == nil ? [0, 1] : [1, 0],
              hint:
                "\(operation.operation), \(operation.bytes) bytes, step \(operation.step), \(operation.phase): \(duration)"
            )
          })
      })
  }
}
