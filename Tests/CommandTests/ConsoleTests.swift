import Testing
import rnn_dist

@Suite struct ConsoleTests {
  /// A terminal that has become narrower shows the line of progress in several rows, all of which go.
  @Test(arguments: [(0, 80, 0), (1, 80, 0), (79, 80, 0), (80, 80, 0), (81, 80, 1), (79, 40, 1), (79, 20, 3)])
  func aLineGoesWithAllItsRows(length: Int, columns: Int, above: Int) {
    let up = above > 0 ? "\u{1B}[\(above)A" : ""
    #expect(Console.erasing(length, columns: columns) == up + "\r\u{1B}[J")
  }
}
