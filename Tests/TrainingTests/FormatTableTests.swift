import Datasets
import Foundation
import RecurrentNN
import TestSupport
import Testing

@testable import Tasks

/// The table of formats with which configurations are checked agrees with the reader of files.
@Suite struct FormatTableTests {
  private static let pairs = TaskKind.allCases.filter { $0 != .languageModel }
    .flatMap { task in DataFormat.allCases.map { (task, $0) } }

  /// Whether the reader rejects a format for a task before reading any data.
  private func isRefused(_ task: TaskKind, _ format: DataFormat) throws -> Bool {
    var configuration = RunConfiguration()
    configuration.task = task
    configuration.data.format = format
    configuration.data.tokens = .word
    configuration.data.validFraction = 0
    // Tasks that read only texts from csv need the names of their columns.
    if format == .csv, !task.data.readsNumbersOfCSV {
      configuration.data.columns = DataColumns(parts: [.source: ["2"], .target: ["1"]])
    }
    var parts: [DataPart: String] = [.source: "/none/source", .target: "/none/target"]
    if task == .matcher { parts[.secondSource] = "/none/second" }
    let isParallel = format == .lines && task != .generator
    configuration.data.train =
      isParallel
      ? DataPath(parts: parts) : DataPath(file: "/none/file")
    do {
      _ = try ExampleSet.load(configuration)
      return false
    } catch DataError.unsupported {
      return true
    } catch DataError.missing {
      return false
    }
  }

  @Test(arguments: pairs)
  func whatIsAllowedIsRead(task: TaskKind, format: DataFormat) throws {
    // A text is one stream: only the language model can use it.
    let isRead = try format != .text && !isRefused(task, format)
    #expect(task.data.formats.contains(format) == isRead)
  }

  /// Formats that the reader supports but no configuration can select.
  @Test(arguments: [
    (
      TaskKind.classifier, DataFormat.multihot, "a\t1 2|0\nb\t0\na\t1|1 2\nb\t|0\n"
    ),
    (.seq2seq, .csv, "one two,0.5,1,2\nthree,1,2,3\none,0,0,1\ntwo,3,2,1\n"),
  ])
  func trainsOn(task: TaskKind, format: DataFormat, text: String) throws {
    let directory = try TemporaryDirectory()
    let configuration = RunConfiguration.small(try directory.write(text, to: "data")) {
      $0.task = task
      $0.data.format = format
      $0.data.tokens = .word
      $0.data.width = 3
      $0.data.validFraction = 0
      $0.training.steps = 2
    }
    let recorder = Recorder()
    try Job(configuration, ranks: 1, directory: directory.file("run")).run(recorder)
    #expect(recorder.losses.count == 2)
  }

  /// A generator can't read a class that is not in its training data: the message names its place and gives no useless
  /// advice.
  @Test func aGeneratorRefusesAnUnseenClass() throws {
    let directory = try TemporaryDirectory()
    var configuration = RunConfiguration.small(try directory.write("a\tone\nb\ttwo\n", to: "train")) {
      $0.task = .generator
      $0.data.format = .tsv
    }
    configuration.data.valid = DataPath(file: try directory.write("a\tone\nc\ttwo\n", to: "valid"))
    let error = #expect(throws: DataError.self) { try ExampleSet.load(configuration) }
    #expect(
      error
        == .line(
          name: directory.file("valid"), line: 2, problem: .unknownLabel("c", nearest: "a")))
  }
}
