import Checkpoints
import Foundation
import TestSupport
import Testing

/// The object that `inspect --json` prints.
private struct Report: Decodable {
  struct Tensor: Decodable {
    var name: String
    var shape: [Int]
    var dtype: String
    var count: Int
  }
  struct Entry: Decodable {
    var step: Int
    var links: [String]
    var verified: Bool
    var problem: String?
  }
  struct Product: Decodable {
    var rows: Int
    var chosen: String
  }
  struct Vocabulary: Decodable {
    var tokens: Int
    var kind: String
  }
  var status: String?
  var vocabulary: Vocabulary?
  var checkpoints: [Entry]?
  var step: Int?
  var digest: String?
  var complete: Bool?
  var parameters: Int?
  var bytes: Int?
  var tensors: [Tensor]?
  var problems: [String]
  var products: [Product]?
}

@Suite(.timeLimit(.minutes(15))) struct InspectCommandTests {
  /// A killed job can't record its end, but its lock is released.
  @Test func aRunThatWasKilledIsNotRunning() async throws {
    let folder = try await TinyRun.folder()
    let path = folder.file("run/run.json")
    let record = try String(contentsOfFile: path, encoding: .utf8)
    try #require(record.contains("finished"))
    try Data(record.replacing("finished", with: "running").utf8).write(to: URL(fileURLWithPath: path))
    let outcome = try await Program.run(["inspect", "run"], in: folder.path)
    #expect(outcome.output.contains("no job on this host is training it"), "\(outcome)")
  }

  private func inspect(_ path: String, in folder: TemporaryDirectory, exitCode: Int32 = 0) async throws
    -> Report
  {
    let outcome = try await Program.run(["inspect", path, "--json"], in: folder.path)
    #expect(outcome.exitCode == exitCode, "\(outcome)")
    return try JSONDecoder().decode(Report.self, from: outcome.standardOutput)
  }

  /// Characters, space, line end and `<unk>` determine the shapes.
  @Test func aRun() async throws {
    let report = try await inspect("run", in: TinyRun.folder())
    let vocabulary = Set(TinyRun.text.unicodeScalars.map(\.value)).count + 1
    #expect(report.status == "finished" && report.problems.isEmpty && report.complete == true)
    #expect(report.vocabulary?.tokens == vocabulary && report.vocabulary?.kind == "char")
    #expect(report.checkpoints?.map(\.step) == [4, 8, 12])
    #expect(report.checkpoints?.allSatisfy { $0.verified && $0.problem == nil } == true)
    #expect(report.checkpoints?.last?.links.contains("last") == true)
    #expect(report.tensors?.map(\.name).prefix(2) == ["embedding.weight", "rnn.weight_ih_l0"])
    #expect(report.tensors?.first?.shape == [vocabulary, 8])
    let count = vocabulary * 8 * 2 + vocabulary + 2 * 32 * 8 + 2 * 32
    #expect(report.parameters == count && report.bytes == 4 * count)
    #expect(report.tensors?.reduce(0) { $0 + $1.count } == count)
  }

  /// The measured choices are reported at the start, kept in the user's cache, and shown by inspect.
  @Test func productsThatWereTuned() async throws {
    let folder = try TemporaryDirectory()
    try folder.write(TinyRun.text.utf8, to: "text.txt")
    let settings = TinyRun.settings + ["training.steps=2", "training.products=tuned"]
    let training = try await Program.run(
      ["train", "text", "data.train=text.txt", "--run-dir", "run"] + settings, in: folder.path)
    let line = training.standardError.split(separator: "\n").first { $0.hasPrefix("products: ") }
    #expect(line?.contains("by our kernels") == true && line?.contains("by OpenBLAS") == true, "\(training)")
    let caches = try FileManager.default.contentsOfDirectory(atPath: folder.file("cache/rnn-dist"))
    #expect(caches.count == 1 && caches.first?.hasPrefix("products-") == true)
    let report = try await inspect("run", in: folder)
    #expect((report.products?.count ?? 0) > 5)
    #expect(report.products?.allSatisfy { ["kernels", "blas"].contains($0.chosen) } == true)
    let text = try await Program.run(["inspect", "run"], in: folder.path).output
    let shown = text.split(separator: "\n").first { $0.hasPrefix("products ") }
    #expect(shown?.hasSuffix(line?.dropFirst("products: ".count) ?? "?") == true, "\(text)")
    #expect(try await inspect("run", in: TinyRun.folder()).products == nil)
  }

  @Test(arguments: ["run/checkpoints/step-8", "run/checkpoints/last"]) func aCheckpoint(path: String)
    async throws
  {
    let report = try await inspect(path, in: TinyRun.folder())
    #expect(report.step == (path.hasSuffix("8") ? 8 : 12))
    #expect(report.digest?.hasPrefix("xxh3-128:") == true && report.checkpoints == nil)
  }

  /// A file that another program wrote has no digest.
  @Test func aFileFromElsewhere() async throws {
    let folder = try TemporaryDirectory()
    let header = #"{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}"#
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init)
    let path = try folder.write(
      length + Array(header.utf8) + [UInt8](repeating: 0, count: 12), to: "other.safetensors")
    let report = try await inspect(path, in: folder)
    #expect(report.tensors?.first?.dtype == "BF16" && report.parameters == 6 && report.bytes == 12)
    #expect(report.digest == nil)
    let text = try await Program.run(["inspect", path], in: folder.path)
    #expect(text.output.contains("none: the file was written by another program"), "\(text)")
  }

  /// The damage is named, and the rest is shown.
  @Test func aDamagedCheckpointAmongGoodOnes() async throws {
    let folder = try await TinyRun.folder()
    #expect(truncate(folder.file("run/checkpoints/step-8/optimizer.safetensors"), 64) == 0)
    let report = try await inspect("run", in: folder, exitCode: 65)
    #expect(report.checkpoints?.map(\.verified) == [true, false, true])
    #expect(report.checkpoints?[1].problem?.contains("optimizer.safetensors") == true)
    #expect(report.problems.count == 1 && report.step == 12)
    let text = try await Program.run(["inspect", "run"], in: folder.path)
    #expect(text.exitCode == 65 && text.errors.count == 1, "\(text)")
    #expect(text.output.contains("step 8 DAMAGED"), "\(text)")
  }

  @Test func aRunWithoutCheckpoints() async throws {
    let folder = try await TinyRun.folder()
    try FileManager.default.removeItem(atPath: folder.file("run/checkpoints"))
    let report = try await inspect("run", in: folder)
    #expect(report.checkpoints?.isEmpty == true && report.tensors == nil && report.vocabulary != nil)
  }

  @Test func readableLines() async throws {
    let folder = try await TinyRun.folder()
    let outcome = try await Program.run(["inspect", "run"], in: folder.path)
    #expect(outcome.exitCode == 0, "\(outcome)")
    for part in ["lstm, 1 layer of 8", "rnn.weight_hh_l0", "[32, 8]", "verified", "best loss", "in all"] {
      #expect(outcome.output.contains(part), "\(outcome)")
    }
  }
}
