/// The number that a text stands for, whatever white space is around it; nil for no number. May be infinite.
func parsedNumber(_ text: ArraySlice<UInt8>) -> Float? {
  let digits = text.trimmed()
  guard !digits.isEmpty, digits.count <= 100 else { return nil }
  return Float(String(decoding: digits, as: UTF8.self))
}

/// Appends the numbers of a line: with commas between them, or with white space. The first is column
/// `firstColumn` in messages.
func parseNumbers(
  _ line: [UInt8], commas: Bool, firstColumn: Int = 1, into values: inout [Float]
) throws(LineProblem) {
  let cells =
    commas
    ? line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    : line.split(whereSeparator: isASCIISpace)
  for (index, cell) in cells.enumerated() {
    let column = index + firstColumn
    guard let value = parsedNumber(cell) else {
      throw .notANumber(String(decoding: cell, as: UTF8.self), column: column)
    }
    guard value.isFinite else {
      throw .notFinite(String(decoding: cell, as: UTF8.self), column: column)
    }
    values.append(value)
  }
}

/// Appends the steps of a line such as `39 43 46||39`, a vector of zeros and ones each; returns their number.
func parseMultihot(
  _ line: [UInt8], width: Int, limit: Int, into values: inout [Float]
) throws(LineProblem) -> Int {
  var steps = 0
  for step in line.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false) {
    steps += 1
    // Beyond the limit steps are only counted: a line of separators must not fill the memory.
    guard steps <= limit else { continue }
    let start = values.count
    values.append(contentsOf: repeatElement(0, count: width))
    for key in step.split(whereSeparator: isASCIISpace) {
      let text = String(decoding: key, as: UTF8.self)
      guard let number = Int(text), number >= 0, number < width else { throw .badKey(text, width: width) }
      values[start + number] = 1
    }
  }
  return steps
}
