// Separate file: it counts the golden files of all suites.

import Testing

@Suite struct GoldenFolderTests {
  /// The tests that read the folder would also pass if it were empty.
  @Test(arguments: [
    ("layer", 23), ("cell", 5), ("linear", 5), ("language-model", 5), ("trajectory", 8), ("option", 16),
    ("tensorflow", 3), ("sampling", 1), ("tagger", 6), ("classifier", 7), ("seq2seq", 36), ("generator", 7),
  ])
  func everyFamilyIsComplete(family: String, count: Int) throws {
    #expect(try GoldenFile.names(family).count == count)
  }

  @Test func noFileIsForgotten() throws {
    let known = try GoldenFile.names(
      "layer", "cell", "linear", "language-model", "trajectory", "cross-entropy", "option", "tensorflow",
      "sampling", "tagger", "classifier", "seq2seq", "generator")
    #expect(try GoldenFile.names("") == known)
  }
}
