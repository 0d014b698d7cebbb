import CKernels
import NumericKernels
import Testing

/// Kernels of cell options on larger blocks than in the layer tests, and with NaNs.
@Suite struct CellOptionKernelTests {
  private func random<Element: Scalar>(_ count: Int, _ stream: UInt32, _ type: Element.Type) -> [Element] {
    var values = [Element](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer {
      Element.fillUniform(
        $0, low: -1, high: 1, key: RandomKey(seed: 2, purpose: .generatedData), stream: stream)
    }
    return values
  }

  /// Widths below, at and above the 16 lanes of a sum, and rows with gaps between them.
  @Test(arguments: [1, 2, 15, 16, 17, 37, 130])
  func layerNormIsItsEquation(columns: Int) {
    check(columns, Double.self, tolerance: 1e-12)
    check(columns, Float.self, tolerance: 1e-5)
  }

  private func check<Element: Scalar>(_ columns: Int, _ type: Element.Type, tolerance: Double) {
    let (rows, stride) = (3, columns + 2)
    let x = random(rows * stride, 1, type)
    let (gain, bias) = (random(columns, 2, type), random(columns, 3, type))
    let dy = random(rows * stride, 4, type)
    let (yBlock, dBlock, gains, biases) = (Block(x), Block(dy), Block(gain), Block(bias))
    let hat = Block<Element>(rows: rows, columns: columns) { _, _ in 0 }
    let scales = Block<Element>(rows: 1, columns: rows) { _, _ in 0 }
    let dGains = Block<Element>(rows: 1, columns: columns) { _, _ in 1 }
    let dBiases = Block<Element>(rows: 1, columns: columns) { _, _ in 2 }
    rnd_layer_norm_forward(
      type.kernelType,
      rnd_layer_norm(
        rows: rows, columns: columns, x: yBlock.base, stride: stride, gain: gains.base, bias: biases.base,
        normalized: hat.base, normalized_stride: columns, scale: scales.base, scale_stride: 1))
    rnd_layer_norm_backward(
      type.kernelType,
      rnd_layer_norm_gradient(
        rows: rows, columns: columns, d: dBlock.base, stride: stride, gain: gains.base, normalized: hat.base,
        normalized_stride: columns, scale: scales.base, scale_stride: 1, dgain: dGains.base,
        dbias: dBiases.base))
    let (y, d, dGain, dBias) = (yBlock.values, dBlock.values, dGains.values, dBiases.values)
    var (expectedGain, expectedBias) = (
      [Double](repeating: 1, count: columns), [Double](repeating: 2, count: columns)
    )
    for row in 0..<rows {
      func at(_ values: [Element]) -> [Double] {
        values[row * stride..<row * stride + columns].map { Double($0) }
      }
      let n = Double(columns)
      let mean = at(x).reduce(0, +) / n
      let deviation = (at(x).reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n + 1e-5).squareRoot()
      let normal = at(x).map { ($0 - mean) / deviation }
      let e = zip(at(dy), gain).map { $0 * Double($1) }
      let (eMean, slope) = (e.reduce(0, +) / n, zip(e, normal).reduce(0) { $0 + $1.0 * $1.1 } / n)
      for j in 0..<columns {
        #expect(abs(at(y)[j] - (normal[j] * Double(gain[j]) + Double(bias[j]))) < tolerance * 10)
        let dx = (e[j] - eMean - normal[j] * slope) / deviation
        #expect(abs(at(d)[j] - dx) < tolerance * max(1, 1 / deviation))
        expectedGain[j] += at(dy)[j] * normal[j]
        expectedBias[j] += at(dy)[j]
      }
      // The gaps between the rows don't change.
      #expect(y[row * stride + columns] == x[row * stride + columns])
      #expect(d[row * stride + columns] == dy[row * stride + columns])
    }
    for j in 0..<columns {
      #expect(abs(Double(dGain[j]) - expectedGain[j]) < tolerance * 10)
      #expect(abs(Double(dBias[j]) - expectedBias[j]) < tolerance * 10)
    }
  }

  @Test func aRowWithoutVarianceIsNormalizedToZero() {
    let (x, hat, scale) = (Block<Float>([3, 3, 3]), Block<Float>([9, 9, 9]), Block<Float>([0]))
    let gain = Block<Float>([1, 1, 1])
    rnd_layer_norm_forward(
      rnd_f32,
      rnd_layer_norm(
        rows: 1, columns: 3, x: x.base, stride: 3, gain: gain.base, bias: nil, normalized: hat.base,
        normalized_stride: 3, scale: scale.base, scale_stride: 1))
    #expect(x.values == [0, 0, 0] && hat.values == [0, 0, 0])
    #expect(abs(scale.base[0] - 316.22777) < 0.01)
  }

  @Test func aNaNStaysVisible() {
    let x = Block<Float>([.nan, 5, -5, 0.5])
    rnd_clip(rnd_f32, rnd_clipping(count: 4, bound: 2, x: x.base, d: nil))
    #expect(x.values[0].isNaN && x.values[1...] == [2, -2, 0.5])
    let (d, limited) = (Block<Float>([1, 1, 1, .nan]), Block<Float>([.nan, 2, -3, 0.5]))
    rnd_clip_backward(rnd_f32, rnd_clipping(count: 4, bound: 2, x: limited.base, d: d.base))
    #expect(d.values[..<3] == [1, 0, 0] && d.values[3].isNaN)
    let (gates, zeros, c) = (Block<Float>([.nan, 0, 0, 0]), Block<Float>([0, 0, 0, 0]), Block<Float>([0]))
    let one = Block<Float>([1])
    rnd_extended_lstm_cell(
      rnd_f32,
      rnd_extended_lstm(
        rows: 1, units: 1, coupled: false, clip: 2, gates: gates.base, bias: zeros.base,
        peepholes: zeros.base,
        c_previous: one.base, c: c.base, seen: c.base, h: c.base))
    #expect(c.values[0].isNaN)
    let (first, second, out) = (Block<Float>([.nan, 1]), Block<Float>([1, .nan]), Block<Float>([0, 0]))
    let (mask, halves) = (Block<Float>([0, 1]), Block<Float>([0.5, 0.5]))
    rnd_zoneout(
      rnd_f32,
      rnd_zoneout_step(
        count: 2, rate: 0.5, mask: mask.base, previous: first.base, candidate: second.base, out: out.base))
    #expect(out.values.allSatisfy { $0.isNaN })
    rnd_highway_forward(
      rnd_f32,
      rnd_highway(
        count: 2, gate: halves.base, x: first.base, y: second.base, out: out.base, d_out: nil, dx: nil,
        dy: nil))
    #expect(out.values.allSatisfy { $0.isNaN })
  }
}
