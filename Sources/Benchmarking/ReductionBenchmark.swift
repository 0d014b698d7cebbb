import Communication
import NumericKernels

/// Times sums over all ranks for buffers of many sizes, and fits a latency and a bandwidth to the times.
public struct ReductionBenchmark: Sendable {
  /// The number of floats in the largest buffer.
  public var largest: Int

  public init(largest: Int) { self.largest = largest }

  public struct Measurement: Sendable {
    public var bytes: Int
    /// The median time of a sum on the slowest rank, in seconds.
    public var seconds: Double
  }

  public struct Result: Sendable {
    public var measurements: [Measurement]
    /// The parameters of t = latency + bytes / bandwidth, fitted to the relative errors.
    public var latency: Double
    public var bandwidth: Double
  }

  static let repetitions = 21

  /// Runs the benchmark (collective). Returns the same result on every rank.
  public func run(on communicator: any Communicator) throws -> Result {
    let buffer = AlignedBuffer<Float>(count: largest)
    var measurements: [Measurement] = []
    for count in sequence(first: 1, next: { $0 < largest ? min(largest, $0 * 4) : nil }) {
      let values = UnsafeMutableBufferPointer(rebasing: buffer.elements[0..<count])
      // The values don't retain the memory that they point to.
      var times = try withExtendedLifetime(buffer) {
        try (0..<Self.repetitions).map { _ in
          try communicator.slowest { try communicator.allreduceSum(values) }
        }
      }
      times.sort()
      measurements.append(Measurement(bytes: 4 * count, seconds: times[times.count / 2]))
    }
    let (latency, bandwidth) = Self.fit(measurements)
    return Result(measurements: measurements, latency: latency, bandwidth: bandwidth)
  }

  /// Least squares of t = a + b·bytes with weights 1/t², subject to a ≥ 0 and b > 0. With these weights, small buffers
  /// determine the latency and large ones the bandwidth.
  ///
  /// On a busy machine small buffers can take longer than large ones, and the slope of the best line is negative. In
  /// that case the largest buffer alone gives a lower bound of the bandwidth, and the shortest time gives an upper
  /// bound of the latency. If no time is above 0, the latency is 0 and the bandwidth infinite.
  static func fit(_ measurements: [Measurement]) -> (latency: Double, bandwidth: Double) {
    let points = measurements.filter { $0.seconds > 0 && $0.seconds.isFinite && $0.bytes > 0 }
    guard let largest = points.max(by: { $0.bytes < $1.bytes }) else { return (0, .infinity) }
    var (w, x, y, xx, xy) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for point in points {
      let (weight, bytes) = (1 / (point.seconds * point.seconds), Double(point.bytes))
      w += weight
      x += weight * bytes
      y += weight * point.seconds
      xx += weight * bytes * bytes
      xy += weight * bytes * point.seconds
    }
    let determinant = w * xx - x * x
    let slope = determinant > 1e-12 * w * xx ? (w * xy - x * y) / determinant : 0
    guard slope > 0 else {
      let shortest = points.map(\.seconds).min() ?? 0
      return (points.count > 1 ? shortest : 0, Double(largest.bytes) / largest.seconds)
    }
    let latency = (y - slope * x) / w
    // If the latency is not positive, the line is fitted through the origin.
    return latency >= 0 ? (latency, 1 / slope) : (0, xx / xy)
  }
}
