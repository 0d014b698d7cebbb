// Separate file: the tests of one source file.

import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import RunLog

@Suite("RunSamples")
struct RunSamplesTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("samples are read as they were written, with weights that are not numbers")
  func roundTrip() throws {
    let paths = RunPaths(root: directory.path)
    let samples = RunSamples(
      step: 12, epoch: 1.5,
      samples: [
        .init(
          sources: ["a \"b\"", "ü"], output: "é\n", expected: ["x"],
          attention: [.init(source: ["a"], output: ["b", "<eos>"], weights: [[0.1], [.infinity]])]),
        .init(output: ""),
      ])
    try samples.write(to: paths)
    #expect(try RunSamples(contentsOf: directory.file("samples/step-12.json")) == samples)
    #expect(samples.samples[0].attention[0].isComplete)
    #expect(!RunSamples.Attention(source: ["a"], output: ["b"], weights: []).isComplete)
  }

  @Test("a damaged file and a missing one are errors", arguments: ["", "{}", "[1]"])
  func damaged(content: String) throws {
    let path = directory.file("step-1.json")
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    let failure = #expect(throws: RunRecordFailure.self) { try RunSamples(contentsOf: path) }
    let problem = ["": "not JSON", "{}": "step is missing", "[1]": "the value is of another type"][content]
    #expect(failure?.problem == "holds no samples: \(problem ?? "")")
    #expect(throws: FileFailure.self) { try RunSamples(contentsOf: directory.file("step-2.json")) }
  }
}
