import Foundation
import Testing

@testable import Datasets

@Suite struct LineReaderTests {
  private func lines(_ text: String) throws -> [String] {
    let reader = try LineReader(.text(text))
    var lines: [String] = []
    while try reader.next() { lines.append(String(decoding: reader.bytes, as: UTF8.self)) }
    #expect(reader.number == lines.count)
    return lines
  }

  @Test(
    arguments: [
      ("", []), ("a", ["a"]), ("a\nb", ["a", "b"]), ("a\r\nb\r\n", ["a", "b"]), ("\u{FEFF}a\n", ["a"]),
      ("\n\n", ["", ""]), ("a\rb\r", ["a\rb\r"]), ("a\n\u{FEFF}b", ["a", "\u{FEFF}b"]), ("\u{FEFF}", [""]),
    ] as [(String, [String])])
  func markAndLineEnds(text: String, expected: [String]) throws {
    let found = try lines(text)
    #expect(found.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
    // All that have arrived, as from standard input, which holds one example per line.
    guard found != ["a\rb\r"] else { return }
    let reader = try LineReader(.text(text))
    var all: [[UInt8]] = []
    while let some = try reader.nextLines(atMost: 2) {
      #expect(some.count <= 2)
      all += some
    }
    #expect(all == found.map { Array($0.utf8) })
  }

  @Test func standardInputWithCarriageReturnsAloneIsRefused() throws {
    for text in ["a\rb\r", "a\rb"] {
      let reader = try LineReader(.text(text))
      #expect(throws: DataError.line(name: "text", line: 1, problem: .carriageReturns)) {
        try reader.nextLines(atMost: 2)
      }
    }
    #expect(try LineReader(.text("a\rb\nc")).nextLines(atMost: 2)?.count == 2)
  }

  @Test func linesHaveALimit() throws {
    let long = "a\n" + String(repeating: "x", count: LineReader.longestLine + 1)
    let problem = LineProblem.tooManyBytes(limit: LineReader.longestLine)
    #expect(throws: DataError.line(name: "text", line: 2, problem: problem)) { try lines(long) }
  }

  /// The parts of a long line add up to the line, and have the right offsets.
  @Test(arguments: [LineReader.Cut.spaces, .characters], ["äb ", "日", "\u{10348} \n"])
  func partsOfALongLine(cut: LineReader.Cut, piece: String) throws {
    let text = String(repeating: piece, count: piece == "日" && cut == .spaces ? 5000 : 50_000)
    let reader = try LineReader(.text(text), cut: cut)
    var (all, parts): ([UInt8], Int) = ([], 0)
    while try reader.next() {
      #expect(reader.offset == all.count)
      all += reader.bytes + (reader.endsLine ? [0x0A] : [])
      parts += 1
      #expect(String(validating: reader.bytes, as: UTF8.self) != nil)
    }
    #expect(all == Array(text.utf8))
    #expect(piece == "日" && cut == .spaces ? parts == 1 : parts > 10)
  }
}
