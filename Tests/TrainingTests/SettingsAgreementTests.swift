import Configuration
import Datasets
import Foundation
import RecurrentNN
import TestSupport
import Testing

@testable import Tasks

/// `config check` and training agree on settings: every combination of the keys that determine how a line is read is
/// resolved. If it is accepted, a task is created from it, on data that suit all combinations.
@Suite struct SettingsAgreementTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    func lines(_ line: String) -> String { String(repeating: line + "\n", count: 3) }
    _ = try directory.write(lines("1 0"), to: "lines")
    _ = try directory.write(lines("1 0\t1 0"), to: "tsv")
    _ = try directory.write(lines("1\t1 0\t0 1"), to: "texts")
    _ = try directory.write(lines("1\t0|1"), to: "multihot")
    _ = try directory.write(lines("0|1|0"), to: "steps")
    _ = try directory.write(lines("1,0,1"), to: "csv")
    _ = try directory.write(lines("1 0\n0 1\n"), to: "columns")
    let word = ["0", "1", "_", "0", "_", "_", "0", "_", "_", "_"]
    let words = (1...2).map { number in (["\(number)"] + word.dropFirst()).joined(separator: "\t") }
    _ = try directory.write(lines(words.joined(separator: "\n") + "\n"), to: "conllu")
    try write([2, 1], to: "two.npy")
    try write([3], to: "three.npy")
    _ = try directory.write(lines("1 0\ttwo.npy"), to: "npy")
    _ = try directory.write(lines("1 0\tthree.npy"), to: "vectors")
  }

  /// Writes an array of ones to a NumPy file (format version 1.0).
  private func write(_ shape: [Int], to name: String) throws {
    let sizes = shape.map { "\($0)," }.joined(separator: " ")
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }"
    let padded = header + String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    let ones = [Float](repeating: 1, count: shape.reduce(1, *))
    let bytes =
      [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(padded.utf8)
      + ones.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
    try Data(bytes).write(to: URL(fileURLWithPath: directory.file(name)))
  }

  private static let files = [
    ["data.train=FILE"], ["data.train.source=lines", "data.train.target=lines"],
    ["data.train.source=lines", "data.train.target=lines", "data.train.second_source=lines"],
    ["data.train.input=lines", "data.train.labels=lines"],
  ]

  private static let sizes = [
    "model.hidden_size=4", "model.embedding_size=4", "training.batch_size=2", "data.valid_fraction=0",
  ]

  private func file(_ task: TaskKind, _ format: DataFormat) -> String {
    switch (task, format) {
    case (.tagger, .multihot): "steps"
    case (.generator, .npy): "vectors"
    case (.matcher, .tsv): "texts"
    default: format.rawValue
    }
  }

  private enum Agreement: Equatable {
    /// Rejected before any data is read.
    case refused
    case trains
    /// Resolved but rejected later, with the reason.
    case disagrees(String)
  }

  private func agreement(_ overrides: [String]) throws -> Agreement {
    let paths = overrides.map { override in
      override.hasPrefix("data.train")
        ? override.replacing("=", with: "=\(directory.path)/", maxReplacements: 1)
        : override
    }
    let width = overrides.contains("data.format=multihot") ? ["data.width=2"] : []
    guard let resolved = try? RunConfiguration.resolve(layers: [], overrides: Self.sizes + width + paths)
    else { return .refused }
    let plan = try ShardPlan(rank: 0, worldSize: 1, reproducible: false)
    do {
      _ = try TaskKind.make(resolved.configuration, plan: plan)
      return .trains
    } catch DataError.subwordModel {
      return .trains  // but for too little text to learn subwords of
    } catch DataError.line(_, _, .stepCount) {
      return .trains  // but for the lengths of these lines in bytes or characters
    } catch {
      return .disagrees("\(overrides.joined(separator: " ")): \(error)")
    }
  }

  @Test(arguments: TaskKind.allCases.filter { $0 != .languageModel })
  func layouts(task: TaskKind) throws {
    let characterOptions = ["model.character_hidden_size=2", "model.character_embedding_size=2"]
    let switches: [[String]] =
      switch task.data {
      case .tagged, .labeled, .matched: [[], characterOptions]
      case .paired:
        [
          [], characterOptions, ["data.shared_vocabulary=true"],
          characterOptions + ["data.shared_vocabulary=true"],
        ]
      case .generated, .stream: [[]]
      }
    var (found, trained): ([String], [[String]]) = ([], [])
    for format in DataFormat.allCases {
      for tokens in TokenUnit.allCases {
        for output in OutputShape.Kind.allCases where task.outputs.contains(output) {
          for files in Self.files {
            for more in switches {
              let paths = files.map { $0.replacing("FILE", with: file(task, format)) }
              let overrides =
                ["task=\(task.rawValue)", "data.format=\(format.rawValue)", "data.tokens=\(tokens.rawValue)"]
                + ["model.output=\(output.rawValue)"] + paths + more
              switch try agreement(overrides) {
              case .refused: break
              case .trains: trained.append(overrides)
              case .disagrees(let reason): found.append(reason)
              }
            }
          }
        }
      }
    }
    // An output that the task does not have is refused whatever the data are, so one example of each is enough.
    let valid = try #require(trained.first).filter { !$0.hasPrefix("model.output=") }
    for output in OutputShape.Kind.allCases where !task.outputs.contains(output) {
      #expect(try agreement(valid + ["model.output=\(output.rawValue)"]) == .refused)
    }
    #expect(found.isEmpty, "\(found.count) combinations, the first: \(found.first ?? "")")
    #expect(trained.count > 10, "\(trained.count) combinations were tried")
  }

  /// The settings below that are rejected with any data.
  private static let refused: Set = [
    [
      "model.bridge=copy", "model.projection_size=2", "model.bidirectional=true",
      "model.decoder_hidden_size=8",
    ],
    ["model.attention=dot", "model.projection_size=2", "model.bidirectional=true"],
    ["model.tie_embeddings=true", "model.context=every-step", "model.context_to_output=true"],
    ["data.shared_vocabulary=true", "data.source_tokens=char", "data.target_tokens=word"],
  ]

  @Test(arguments: [
    ["model.bridge=copy", "model.projection_size=2"],
    [
      "model.bridge=copy", "model.projection_size=2", "model.bidirectional=true",
      "model.decoder_hidden_size=8",
    ],
    ["model.bridge=copy", "model.bidirectional=true", "model.decoder_hidden_size=8", "model.layers=2"],
    ["model.attention=dot", "model.projection_size=2", "model.bidirectional=true"],
    ["model.tie_embeddings=true", "model.context=every-step", "model.context_to_output=true"],
    ["data.shared_vocabulary=true", "data.source_tokens=char", "data.target_tokens=word"],
    ["model.coverage=true", "model.attention=location"], ["model.attention=learned-scale"],
    ["model.attention_query=current", "model.readout_size=3", "model.attention_window=1"],
  ])
  func encoderDecoders(settings: [String]) throws {
    var trained = 0
    for format in ["tsv", "csv", "npy"] {
      for source in ["char", "word"] {
        let overrides = ["task=seq2seq", "data.format=\(format)", "data.train=\(format)"]
        let tokens = settings.contains { $0.contains("tokens") } ? [] : ["data.tokens=\(source)"]
        let found = try agreement(overrides + tokens + settings)
        if case .disagrees = found { Issue.record("\(found)") }
        if found == .trains { trained += 1 }
      }
    }
    #expect((trained == 0) == Self.refused.contains(settings))
  }

  /// Combinations of options that the layers reject are rejected before any data is read.
  @Test(arguments: [
    ["model.cell=gru", "model.layer_norm=true", "model.gru_reset=before"], ["model.projection_size=4"],
    ["model.pyramid=2", "model.residual=true"], ["model.pyramid=2", "model.highway=true"],
    ["model.variational_input_dropout=0.1", "model.dropout=0.1", "model.layers=2"],
  ])
  func options(settings: [String]) throws {
    let overrides = ["task=seq2seq", "data.format=tsv", "data.train=tsv"]
    #expect(try agreement(overrides + settings) == .refused)
    #expect(try agreement(overrides + [settings[0]]) != .refused || settings.count == 1)
  }

  @Test func cutoffs() throws {
    let text = String(repeating: "ab cd ef gh ij kl mn op qr st uv wx yz\n", count: 40)
    _ = try directory.write(text, to: "text")
    var trained = 0
    for (tokens, cutoffs) in [("byte", "[256]"), ("byte", "[10,255]"), ("word", "[2,8]"), ("word", "[2,7]")] {
      let overrides = ["task=language-model", "data.train=text", "data.tokens=\(tokens)"]
      let more = ["model.adaptive_cutoffs=\(cutoffs)", "training.bptt=4"]
      let most = tokens == "byte" ? [] : ["data.max_vocabulary=8"]
      let found = try agreement(overrides + more + most)
      if case .disagrees = found { Issue.record("\(found)") }
      trained += found == .trains ? 1 : 0
    }
    #expect(trained > 1)
  }
}
