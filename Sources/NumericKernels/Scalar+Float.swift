import CKernels
import COpenBLAS

/// `Float` forwards every requirement of ``Scalar`` to the `_f32` kernels and to the BLAS' `sgemm`.
extension Float: Scalar {
  public static var dataTypeName: String { "F32" }

  public static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ strideC: Int
  ) {
    cblas_sgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), 1, a, blasint(strideA), b, blasint(strideB), beta, c,
      blasint(strideC))
  }

  public static func axpy(
    _ alpha: Self, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    KernelThreads.split(count, elements: count, unit: 16) { part in
      rnd_axpy_f32(alpha, x + part.lowerBound, y + part.lowerBound, Int64(part.count))
    }
  }

  public static func addColumnSums(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ sum: UnsafeMutablePointer<Self>
  ) {
    KernelThreads.split(columns, elements: rows * columns, unit: 16) { part in
      rnd_add_column_sums_f32(
        x + part.lowerBound, Int64(stride), Int64(rows), Int64(part.count), sum + part.lowerBound)
    }
  }

  public static func gatherRows(
    _ table: UnsafePointer<Self>, _ tableStride: Int, _ index: UnsafePointer<Int32>, _ rows: Int,
    _ columns: Int, _ y: UnsafeMutablePointer<Self>, _ stride: Int
  ) {
    KernelThreads.split(rows, elements: rows * columns) { part in
      rnd_gather_rows_f32(
        table, Int64(tableStride), index + part.lowerBound, Int64(part.count), Int64(columns),
        y + part.lowerBound * stride, Int64(stride))
    }
  }

  public static func scatterAddRows(
    _ x: UnsafePointer<Self>, _ stride: Int, _ index: UnsafePointer<Int32>, _ rows: Int, _ columns: Int,
    _ table: UnsafeMutablePointer<Self>, _ tableStride: Int
  ) {
    KernelThreads.split(columns, elements: rows * columns, unit: 16) { part in
      rnd_scatter_add_rows_f32(
        x + part.lowerBound, Int64(stride), index, Int64(rows), Int64(part.count), table + part.lowerBound,
        Int64(tableStride))
    }
  }

  public static func activateRows(
    _ y: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?, _ rows: Int, _ columns: Int,
    _ activation: ElementwiseActivation
  ) {
    rnd_activate_rows_f32(y, Int64(stride), bias, Int64(rows), Int64(columns), activation.rawValue)
  }

  public static func activateBackward(
    _ dy: UnsafeMutablePointer<Self>, _ dyStride: Int, _ y: UnsafePointer<Self>, _ yStride: Int, _ rows: Int,
    _ columns: Int, _ activation: ElementwiseActivation
  ) {
    rnd_activate_backward_f32(
      dy, Int64(dyStride), y, Int64(yStride), Int64(rows), Int64(columns), activation.rawValue)
  }

  public static func exp(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int) {
    rnd_exp_array_f32(x, y, Int64(count))
  }

  public static func sigmoid(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int) {
    rnd_sigmoid_array_f32(x, y, Int64(count))
  }

  public static func tanh(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int) {
    rnd_tanh_array_f32(x, y, Int64(count))
  }

  public static func softmaxRows(
    _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?, _ rows: Int, _ columns: Int,
    _ temperature: Self
  ) {
    rnd_softmax_rows_f32(x, Int64(stride), bias, Int64(rows), Int64(columns), temperature)
  }

  public static func shiftRows(
    _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ shift: UnsafePointer<Double>, _ rows: Int,
    _ columns: Int
  ) {
    rnd_shift_rows_f32(x, Int64(stride), shift, Int64(rows), Int64(columns))
  }

  public static func softmaxBackward(
    _ y: UnsafePointer<Self>, _ yStride: Int, _ dy: UnsafeMutablePointer<Self>, _ dyStride: Int, _ rows: Int,
    _ columns: Int
  ) {
    rnd_softmax_backward_f32(y, Int64(yStride), dy, Int64(dyStride), Int64(rows), Int64(columns))
  }

  public static func softmaxCrossEntropy(
    _ logits: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?,
    _ targets: UnsafePointer<Int32>, _ rows: Int, _ classes: Int, _ smoothing: Self, _ withGradient: Bool
  ) -> Double {
    // Losses of a fixed number of blocks, added in order: the same bits for any number of threads.
    let blocks = min(rows, 64)
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(1, blocks)) { losses in
      let losses = losses.baseAddress!
      KernelThreads.split(blocks, elements: rows * classes, as: .softmax) { part in
        for block in part {
          let range = rows * block / blocks..<rows * (block + 1) / blocks
          losses[block] = rnd_softmax_cross_entropy_f32(
            logits + range.lowerBound * stride, Int64(stride), bias, targets + range.lowerBound,
            Int64(range.count),
            Int64(classes), smoothing, withGradient ? 1 : 0)
        }
      }
      return (0..<blocks).reduce(0.0) { $0 + losses[$1] }
    }
  }

  public static func lstmForward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ cPrevious: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, _ h: UnsafeMutablePointer<Self>
  ) {
    KernelThreads.split(rows, elements: rows * hiddenSize) { part in
      let at = part.lowerBound * hiddenSize
      rnd_lstm_forward_f32(
        Int64(part.count), Int64(hiddenSize), gates + 4 * at, bias, cPrevious + at, c + at, h + at)
    }
  }

  public static func lstmBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ cPrevious: UnsafePointer<Self>,
    _ c: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>, _ dhNext: UnsafePointer<Self>,
    _ dc: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>
  ) {
    KernelThreads.split(hiddenSize, elements: rows * hiddenSize, unit: 16) { units in
      rnd_lstm_backward_f32(
        Int64(rows), Int64(hiddenSize), Int64(units.lowerBound), Int64(units.count), gates, cPrevious, c,
        dhOut,
        dhNext, dc, dbias)
    }
  }

  public static func gruForward(
    _ rows: Int, _ hiddenSize: Int, _ xGates: UnsafeMutablePointer<Self>,
    _ hGates: UnsafeMutablePointer<Self>,
    _ xBias: UnsafePointer<Self>, _ hBias: UnsafePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ h: UnsafeMutablePointer<Self>
  ) {
    KernelThreads.split(rows, elements: rows * hiddenSize) { part in
      let at = part.lowerBound * hiddenSize
      rnd_gru_forward_f32(
        Int64(part.count), Int64(hiddenSize), xGates + 3 * at, hGates + 3 * at, xBias, hBias, hPrevious + at,
        h + at)
    }
  }

  public static func gruBackward(
    _ rows: Int, _ hiddenSize: Int, _ xGates: UnsafeMutablePointer<Self>,
    _ hGates: UnsafeMutablePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>,
    _ dxBias: UnsafeMutablePointer<Self>, _ dhBias: UnsafeMutablePointer<Self>
  ) {
    KernelThreads.split(hiddenSize, elements: rows * hiddenSize, unit: 16) { units in
      rnd_gru_backward_f32(
        Int64(rows), Int64(hiddenSize), Int64(units.lowerBound), Int64(units.count), xGates, hGates,
        hPrevious, dhOut,
        dh, dxBias, dhBias)
    }
  }

  public static func gruBeforeGates(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ resetH: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_gates_f32(Int64(rows), Int64(hiddenSize), gates, bias, hPrevious, resetH)
  }

  public static func gruBeforeOutput(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ h: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_output_f32(Int64(rows), Int64(hiddenSize), gates, bias, hPrevious, h)
  }

  public static func gruBeforeOutputBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ dhOut: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_output_backward_f32(Int64(rows), Int64(hiddenSize), gates, hPrevious, dhOut, dh, dbias)
  }

  public static func gruBeforeGatesBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ dResetH: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_gates_backward_f32(Int64(rows), Int64(hiddenSize), gates, hPrevious, dResetH, dh, dbias)
  }

  public static func rnnForward(
    _ rows: Int, _ hiddenSize: Int, _ pre: UnsafePointer<Self>, _ bias: UnsafePointer<Self>,
    _ h: UnsafeMutablePointer<Self>, _ activation: ElementwiseActivation
  ) {
    KernelThreads.split(rows, elements: rows * hiddenSize) { part in
      let at = part.lowerBound * hiddenSize
      rnd_rnn_forward_f32(Int64(part.count), Int64(hiddenSize), pre + at, bias, h + at, activation.rawValue)
    }
  }

  public static func rnnBackward(
    _ rows: Int, _ hiddenSize: Int, _ h: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>,
    _ dhNext: UnsafePointer<Self>, _ dPre: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>,
    _ activation: ElementwiseActivation
  ) {
    KernelThreads.split(hiddenSize, elements: rows * hiddenSize, unit: 16) { units in
      rnd_rnn_backward_f32(
        Int64(rows), Int64(hiddenSize), Int64(units.lowerBound), Int64(units.count), h, dhOut, dhNext, dPre,
        dbias,
        activation.rawValue)
    }
  }

  public static func fillUniform(
    _ values: UnsafeMutableBufferPointer<Self>, low: Double, high: Double, key: RandomKey, stream: UInt32
  ) {
    uniformFill(values, low: low, high: high, key: key, stream: stream)
  }

  public static func fillNormal(
    _ values: UnsafeMutableBufferPointer<Self>, mean: Double, standardDeviation: Double, key: RandomKey,
    stream: UInt32
  ) {
    normalFill(values, mean: mean, standardDeviation: standardDeviation, key: key, stream: stream)
  }

  public static func dropout(
    from x: MatrixView<Self>, to y: MatrixView<Self>, _ rows: RowCoordinates, _ key: DropoutKey, rate: Double
  ) {
    if x.base == y.base {
      applyDropout(
        y.base, stride: y.stride, rows: y.rows, units: y.columns, samples: rows.samples, times: rows.times,
        key: key, rate: rate)
    } else {
      applyDropout(
        from: x.base, stride: x.stride, to: y.base, stride: y.stride, rows: x.rows, units: x.columns,
        samples: rows.samples, times: rows.times, key: key, rate: rate)
    }
  }

  public static func product(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int,
    _ accumulate: Bool, _ c: UnsafeMutablePointer<Self>, _ strideC: Int, _ mode: ProductMode
  ) {
    let form: ProductForm = transposeA ? .left : transposeB ? .right : .plain
    ProductRecorder.note(form, m, n, k, mode)
    guard mode.backend(form, m, n, k) == .kernels else {
      gemm(transposeA, transposeB, m, n, k, a, strideA, b, strideB, accumulate ? 1 : 0, c, strideC)
      return
    }
    rnd_product(
      Int64(m), Int64(n), Int64(k), rnd_operand(a, strideA, transposed: transposeA),
      rnd_operand(b, strideB, transposed: transposeB), c, Int64(strideC), accumulate ? 1 : 0, mode.kernelMode)
  }

  public static var hasKernels: Bool { true }

  public static func packedSize(_ k: Int, _ n: Int, _ mode: ProductMode) -> Int {
    Int(rnd_packed_words(Int64(k), Int64(n), mode.kernelMode))
  }

  public static func pack(
    _ b: UnsafePointer<Self>, _ rowStride: Int, _ columnStride: Int, _ k: Int, _ n: Int,
    _ packed: UnsafeMutablePointer<Self>, _ mode: ProductMode
  ) {
    let source = rnd_operand(base: b, row_stride: Int64(rowStride), column_stride: Int64(columnStride))
    rnd_pack(source, Int64(k), Int64(n), packed, mode.kernelMode)
  }

  public static func packAgain(
    _ part: Range<Int>, depths: Bool, _ b: UnsafePointer<Self>, _ rowStride: Int, _ columnStride: Int,
    _ k: Int, _ n: Int, _ packed: UnsafeMutablePointer<Self>, _ mode: ProductMode
  ) {
    let source = rnd_operand(base: b, row_stride: Int64(rowStride), column_stride: Int64(columnStride))
    let (first, count) = (Int64(part.lowerBound), Int64(part.count))
    if depths {
      rnd_pack_depths(source, Int64(k), Int64(n), first, count, packed, mode.kernelMode)
    } else {
      rnd_pack_columns(source, Int64(k), Int64(n), first, count, packed, mode.kernelMode)
    }
  }

  public static func packedProduct(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Self>, _ strideA: Int, _ packed: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>, _ strideC: Int, _ accumulate: Bool, _ mode: ProductMode
  ) {
    rnd_packed_product(
      Int64(m), Int64(n), Int64(k), rnd_operand(a, strideA, transposed: false), packed, c, Int64(strideC),
      accumulate ? 1 : 0, mode.kernelMode)
  }
}

extension rnd_operand {
  fileprivate init(_ base: UnsafePointer<Float>, _ stride: Int, transposed: Bool) {
    self.init(
      base: base, row_stride: transposed ? 1 : Int64(stride), column_stride: transposed ? Int64(stride) : 1)
  }
}

extension Float {
  public static func logNormalizers(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int,
    _ result: UnsafeMutablePointer<Double>
  ) {
    rnd_log_normalizers_f32(x, Int64(stride), Int64(rows), Int64(columns), result)
  }

  public static func bestContinuations(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ base: UnsafePointer<Double>,
    _ normalizers: UnsafePointer<Double>, _ limit: Int, _ scores: UnsafeMutablePointer<Double>,
    _ sources: UnsafeMutablePointer<Int32>, _ tokens: UnsafeMutablePointer<Int32>
  ) -> Int {
    Int(
      rnd_best_continuations_f32(
        x, Int64(stride), Int64(rows), Int64(columns), base, normalizers, Int64(limit), scores, sources,
        tokens))
  }

  public static func drawTokens(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ inverseTemperature: Self,
    _ topK: Int, _ topP: Double, _ uniforms: UnsafePointer<Double>, _ weights: UnsafeMutablePointer<Self>,
    _ tokens: UnsafeMutablePointer<Int32>
  ) {
    rnd_draw_tokens_f32(
      x, Int64(stride), Int64(rows), Int64(columns), inverseTemperature, Int64(topK), topP, uniforms, weights,
      tokens)
  }

  public static func mixLogProbabilities(
    _ x: UnsafePointer<Self>, _ xStride: Int, _ rows: Int, _ columns: Int, _ logWeight: Double,
    _ y: UnsafeMutablePointer<Self>, _ yStride: Int, _ isFirst: Bool
  ) {
    rnd_mix_log_probabilities_f32(
      x, Int64(xStride), Int64(rows), Int64(columns), logWeight, y, Int64(yStride), isFirst ? 1 : 0)
  }

  public static func logCoverage(_ coverage: UnsafePointer<Self>, _ count: Int) -> Double {
    rnd_log_coverage_f32(coverage, Int64(count))
  }
}
