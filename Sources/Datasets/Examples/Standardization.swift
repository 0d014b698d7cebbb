import Options

/// How the numbers of sources and targets are scaled before a model reads them.
public enum NumberScaling: String, OptionChoice {
  case none
  /// Mean 0 and standard deviation 1 over the training part.
  case standard
}

/// How missing numbers of a source are treated: empty fields, `NA`, `NaN`, `null` and `?` of csv, NaN of arrays.
public enum MissingNumbers: String, OptionChoice {
  case error
  /// They count as the mean, and each number of a step is followed by a second one: 1 if it was there, 0 if it is missing.
  case mask
}

/// The mean and the standard deviation of each number of a step over the training part, by which numbers are scaled:
///
///     z = (x - mean) / deviation
///
/// The deviation is that of the whole (divided by n); it is 1 where all numbers are equal. A missing number gets the mean.
public struct Standardization: Sendable, Equatable, Codable {
  /// Means and deviations up to this size train well without scaling.
  static let usual: Float = 20

  /// One mean for each number of a step.
  public let means: [Float]
  /// One deviation for each number of a step, above 0.
  public let deviations: [Float]
  /// Whether numbers are scaled; without, only missing ones are filled.
  public let scales: Bool

  /// Measures steps of `width` numbers.
  ///
  /// - Parameters:
  ///   - numbers: step after step; NaN where a number is missing.
  ///   - masked: the second half of each step says which numbers are there; it is not scaled.
  init(of numbers: some Collection<Float>, width: Int, masked: Bool, _ scaling: NumberScaling) {
    let measured = masked ? width / 2 : width
    var sums = [Double](repeating: 0, count: width)
    var counts = [Double](repeating: 0, count: width)
    func forEach(_ body: (Int, Double) -> Void) {
      var column = 0
      for number in numbers {
        if column < measured, !number.isNaN { body(column, Double(number)) }
        column = column + 1 == width ? 0 : column + 1
      }
    }
    forEach { column, number in
      sums[column] += number
      counts[column] += 1
    }
    let means = zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 }
    var squares = [Double](repeating: 0, count: width)
    forEach { column, number in squares[column] += (number - means[column]) * (number - means[column]) }
    self.means = means.map { Float($0) }
    deviations = zip(squares, counts).map { square, count in
      let deviation = count > 0 ? Float((square / count).squareRoot()) : 0
      return deviation > 0 && deviation.isFinite ? deviation : 1
    }
    scales = scaling == .standard
  }

  /// The numbers as a model sees them.
  func apply(_ numbers: [Float], width: Int) -> [Float] {
    numbers.indices.map { index in
      let (column, number) = (index % width, numbers[index])
      let known = number.isNaN ? means[column] : number
      return scales ? (known - means[column]) / deviations[column] : known
    }
  }

  /// Scaled numbers, row after row, in the units of the data.
  ///
  /// - Parameter outputs: outputs for each number, side by side, such as its quantiles.
  public func undo(_ values: [Float], outputs: Int = 1) -> [Float] {
    guard scales else { return values }
    return values.indices.map { index in
      let column = column(ofUnit: index, outputs: outputs)
      return values[index] * deviations[column] + means[column]
    }
  }

  /// The number whose mean and deviation belong to a unit of an output, or of several, one after the other.
  ///
  /// - Parameter outputs: outputs for each number, side by side, such as its quantiles.
  public func column(ofUnit unit: Int, outputs: Int) -> Int { unit / outputs % means.count }

  /// Whether they can be those of steps of this width.
  func fits(width: Int?) -> Bool {
    !means.isEmpty && means.count == width && deviations.count == means.count
      && means.allSatisfy(\.isFinite) && deviations.allSatisfy { $0 > 0 && $0.isFinite }
  }

  func combine(into hash: inout StableHash) {
    for number in means + deviations { hash.combine(UInt64(number.bitPattern)) }
    hash.combine(scales ? 1 : 0)
  }
}

extension DataEncoding {
  /// Measures the numbers of the training part. Requires an encoding that was made for it.
  mutating func measure(_ set: ExampleSet, _ layout: RecordLayout, _ options: ExampleOptions) {
    if layout.source?.isScaled == true, let vectors = set.source?.vectorSequences {
      let masked = options.missing == .mask
      guard masked || options.scaling == .standard else { return }
      sourceScale = Standardization(
        of: vectors.elements, width: vectors.width, masked: masked, options.scaling)
    }
    guard options.scaling == .standard, layout.target?.isScaled == true, !options.bits else { return }
    targetScale = set.target?.vectorSequences.map {
      Standardization(of: $0.elements, width: $0.width, masked: false, options.scaling)
    }
  }
}

extension FieldKind {
  /// Whether its numbers are measurements, which may be scaled; the ones of a multi-hot step are not.
  var isScaled: Bool { [.numbers, .stepNumbers, .series, .array, .arrayVector].contains(self) }
}
