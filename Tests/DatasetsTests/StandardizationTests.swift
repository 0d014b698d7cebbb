import Foundation
import TestSupport
import Testing

@testable import Datasets

/// Numbers are scaled by the training part alone, the same way whenever the model is used, and back again.
@Suite struct StandardizationTests {
  private func options(_ kind: DataKind, _ format: DataFormat, numeric: Bool = false) -> ExampleOptions {
    ExampleOptions(kind, format) {
      $0.scaling = .standard
      $0.numericTargets = numeric
    }
  }

  private func expectClose(
    _ found: [Float], _ expected: [Float], _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(found.count == expected.count, sourceLocation: location)
    for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-5, "\(found)", sourceLocation: location) }
  }

  @Test func sourcesAndTargets() throws {
    let options = options(.labeled, .csv, numeric: true)
    let sources = DataSources(train: .text("10,1,3\n30,5,7\n"), valid: .text("20,9,9\n"))
    let corpus = try ExampleCorpus.load(sources, options: options)
    // Mean 4, deviation √5; mean 20, deviation 10.
    expectClose(
      corpus.train.numbers(.source).flatMap { $0 }, [-3, -1, 1, 3].map { $0 / Float(5).squareRoot() })
    #expect(corpus.train.numbers(.target) == [[-1], [1]])
    expectClose(corpus.valid?.numbers(.source)[0] ?? [], [5, 5].map { $0 / Float(5).squareRoot() })
    #expect(corpus.valid?.numbers(.target) == [[0]])
    #expect(corpus.encoding.targetScale?.undo([-1, 0, 2]) == [10, 20, 40])
    // Each quantile is one of the same number.
    #expect(corpus.encoding.targetScale?.undo([-1, 0, 2, 0], outputs: 2) == [10, 20, 40, 20])

    var inputs = try PredictionInputs(options: options, encoding: corpus.encoding, like: sources.train)
    try inputs.append("1,3".utf8, name: "input", line: 1)
    #expect(inputs.take().numbers(.source)[0] == corpus.train.numbers(.source)[0])

    let folder = try TemporaryDirectory()
    try corpus.encoding.save(to: folder.path)
    let loaded = try DataEncoding.load(from: folder.path, options: options, like: sources.train)
    #expect(loaded == corpus.encoding && loaded.digest == corpus.encoding.digest)
    let again = try ExampleCorpus.load(sources, options: options, encoding: loaded)
    #expect(again.digest == corpus.digest)
    // The model would read numbers on another scale than it was trained on.
    var unscaled = options
    unscaled.scaling = .none
    let error = #expect(throws: DataError.self) {
      try DataEncoding.load(from: folder.path, options: unscaled, like: sources.train)
    }
    #expect(error?.description.contains("data.scaling=standard") == true, "\(String(describing: error))")
    let text = try String(contentsOfFile: folder.file("shape.json"), encoding: .utf8)
    for damage in [("\"deviations\":[10]", "\"deviations\":[0]"), ("\"means\":[20]", "\"means\":[20,1]")] {
      try folder.write(text.replacing(damage.0, with: damage.1), to: "shape.json")
      #expect(throws: DataError.self) {
        try DataEncoding.load(from: folder.path, options: options, like: sources.train)
      }
    }
  }

  /// The same series in other units give the same examples.
  @Test func unitsDoNotMatter() throws {
    let options = options(.labeled, .csv)
    func load(_ unit: (Int) -> Int) throws -> [[Float]] {
      let lines = (0..<20).map { line in
        "x," + (0..<8).map { "\(unit((line * 7 + $0 * 3) % 11))" }.joined(separator: ",")
      }
      return try options.load(.text(lines.joined(separator: "\n"))).train.numbers(.source)
    }
    for (plain, other) in zip(try load { $0 }, try load { 1000 * $0 + 5000 }) { expectClose(plain, other) }
  }

  /// Models read 32-bit numbers, which are 64 apart at a billion.
  @Test func numbersThatAreTooCloseForTheirSize() throws {
    func refusal(_ options: ExampleOptions, _ line: (Int) -> String) -> String? {
      let text = (0..<20).map(line).joined(separator: "\n")
      do {
        _ = try options.load(.text(text))
        return nil
      } catch {
        return "\(error)"
      }
    }
    let series = options(.labeled, .csv)
    #expect(refusal(series) { "x,\(1_000_000_000 + $0)" }?.contains("numbers of the source") == true)
    #expect(refusal(series) { "x,\(1_000_000 * $0)" } == nil)
    #expect(refusal(series) { _ in "x,1000000001" } == nil)
    let vectors = options(.labeled, .tsv, numeric: true)
    #expect(refusal(vectors) { "1 \(1_000_000_000 + $0)\ta" }?.contains("numbers of the target") == true)
    // The numbers of a vector are different quantities.
    #expect(refusal(vectors) { "\(Double($0) / 10) 1000000000\ta" } == nil)
  }

  @Test func numbersThatShouldBeScaled() throws {
    func warnings(_ text: String, _ scaling: NumberScaling) throws -> [String] {
      try ExampleOptions(.labeled, .csv) { $0.scaling = scaling }.load(.text(text)).warnings
    }
    let far = try warnings("x,5000,6000\ny,5500,5500\n", .none)
    #expect(far.count == 1 && far.first?.contains("data.scaling=standard") == true, "\(far)")
    #expect(try warnings("x,5000,6000\ny,5500,5500\n", .standard) == [])
    #expect(try warnings("x,0.5,1\ny,-3,2\n", .none) == [])
  }

  @Test func eachNumberOfAStepByItself() throws {
    let folder = try TemporaryDirectory()
    try folder.write(numpyFile([1, 100, 3, 100], shape: "(2, 2)"), to: "a.npy")
    let list = DataSource.file(.file(try folder.write("x\ta.npy\n", to: "list")))
    #expect(try options(.labeled, .npy).load(list).train.numbers(.source) == [[-1, 0, 1, 0]])
    let steps = try options(.tagged, .lines, numeric: true).load(.parallel("a b\nc", "1 5\n3"))
    #expect(steps.train.numbers(.target).flatMap { $0 }.reduce(0, +) == 0)
    #expect(steps.encoding.sourceScale == nil)
  }

  @Test func bitsAndKeysAreTakenAsTheyAre() throws {
    let bits = ExampleOptions(.tagged, .lines) {
      $0.scaling = .standard
      $0.numericTargets = true
      $0.bits = true
    }
    #expect(try bits.load(.parallel("a b", "1 0")).train.numbers(.target) == [[1, 0]])
    let keys = ExampleOptions(.labeled, .multihot) {
      $0.scaling = .standard
      $0.width = 2
    }
    #expect(try keys.load(.text("x\t0|1")).train.numbers(.source) == [[1, 0, 0, 1]])
  }

  @Test(arguments: [NumberScaling.none, .standard]) func missingNumbers(scaling: NumberScaling) throws {
    let options = ExampleOptions(.labeled, .csv) {
      $0.missing = .mask
      $0.scaling = scaling
    }
    let corpus = try options.load(.text("x,1,,3\ny,NA,1,3\n"))
    // The number, or the mean 2, with 1 or 0.
    let (one, three): (Float, Float) = scaling == .none ? (1, 3) : (-1, 1)
    let mean: Float = scaling == .none ? 2 : 0
    #expect(corpus.train.numbers(.source) == [[one, 1, mean, 0, three, 1], [mean, 0, one, 1, three, 1]])
    #expect(corpus.encoding.sourceWidth == 2)
    let error = #expect(throws: DataError.self) {
      try ExampleOptions(.labeled, .csv).load(.text("x,1,\ny,1,2\n"))
    }
    #expect(error?.description.contains("data.missing") == true)
    let folder = try TemporaryDirectory()
    try folder.write(numpyFile([1, .nan, 3], shape: "(3,)"), to: "a.npy")
    let list = DataSource.file(.file(try folder.write("x\ta.npy\n", to: "list")))
    let arrays = ExampleOptions(.labeled, .npy) { $0.missing = .mask }
    #expect(try arrays.load(list).train.numbers(.source) == [[1, 1, 2, 0, 3, 1]])
  }
}
