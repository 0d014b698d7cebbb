import CKernels

/// Elementwise activation functions, with the codes of the C kernels.
public enum ElementwiseActivation: Int32, Sendable, Hashable, CaseIterable {
  case identity = 0
  case sigmoid = 1
  case tanh = 2
  case relu = 3
}

// Operations on the rows of a matrix that several layers use. Pointers to vectors, such as biases, have one element for each
// column.
extension MatrixView {
  /// `self += alpha x`.
  public func addScaled(_ alpha: Element, _ x: MatrixView) {
    precondition(
      rows == x.rows && columns == x.columns,
      "sum of [\(x.rows), \(x.columns)] into [\(rows), \(columns)]")
    if isContiguous && x.isContiguous {
      base.addScaled(alpha, x.base, count: count)
    } else {
      for index in 0..<rows { row(index).addScaled(alpha, x.row(index), count: columns) }
    }
  }

  /// `self += x`.
  public func add(_ x: MatrixView) { addScaled(1, x) }

  /// Adds the sum over all rows to a vector.
  public func addColumnSums(to sum: UnsafeMutablePointer<Element>) {
    let arguments = rnd_columns(rows: rows, x: base, stride: stride, sum: sum)
    KernelThreads.split(columns, elements: rows * columns, unit: 16) {
      rnd_add_column_sums(Element.kernelType, arguments, $0, $1)
    }
  }

  /// Overwrites every row with the table row whose index is in `index` [rows].
  public func gatherRows(of table: MatrixView, at index: UnsafePointer<Int32>) {
    precondition(table.columns == columns, "rows of width \(table.columns) into rows of width \(columns)")
    let arguments = rnd_gather(
      columns: columns, index: index, table: table.base, table_stride: table.stride, y: base, stride: stride)
    KernelThreads.split(rows, elements: rows * columns) {
      rnd_gather_rows(Element.kernelType, arguments, $0, $1)
    }
  }

  /// Overwrites every row with a row of a read-only table of contiguous rows.
  public func gatherRows(of table: UnsafePointer<Element>, at index: UnsafePointer<Int32>) {
    gatherRows(
      of: MatrixView(UnsafeMutablePointer(mutating: table), rows: 0, columns: columns), at: index)
  }

  /// `self[index[row]] += x[row]`, the rows of x in order; rows whose index is below zero are left out.
  public func scatterAddRows(_ x: MatrixView, at index: UnsafePointer<Int32>) {
    precondition(x.columns == columns, "rows of width \(x.columns) into rows of width \(columns)")
    let arguments = rnd_scatter(
      rows: x.rows, index: index, x: x.base, stride: x.stride, table: base, table_stride: stride)
    KernelThreads.split(columns, elements: x.rows * columns, unit: 16) {
      rnd_scatter_add_rows(Element.kernelType, arguments, $0, $1)
    }
  }

  /// `self = f(self + bias)`.
  public func activate(_ activation: ElementwiseActivation, bias: UnsafePointer<Element>? = nil) {
    KernelThreads.split(rows, elements: count) { first, end in
      rnd_activate(
        Element.kernelType,
        rnd_activation(
          rows: end - first, columns: columns, y: row(first), stride: stride, bias: bias,
          activation: activation.rawValue))
    }
  }

  /// Turns this matrix, the gradient of `y = f(x)`, into the gradient of x.
  public func activateBackward(_ activation: ElementwiseActivation, _ y: MatrixView) {
    KernelThreads.split(rows, elements: count) { first, end in
      rnd_activate_backward(
        Element.kernelType,
        rnd_activation_gradient(
          rows: end - first, columns: columns, dy: row(first), dy_stride: stride, y: y.row(first),
          y_stride: y.stride, activation: activation.rawValue))
    }
  }

  /// `self = softmax(self + bias)`, row by row.
  public func softmax(bias: UnsafePointer<Element>? = nil) {
    rnd_softmax_rows(
      Element.kernelType, rnd_softmax(rows: rows, columns: columns, x: base, stride: stride, bias: bias))
  }

  /// Turns this matrix, the gradient of `y = softmax(x)`, into the gradient of x.
  public func softmaxBackward(_ y: MatrixView) {
    rnd_softmax_backward(
      Element.kernelType,
      rnd_softmax_gradient(
        rows: rows, columns: columns, y: y.base, y_stride: y.stride, dy: base, dy_stride: stride))
  }

  /// Σ of the cross-entropy of softmax(self + bias) against a class for each row, nats; rows whose class is below zero are
  /// skipped. The matrix becomes its gradient if requested; otherwise its values are unspecified.
  ///
  /// - Parameter smoothing: the share of the target distribution that is uniform over all classes.
  public func softmaxCrossEntropy(
    targets: UnsafePointer<Int32>, bias: UnsafePointer<Element>? = nil, smoothing: Double = 0,
    withGradient: Bool
  ) -> Double {
    // The losses of a fixed number of blocks are added in order, so the sum has the same bits for any number of threads.
    let blocks = min(rows, 64)
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, blocks)) { losses in
      KernelThreads.split(blocks, elements: rows * columns, as: .softmax) { first, end in
        for block in first..<end {
          let arguments = rnd_cross_entropy(
            classes: columns, logits: base, stride: stride, bias: bias, target: targets, smoothing: smoothing,
            with_gradient: withGradient, loss: losses.baseAddress! + block)
          rnd_softmax_cross_entropy(
            Element.kernelType, arguments, rows * block / blocks, rows * (block + 1) / blocks)
        }
      }
      return (0..<blocks).reduce(0.0) { $0 + losses[$1] }
    }
  }

  /// The block of logits as an argument of the decoding kernels.
  public var logits: rnd_logits { rnd_logits(rows: rows, columns: columns, x: base, stride: stride) }

  /// Overwrites `normalizers` [rows] with log Σ exp of each row, in double.
  public func logNormalizers(into normalizers: UnsafeMutablePointer<Double>) {
    rnd_log_normalizers(Element.kernelType, rnd_normalization(logits: logits, normalizer: normalizers))
  }

  /// Overwrites `index` [rows] with the column of each row's largest value, or the first of several.
  public func argmaxRows(into index: UnsafeMutablePointer<Int32>) {
    rnd_argmax_rows(
      Element.kernelType, rnd_argmax(rows: rows, columns: columns, x: base, stride: stride, index: index))
  }
}
