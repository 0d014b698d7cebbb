import CKernels
import COpenBLAS

/// An element type the numeric core computes with: `Float` for training, `Double` for gradient checks.
///
/// Every requirement is one call of a C kernel or of the BLAS over a whole block, so that generic code above
/// pays for dispatch once per block, never once per element. Shapes: `rows` x `columns` row-major with a
/// `stride` in elements. What is added to and what is overwritten is said in the headers of CKernels.
public protocol Scalar: BinaryFloatingPoint, Sendable, CustomStringConvertible, AttentionScalar,
  CellOptionKernels, OutputKernels, SequenceKernels
{
  /// The safetensors name of the type: `F32` or `F64`.
  static var dataTypeName: String { get }

  /// `c = a b + beta c` with optional transposition of `a` and `b` (BLAS `gemm`, row-major).
  static func gemm(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int,
    _ beta: Self, _ c: UnsafeMutablePointer<Self>, _ strideC: Int)

  static func axpy(_ alpha: Self, _ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int)
  static func addColumnSums(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ sum: UnsafeMutablePointer<Self>)
  static func gatherRows(
    _ table: UnsafePointer<Self>, _ tableStride: Int, _ index: UnsafePointer<Int32>, _ rows: Int,
    _ columns: Int, _ y: UnsafeMutablePointer<Self>, _ stride: Int)
  static func scatterAddRows(
    _ x: UnsafePointer<Self>, _ stride: Int, _ index: UnsafePointer<Int32>, _ rows: Int, _ columns: Int,
    _ table: UnsafeMutablePointer<Self>, _ tableStride: Int)

  static func activateRows(
    _ y: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?, _ rows: Int,
    _ columns: Int, _ activation: ElementwiseActivation)
  static func activateBackward(
    _ dy: UnsafeMutablePointer<Self>, _ dyStride: Int, _ y: UnsafePointer<Self>, _ yStride: Int,
    _ rows: Int, _ columns: Int, _ activation: ElementwiseActivation)
  static func exp(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int)
  static func sigmoid(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int)
  static func tanh(_ x: UnsafePointer<Self>, _ y: UnsafeMutablePointer<Self>, _ count: Int)

  static func softmaxRows(
    _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?, _ rows: Int,
    _ columns: Int, _ temperature: Self)
  /// `x += shift[row]` in every column.
  static func shiftRows(
    _ x: UnsafeMutablePointer<Self>, _ stride: Int, _ shift: UnsafePointer<Double>, _ rows: Int,
    _ columns: Int)
  static func softmaxBackward(
    _ y: UnsafePointer<Self>, _ yStride: Int, _ dy: UnsafeMutablePointer<Self>, _ dyStride: Int,
    _ rows: Int, _ columns: Int)
  static func softmaxCrossEntropy(
    _ logits: UnsafeMutablePointer<Self>, _ stride: Int, _ bias: UnsafePointer<Self>?,
    _ targets: UnsafePointer<Int32>, _ rows: Int, _ classes: Int, _ smoothing: Self, _ withGradient: Bool
  ) -> Double

  /// `y = x * mask / (1 - rate)`; `y` may be `x`. See
  /// ``applyDropout(_:stride:rows:units:samples:times:key:rate:)``.
  static func dropout(
    from x: MatrixView<Self>, to y: MatrixView<Self>, _ rows: RowCoordinates, _ key: DropoutKey, rate: Double)

  static func fillUniform(
    _ values: UnsafeMutableBufferPointer<Self>, low: Double, high: Double, key: RandomKey, stream: UInt32)
  static func fillNormal(
    _ values: UnsafeMutableBufferPointer<Self>, mean: Double, standardDeviation: Double, key: RandomKey,
    stream: UInt32)

  static func lstmForward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ cPrevious: UnsafePointer<Self>, _ c: UnsafeMutablePointer<Self>, _ h: UnsafeMutablePointer<Self>)
  static func lstmBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ cPrevious: UnsafePointer<Self>,
    _ c: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>, _ dhNext: UnsafePointer<Self>,
    _ dc: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>)
  static func gruForward(
    _ rows: Int, _ hiddenSize: Int, _ xGates: UnsafeMutablePointer<Self>,
    _ hGates: UnsafeMutablePointer<Self>,
    _ xBias: UnsafePointer<Self>, _ hBias: UnsafePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ h: UnsafeMutablePointer<Self>)
  static func gruBackward(
    _ rows: Int, _ hiddenSize: Int, _ xGates: UnsafeMutablePointer<Self>,
    _ hGates: UnsafeMutablePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>,
    _ dxBias: UnsafeMutablePointer<Self>, _ dhBias: UnsafeMutablePointer<Self>)
  static func gruBeforeGates(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ resetH: UnsafeMutablePointer<Self>)
  static func gruBeforeOutput(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ bias: UnsafePointer<Self>,
    _ hPrevious: UnsafePointer<Self>, _ h: UnsafeMutablePointer<Self>)
  static func gruBeforeOutputBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ dhOut: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>)
  static func gruBeforeGatesBackward(
    _ rows: Int, _ hiddenSize: Int, _ gates: UnsafeMutablePointer<Self>, _ hPrevious: UnsafePointer<Self>,
    _ dResetH: UnsafePointer<Self>, _ dh: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>)
  static func rnnForward(
    _ rows: Int, _ hiddenSize: Int, _ pre: UnsafePointer<Self>, _ bias: UnsafePointer<Self>,
    _ h: UnsafeMutablePointer<Self>, _ activation: ElementwiseActivation)
  static func rnnBackward(
    _ rows: Int, _ hiddenSize: Int, _ h: UnsafePointer<Self>, _ dhOut: UnsafePointer<Self>,
    _ dhNext: UnsafePointer<Self>, _ dPre: UnsafeMutablePointer<Self>, _ dbias: UnsafeMutablePointer<Self>,
    _ activation: ElementwiseActivation)

  /// `c = op(a) op(b)`, or `c += op(a) op(b)`, by the kernels or the BLAS as `mode` says. `m`, `n`, `k` at least 1.
  static func product(
    _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int,
    _ a: UnsafePointer<Self>, _ strideA: Int, _ b: UnsafePointer<Self>, _ strideB: Int,
    _ accumulate: Bool, _ c: UnsafeMutablePointer<Self>, _ strideC: Int, _ mode: ProductMode)

  /// True if there are kernels for products of this type, packed ones among them; otherwise the BLAS serves.
  static var hasKernels: Bool { get }
  static func packedSize(_ k: Int, _ n: Int, _ mode: ProductMode) -> Int
  static func pack(
    _ b: UnsafePointer<Self>, _ rowStride: Int, _ columnStride: Int, _ k: Int, _ n: Int,
    _ packed: UnsafeMutablePointer<Self>, _ mode: ProductMode)
  /// Packs columns (or, if `depths`, rows) of `b` again, of a matrix packed before.
  static func packAgain(
    _ part: Range<Int>, depths: Bool, _ b: UnsafePointer<Self>, _ rowStride: Int, _ columnStride: Int,
    _ k: Int, _ n: Int, _ packed: UnsafeMutablePointer<Self>, _ mode: ProductMode)
  static func packedProduct(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Self>, _ strideA: Int, _ packed: UnsafePointer<Self>,
    _ c: UnsafeMutablePointer<Self>, _ strideC: Int, _ accumulate: Bool, _ mode: ProductMode)

  static func logNormalizers(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int,
    _ result: UnsafeMutablePointer<Double>)
  static func bestContinuations(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ base: UnsafePointer<Double>,
    _ normalizers: UnsafePointer<Double>, _ limit: Int, _ scores: UnsafeMutablePointer<Double>,
    _ sources: UnsafeMutablePointer<Int32>, _ tokens: UnsafeMutablePointer<Int32>
  ) -> Int
  static func drawTokens(
    _ x: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, _ inverseTemperature: Self,
    _ topK: Int, _ topP: Double, _ uniforms: UnsafePointer<Double>, _ weights: UnsafeMutablePointer<Self>,
    _ tokens: UnsafeMutablePointer<Int32>)
  static func mixLogProbabilities(
    _ x: UnsafePointer<Self>, _ xStride: Int, _ rows: Int, _ columns: Int, _ logWeight: Double,
    _ y: UnsafeMutablePointer<Self>, _ yStride: Int, _ isFirst: Bool)
  static func logCoverage(_ coverage: UnsafePointer<Self>, _ count: Int) -> Double
}

/// Elementwise activation functions, with the codes of the C kernels.
public enum ElementwiseActivation: Int32, Sendable, Hashable, CaseIterable {
  case identity = 0
  case sigmoid = 1
  case tanh = 2
  case relu = 3
}

/// Which sample and which time step each row of a packed block belongs to: the coordinates of its random
/// numbers.
public struct RowCoordinates {
  /// Global sample index of each row.
  public let samples: UnsafePointer<UInt32>
  /// Time step of each row; nil if all rows of a sample have the same numbers.
  public let times: UnsafePointer<UInt32>?

  public init(samples: UnsafePointer<UInt32>, times: UnsafePointer<UInt32>?) {
    self.samples = samples
    self.times = times
  }

  /// The coordinates without those of the first `count` rows.
  public func dropFirst(_ count: Int) -> RowCoordinates {
    RowCoordinates(samples: samples + count, times: times.map { $0 + count })
  }

  /// The coordinates of numbers that a sample keeps for all its time steps.
  public var withoutTimes: RowCoordinates { RowCoordinates(samples: samples, times: nil) }
}
