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
    target.scatterAddRows(values, at: ids)
    guard let index = layout.tables.firstIndex(of: table) else { return }
    touched[index].insert(UnsafeBufferPointer(start: ids, count: values.rows))
  }

  /// Says that any row of a table may have been added to. No more than a note: for parameters that are none of the
  /// layout's tables it does nothing.
  public func touchAll(_ table: Parameter) {
    if let index = layout.tables.firstIndex(of: table) { touched[index].insertAll() }
  }

  /// The rows that were added to, for each of the layout's tables; nil for a whole table.
  public var touchedRows: [[Int32]?] { touched.map { $0.isWhole ? nil : $0.rows } }

  /// Adds rows that another rank has touched to those of one of the layout's tables; nil: the whole table.
  public func touch(_ rows: UnsafeBufferPointer<Int32>?, ofTable index: Int) {
    precondition(touched.indices.contains(index), "rows of table \(index) of \(touched.count)")
    if let rows { touched[index].insert(rows) } else { touched[index].insertAll() }
  }

  /// Where the elements may differ from zero: all but the untouched rows of tables, ascending and joined where they meet.
  /// Found once for all that ask before another row is touched.
  public var spans: [Range<Int>] {
    if !spansAreKnown { findSpans() }
    return knownSpans
  }

  private func findSpans() {
    knownSpans.removeAll(keepingCapacity: true)
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
    spansAreKnown = true
  }

  private func addSpan(_ range: Range<Int>) {
    if let last = knownSpans.last, last.upperBound == range.lowerBound {
      knownSpans[knownSpans.count - 1] = last.lowerBound..<range.upperBound
    } else if !range.isEmpty {
      knownSpans.append(range)
    }
  }

  /// Sets everything to zero that may differ from it, and forgets which rows that were.
  public func clear() {
    for span in spans { pointer(at: span.lowerBound).zeroElements(count: span.count) }
    forgetTouched()
  }
}
