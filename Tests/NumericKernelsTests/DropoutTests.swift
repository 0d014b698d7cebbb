import NumericKernels
import Testing

@Suite struct DropoutTests {
  private static let key = DropoutKey(seed: 0x0012_feed_0000_beef, step: 0x5_0000_0003, stream: 2)
  private static let samples: [UInt32] = [0, 1, 2, 70_000, 1, .max]
  private static let times: [UInt32] = [0, 0, 0, 5, 9, 9]

  /// The result of dropout on contiguous rows of ones.
  private func mask(
    samples: [UInt32] = Self.samples, times: [UInt32]? = Self.times, units: Int, key: DropoutKey = Self.key,
    rate: Double = 0.4
  ) -> [Float] {
    let x = Block<Float>(rows: samples.count, columns: units) { _, _ in 1 }
    drop(x.view, samples: samples, times: times, key: key, rate: rate)
    return x.values
  }

  /// Dropout from a matrix to another, or in place.
  private func drop<Element: Scalar>(
    _ x: MatrixView<Element>, to y: MatrixView<Element>? = nil, samples: [UInt32] = Self.samples,
    times: [UInt32]? = Self.times, key: DropoutKey = Self.key, rate: Double
  ) {
    samples.withUnsafeBufferPointer { samples in
      (times ?? []).withUnsafeBufferPointer { steps in
        let rows = RowCoordinates(
          samples: samples.baseAddress!, times: times == nil ? nil : steps.baseAddress)
        Element.dropout(from: x, to: y ?? x, rows, key, rate: rate)
      }
    }
  }

  /// The mask according to the documented layout, unit by unit.
  private func reference(sample: UInt32, time: UInt32, unit: Int, key: DropoutKey, rate: Double) -> Double {
    let derived = philox4x32(
      counter: SIMD4(
        UInt32(truncatingIfNeeded: key.step), UInt32(key.step >> 32), key.stream,
        RandomPurpose.dropout.rawValue),
      key: SIMD2(UInt32(truncatingIfNeeded: key.seed), UInt32(key.seed >> 32)))
    let place = unit % 64
    let block = philox4x32(
      counter: SIMD4(UInt32(unit / 64 * 8 + place % 16 / 2), time, sample, 0),
      key: SIMD2(derived[0], derived[1]))
    let bits = place % 2 == 0 ? block[place / 16] & 0xffff : block[place / 16] >> 16
    let threshold = (rate * 65536).rounded()
    return Double(bits) >= threshold ? 65536 / (65536 - threshold) : 0
  }

  @Test(arguments: [1, 7, 63, 64, 65, 200, 511, 512, 513, 1300])
  func maskEqualsTheDocumentedLayout(units: Int) {
    let ours = mask(units: units)
    for row in Self.samples.indices {
      let expected = (0..<units).map {
        Float(reference(sample: Self.samples[row], time: Self.times[row], unit: $0, key: Self.key, rate: 0.4))
      }
      #expect(Array(ours[row * units..<(row + 1) * units]) == expected)
    }
  }

  @Test(arguments: [0.001, 0.1, 0.25, 0.5, 0.9])
  func droppedShareIsTheRate(rate: Double) {
    let samples = (0..<400).map { UInt32($0) }
    let ours = mask(samples: samples, times: nil, units: 1000, rate: rate)
    let share = Double(ours.count { $0 == 0 }) / Double(ours.count)
    let standardError = (rate * (1 - rate) / Double(ours.count)).squareRoot()
    #expect(abs(share - rate) < 5 * standardError + 1.0 / 131_072)
    let kept = Set(ours.filter { $0 != 0 })
    #expect(kept.count == 1)
    #expect(abs(Double(kept.first ?? 0) * (1 - rate) - 1) < 1e-4)
  }

  @Test(arguments: [1, 2, 3, 5])
  func maskDoesNotChangeWithSharding(cut: Int) {
    let whole = mask(units: 130)
    let first = mask(samples: Array(Self.samples[..<cut]), times: Array(Self.times[..<cut]), units: 130)
    let second = mask(samples: Array(Self.samples[cut...]), times: Array(Self.times[cut...]), units: 130)
    #expect(first + second == whole)
  }

  @Test func everyCoordinateMatters() {
    let other = Self.key
    var keys = [Self.key, other, other, other, other]
    keys[1].seed ^= 1 << 40
    keys[2].step += 1
    keys[3].step ^= 1 << 35
    keys[4].stream += 1
    var masks = keys.map { mask(samples: [4], times: [6], units: 256, key: $0, rate: 0.5) }
    masks.append(mask(samples: [5], times: [6], units: 256, rate: 0.5))
    masks.append(mask(samples: [4], times: [7], units: 256, rate: 0.5))
    #expect(Set(masks).count == masks.count)
    // Two independent masks agree on half of their units: 128 of 256, with a standard deviation of 8.
    for (a, b) in zip(masks, masks.dropFirst()) {
      #expect(abs(zip(a, b).count { $0 == $1 } - 128) < 45)
    }
  }

  @Test func variationalMaskIsTheSameAtAllTimes() {
    let constant = mask(times: nil, units: 100)
    #expect(constant == mask(times: [UInt32](repeating: 0, count: Self.samples.count), units: 100))
    // Rows 1 and 4 belong to the same sample.
    #expect(constant[100..<200] == constant[400..<500])
    #expect(mask(units: 100)[100..<200] != mask(units: 100)[400..<500])
  }

  @Test(arguments: [1, 37, 64, 600])
  func gapsBetweenRowsStayUntouchedAndDoubleHasTheSameMask(units: Int) {
    let rows = Self.samples.count
    func start(_ row: Int, _ unit: Int) -> Double { Double(row * units + unit + 1) / 8 }
    let double = Block<Double>(rows: rows, columns: units, gap: 3, start)
    let single = Block<Float>(rows: rows, columns: units, gap: 3) { Float(start($0, $1)) }
    let before = double.values
    drop(double.view, rate: 0.5)
    drop(single.view, rate: 0.5)
    let expected = zip(before, mask(units: units, rate: 0.5)).map { $0 * Double($1) }
    #expect(double.values == expected && single.values == expected.map { Float($0) })
    #expect(double.gapsAreUntouched && single.gapsAreUntouched)
  }

  @Test(arguments: [0, 0.3])
  func outOfPlaceEqualsInPlace(rate: Double) {
    let (rows, units) = (Self.samples.count, 70)
    func start(_ row: Int, _ unit: Int) -> Double { Double(row * units + unit) - 100 }
    let x = Block<Double>(rows: rows, columns: units, gap: 1, start)
    let y = Block<Double>(rows: rows, columns: units, gap: 5) { _, _ in 7 }
    let single = Block<Float>(rows: rows, columns: units, gap: 5) { _, _ in 7 }
    let before = x.values
    drop(x.view, to: y.view, rate: rate)
    let floats = Block<Float>(rows: rows, columns: units) { Float(start($0, $1)) }
    drop(floats.view, to: single.view, rate: rate)
    #expect(x.values == before && y.gapsAreUntouched && single.gapsAreUntouched)
    #expect(zip(single.values, y.values).allSatisfy { abs(Double($0) - $1) < 1e-4 })
    drop(x.view, rate: rate)
    #expect(x.values == y.values && (y.values == before) == (rate == 0))
  }

  @Test func nonFiniteNumbersStayVisible() {
    let x = Block<Float>(rows: 1, columns: 256) { _, _ in .nan }
    drop(x.view, samples: [3], times: [1], rate: 0.5)
    #expect(x.values.allSatisfy { $0.isNaN })
  }
}
