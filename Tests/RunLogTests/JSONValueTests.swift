// Separate file: the tests of one source file.

import Foundation
import RunLog
import Testing

@Suite("JSONValue")
struct JSONValueTests {
  @Test(
    "values are written on one line, numbers with the fewest exact digits",
    arguments: [
      (nil, "null"), (true, "true"), (-7, "-7"), (0.1, "0.1"), (.double(1), "1.0"),
      (.double(1e300), "1e+300"), (.double(5e-7), "5e-07"), (.double(.nan), "null"),
      (.double(.infinity), "null"),
      (.double(-.infinity), "null"), (.integer(.min), "-9223372036854775808"),
      ([1, "a", []], "[1,\"a\",[]]"),
      (["b": 1, "a": ["c": nil]], "{\"b\":1,\"a\":{\"c\":null}}"),
      ("q\"\\\n\t\u{1}\u{2028}é😀", "\"q\\\"\\\\\\n\\t\\u0001\\u2028é😀\""),
    ] as [(JSONValue, String)])
  func text(value: JSONValue, expected: String) {
    #expect(value.text == expected)
  }

  @Test("another JSON reader gets the same numbers", arguments: [0.1 + 0.2, 1e22, 1e-7, 123456789.125, -0.0])
  func numbers(number: Double) throws {
    let line = JSONValue.array([.double(number)]).text
    #expect(try JSONDecoder().decode([Double].self, from: Data(line.utf8)) == [number])
  }
}
