import Datasets
import Foundation
import Testing

/// A vocabulary from a file in place of one that is counted.
@Suite struct GivenVocabularyTests {
  private let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).txt").path

  private func load(_ vocabulary: String, _ unit: TokenUnit = .word) throws -> ExampleCorpus {
    try vocabulary.write(toFile: path, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let options = ExampleOptions(.paired, .tsv, source: unit, target: unit) {
      $0.target.vocabularyFile = path
    }
    return try options.load(.text("a b\tb a new\nb\tb\n"))
  }

  @Test func theOrderIsThatOfTheFile() throws {
    let encoding = try load("b\na\nnever\n").encoding
    #expect(encoding.target?.tokens == ["<unk>", "<bos>", "<eos>", "b", "a", "never"])
    #expect(encoding.source?.tokens == ["<unk>", "b", "a"])
  }

  @Test func wordsBesidesAreUnknown() throws {
    let corpus = try load("b\na\n")
    #expect(corpus.train.words(.target, corpus.encoding.target)[0] == ["b", "a", "<unk>"])
  }

  /// The file of another run has special tokens, perhaps in other places.
  @Test func specialTokensComeFirst() throws {
    #expect(try load("<unk>\n<eos>\na\n").encoding.target?.tokens == ["<unk>", "<bos>", "<eos>", "a"])
  }

  @Test(arguments: [("a\na\n", TokenUnit.word), ("ab\n", .char), ("a\n\nb\n", .word)])
  func badFilesAreRefused(text: String, unit: TokenUnit) {
    let error = #expect(throws: DataError.self) { try load(text, unit) }
    guard case .badVocabulary(path, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Otherwise every token would silently be unknown.
  @Test(arguments: ["", "<unk>\n<bos>\n"]) func filesWithoutTokensAreRefused(text: String) {
    let error = #expect(throws: DataError.self) { try load(text) }
    #expect(error?.description.contains("holds no tokens of text") == true)
  }
}
