import Checkpoints
import Configuration
import Foundation
import RunLog
import Tasks

/// The contents of a run directory, for a report. Missing or damaged parts are nil or empty, and ``problems`` names
/// them.
public struct ReportedRun {
  /// The last part of the path, made unique among the runs of the report.
  var name: String
  let paths: RunPaths
  let configuration: RunConfiguration?
  let record: RunRecord?
  let history: RunHistory?
  /// Samples in the order of their steps.
  let samples: [RunSamples]
  /// The pictures of `attention/` as SVG files, by name.
  let pictures: [(name: String, svg: Data)]
  /// The counts of each class; nil for models without classes.
  let classes: ClassesFile?
  let flightRecord: FlightRecordFile?
  /// Visible in the whole package for Tests/Fuzzing.
  package private(set) var problems: [String] = []

  /// Reads the files of a run directory.
  ///
  /// - Parameter configuration: the content of its `config.yaml`, or the error of reading it.
  public init(_ paths: RunPaths, configuration: Result<RunConfiguration, any Error>) {
    name = URL(fileURLWithPath: paths.root).standardizedFileURL.lastPathComponent
    self.paths = paths
    var problems: [String] = []
    func attempt<Value>(_ body: () throws -> Value) -> Value? {
      do {
        return try body()
      } catch {
        problems.append("\(error)")
        return nil
      }
    }
    self.configuration = attempt { try configuration.get() }
    record = attempt { try RunRecord(contentsOf: paths.record) }
    history = attempt { try RunHistory(contentsOf: paths.metrics) }
    if let count = history?.unreadableLines, count > 0 {
      problems.append(
        "\(paths.metrics): \(count) \(count == 1 ? "line is" : "lines are") not JSON and left out")
    }
    if let history, history.events.isEmpty { problems.append("\(paths.metrics): holds no events") }
    samples = Self.names(in: paths.samples, suffix: ".json").compactMap { name in
      attempt { try RunSamples(contentsOf: "\(paths.samples)/\(name)") }
    }.sorted { $0.step < $1.step }
    pictures = Self.names(in: paths.attention, suffix: ".svg").prefix(Self.mostPictures).compactMap { name in
      attempt {
        let path = "\(paths.attention)/\(name)"
        guard let svg = try DurableFile.read(path, limit: Self.largestPicture) else {
          throw RunRecordFailure(path: path, problem: "is too large for a report")
        }
        return (name, svg)
      }
    }
    func attemptIfThere<Value>(_ path: String, _ read: (String) throws -> Value) -> Value? {
      FileManager.default.fileExists(atPath: path) ? attempt { try read(path) } : nil
    }
    classes = attemptIfThere(paths.classes, ClassesFile.init(contentsOf:))
    flightRecord = attemptIfThere(paths.flightRecord, FlightRecordFile.init(contentsOf:))
    self.problems = problems
  }

  private static let mostPictures = 6
  private static let largestPicture = 4 << 20

  /// The names of the files of one kind, in the order of the numbers in the names; empty if the directory does not
  /// exist.
  private static func names(in directory: String, suffix: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    return names.filter { $0.hasSuffix(suffix) && !$0.hasPrefix(".") }.sorted {
      $0.compare($1, options: .numeric) == .orderedAscending
    }
  }

  /// The time from each start of the run to its end and its last event, in seconds since 1970. Starts without either are left
  /// out. The end is recorded in whole seconds, so the last event may be after it.
  var periods: [ClosedRange<Double>] {
    guard let record else { return [] }
    let times = history?.events.compactMap(\.time) ?? []
    let ends = record.starts.dropFirst().map { $0.started.timeIntervalSince1970 } + [Double.infinity]
    return zip(record.starts, ends).compactMap { start, next in
      let begin = start.started.timeIntervalSince1970
      let last = times.filter { $0 >= begin && $0 < next }.max()
      let end = [start.ended?.timeIntervalSince1970, last].compactMap { $0 }.max()
      return end.flatMap { $0 >= begin ? begin...$0 : nil }
    }
  }

  /// The seconds of all periods; nil without a period.
  var duration: Double? {
    let periods = periods
    return periods.isEmpty ? nil : periods.reduce(0) { $0 + $1.upperBound - $1.lowerBound }
  }

  /// Every key with its value as text; empty without a configuration.
  var settings: [(key: String, value: String)] { configuration?.settings ?? [] }
}

extension [ReportedRun] {
  /// Replaces the names of runs with equal names by their whole paths.
  mutating func makeNamesUnique() {
    let counts = Dictionary(grouping: self, by: \.name).mapValues(\.count)
    for index in indices where counts[self[index].name] ?? 0 > 1 { self[index].name = self[index].paths.root }
  }
}

/// Groups of runs that differ only in their seed.
public enum SeedGroups {
  /// Groups runs in the order of their first members. A run without a configuration is a group of its own.
  ///
  /// - Returns: the indices of the runs in each group.
  public static func of(_ configurations: [RunConfiguration?]) -> [[Int]] {
    var groups: [(key: String, members: [Int])] = []
    for (index, configuration) in configurations.enumerated() {
      guard let configuration else {
        groups.append(("run \(index)", [index]))
        continue
      }
      let key = configuration.settings.filter { $0.key != "seed" }.map { "\($0.key)=\($0.value)" }
        .joined(separator: "\n")
      if let group = groups.firstIndex(where: { $0.key == key }) {
        groups[group].members.append(index)
      } else {
        groups.append((key, [index]))
      }
    }
    return groups.map(\.members)
  }

  /// The name of a group in a legend: the name of its run or, for several runs, that of the first and the seeds.
  public static func name(_ members: [Int], _ names: [String], _ configurations: [RunConfiguration?])
    -> String
  {
    guard members.count > 1, let first = members.first else { return members.first.map { names[$0] } ?? "" }
    let seeds = members.compactMap { configurations[$0]?.seed }.map(String.init).joined(separator: ", ")
    return "\(names[first]) (seeds \(seeds))"
  }

  /// The mean of the curves of a group, with the smallest and the largest value at each position that all curves have.
  public static func mean(of curves: [[LinePlot.Point]]) -> [LinePlot.Point] {
    guard curves.count > 1, let first = curves.first else { return curves.first ?? [] }
    let others = curves.dropFirst().map { curve in
      Dictionary(curve.map { ($0.x, $0.y) }) { _, last in last }
    }
    return first.compactMap { point in
      let values = [point.y] + others.compactMap { $0[point.x] }
      guard values.count == curves.count, values.allSatisfy(\.isFinite), let least = values.min(),
        let most = values.max()
      else { return nil }
      return LinePlot.Point(x: point.x, y: values.reduce(0, +) / Double(values.count), spread: least...most)
    }
  }
}

/// The records of all ranks, written by the watchdog when it ended a run (docs/OPERATIONS.md). They are the timeline of
/// a job before its end.
struct FlightRecordFile: Decodable {
  struct Rank: Decodable {
    var rank: Int
    var records: [Operation]
  }

  struct Operation: Decodable {
    var operation: String
    var bytes: Int
    var phase: String
    var step: Int
    /// The seconds from its start to the time of the record.
    var age: Double
    /// The seconds that it took; nil if the rank was still in it.
    var seconds: Double?
  }

  var message: String
  var culprits: [Int]
  var ranks: [Rank]

  /// Throws `FileFailure`, `RunRecordFailure`.
  init(contentsOf path: String) throws {
    self = try decodedRunFile(path, otherwise: "isn't a flight record")
  }
}
