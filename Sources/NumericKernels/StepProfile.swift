import CKernels

/// The time that the calling thread spent, by kind of work. Profiling is always on and costs two clock readings per kernel.
public enum StepProfile {
  /// The kinds of work. Time outside all kinds is not counted.
  public enum Kind: Int32, Sendable, CaseIterable {
    /// Matrix products, and packing their operands.
    case products = 0
    /// Elementwise work: gates, states, biases, look-ups.
    case pointwise = 1
    /// Softmax, its loss and its gradient.
    case softmax = 2
    /// Norm, clipping and update.
    case optimizer = 3
    /// Sums over ranks, including the time spent waiting for other ranks.
    case communication = 4
  }

  /// Seconds spent in each kind, and the floating-point operations of products, since the thread began.
  public struct Totals: Sendable {
    public var seconds: [Kind: Double] = [:]
    public var operations = 0.0

    /// The difference to an earlier reading.
    public func since(_ earlier: Totals) -> Totals {
      var difference = self
      for (kind, value) in earlier.seconds { difference.seconds[kind, default: 0] -= value }
      difference.operations -= earlier.operations
      return difference
    }

    /// The fraction of a time that was spent in each kind. The rest, up to 1, does not belong to any kind.
    public func shares(of total: Double) -> [Kind: Double] { seconds.mapValues { $0 / total } }
  }

  /// The totals of the calling thread.
  public static var totals: Totals {
    var totals = Totals()
    for kind in Kind.allCases { totals.seconds[kind] = rnd_profile_seconds(kind.rawValue) }
    totals.operations = rnd_profile_operations(Kind.products.rawValue)
    return totals
  }

  /// Runs `body` and adds its time to a kind. Calls must not be nested: the inner time would count twice.
  public static func measure<Result>(
    _ kind: Kind, operations: Double = 0, _ body: () throws -> Result
  ) rethrows -> Result {
    let start = rnd_profile_clock()
    defer { rnd_profile_add(kind.rawValue, start, operations) }
    return try body()
  }

  /// A recorded piece of work, in nanoseconds of one clock.
  public struct Event: Sendable {
    public let kind: Kind
    public let start: Int
    public let end: Int
  }

  /// Runs `body` and returns the pieces of work that this thread did in it, at most `limit`.
  public static func record(limit: Int, _ body: () throws -> Void) rethrows -> [Event] {
    let events = UnsafeMutableBufferPointer<rnd_profile_event>.allocate(capacity: max(1, limit))
    events.initialize(repeating: rnd_profile_event())
    defer { events.deallocate() }
    rnd_profile_record(events.baseAddress, Int64(events.count))
    defer { rnd_profile_record(nil, 0) }
    try body()
    return events.prefix(Int(rnd_profile_recorded())).compactMap { event in
      Kind(rawValue: event.kind).map { Event(kind: $0, start: Int(event.start), end: Int(event.end)) }
    }
  }
}
