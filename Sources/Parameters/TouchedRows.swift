/// A set of rows of a table, which grows row by row.
struct TouchedRows {
  /// Rows of the table.
  let capacity: Int
  private var marks: [UInt64]
  private(set) var isWhole = false
  /// The rows, each once, in the order in which they came; without meaning for the whole table.
  private(set) var rows: [Int32] = []

  init(capacity: Int) {
    self.capacity = capacity
    marks = [UInt64](repeating: 0, count: (capacity + 63) / 64)
  }

  /// Adds rows; numbers below zero are none.
  mutating func insert(_ rows: UnsafeBufferPointer<Int32>) {
    for row in rows { insert(row) }
  }

  private mutating func insert(_ row: Int32) {
    guard row >= 0 else { return }
    precondition(Int(row) < capacity, "row \(row) of a table of \(capacity)")
    let (word, bit) = (Int(row) >> 6, UInt64(1) << UInt64(row & 63))
    guard marks[word] & bit == 0 else { return }
    marks[word] |= bit
    rows.append(row)
    // Beyond that, working on the table as a whole is faster than row by row.
    if rows.count > capacity / 2 { isWhole = true }
  }

  mutating func insertAll() { isWhole = true }

  /// Calls `body` for every row.
  func forEachAscending(_ body: (Int) -> Void) {
    for (word, marks) in marks.enumerated() {
      var rest = marks
      while rest != 0 {
        body(word << 6 + rest.trailingZeroBitCount)
        rest &= rest - 1
      }
    }
  }

  mutating func removeAll() {
    for row in rows { marks[Int(row) >> 6] = 0 }
    rows.removeAll(keepingCapacity: true)
    isWhole = false
  }
}
