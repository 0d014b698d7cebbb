import NumericKernels

/// A flat buffer with a layout: the parameters of a model, or their gradients.
public final class ParameterBuffer<Element: Scalar> {
  public let layout: ParameterLayout
  private var base: UnsafeMutablePointer<Element>
  /// The owner of the memory, which frees it.
  private var owner: AnyObject
  /// The rows of each of the layout's tables that were added to since the last ``clear()``.
  private var touched: [TouchedRows] { didSet { spansAreUpToDate = false } }
  /// The cached value of ``spans``.
  private var lastSpans: [Range<Int>] = []
  private var spansAreUpToDate = false
  /// Increases with every call of ``didChange()``. Packed copies of weights compare it with their own version.
  public private(set) var version = 0

  /// Creates a buffer of zeros.
  public convenience init(_ layout: ParameterLayout) {
    let storage = AlignedBuffer<Element>(count: layout.count)
    self.init(layout, in: storage.elements, owner: storage)
  }

  /// Creates a buffer in zeroed memory that another object owns.
  ///
  /// - Parameters:
  ///   - memory: the elements, as many as the layout has.
  ///   - owner: the owner of the memory, which the buffer retains.
  public init(_ layout: ParameterLayout, in memory: UnsafeMutableBufferPointer<Element>, owner: AnyObject) {
    precondition(memory.count >= layout.count, "\(memory.count) elements for \(layout.count) parameters")
    self.layout = layout
    if let start = memory.baseAddress {
      (base, self.owner) = (start, owner)
    } else {
      // The layout has no parameters.
      let nothing = AlignedBuffer<Element>(count: 1)
      (base, self.owner) = (nothing.base, nothing)
    }
    touched = layout.tables.map { TouchedRows(capacity: $0.shape[0]) }
  }

  /// Creates a buffer with the initial values that the layers define, generated from the seed. They are the same on
  /// every rank.
  public convenience init(_ layout: ParameterLayout, seed: UInt64) {
    self.init(layout)
    initialize(seed: seed)
  }

  /// Moves the buffer into memory of another owner, which other processes may share and fill as well. Afterwards, pointers to
  /// elements that were made before are invalid.
  ///
  /// - Parameters:
  ///   - memory: as many elements as the layout has, at least one.
  ///   - part: the elements to copy there.
  public func move(
    to memory: UnsafeMutableBufferPointer<Element>, owner: AnyObject, copying part: Range<Int>
  ) {
    precondition(memory.count >= count, "\(memory.count) elements for \(count) parameters")
    guard let start = memory.baseAddress else { return }
    _ = memory[part].update(fromContentsOf: elements[part])
    (base, self.owner) = (start, owner)
    didChange()
  }

  /// All elements, in layout order.
  public var elements: UnsafeMutableBufferPointer<Element> { .init(start: base, count: count) }
  public var count: Int { layout.count }

  /// Returns a pointer to the first element of a parameter.
  public func pointer(_ parameter: Parameter) -> UnsafeMutablePointer<Element> {
    base + parameter.offset
  }

  /// Returns a parameter as a matrix: [rows, columns] for two dimensions, [1, n] for one.
  public func matrix(_ parameter: Parameter) -> MatrixView<Element> {
    let columns = parameter.shape.last ?? 1
    return MatrixView(pointer(parameter), rows: parameter.count / columns, columns: columns)
  }

  /// Returns the elements of a parameter.
  public func elements(_ parameter: Parameter) -> UnsafeMutableBufferPointer<Element> {
    .init(start: pointer(parameter), count: parameter.count)
  }

  public func fill(_ value: Element) {
    for index in touched.indices { touched[index].removeAll() }
    value == 0 ? base.zeroElements(count: count) : base.update(repeating: value, count: count)
  }

  /// Tells the owners of packed copies of weights that the values have changed.
  public func didChange() { version += 1 }

  /// Overwrites every parameter with its initial values. Each parameter has its own random stream, so that adding a
  /// parameter does not change the values of those before it.
  public func initialize(seed: UInt64) {
    let key = RandomKey(seed: seed, purpose: .initialization)
    for (index, (parameter, initializer)) in zip(layout.parameters, layout.initializers).enumerated() {
      initializer.fill(matrix(parameter), key: key, stream: UInt32(index))
    }
    didChange()
  }

  // MARK: Rows of tables
  //
  // A step reads few rows of an embedding. Code that adds to the gradient of a table records the rows, so that zeroing,
  // summing over ranks and updating can skip the rest of the table.

  /// Adds rows of `values` to the rows `ids` of a table in order, and records the ids. Rows with a negative id are
  /// skipped, as targets with a negative id are.
  ///
  /// Shapes: values [N, E], ids [N], the table [V, E].
  public func addRows(_ values: MatrixView<Element>, at ids: UnsafePointer<Int32>, of table: Parameter) {
    matrix(table).scatterAddRows(values, at: ids)
    guard let index = layout.tables.firstIndex(of: table) else { return }
    touched[index].insert(UnsafeBufferPointer(start: ids, count: values.rows))
  }

  /// Marks all rows of a table as touched. Does nothing for parameters that are not tables of the layout.
  public func touchAll(_ table: Parameter) {
    if let index = layout.tables.firstIndex(of: table) { touched[index].insertAll() }
  }

  /// The touched rows of each of the layout's tables; nil for a whole table.
  public var touchedRows: [[Int32]?] { touched.map { $0.isWhole ? nil : $0.rows } }

  /// Adds the rows of a table that another rank has touched; nil: the whole table.
  public func touch(_ rows: UnsafeBufferPointer<Int32>?, ofTable index: Int) {
    precondition(touched.indices.contains(index), "rows of table \(index) of \(touched.count)")
    if let rows { touched[index].insert(rows) } else { touched[index].insertAll() }
  }

  /// The ranges in which elements may differ from zero: all but the untouched rows of tables, in ascending order.
  /// Adjacent ranges are merged.
  public var spans: [Range<Int>] {
    if !spansAreUpToDate { findSpans() }
    return lastSpans
  }

  private func findSpans() {
    lastSpans.removeAll(keepingCapacity: true)
    var next = 0
    for (index, table) in layout.tables.enumerated() where !touched[index].isWhole {
      addSpan(next..<table.offset)
      let width = table.count / table.shape[0]
      touched[index].forEachAscending { row in
        let begin = table.offset + row * width
        addSpan(begin..<begin + width)
      }
      next = table.range.upperBound
    }
    addSpan(next..<count)
    spansAreUpToDate = true
  }

  private func addSpan(_ range: Range<Int>) {
    if let last = lastSpans.last, last.upperBound == range.lowerBound {
      lastSpans[lastSpans.count - 1] = last.lowerBound..<range.upperBound
    } else if !range.isEmpty {
      lastSpans.append(range)
    }
  }

  /// Sets all elements that may differ from zero to zero, and clears the record of touched rows.
  public func clear() {
    for span in spans { (base + span.lowerBound).zeroElements(count: span.count) }
    for index in touched.indices { touched[index].removeAll() }
  }
}

/// A set of table rows that grows row by row.
private struct TouchedRows {
  /// The number of rows of the table.
  private let capacity: Int
  private var marks: [UInt64]
  private(set) var isWhole = false
  /// The rows without duplicates, in the order in which they were added; meaningless if the set is the whole table.
  private(set) var rows: [Int32] = []

  init(capacity: Int) {
    self.capacity = capacity
    marks = [UInt64](repeating: 0, count: (capacity + 63) / 64)
  }

  /// Adds rows; negative numbers are skipped.
  mutating func insert(_ rows: UnsafeBufferPointer<Int32>) { for row in rows { insert(row) } }

  private mutating func insert(_ row: Int32) {
    guard row >= 0 else { return }
    precondition(Int(row) < capacity, "row \(row) of a table of \(capacity)")
    let (word, bit) = (Int(row) >> 6, UInt64(1) << UInt64(row & 63))
    guard marks[word] & bit == 0 else { return }
    marks[word] |= bit
    rows.append(row)
    // With more rows, processing the whole table is faster than processing single rows.
    if rows.count > capacity / 2 { isWhole = true }
  }

  mutating func insertAll() { isWhole = true }

  /// Calls `body` for every row in ascending order.
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
