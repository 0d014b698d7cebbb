import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import RunLog
import Tasks
import Testing
import Training
import rnn_dist

/// Files in which something was changed at random are read, or refused with an error that is not an internal one. Nothing traps or
/// hangs. RNN_DIST_MUTATIONS is the number of changed files per reader; a trap leaves the file in the temporary folder.
@Suite struct MutatedFileTests {
  /// A reader with the content of a file that it accepts.
  struct Reader: Sendable, CustomTestStringConvertible {
    let name: String
    let seed: @Sendable () throws -> [UInt8]
    let read: @Sendable (_ path: String) throws -> Void
    var testDescription: String { name }
  }

  /// The checkpoint store reports an error like this one, with the path of the checkpoint.
  private struct NoState: ExitCoded, CustomStringConvertible {
    let description: String
    var exitCode: Int32 { 65 }
  }

  private static let rounds =
    ProcessInfo.processInfo.environment["RNN_DIST_MUTATIONS"].flatMap { Int($0) } ?? 50

  @Test(arguments: formats + datasets)
  func isReadOrRefused(_ reader: Reader) throws {
    let folder = FileManager.default.temporaryDirectory.path + "/mutated-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let path = "\(folder)/file"
    let seed = try reader.seed()
    try Data(seed).write(to: URL(fileURLWithPath: path))
    try reader.read(path)
    var random = Mutator(seed: reader.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    var refused = 0
    for round in 0..<Self.rounds {
      try Data(random.mutated(seed)).write(to: URL(fileURLWithPath: path))
      do {
        try reader.read(path)
      } catch {
        refused += 1
        #expect(ExitCode.code(of: error) != 1, "round \(round): \(error)")
        #expect(!"\(error)".isEmpty)
      }
    }
    #expect(refused > 0, "no change was noticed")
    try FileManager.default.removeItem(atPath: folder)
  }

  private static func text(
    _ name: String, _ seed: String, _ read: @escaping @Sendable (String) throws -> Void
  )
    -> Reader
  {
    Reader(name: name, seed: { Array(seed.utf8) }, read: read)
  }

  private static let formats: [Reader] = [
    Reader(
      name: "safetensors",
      seed: {
        let header = """
          {"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"F64","shape":[1],\
          "data_offsets":[24,32]}}
          """
        return withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
          + (0..<32).map { UInt8($0) }
      },
      read: { path in
        let file = try SafetensorsFile(path: path)
        for name in file.names { _ = try file.readDoubles(name) }
      }),
    Reader(
      name: "state.json", seed: { try ExactJSON.encode(TrainingState()) },
      read: { path in
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        do { _ = try ExactJSON.decode(TrainingState.self, from: bytes) } catch let error as DecodingError {
          throw NoState(description: "\(error)")
        }
      }),
    Reader(
      name: "configuration", seed: { Array((Presets.text(named: "default") ?? "").utf8) },
      read: { path in
        let node = try YAMLReader.node(named: path)
        _ = try RunConfiguration.resolve(layers: [node], overrides: [], requiringText: false)
      }),
    text(
      "run.json",
      """
      {
        "command_line" : ["rnn-dist", "train"],
        "hosts" : ["vm"],
        "ranks" : 2,
        "seed" : 1,
        "started" : "2026-11-30T13:53:25Z",
        "status" : "running",
        "versions" : {"rnn-dist" : "0.1.0"}
      }
      """
    ) { _ = try RunRecord(contentsOf: $0) },
    vocabulary(.word), vocabulary(.char), vocabulary(.byte),
    text("labels", "DET\nNOUN\n\" \"\nVERB\n") { _ = try LabelVocabulary.load(path: $0) },
    Reader(
      name: "subword model",
      seed: {
        try savedVocabulary(.bpe, suffix: ".model")
      },
      read: { path in
        let model = try SubwordModel.load(path: path)
        _ = try? model.decode(try model.encode("lower newest".utf8))
      }),
  ]

  private static func vocabulary(_ unit: TokenUnit) -> Reader {
    Reader(name: "vocabulary of \(unit.rawValue)", seed: { try savedVocabulary(unit, suffix: ".txt") }) {
      _ = try Vocabulary.load(
        path: $0, options: TextOptions(unit), boundaries: unit == .word ? .lineEnds : .none)
    }
  }

  /// The file of a vocabulary, or of its subword model, that was counted over a text.
  private static func savedVocabulary(_ unit: TokenUnit, suffix: String) throws -> [UInt8] {
    let text = (0..<40).map { "low lower \($0) newest wider \u{e9}t\u{e9}\n" }.joined()
    let corpus = try TextCorpus.load(
      train: .memory(Array(text.utf8), name: "text"), options: TextOptions(unit, maxVocabulary: 60))
    let path = FileManager.default.temporaryDirectory.path + "/vocabulary-" + UUID().uuidString
    for file in try corpus.vocabulary.save(to: path + ".txt") where file.hasSuffix(suffix) {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
      for suffix in [".txt", ".model"] { try? FileManager.default.removeItem(atPath: path + suffix) }
      return bytes
    }
    return []
  }

  private static let datasets: [Reader] = [
    text("text", "the cat sat\non the mat\n\nа б в\n") {
      _ = try TextCorpus.load(train: .file($0), validFraction: 0.2, options: TextOptions(.word))
    },
    examples("tsv", .labeled, .tsv, "good\ta nice film\nbad\ta dull film\ngood\tsuperb\n"),
    examples("pairs", .paired, .tsv, "a b\tx y\nc\tz\nd e f\tw\n"),
    examples("columns", .tagged, .columns, "# text\nthe\tDET\ncat\tNOUN\n\nsat\tVERB\n"),
    examples(
      "CoNLL-U", .tagged, .conllu,
      """
      # sent_id = 1
      1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_
      1\tde\tde\tADP\t_\t_\t2\tcase\t_\t_
      2\tel\tel\tDET\t_\t_\t0\troot\t_\t_
      2.1\tx\tx\tX\t_\t_\t_\t_\t_\t_

      1\tsi\tsi\tINTJ\t_\t_\t0\troot\t_\t_

      """),
    examples("csv", .labeled, .csv, "label,x0,x1\n\"a\",1.5,-2e3\nb,\"0.25\",7\na,3,4\n"),
    examples("lines", .generated, .lines, "ab\ncde\nf g\n"),
    examples("multihot", .tagged, .multihot, "39 43|39|\n7|8 9|40\n"),
    Reader(
      name: "npy",
      seed: {
        let header = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n".utf8)
        return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header
          + (0..<24).map { UInt8($0 * 5) }
      },
      read: { path in
        let list = "x\t\(path)\ny\t\(path)\n"
        _ = try ExampleCorpus.load(
          DataSources(train: .file(.memory(Array(list.utf8), name: "list"))),
          options: Self.options(.labeled, .npy))
      }),
  ]

  private static func examples(_ name: String, _ kind: DataKind, _ format: DataFormat, _ seed: String)
    -> Reader
  {
    text(name, seed) { path in
      _ = try ExampleCorpus.load(DataSources(train: .file(.file(path))), options: Self.options(kind, format))
    }
  }

  private static func options(_ kind: DataKind, _ format: DataFormat) -> ExampleOptions {
    var data = DataOptions()
    (data.format, data.tokens, data.validFraction) = (format, .word, 0)
    return ExampleOptions(kind: kind, data)
  }
}

/// Changes bytes of a file: the same changes for the same seed.
private struct Mutator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// SplitMix64 (Steele, Lea, Flood 2014).
  private mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var bits = state
    bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
    bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
    return bits ^ bits >> 31
  }

  private mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(max(1, limit))) }

  private mutating func range(of bytes: [UInt8]) -> Range<Int> {
    let begin = below(bytes.count)
    return begin..<min(bytes.count, begin + below(16))
  }

  /// Pieces that often trouble readers: long and negative numbers, quotes, brackets, separators, bytes that are not UTF-8.
  private static let pieces: [[UInt8]] =
    [
      "0", "-1", "99999999999999999999", "9223372036854775807", "1e999", "nan", "\"", "'", "{", "}", "[", "]",
      "\t",
      "\n", "\r\n", "\n\n", " ", "#", ":", ",", "\\u", "\\ud800", "&a", "*a", "<<", "\u{FEFF}", "\u{0}",
      "\u{85}", "e\u{301}",
    ].map { Array($0.utf8) } + [
      [0xff], [0xc3], [0xed, 0xa0, 0x80], [0x1f, 0x8b, 8], [0x28, 0xb5, 0x2f, 0xfd],
    ]

  mutating func mutated(_ seed: [UInt8]) -> [UInt8] {
    var bytes = seed
    for _ in 0...below(6) {
      let range = range(of: bytes)
      switch below(7) {
      case 0: if !bytes.isEmpty { bytes[below(bytes.count)] ^= 1 << UInt8(below(8)) }
      case 1: if !bytes.isEmpty { bytes[below(bytes.count)] = UInt8(below(256)) }
      case 2: bytes.removeSubrange(range)
      case 3: bytes.insert(contentsOf: bytes[range], at: below(bytes.count + 1))
      case 4: bytes.replaceSubrange(range, with: Self.pieces[below(Self.pieces.count)])
      case 5: bytes.insert(contentsOf: Self.pieces[below(Self.pieces.count)], at: below(bytes.count + 1))
      default: if below(4) == 0 { bytes.removeLast(below(bytes.count + 1)) }
      }
    }
    return bytes
  }
}
