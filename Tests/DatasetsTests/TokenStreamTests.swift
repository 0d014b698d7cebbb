// Separate file: the tests of one source file.

import Datasets
import Testing

@Suite struct TokenSequenceTests {
  @Test(arguments: [(256, 1), (257, 2), (65_536, 2), (65_537, 4)])
  func theWidthFollowsTheVocabulary(size: Int, width: Int) {
    let last = Int32(size - 1)
    let tokens = TokenStream([0, last, 5, last - 1], vocabularySize: size)
    #expect(tokens.bytesPerToken == width)
    #expect(tokens.count == 4)
    #expect(tokens.ids == [0, last, 5, last - 1])

    var copied = [Int32](repeating: -1, count: 4)
    copied.withUnsafeMutableBufferPointer { tokens.copy(1..<4, into: $0) }
    #expect(copied == [last, 5, last - 1, -1])
  }

  @Test func theDigestDoesNotDependOnTheWidth() {
    let ids: [Int32] = [3, 1, 2]
    let narrow = TokenStream(ids, vocabularySize: 4)
    #expect(narrow.digest == TokenStream(ids, vocabularySize: 100_000).digest)
    #expect(narrow.digest != TokenStream([1, 3, 2], vocabularySize: 4).digest)
    #expect(narrow.digest != TokenStream([3, 1, 2, 0], vocabularySize: 4).digest)
  }
}
