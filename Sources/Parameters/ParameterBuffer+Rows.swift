import NumericKernels

/// Gradients of tables of which a step reads few rows (embeddings): who adds, says where, so that zeroing, summing over
/// ranks and updating need not walk through a table of zeros.
extension ParameterBuffer {
  /// Adds rows of `values` to the rows `ids` of a table, one after the other, and remembers which. Those whose id is below
  /// zero are left out, like targets below zero.
  ///
  /// Shapes: values [N, E], ids [N], the table [V, E].
  public func addRows(_ values: MatrixView<Element>, at ids: UnsafePointer<Int32>, of table: Parameter) {
    let target = matrix(table)
    Element.scatterAddRows(
      values.base, values.stride, ids, values.rows, values.columns, target.base, target.stride)
    guard let index = layout.tables.firstIndex(of: table) else { return }
    for row in 0..<values.rows { touched[index].insert(ids[row]) }
  }

  /// Says that any row of a table may have been added to. No more than a note: for parameters that are none of the
  /// layout's tables it does nothing.
  public func touchAll(_ table: Parameter) {
    if let index = layout.tables.firstIndex(of: table) { touched[index].insertAll() }
  }

  /// The rows that were added to, for each of the layout's tables; nil for a whole table.
  public var touchedRows: [[Int32]?] { touched.map { $0.isWhole ? nil : $0.rows } }

  /// Adds the rows of another rank's ``touchedRows`` to those of this buffer.
  public func touch(_ rows: [[Int32]?]) {
    precondition(rows.count == touched.count, "rows of \(rows.count) tables for \(touched.count)")
    for (index, rows) in rows.enumerated() {
      if let rows {
        for row in rows { touched[index].insert(row) }
      } else {
        touched[index].insertAll()
      }
    }
  }

  /// Where the elements may differ from zero: all but the untouched rows of tables, ascending and joined where they meet.
  public var spans: [Range<Int>] {
    var result: [Range<Int>] = []
    func add(_ range: Range<Int>) {
      if let last = result.last, last.upperBound == range.lowerBound {
        result[result.count - 1] = last.lowerBound..<range.upperBound
      } else if !range.isEmpty {
        result.append(range)
      }
    }
    var next = 0
    for (table, rows) in zip(layout.tables, touched) where !rows.isWhole {
      add(next..<table.offset)
      let width = table.count / table.shape[0]
      for row in rows.rows.sorted() {
        let begin = table.offset + Int(row) * width
        add(begin..<begin + width)
      }
      next = table.range.upperBound
    }
    add(next..<count)
    return result
  }

  /// Sets everything to zero that may differ from it, and forgets which rows that were.
  public func clear() {
    for span in spans { pointer(at: span.lowerBound).zeroElements(count: span.count) }
    forgetTouched()
  }
}
