import Checkpoints
import Foundation

/// The content of `samples/step-N.json`: outputs of the model for some held-out examples, or texts that it generated,
/// at an evaluation.
public struct RunSamples: Codable, Sendable, Equatable {
  /// The attention to one source.
  public struct Attention: Codable, Sendable, Equatable {
    public var source: [String]
    public var output: [String]
    /// The weights, [output token][source token].
    public var weights: [[Float]]

    public init(source: [String], output: [String], weights: [[Float]]) {
      (self.source, self.output, self.weights) = (source, output, weights)
    }

    /// Whether there is a row for every output token and a number for every source token.
    public var isComplete: Bool {
      weights.count == output.count && weights.allSatisfy { $0.count == source.count }
    }
  }

  public struct Sample: Codable, Sendable, Equatable {
    /// The texts that the output belongs to: sources, or the class of a generator; empty for a text that was generated
    /// freely.
    public var sources: [String]
    public var output: String
    /// The correct targets; empty if correctness is not defined.
    public var expected: [String]
    public var attention: [Attention]

    public init(
      sources: [String] = [], output: String, expected: [String] = [], attention: [Attention] = []
    ) {
      (self.sources, self.output, self.expected, self.attention) = (sources, output, expected, attention)
    }
  }

  public var step: Int
  public var epoch: Double
  public var samples: [Sample]

  public init(step: Int, epoch: Double, samples: [Sample]) {
    (self.step, self.epoch, self.samples) = (step, epoch, samples)
  }

  /// Writes the file, and its directory if it doesn't exist; throws `FileFailure`.
  public func write(to run: RunPaths) throws {
    try FileSystemOperations.standard.createDirectories(run.samples)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let json: Data
    do { json = try encoder.encode(self) } catch {
      throw RunRecordFailure(path: run.samples, problem: "can't be written as JSON: \(error)")
    }
    try DurableFile.write(json + Data("\n".utf8), to: run.samples(step: step))
  }

  /// Reads a file; throws `FileFailure`, `RunRecordFailure`.
  public init(contentsOf path: String) throws {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    self = try decodedRunFile(path, by: decoder, otherwise: "holds no samples")
  }
}

extension RunPaths {
  /// The directory with the files of ``RunSamples``.
  public var samples: String { file("samples") }

  public func samples(step: Int) -> String { "\(samples)/step-\(step).json" }
}
