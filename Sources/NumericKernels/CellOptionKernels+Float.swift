import CKernels

/// `Float` forwards every requirement of ``CellOptionKernels`` to the `_f32` kernels.
extension Float: CellOptionKernels {
  public static func lstmOptionCell(
    _ rows: Int, _ hiddenSize: Int, _ coupled: Bool, _ clip: Self, _ gates: UnsafeMutablePointer<Self>,
    _ bias: UnsafePointer<Self>, _ peepholes: UnsafePointer<Self>, _ cPrevious: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>
  ) {
    rnd_lstm_option_cell_f32(
      Int64(rows), Int64(hiddenSize), coupled ? 1 : 0, clip, gates, bias, peepholes, cPrevious, c)
  }

  public static func lstmOptionOutput(
    _ rows: Int, _ hiddenSize: Int, _ gateCount: Int32, _ gates: UnsafePointer<Self>,
    _ m: UnsafePointer<Self>, _ h: UnsafeMutablePointer<Self>
  ) {
    rnd_lstm_option_output_f32(Int64(rows), Int64(hiddenSize), gateCount, gates, m, h)
  }

  public static func lstmOptionOutputBackward(
    _ rows: Int, _ hiddenSize: Int, _ gateCount: Int32, _ gates: UnsafeMutablePointer<Self>,
    _ m: UnsafePointer<Self>, _ dh: UnsafePointer<Self>, _ dm: UnsafeMutablePointer<Self>
  ) {
    rnd_lstm_option_output_backward_f32(Int64(rows), Int64(hiddenSize), gateCount, gates, m, dh, dm)
  }

  public static func lstmOptionCellBackward(
    _ rows: Int, _ hiddenSize: Int, _ coupled: Bool, _ clip: Self, _ gates: UnsafeMutablePointer<Self>,
    _ peepholes: UnsafePointer<Self>, _ cPrevious: UnsafePointer<Self>, _ c: UnsafePointer<Self>,
    _ dm: UnsafePointer<Self>, _ dc: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>,
    _ dpeepholes: UnsafeMutablePointer<Self>
  ) {
    rnd_lstm_option_cell_backward_f32(
      Int64(rows), Int64(hiddenSize), coupled ? 1 : 0, clip, gates, peepholes, cPrevious, c, dm, dc, dbias,
      dpeepholes)
  }

  public static func clip(_ x: UnsafeMutablePointer<Self>, _ count: Int, _ bound: Self) {
    rnd_clip_f32(x, Int64(count), bound)
  }

  public static func clipBackward(
    _ d: UnsafeMutablePointer<Self>, _ x: UnsafePointer<Self>, _ count: Int, _ bound: Self
  ) {
    rnd_clip_backward_f32(d, x, Int64(count), bound)
  }

  public static func multiply(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ out: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    rnd_multiply_f32(x, y, out, Int64(count))
  }

  public static func multiplyAdd(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ out: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    rnd_multiply_add_f32(x, y, out, Int64(count))
  }

  public static func zoneout(
    _ previous: UnsafePointer<Self>, _ candidate: UnsafePointer<Self>, _ mask: UnsafePointer<Self>?,
    _ rate: Self, _ out: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    rnd_zoneout_f32(previous, candidate, mask, rate, out, Int64(count))
  }

  public static func zoneoutBackward(
    _ d: UnsafeMutablePointer<Self>, _ dOut: UnsafePointer<Self>?, _ mask: UnsafePointer<Self>?, _ rate: Self,
    _ kept: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    rnd_zoneout_backward_f32(d, dOut, mask, rate, kept, Int64(count))
  }

  public static func highway(
    _ gate: UnsafePointer<Self>, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>,
    _ out: UnsafeMutablePointer<Self>, _ count: Int
  ) {
    rnd_highway_f32(gate, x, y, out, Int64(count))
  }

  public static func highwayBackward(
    _ gate: UnsafeMutablePointer<Self>, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>,
    _ dOut: UnsafePointer<Self>, _ dx: UnsafeMutablePointer<Self>, _ dy: UnsafeMutablePointer<Self>,
    _ count: Int
  ) {
    rnd_highway_backward_f32(gate, x, y, dOut, dx, dy, Int64(count))
  }

  public static func layerNorm(
    _ rows: Int, _ columns: Int, _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ gain: UnsafePointer<Self>,
    _ bias: UnsafePointer<Self>?, _ xhat: UnsafeMutablePointer<Self>, _ xhatStride: Int,
    _ rstd: UnsafeMutablePointer<Self>, _ rstdStride: Int
  ) {
    rnd_layer_norm_f32(
      Int64(rows), Int64(columns), x, Int64(stride), gain, bias, xhat, Int64(xhatStride), rstd,
      Int64(rstdStride))
  }

  public static func layerNormBackward(
    _ rows: Int, _ columns: Int, _ d: UnsafeMutablePointer<Self>, _ stride: Int, _ gain: UnsafePointer<Self>,
    _ xhat: UnsafePointer<Self>, _ xhatStride: Int, _ rstd: UnsafePointer<Self>, _ rstdStride: Int,
    _ dgain: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>?
  ) {
    rnd_layer_norm_backward_f32(
      Int64(rows), Int64(columns), d, Int64(stride), gain, xhat, Int64(xhatStride), rstd, Int64(rstdStride),
      dgain, dbias)
  }
}
