import NumericKernels
import Testing

/// Kernels of cell options on blocks larger than those of the layer tests, and where NaNs go.
@Suite struct CellOptionKernelTests {
  private func random<Element: Scalar>(_ count: Int, _ stream: UInt32, _ type: Element.Type) -> [Element] {
    var values = [Element](repeating: 0, count: count)
    values.withUnsafeMutableBufferPointer {
      Element.fillUniform(
        $0, low: -1, high: 1, key: RandomKey(seed: 2, purpose: .generatedData), stream: stream)
    }
    return values
  }

  /// Widths below, at and beyond the 16 lanes of a sum, rows with gaps between them.
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
    var (y, d, hat) = (x, dy, [Element](repeating: 0, count: rows * columns))
    var scales = [Element](repeating: 0, count: rows)
    var (dGain, dBias) = ([Element](repeating: 1, count: columns), [Element](repeating: 2, count: columns))
    Element.layerNorm(rows, columns, &y, stride, gain, bias, &hat, columns, &scales, 1)
    Element.layerNormBackward(rows, columns, &d, stride, gain, hat, columns, scales, 1, &dGain, &dBias)
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
      // What lies between the rows is left alone.
      #expect(y[row * stride + columns] == x[row * stride + columns])
      #expect(d[row * stride + columns] == dy[row * stride + columns])
    }
    for j in 0..<columns {
      #expect(abs(Double(dGain[j]) - expectedGain[j]) < tolerance * 10)
      #expect(abs(Double(dBias[j]) - expectedBias[j]) < tolerance * 10)
    }
  }

  @Test func aRowWithoutVarianceIsNormalizedToZero() {
    var (x, hat, scale): ([Float], [Float], [Float]) = ([3, 3, 3], [9, 9, 9], [0])
    Float.layerNorm(1, 3, &x, 3, [1, 1, 1], nil, &hat, 3, &scale, 1)
    #expect(x == [0, 0, 0] && hat == [0, 0, 0])
    #expect(abs(scale[0] - 316.22777) < 0.01)
  }

  @Test func aNaNStaysVisible() {
    var x: [Float] = [.nan, 5, -5, 0.5]
    Float.clip(&x, 4, 2)
    #expect(x[0].isNaN && x[1...] == [2, -2, 0.5])
    var d: [Float] = [1, 1, 1, .nan]
    Float.clipBackward(&d, [.nan, 2, -3, 0.5], 4, 2)
    #expect(d[0] == 1 && d[1] == 0 && d[2] == 0 && d[3].isNaN)
    var c: [Float] = [0]
    var gates: [Float] = [.nan, 0, 0, 0]
    Float.lstmOptionCell(1, 1, false, 2, &gates, [0, 0, 0, 0], [0, 0, 0], [1], &c)
    #expect(c[0].isNaN)
    var out: [Float] = [0, 0]
    Float.zoneout([.nan, 1], [1, .nan], [0, 1], 0.5, &out, 2)
    #expect(out.allSatisfy { $0.isNaN })
    Float.highway([0.5, 0.5], [.nan, 1], [1, .nan], &out, 2)
    #expect(out.allSatisfy { $0.isNaN })
  }
}
