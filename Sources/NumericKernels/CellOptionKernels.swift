/// The kernels behind the options of cells: what each does is said in cell_option_kernels.h.
public protocol CellOptionKernels {
  static func lstmOptionCell(
    _ rows: Int, _ hiddenSize: Int, _ coupled: Bool, _ clip: Self, _ gates: UnsafeMutablePointer<Self>,
    _ bias: UnsafePointer<Self>, _ peepholes: UnsafePointer<Self>, _ cPrevious: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>)
  static func lstmOptionOutput(
    _ rows: Int, _ hiddenSize: Int, _ gateCount: Int32, _ gates: UnsafePointer<Self>,
    _ m: UnsafePointer<Self>, _ h: UnsafeMutablePointer<Self>)
  static func lstmOptionOutputBackward(
    _ rows: Int, _ hiddenSize: Int, _ gateCount: Int32, _ gates: UnsafeMutablePointer<Self>,
    _ m: UnsafePointer<Self>, _ dh: UnsafePointer<Self>, _ dm: UnsafeMutablePointer<Self>)
  static func lstmOptionCellBackward(
    _ rows: Int, _ hiddenSize: Int, _ coupled: Bool, _ clip: Self, _ gates: UnsafeMutablePointer<Self>,
    _ peepholes: UnsafePointer<Self>, _ cPrevious: UnsafePointer<Self>, _ c: UnsafePointer<Self>,
    _ dm: UnsafePointer<Self>, _ dc: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>,
    _ dpeepholes: UnsafeMutablePointer<Self>)
  static func clip(_ x: UnsafeMutablePointer<Self>, _ count: Int, _ bound: Self)
  static func clipBackward(
    _ d: UnsafeMutablePointer<Self>, _ x: UnsafePointer<Self>, _ count: Int, _ bound: Self)
  static func multiply(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ out: UnsafeMutablePointer<Self>, _ count: Int)
  static func multiplyAdd(
    _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>, _ out: UnsafeMutablePointer<Self>, _ count: Int)
  static func zoneout(
    _ previous: UnsafePointer<Self>, _ candidate: UnsafePointer<Self>, _ mask: UnsafePointer<Self>?,
    _ rate: Self, _ out: UnsafeMutablePointer<Self>, _ count: Int)
  static func zoneoutBackward(
    _ d: UnsafeMutablePointer<Self>, _ dOut: UnsafePointer<Self>?, _ mask: UnsafePointer<Self>?, _ rate: Self,
    _ kept: UnsafeMutablePointer<Self>, _ count: Int)
  static func highway(
    _ gate: UnsafePointer<Self>, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>,
    _ out: UnsafeMutablePointer<Self>, _ count: Int)
  static func highwayBackward(
    _ gate: UnsafeMutablePointer<Self>, _ x: UnsafePointer<Self>, _ y: UnsafePointer<Self>,
    _ dOut: UnsafePointer<Self>, _ dx: UnsafeMutablePointer<Self>, _ dy: UnsafeMutablePointer<Self>,
    _ count: Int)
  static func layerNorm(
    _ rows: Int, _ columns: Int, _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ gain: UnsafePointer<Self>,
    _ bias: UnsafePointer<Self>?, _ xhat: UnsafeMutablePointer<Self>, _ xhatStride: Int,
    _ rstd: UnsafeMutablePointer<Self>, _ rstdStride: Int)
  static func layerNormBackward(
    _ rows: Int, _ columns: Int, _ d: UnsafeMutablePointer<Self>, _ stride: Int, _ gain: UnsafePointer<Self>,
    _ xhat: UnsafePointer<Self>, _ xhatStride: Int, _ rstd: UnsafePointer<Self>, _ rstdStride: Int,
    _ dgain: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>?)
}
