import Testing

/// The other tests of this target depend on this reader.
@Suite struct SourceTextTests {
  @Test func commentsAndLiteralsAreNoCode() {
    let source = #"""
      a // try!
      b /* fatalError( /* nested */ as! */ c
      /* one
      two */ d
      "try! \" as!" e
      """
      fatalError(
      """ f
      """#
    let lines = SourceText(source).lines.map { $0.trimmingPrefix(while: \.isWhitespace) }
    #expect(lines.count == 8)
    #expect(lines.map { $0.filter { $0.isLetter } } == ["a", "bc", "", "d", "e", "", "", "f"])
  }

  @Test func rawLiteralsMayHaveQuotationMarks() {
    #expect(SourceText(##"x = #"a "try!" \"# + y"##).lines == [#"x = "" + y"#])
  }

  @Test func commentsAndLiteralsAreProse() {
    let text = SourceText("let cat = 1 // a cat\nf(\"two cats\")\n/* no\ncat */ let cat = 2")
    #expect(text.prose == ["// a cat", "\"two cats\"", "/* no", "cat */"])
    #expect(text.lines(with: "cat") == [1, 4])
  }

  @Test(
    arguments: [
      ("func f(_ a: Int, _ b: Int, c: Int, _ d: [Int: Int] = [:]) {}", 3), ("init(_ a: Int) {}", 1),
      ("func f<A: B<C>, D>(\n  _ a: (A, D) -> Void,\n  _ b: Dictionary<A, D>, with c: D\n) {}", 2),
      ("init?(_ a: Int, b _: Int) { f(1, 2) }", 1), ("func + (_ a: A, _ b: A) -> A {}", 2),
      ("let value = try Value.init(1, 2)", 0), ("func f(a: Int) { g { _ in 1 } }", 0),
      ("let initial = (_ a, _ b)", 0),
    ])
  func unlabeledParameters(source: String, count: Int) {
    let found = SourceText(source).functions(withUnlabeledParametersOver: 0).map(\.count)
    #expect(found == (count == 0 ? [] : [count]))
  }

  @Test(
    arguments: [
      ("import MPI", ["MPI"]), ("  import Glibc", ["Glibc"]), ("public import RunLog", ["RunLog"]),
      ("import struct Foundation.Date", ["Foundation"]), ("import Foundation.NSDate", ["Foundation"]),
      ("@preconcurrency import Yams", ["Yams"]), ("@_spi(Testing) @testable import Training", ["Training"]),
      ("// import MPI", []), ("let important = 1", []), (#"let text = "import MPI""#, []),
      ("#if canImport(Darwin)\nimport Darwin\n#else\nimport Glibc\n#endif", ["Darwin", "Glibc"]),
    ] as [(String, [String])])
  func imports(source: String, modules: [String]) {
    #expect(SourceText(source).importedModules == modules)
  }

  @Test(
    arguments: [
      ("// Separate file: every cell is one.\nlet a = 1\n", true),
      ("#if A\n// Separate file: the reason.\n", true),
      ("// Separate file: \n", false), ("/// Separate file: the reason.\n", false), ("let a = 1\n", false),
      ("1\n2\n3\n// Separate file: the reason.\n", false),
    ])
  func reasonsOfShortFiles(content: String, isReason: Bool) {
    let file = SourceFile(TextFile(path: "a.swift", content: content))
    #expect(file.saysWhyItIsShort == isReason)
    #expect(file.lineCount == content.count { $0 == "\n" })
  }

  @Test func wordsAreWhole() {
    let source = "exit(1)\n\"exit(2)\"\n{ exit(3) }\nself.exit(4)\nonexit(5)\nlet exits = 6"
    #expect(SourceText(source).lines(with: "exit(") == [1, 3])
    #expect(SourceText(source).lines(with: "exits") == [6])
    #expect(SourceText(source).lines(with: "exit") == [1, 3])
  }
}
