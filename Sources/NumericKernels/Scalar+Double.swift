import CKernels
import COpenBLAS

/// `Double` forwards every requirement of ``Scalar`` to the `_f64` kernels and to the BLAS' `dgemm`.
extension Double: Scalar {
  public static var dataTypeName: String { "F64" }

  public static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ strideC: Int
  ) {
    cblas_dgemm(
      CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
      blasint(m), blasint(n), blasint(k), 1, a, blasint(strideA), b, blasint(strideB), beta, c,
      blasint(strideC))
  }

  public static func axpy(
    _ alpha: Self, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    rnd_axpy_f64(alpha, x, y, Int64(count))
  }

  public static func addColumnSums(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ sum: UnsafeMutablePointer<Self>
  ) {
    rnd_add_column_sums_f64(x, Int64(stride), Int64(rows), Int64(columns), sum)
  }

  public static func gatherRows(
    _ table: UnsafePointer<Self>, _ tableStride: Int, _ index: UnsafePointer<Int32>, _ rows: Int,
    _ columns: Int, _ y: UnsafeMutablePointer<Self>, _ stride: Int
  ) {
    rnd_gather_rows_f64(table, Int64(tableStride), index, Int64(rows), Int64(columns), y, Int64(stride))
  }

  public static func scatterAddRows(
    _ x: UnsafePointer<Self>, _ stride: Int, _ index: UnsafePointer<Int32>, _ rows: Int, _ columns: Int,
    _ table: UnsafeMutablePointer<Self>, _ tableStride: Int
  ) {
    rnd_scatter_add_rows_f64(x, Int64(stride), index, Int64(rows), Int64(columns), table, Int64(tableStride))
  }

  public static func activateRows(
    _ y: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?, _ rows: Int, _ columns: Int,
    _ activation: ElementwiseActivation
  ) {
    rnd_activate_rows_f64(y, Int64(stride), bias, Int64(rows), Int64(columns), activation.rawValue)
  }

  public static func activateBackward(
    _ dy: UnsafeMutablePointer<Self>, _ dyStride: Int, _ y: UnsafePointer<Self>, _ yStride: Int, _ rows: Int,
    _ columns: Int, _ activation: ElementwiseActivation
  ) {
    rnd_activate_backward_f64(
      dy, Int64(dyStride), y, Int64(yStride), Int64(rows), Int64(columns), activation.rawValue)
  }

  public static func exp(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int) {
    rnd_exp_array_f64(x, y, Int64(count))
  }

  public static func sigmoid(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int) {
    rnd_sigmoid_array_f64(x, y, Int64(count))
  }

  public static func tanh(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int) {
    rnd_tanh_array_f64(x, y, Int64(count))
  }

  public static func softmaxRows(
    _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?, _ rows: Int, _ columns: Int,
    _ temperature: Self
  ) {
    rnd_softmax_rows_f64(x, Int64(stride), bias, Int64(rows), Int64(columns), temperature)
  }

  public static func shiftRows(
    _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ shift: UnsafePointer<Double>, _ rows: Int,
    _ columns: Int
  ) {
    rnd_shift_rows_f64(x, Int64(stride), shift, Int64(rows), Int64(columns))
  }

  public static func softmaxBackward(
    _ y: UnsafePointer<Self>, _ yStride: Int, _ dy: UnsafeMutablePointer<Self>, _ dyStride: Int, _ rows: Int,
    _ columns: Int
  ) {
    rnd_softmax_backward_f64(y, Int64(yStride), dy, Int64(dyStride), Int64(rows), Int64(columns))
  }

  public static func softmaxCrossEntropy(
    _ logits: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?,
    _ targets: UnsafePointer<Int32>, _ rows: Int, _ classes: Int, _ smoothing: Self, _ withGradient: Bool
  ) -> Double {
    rnd_softmax_cross_entropy_f64(
      logits, Int64(stride), bias, targets, Int64(rows), Int64(classes), smoothing, withGradient ? 1 : 0)
  }

  public static func lstmForward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ cPrevious: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, _ h: UnsafeMutablePointer<Self>
  ) {
    rnd_lstm_forward_f64(Int64(rows), Int64(hiddenSize), gates, bias, cPrevious, c, h)
  }

  public static func lstmBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ cPrevious: UnsafePointer<Self>,
    _ c: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>, _ dhNext: UnsafePointer<Self>,
    _ dc: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>
  ) {
    rnd_lstm_backward_f64(
      Int64(rows), Int64(hiddenSize), 0, Int64(hiddenSize), gates, cPrevious, c, dhOut, dhNext, dc, dbias)
  }

  public static func gruForward(
    _ rows: Int, _ hiddenSize: Int, _ xGates: UnsafeMutablePointer<Self>,
    _ hGates: UnsafeMutablePointer<Self>,
    _ xBias: UnsafePointer<Self>, _ hBias: UnsafePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ h: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_forward_f64(Int64(rows), Int64(hiddenSize), xGates, hGates, xBias, hBias, hPrevious, h)
  }

  public static func gruBackward(
    _ rows: Int, _ hiddenSize: Int, _ xGates: UnsafeMutablePointer<Self>,
    _ hGates: UnsafeMutablePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>,
    _ dxBias: UnsafeMutablePointer<Self>, _ dhBias: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_backward_f64(
      Int64(rows), Int64(hiddenSize), 0, Int64(hiddenSize), xGates, hGates, hPrevious, dhOut, dh, dxBias,
      dhBias)
  }

  public static func gruBeforeGates(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ resetH: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_gates_f64(Int64(rows), Int64(hiddenSize), gates, bias, hPrevious, resetH)
  }

  public static func gruBeforeOutput(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ h: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_output_f64(Int64(rows), Int64(hiddenSize), gates, bias, hPrevious, h)
  }

  public static func gruBeforeOutputBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ dhOut: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_output_backward_f64(Int64(rows), Int64(hiddenSize), gates, hPrevious, dhOut, dh, dbias)
  }

  public static func gruBeforeGatesBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ dResetH: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>
  ) {
    rnd_gru_before_gates_backward_f64(Int64(rows), Int64(hiddenSize), gates, hPrevious, dResetH, dh, dbias)
  }

  public static func rnnForward(
    _ rows: Int, _ hiddenSize: Int, _ pre: UnsafePointer<Self>, _ bias: UnsafePointer<Self>,
    _ h: UnsafeMutablePointer<Self>, _ activation: ElementwiseActivation
  ) {
    rnd_rnn_forward_f64(Int64(rows), Int64(hiddenSize), pre, bias, h, activation.rawValue)
  }

  public static func rnnBackward(
    _ rows: Int, _ hiddenSize: Int, _ h: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>,
    _ dhNext: UnsafePointer<Self>, _ dPre: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>,
    _ activation: ElementwiseActivation
  ) {
    rnd_rnn_backward_f64(
      Int64(rows), Int64(hiddenSize), 0, Int64(hiddenSize), h, dhOut, dhNext, dPre, dbias, activation.rawValue
    )
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

  /// Double serves tests only: it always takes the BLAS, and no mode makes it less precise.
  public static func product(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int,
    _ accumulate: Bool, _ c: UnsafeMutablePointer<Self>, _ strideC: Int, _ mode: ProductMode
  ) {
    gemm(transposeA, transposeB, m, n, k, a, strideA, b, strideB, accumulate ? 1 : 0, c, strideC)
  }

  public static var hasKernels: Bool { false }
  public static func packedSize(_ k: Int, _ n: Int, _ mode: ProductMode) -> Int { 0 }
  public static func pack(
    _ b: UnsafePointer<Self>, _ rowStride: Int, _ columnStride: Int, _ k: Int, _ n: Int,
    _ packed: UnsafeMutablePointer<Self>, _ mode: ProductMode
  ) {
    preconditionFailure("Double has no packed product; ask hasKernels first")
  }
  public static func packAgain(
    _ part: Range<Int>, depths: Bool, _ b: UnsafePointer<Self>, _ rowStride: Int, _ columnStride: Int,
    _ k: Int, _ n: Int, _ packed: UnsafeMutablePointer<Self>, _ mode: ProductMode
  ) {
    preconditionFailure("Double has no packed product; ask hasKernels first")
  }

  public static func packedProduct(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Self>, _ strideA: Int, _ packed: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>, _ strideC: Int, _ accumulate: Bool, _ mode: ProductMode
  ) {
    preconditionFailure("Double has no packed product; ask hasKernels first")
  }

  public static func logNormalizers(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int,
    _ result: UnsafeMutablePointer<Double>
  ) {
    rnd_log_normalizers_f64(x, Int64(stride), Int64(rows), Int64(columns), result)
  }

  public static func bestContinuations(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ base: UnsafePointer<Double>,
    _ normalizers: UnsafePointer<Double>, _ limit: Int, _ scores: UnsafeMutablePointer<Double>,
    _ sources: UnsafeMutablePointer<Int32>, _ tokens: UnsafeMutablePointer<Int32>
  ) -> Int {
    Int(
      rnd_best_continuations_f64(
        x, Int64(stride), Int64(rows), Int64(columns), base, normalizers, Int64(limit), scores, sources,
        tokens))
  }

  public static func drawTokens(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ inverseTemperature: Self,
    _ topK: Int, _ topP: Double, _ uniforms: UnsafePointer<Double>, _ weights: UnsafeMutablePointer<Self>,
    _ tokens: UnsafeMutablePointer<Int32>
  ) {
    rnd_draw_tokens_f64(
      x, Int64(stride), Int64(rows), Int64(columns), inverseTemperature, Int64(topK), topP, uniforms, weights,
      tokens)
  }

  public static func mixLogProbabilities(
    _ x: UnsafePointer<Self>, _ xStride: Int, _ rows: Int, _ columns: Int, _ logWeight: Double,
    _ y: UnsafeMutablePointer<Self>, _ yStride: Int, _ isFirst: Bool
  ) {
    rnd_mix_log_probabilities_f64(
      x, Int64(xStride), Int64(rows), Int64(columns), logWeight, y, Int64(yStride), isFirst ? 1 : 0)
  }

  public static func logCoverage(_ coverage: UnsafePointer<Self>, _ count: Int) -> Double {
    rnd_log_coverage_f64(coverage, Int64(count))
  }
}
