import NumericKernels

/// The encoder's states of a batch, sentence after sentence without padding, in the order of the decoder's rows.
///
/// Sentence i of the decoder owns rows `offsets[i]..<offsets[i + 1]` of `values`: attention can't reach beyond it.
struct SourceMemory<Element: Scalar> {
  /// h_j of all sentences, [S, D].
  let values: MatrixView<Element>
  /// First row of each sentence, and behind the last the number of rows.
  let offsets: [Int]
  /// The same for the kernels.
  let starts: UnsafePointer<Int32>
  let lengths: UnsafePointer<Int32>
  /// For each row the packed row of the encoder it came from.
  private let packedRows: UnsafePointer<Int32>

  var batchSize: Int { offsets.count - 1 }
  /// Rows of the first `count` sentences.
  func rowCount(of count: Int) -> Int { offsets[count] }

  /// Copies packed outputs into sentences.
  ///
  /// - Parameters:
  ///   - output: the encoder's packed outputs, [rowCount, D].
  ///   - layout: how they lie.
  ///   - order: the caller's sentence at each position of the decoder.
  init(_ output: MatrixView<Element>, _ layout: PackedLayout, order: [Int], _ arena: Arena<Element>) {
    let position = layout.positions
    var offsets = [Int](repeating: 0, count: order.count + 1)
    for (i, sentence) in order.enumerated() {
      offsets[i + 1] = offsets[i] + layout.lengths[position[sentence]]
    }
    self.offsets = offsets
    let index = arena.words(layout.rowCount, of: Int32.self)
    let (starts, lengths) = (
      arena.words(order.count, of: Int32.self), arena.words(order.count, of: Int32.self)
    )
    for (i, sentence) in order.enumerated() {
      let source = position[sentence]
      starts[i] = Int32(offsets[i])
      lengths[i] = Int32(layout.lengths[source])
      for step in 0..<layout.lengths[source] {
        index[offsets[i] + step] = Int32(layout.offsets[step] + source)
      }
    }
    self.starts = UnsafePointer(starts.baseAddress!)
    self.lengths = UnsafePointer(lengths.baseAddress!)
    packedRows = UnsafePointer(index.baseAddress!)
    values = arena.matrix(layout.rowCount, output.columns)
    Element.gatherRows(
      output.base, output.stride, packedRows, values.rows, values.columns, values.base, values.stride)
  }

  /// Adds gradients of the values to those of the packed outputs.
  func addGradient(_ dValues: MatrixView<Element>, to dOutput: MatrixView<Element>) {
    Element.scatterAddRows(
      dValues.base, dValues.stride, packedRows, dValues.rows, dValues.columns, dOutput.base, dOutput.stride)
  }
}

extension PackedLayout {
  /// The sorted position of each of the caller's sequences: the inverse of ``order``.
  var positions: [Int] {
    var positions = [Int](repeating: 0, count: batchSize)
    for (position, caller) in order.enumerated() { positions[caller] = position }
    return positions
  }
}
