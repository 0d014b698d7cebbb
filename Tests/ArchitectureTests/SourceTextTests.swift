import Testing

/// The other tests here are worth what this reader is.
@Suite struct SourceTextTests {
  @Test func commentsAndLiteralsGoAndLinesStay() {
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

  @Test func rawLiteralsMayHoldQuotationMarks() {
    #expect(SourceText(##"x = #"a "try!" \"# + y"##).lines == [#"x = "" + y"#])
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

  @Test func wordsAreWhole() {
    let source = "exit(1)\n\"exit(2)\"\n{ exit(3) }\nself.exit(4)\nonexit(5)\nlet exits = 6"
    #expect(SourceText(source).lines(with: "exit(") == [1, 3])
    #expect(SourceText(source).lines(with: "exits") == [6])
    #expect(SourceText(source).lines(with: "exit") == [1, 3])
  }
}
