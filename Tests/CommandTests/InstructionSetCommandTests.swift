import Foundation
import NumericKernels
import TestSupport
import Testing

/// The instruction sets of the kernels, chosen by the user. The processor determines the available ones.
@Suite(.timeLimit(.minutes(15))) struct InstructionSetCommandTests {
  private let small = ["--vocab", "11", "--embed", "5", "--hidden", "7", "--layers", "1"]

  private func bench(_ arguments: [String]) async throws -> [String: Any] {
    let outcome = try await Program.run(["bench"] + arguments + ["--json"])
    #expect(outcome.exitCode == 0, "\(outcome)")
    return try #require(try JSONSerialization.jsonObject(with: outcome.standardOutput) as? [String: Any])
  }

  /// Every instruction set of this processor can be chosen by option or by variable; the option has precedence.
  @Test func kernels() async throws {
    let folder = try TemporaryDirectory()
    let sampling = ["generate", "--length", "2"] + small
    for set in InstructionSet.available {
      for command in [["lm", "--batch", "2", "--steps", "2", "--iters", "1"] + small, sampling] {
        let result = try await bench(command + ["--kernels", set.name])
        #expect(result["kernels"] as? String == set.name)
      }
      let chosen = try await Program.run(
        ["bench"] + sampling + ["--json"], in: folder.path, environment: ["RNN_DIST_KERNELS": set.name])
      #expect(chosen.output.contains("\"kernels\":\"\(set.name)\""), "\(chosen)")
    }
    let refused = try await Program.run(
      ["config", "list"], in: folder.path, environment: ["RNN_DIST_KERNELS": "sse9"])
    refused.expect(64, "RNN_DIST_KERNELS=sse9", "portable")
  }

  /// The depth of 330 is summed in several blocks with AVX2 and in one with AVX-512, unless one order holds for both.
  @Test func reproducibleTrainingHasTheSameBitsWithEveryFusedSet() async throws {
    let folder = try TemporaryDirectory()
    try folder.write(TinyRun.text.utf8, to: "text.txt")
    var weights: Set<Data> = []
    for set in InstructionSet.available where set != .portable {
      let outcome = try await Program.run(
        ["train", "text", "data.train=text.txt", "--run-dir", set.name] + TinyRun.settings + [
          "model.hidden_size=330", "training.batch_size=8", "training.steps=2", "training.reproducible=true",
        ], in: folder.path, environment: ["RNN_DIST_KERNELS": set.name])
      #expect(outcome.exitCode == 0, "\(outcome)")
      let path = folder.file("\(set.name)/checkpoints/last/model.safetensors")
      weights.insert(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
    #expect(weights.count <= 1)
  }

  /// A model with 8-bit weights answers nearly as trained; training with 8 bits is rejected.
  @Test func weightsOfEightBits() async throws {
    let folder = try await TinyRun.folder()
    func loss(_ options: [String]) async throws -> Double {
      let outcome = try await Program.run(
        ["evaluate", "run", "--data", "text.txt", "--json"] + options, in: folder.path)
      let object = try JSONSerialization.jsonObject(with: outcome.standardOutput) as? [String: Any]
      return try #require(object?["loss"] as? Double, "\(outcome)")
    }
    let (full, eight) = (try await loss([]), try await loss(["--precision", "int8"]))
    #expect(full != eight && abs(full - eight) < 0.02 * full)
    let text = try await Program.run(
      ["generate", "run", "--length", "5", "--precision", "int8"], in: folder.path)
    #expect(text.exitCode == 0 && !text.output.isEmpty, "\(text)")
    let refused = try await Program.run(
      ["train", "text", "data.train=text.txt", "--run-dir", "new", "training.precision=int8"], in: folder.path
    )
    refused.expect(78, "training.precision", "--precision int8")
  }
}
