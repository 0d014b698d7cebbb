import NumericKernels

/// The distribution of a parameter's initial values.
public indirect enum Initializer: Sendable, Hashable {
  case constant(Double)
  /// Uniform on [-bound, bound).
  case uniform(Double)
  /// Normal with mean 0.
  case normal(standardDeviation: Double)
  /// A random matrix Q with QᵀQ = 1, or QQᵀ = 1 if it has fewer rows than columns, uniformly distributed over all of
  /// these matrices (Saxe et al. 2013). A product with it preserves the length of a vector.
  case orthogonal
  /// The rows are split into equal blocks, one for each gate of a cell, each with its own initializer.
  case blocks([Initializer])

  /// Xavier Glorot's bound of the uniform distribution, √(6 / (fanIn + fanOut)) (Glorot & Bengio 2010, equation 16).
  public static func xavier(fanIn: Int, fanOut: Int) -> Initializer {
    .uniform((6 / Double(fanIn + fanOut)).squareRoot())
  }

  /// Overwrites a matrix (one row for a vector) with random numbers that depend only on key and stream.
  func fill<Element: Scalar>(_ matrix: MatrixView<Element>, key: RandomKey, stream: UInt32) {
    let values = UnsafeMutableBufferPointer(start: matrix.base, count: matrix.count)
    switch self {
    case .constant(let value): matrix.fill(Element(value))
    case .uniform(let bound):
      Element.fillUniform(values, low: -bound, high: bound, key: key, stream: stream)
    case .normal(let deviation):
      Element.fillNormal(values, mean: 0, standardDeviation: deviation, key: key, stream: stream)
    case .orthogonal:
      OrthogonalMatrix(rows: matrix.rows, columns: matrix.columns, key: key, stream: stream).write(to: matrix)
    case .blocks(let blocks):
      // A vector is a matrix of one row, and its elements are split.
      let count = matrix.rows == 1 ? matrix.columns : matrix.rows
      precondition(count % blocks.count == 0, "\(count) rows of a parameter in \(blocks.count) equal blocks")
      let extent = count / blocks.count
      for (index, block) in blocks.enumerated() {
        let range = index * extent..<(index + 1) * extent
        // Every block has its own random numbers.
        let blockKey = RandomKey(seed: key.seed, purpose: key.purpose, step: UInt64(index) + 1)
        block.fill(
          matrix.rows == 1 ? matrix.columns(range) : matrix.rows(range), key: blockKey, stream: stream)
      }
    }
  }
}

/// A random matrix with orthonormal rows (or columns, if it has more rows than columns).
///
/// Uses the modified Gram-Schmidt process on a matrix of normally distributed numbers. Because it implies a positive
/// diagonal, the result is uniformly distributed over all orthogonal matrices (Mezzadri 2007, section 5). It is
/// computed in Double in a fixed order of operations, so that it is the same on every rank.
struct OrthogonalMatrix {
  private typealias Lanes = SIMD8<Double>

  private let isTransposed: Bool
  /// The number and the length of the orthonormal vectors.
  private let count: Int
  private let length: Int
  /// The vectors, stored consecutively, each padded to whole groups of lanes with zeros.
  private var vectors: [Lanes]
  private let groups: Int

  init(rows: Int, columns: Int, key: RandomKey, stream: UInt32) {
    isTransposed = rows > columns
    (count, length) = isTransposed ? (columns, rows) : (rows, columns)
    groups = (length + Lanes.scalarCount - 1) / Lanes.scalarCount
    var normal = [Double](repeating: 0, count: count * length)
    normal.withUnsafeMutableBufferPointer {
      Double.fillNormal($0, mean: 0, standardDeviation: 1, key: key, stream: stream)
    }
    vectors = Array(repeating: Lanes(), count: count * groups)
    for vector in 0..<count {
      for index in 0..<length {
        let (group, lane) = index.quotientAndRemainder(dividingBy: Lanes.scalarCount)
        vectors[vector * groups + group][lane] = normal[vector * length + index]
      }
    }
    orthonormalize()
  }

  /// Makes every vector a unit vector that is orthogonal to all previous ones.
  private mutating func orthonormalize() {
    let (count, groups) = (count, groups)
    vectors.withUnsafeMutableBufferPointer { vectors in
      guard let base = vectors.baseAddress else { return }
      for vector in 0..<count {
        let v = base + vector * groups
        for earlier in 0..<vector {
          let q = base + earlier * groups
          let projection = Lanes(repeating: Self.dot(v, q, groups))
          for group in 0..<groups { v[group] -= projection * q[group] }
        }
        let scale = Lanes(repeating: 1 / Self.dot(v, v, groups).squareRoot())
        for group in 0..<groups { v[group] *= scale }
      }
    }
  }

  private static func dot(
    _ a: UnsafeMutablePointer<Lanes>, _ b: UnsafeMutablePointer<Lanes>, _ groups: Int
  ) -> Double {
    var sum = Lanes()
    for group in 0..<groups { sum += a[group] * b[group] }
    let half = sum.lowHalf + sum.highHalf
    let quarter = half.lowHalf + half.highHalf
    return quarter[0] + quarter[1]
  }

  /// Copies the vectors to a matrix of the original size.
  func write<Element: Scalar>(to matrix: MatrixView<Element>) {
    for row in 0..<matrix.rows {
      for column in 0..<matrix.columns {
        let (vector, index) = isTransposed ? (column, row) : (row, column)
        let (group, lane) = index.quotientAndRemainder(dividingBy: Lanes.scalarCount)
        matrix[row, column] = Element(vectors[vector * groups + group][lane])
      }
    }
  }
}
