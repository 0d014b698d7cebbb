// Separate file: it tests the pages of docs/library.docc and no source.

import Foundation
import Testing

/// The pages with which the documentation of each library begins.
@Suite struct LibraryPagesTests {
  /// Readers copy the code of these pages. CI builds and runs the programs of Examples, so their code is right.
  @Test func codeIsFromExamples() throws {
    let programs = try SourceTree.files(under: "Examples/Sources", endingIn: [".swift"])
      .map { withoutIndentation($0.content) }
    for page in try SourceTree.files(under: "docs/library.docc", endingIn: [".md"]) {
      let blocks = page.content.components(separatedBy: "```swift\n").dropFirst()
      #expect(!blocks.isEmpty || page.path.hasSuffix("/Library.md"), "\(page.path) has no code")
      for block in blocks {
        let code = withoutIndentation(block.components(separatedBy: "```")[0])
        #expect(programs.contains { $0.contains(code) }, "\(page.path):\n\(code)")
      }
    }
  }

  private func withoutIndentation(_ code: String) -> String {
    code.split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0.trimmingPrefix { $0 == " " }) }.joined(separator: "\n")
  }
}
