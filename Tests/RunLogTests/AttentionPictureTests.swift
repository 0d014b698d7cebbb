import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import RunLog

@Suite("AttentionPicture")
struct AttentionPictureTests {
  private let picture = AttentionPicture(
    title: "step 5", outputTokens: ["a", "b"], sourceTokens: ["x", "y", "z"],
    weights: [1, 0, 0, 0.25, 0.5, 0.25])

  /// Returns the cells of a picture, which are the rectangles with a title.
  private func cells(_ image: ImageElements) -> [ImageElements.Element] {
    image.all.indices.filter {
      image.all[$0].name == "rect" && $0 + 1 < image.all.count && image.all[$0 + 1].parents.last == "rect"
    }.map { image.all[$0] }
  }

  @Test("rows are output tokens and columns source tokens; white cells are left out")
  func cells() throws {
    let image = try ImageElements(picture.svg)
    let cells = cells(image)
    #expect(cells.map { $0.attributes["fill"] } == [1, 0.25, 0.5, 0.25].map { Shade.color(of: $0) })
    let (xs, ys) = (cells.map { $0.number("x") }, cells.map { $0.number("y") })
    #expect(xs[0] == xs[1] && xs[1] < xs[2] && xs[2] < xs[3])
    #expect(ys[0] < ys[1] && ys[1] == ys[2] && ys[2] == ys[3])
    let hints = image.named("title").filter { $0.parents.last == "rect" }.map(\.text)
    #expect(hints == ["a ← x: 1.0", "b ← x: 0.25", "b ← y: 0.5", "b ← z: 0.25"])
  }

  @Test("labels are next to their rows and above their columns")
  func labels() throws {
    let image = try ImageElements(picture.svg)
    let cells = cells(image)
    let label = { (text: String) in try #require(image.named("text").first { $0.text == text }) }
    for (column, name) in ["x", "y", "z"].enumerated() {
      let cell = cells[column == 0 ? 0 : column + 1]
      #expect(try label(name).number("x") == cell.number("x") + cell.number("width") / 2)
      #expect(try label(name).number("y") < cell.number("y"))
    }
    for (name, cell) in [("a", cells[0]), ("b", cells[1])] {
      let baseline = try label(name).number("y")
      #expect(try label(name).number("x") < cell.number("x"))
      #expect(baseline > cell.number("y") && baseline < cell.number("y") + cell.number("height"))
    }
  }

  @Test("there is a visible title, one for screen readers, and a legend from 0 to 1")
  func titleAndLegend() throws {
    let image = try ImageElements(picture.svg)
    #expect(image.texts.first == "step 5")
    #expect(image.named("title").filter { $0.parents == ["svg"] }.map(\.text) == ["step 5"])
    for text in ["source →", "output ↓", "weight", "0", "0.25", "0.5", "0.75", "1"] {
      #expect(image.texts.contains(text), "\(text)")
    }
    #expect(!image.texts.contains("not a number"))
  }

  @Test("all elements are inside the image")
  func lies() throws {
    let wide = AttentionPicture(
      title: String(repeating: "long title ", count: 20), outputTokens: ["output"],
      sourceTokens: ["a source token that is long", "another one that is cut"], weights: [0.5, 0.5])
    for picture in [picture, wide] {
      let image = try ImageElements(picture.svg)
      let size = try #require(image.named("svg").first)
      for rectangle in image.named("rect").dropFirst() {
        #expect(rectangle.number("x") >= 0 && rectangle.number("y") >= 0)
        #expect(rectangle.number("x") + rectangle.number("width") <= size.number("width"))
        #expect(rectangle.number("y") + rectangle.number("height") <= size.number("height"))
      }
    }
    #expect(
      try #require(try ImageElements(wide.svg).named("svg").first).number("width")
        > #require(try ImageElements(picture.svg).named("svg").first).number("width") + 500)
  }

  @Test("sources are side by side, each with its name")
  func panels() throws {
    let image = try ImageElements(
      AttentionPicture(
        title: "", outputTokens: ["a"],
        panels: [
          .init(name: "text", tokens: ["p", "q"], weights: [0.5, 0.5]),
          .init(name: "question", tokens: ["r"], weights: [1]),
        ]
      ).svg)
    #expect(image.texts.contains("text →") && image.texts.contains("question →"))
    let cells = cells(image)
    #expect(cells.count == 3)
    #expect(cells[2].number("x") > cells[1].number("x") + cells[1].number("width"))
    #expect(cells[2].number("y") == cells[1].number("y"))
  }

  @Test("tokens and titles may contain any character")
  func escaping() throws {
    let hostile = [
      "<b>", "&amp;", "\"'", "]]>", "\u{0}", "\u{B}", "\u{FFFF}", "\u{202E}", " ", "\n", "", "e\u{301}",
      "שלום", "東京",
    ]
    let image = try ImageElements(
      AttentionPicture(
        title: "<title> & \"more\"\nlines", outputTokens: hostile, sourceTokens: hostile,
        weights: [Float](repeating: 0.5, count: hostile.count * hostile.count)
      ).svg)
    #expect(image.texts.first == "<title> & \"more\" lines")
    for text in [
      "<b>", "&amp;", "\"'", "]]>", "U+0000", "U+000B", "U+FFFF", "U+202E", "␣", "\\n", "∅", "e\u{301}",
      "שלום", "東京",
    ] {
      #expect(image.texts.count { $0.unicodeScalars.elementsEqual(text.unicodeScalars) } == 2, "\(text)")
    }
    #expect(cells(image).count == hostile.count * hostile.count)
  }

  @Test("NaN has its own mark, and weights out of range are drawn like the nearer bound")
  func strangeWeights() throws {
    let image = try ImageElements(
      AttentionPicture(
        title: "", outputTokens: ["a"], sourceTokens: ["w", "x", "y", "z"],
        weights: [.nan, 7, -3, .infinity]
      ).svg)
    let cells = cells(image)
    #expect(cells.count == 3)
    #expect(cells[1].attributes["fill"] == Shade.color(of: 1))
    #expect(cells[2].attributes["fill"] == Shade.color(of: 1))
    #expect(cells[0].attributes["fill"] != Shade.color(of: 0))
    #expect(image.texts.contains("not a number"))
    #expect(image.named("title").contains { $0.text == "a ← w: nan" })
  }

  @Test("an empty picture has a note", arguments: [(0, 0), (0, 2), (2, 0)])
  func empty(rows: Int, columns: Int) throws {
    let image = try ImageElements(
      AttentionPicture(
        title: "t", outputTokens: [String](repeating: "a", count: rows),
        sourceTokens: [String](repeating: "b", count: columns), weights: []
      ).svg)
    #expect(image.texts == ["t", "no weights to show"])
    #expect(
      try ImageElements(AttentionPicture(title: "t", outputTokens: ["a"], panels: []).svg).texts.count == 2)
  }

  @Test("only the beginning of long sequences is drawn, with a note")
  func long() throws {
    let most = AttentionPicture.mostTokens
    let tokens = (0..<most + 7).map { "\($0)" }
    var weights = [Float](repeating: 0, count: 2 * tokens.count)
    weights[tokens.count + most - 1] = 1
    weights[tokens.count + most] = 1
    let image = try ImageElements(
      AttentionPicture(title: "", outputTokens: ["a", "b"], sourceTokens: tokens, weights: weights).svg)
    #expect(cells(image).count == 1)
    #expect(image.named("title").contains { $0.text == "b ← \(most - 1): 1.0" })
    #expect(image.texts.contains("the first \(most) tokens are drawn, there are \(most + 7) of source"))
  }

  @Test("the same content gives the same bytes")
  func deterministic() { #expect(picture.svg == picture.svg) }

  @Test("shades become monotonically darker, beginning with white")
  func shades() {
    #expect(Shade.color(of: 0) == "#ffffff")
    #expect(Shade.color(of: -1) == Shade.color(of: 0) && Shade.color(of: 2) == Shade.color(of: 1))
    let luminances = (0...100).map { step -> Double in
      let digits = Shade.color(of: Double(step) / 100).dropFirst()
      let value = Int(digits, radix: 16) ?? 0
      return 0.3 * Double(value >> 16) + 0.6 * Double(value >> 8 & 255) + 0.1 * Double(value & 255)
    }
    #expect(zip(luminances, luminances.dropFirst()).allSatisfy { $0 > $1 })
  }

  @Test("writing creates the directory, replaces the file, and a failure names the path")
  func writing() throws {
    let directory = try TemporaryDirectory()
    try directory.write("old", to: "attention/1.svg")
    try picture.write(to: directory.file("attention/1.svg"))
    try picture.write(to: directory.file("new/attention/2.svg"))
    #expect(try directory.text("attention/1.svg") == picture.svg)
    #expect(try directory.text("new/attention/2.svg") == picture.svg)
    #expect(directory.tree("attention") == ["1.svg"])
    try directory.write("a file", to: "file")
    let failure = #expect(throws: FileFailure.self) {
      try picture.write(to: directory.file("file/1.svg"))
    }
    #expect(failure?.path.hasPrefix(directory.file("file")) == true)
    #expect(throws: FileFailure.self) { try picture.write(to: directory.file("new")) }
    #expect(directory.tree("new") == ["attention", "attention/2.svg"])
  }
}

@Suite("VisibleText")
struct VisibleTextTests {
  @Test(
    "invisible characters are replaced by visible signs",
    arguments: [
      ("word", "word"), (" ", "␣"), ("a b", "a␣b"), ("\r\n", "\\r\\n"), ("\t", "\\t"), ("\u{7}", "U+0007"),
      ("\u{A0}", "U+00A0"), ("\u{3000}", "U+3000"), ("\u{200B}", "U+200B"), ("\u{FEFF}x", "U+FEFFx"),
      ("\u{2067}", "U+2067"), ("\u{E000}", "U+E000"), ("\u{10FFFF}", "U+10FFFF"), ("", "∅"),
      ("\u{301}", "◌\u{301}"), ("e\u{301}", "e\u{301}"), ("क\u{94D}\u{200D}ष", "क\u{94D}\u{200D}ष"),
      ("👩\u{200D}👧", "👩\u{200D}👧"), ("\u{200D}", "U+200D"), ("▁the", "▁the"), ("مرحبا", "مرحبا"),
    ])
  func signs(token: String, expected: String) {
    let text = VisibleText(token).text
    #expect(text.unicodeScalars.elementsEqual(expected.unicodeScalars), "\(text)")
  }

  @Test("a wide label is shortened without separating combining marks")
  func cut() {
    let label = VisibleText(String(repeating: "e\u{301}", count: 50), most: 5)
    #expect(label.text.hasPrefix("e\u{301}e\u{301}") && label.text.hasSuffix("e\u{301}…"))
    #expect(label.width <= 5 && label.width > 3.5)
    #expect(VisibleText("short", most: 5).text == "short")
    #expect(VisibleText(String(repeating: "東", count: 50), most: 5).text.count < 6)
  }

  @Test("white space in a title becomes a space")
  func titles() {
    #expect(VisibleText("a b\nc\td", keepsSpaces: true).text == "a b c d")
    #expect(VisibleText("", keepsSpaces: true).text == "")
  }
}

extension AttentionPicture {
  /// A picture of one source.
  fileprivate init(title: String, outputTokens: [String], sourceTokens: [String], weights: [Float]) {
    self.init(
      title: title, outputTokens: outputTokens,
      panels: [Panel(name: "source", tokens: sourceTokens, weights: weights)])
  }
}
