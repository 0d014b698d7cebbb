import Datasets
import Foundation
import Inference
import TestSupport
import Testing

@Suite struct StreamingTextTests {
  private let bytes: Vocabulary

  init() throws {
    bytes = try TextCorpus.load(train: .memory([1, 2], name: "bytes"), options: TextOptions(.byte)).vocabulary
  }

  private func pieces(_ ids: [Int32], _ vocabulary: Vocabulary) -> [[UInt8]] {
    var text = StreamingText(vocabulary)
    return ids.map { text.append($0) } + [text.finish()]
  }

  @Test func bytesOfACharacterStayTogether() {
    let text = Array("aé€😀.".utf8)
    let pieces = pieces(text.map(Int32.init), bytes)
    #expect(pieces.filter { !$0.isEmpty } == ["a", "é", "€", "😀", "."].map { Array($0.utf8) })
  }

  /// Bytes that are not UTF-8 are written unchanged, at the end at the latest.
  @Test(
    arguments: [
      [0xFF, 0x61], [0x80, 0x80, 0x80, 0x80, 0x80], [0xC3, 0x61], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
      [0xC3, 0xC3, 0xA9],
      [0xC0, 0x80], [0xF5, 0x80, 0x80, 0x80], [],
    ] as [[UInt8]])
  func invalidBytesAreNotLost(invalid: [UInt8]) {
    #expect(Array(pieces(invalid.map(Int32.init), bytes).joined()) == invalid)
  }

  @Test func onlyAnOpenCharacterIsHeldBack() {
    #expect(pieces([0xC3, 0x61], bytes) == [[], [0xC3, 0x61], []])
    #expect(pieces([0xE2, 0x82], bytes) == [[], [], [0xE2, 0x82]])
    #expect(pieces([0xC0], bytes) == [[0xC0], []])
  }

  @Test(arguments: [TokenUnit.char, .word]) func piecesAreTheWholeText(unit: TokenUnit) throws {
    let tokens = unit == .char ? ["<unk>", "a", "é", "\\u000a"] : ["<unk>", "<eos>", "a", "café"]
    let folder = try TemporaryDirectory()
    let path = try folder.write(Array((tokens.joined(separator: "\n") + "\n").utf8), to: "vocab.txt")
    let vocabulary = try Vocabulary.load(
      path: path, options: TextOptions(unit), boundaries: unit == .char ? .none : .lineEnds)
    let ids: [Int32] = [2, 3, 0, 0, 3, 1, 2, 0, 2, 1]
    #expect(Array(pieces(ids, vocabulary).joined()) == vocabulary.decode(ids))
  }
}
