import Datasets
import Testing

@Suite struct WordVectorsTests {
  private func vocabulary() throws -> Vocabulary {
    let corpus = try ExampleOptions(.labeled, .tsv).load(.text("x\tcat dog hen\ny\tcat\n"))
    return try #require(corpus.encoding.source)
  }

  private func read(_ text: String) throws -> (found: Int, vectors: [String: [Float]]) {
    let vocabulary = try vocabulary()
    var vectors: [String: [Float]] = [:]
    let file = TextSource.memory(Array(text.utf8), name: "vectors.txt")
    let found = try readWordVectors(from: file, for: vocabulary, width: 2) { vectors[vocabulary[$0]] = $1 }
    return (found, vectors)
  }

  @Test func vectorsOfKnownTokensAreRead() throws {
    let (found, vectors) = try read("cat 1 -2\nowl 3 4\nhen 5e-1 6\n\ncat 7 8\n")
    #expect(found == 2 && vectors == ["cat": [1, -2], "hen": [0.5, 6]])
  }

  @Test func theHeaderOfWord2vecIsSkipped() throws {
    #expect(try read("2 2\ncat 1 2\ndog 3 4 \n").vectors == ["cat": [1, 2], "dog": [3, 4]])
  }

  /// The largest file of GloVe has tokens such as `. . .`.
  @Test func tokensMayHoldSpaces() throws { #expect(try read(". . . 1 2\ncat 3 4\n").found == 1) }

  @Test(arguments: [
    ("cat 1\n", LineProblem.width(found: 1, expected: 2)),
    ("owl 0 0\ncat 1 2 3\n", .width(found: 3, expected: 2)), ("cat 1 x\n", .notInVector("x", column: 3)),
    ("cat nan 1\n", .notInVector("nan", column: 2)),
  ])
  func otherLinesAreRefused(text: String, problem: LineProblem) {
    let error = #expect(throws: DataError.self) { try read(text) }
    guard case .line("vectors.txt", _, let found) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(found == problem)
  }
}
