import Foundation
import FuzzedReaders
import TestSupport
import Testing

/// Files in which something was changed at random, and those that libFuzzer found, are read, or refused with an error that is not an
/// internal one. Nothing traps or hangs. RNN_DIST_MUTATIONS is the number of changed files per reader; a trap leaves the file in
/// the temporary folder.
@Suite struct MutatedFileTests {
  private static let rounds =
    ProcessInfo.processInfo.environment["RNN_DIST_MUTATIONS"].flatMap { Int($0) } ?? 50

  @Test(arguments: FuzzedReader.all)
  func isReadOrRefused(_ reader: FuzzedReader) throws {
    let folder = try TemporaryDirectory()
    let opened = try reader.open(in: folder.path)
    #expect(try opened.refusal(of: opened.seed) == nil)
    var random = Mutator(seed: reader.name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    for _ in 0..<Self.rounds { _ = try opened.refusal(of: random.mutated(opened.seed)) }
  }

  /// `.ci/fuzz` found these inputs.
  @Test(arguments: FuzzedReader.all)
  func corpusIsReadOrRefused(_ reader: FuzzedReader) throws {
    let folder = try TemporaryDirectory()
    let opened = try reader.open(in: folder.path)
    let inputs = try Corpus.inputs(of: reader)
    #expect(!inputs.isEmpty)
    for input in inputs { _ = try opened.refusal(of: input) }
  }

  @Test func everyCorpusHasItsReader() throws {
    #expect(try Set(Corpus.names()) == Set(FuzzedReader.all.map(\.name)))
  }

  @Test func aCorpusHoldsAllBytes() {
    let bytes = (0...255).map { UInt8($0) } + Array("\\x41 \\n".utf8)
    let line = Corpus.line(bytes)
    #expect(line.utf8.allSatisfy { 0x20..<0x7F ~= $0 })
    #expect(Corpus.bytes(of: Array(line.utf8)) == bytes)
    for damaged in ["\\", "a\\q", "\\x4", "\\xzz"] { #expect(Corpus.bytes(of: Array(damaged.utf8)) == nil) }
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
