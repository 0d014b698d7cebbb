/// A communicator that compares, before every collective, what all ranks are about to do.
///
/// A collective called with another size, root or order than on other ranks, which MPI answers with a hang or
/// with wrong numbers, is thrown on all ranks as a `CommunicationError` that names the odd ranks. It costs
/// one small allgather for each collective. Exchanges concern two ranks and are passed through.
public final class CheckedCommunicator: Communicator {
  private let base: any Communicator
  private var sequence = 0

  /// Checks the collectives of `base`, which must not be used directly any more.
  public init(_ base: any Communicator) { self.base = base }

  public var rank: Int { base.rank }
  public var worldSize: Int { base.worldSize }
  public var localRank: Int { base.localRank }
  public var localSize: Int { base.localSize }
  public var hostName: String { base.hostName }

  public func barrier() throws {
    try compare("barrier", "")
    try base.barrier()
  }

  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try compare("broadcast", "of \(bytes.count) bytes from rank \(root)")
    try base.broadcast(bytes, from: root)
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try compare("allreduceSum", "of \(values.count) Float")
    try base.allreduceSum(values)
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try compare("allreduceSum", "of \(values.count) Double")
    try base.allreduceSum(values)
  }

  public func allgather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try compare("allgather", "")
    return try base.allgather(bytes)
  }

  public func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with partner: Int
  ) throws {
    try base.exchange(send, receive, with: partner)
  }

  public func startAllreduceSum(
    _ values: UnsafeMutableBufferPointer<Float>
  ) throws -> any PendingReduction {
    try compare("startAllreduceSum", "of \(values.count) Float")
    return try base.startAllreduceSum(values)
  }

  public func makeSummedVector(count: Int) throws -> any SummedVector {
    try compare("makeSummedVector", "of \(count) Float")
    return CheckedVector(try base.makeSummedVector(count: count)) { spans in
      try self.compare(
        "sum", "of \(spans.count) spans from \(spans.first ?? 0..<0) to \(spans.last ?? 0..<0)")
    }
  }

  public func abort(exitCode: Int32) -> Never { base.abort(exitCode: exitCode) }

  public func finalize() throws {
    try compare("finalize", "")
    try base.finalize()
  }

  /// Throws on every rank unless all are about to make the same call as their n-th.
  private func compare(_ collective: String, _ details: String) throws {
    sequence += 1
    let own = "\(collective) \(details)"
    let calls = try base.allgather(Array("\(sequence) \(own)".utf8))
    let odd = oddOnes(out: calls)
    guard !odd.isEmpty else { return }
    let others = odd.map { "rank \($0) called \(words(calls[$0]))" }.joined(separator: ", ")
    let usual = calls.indices.first { !odd.contains($0) } ?? 0
    throw failure(
      .mismatch(ranks: odd), in: collective,
      "\(others), where rank \(usual) called \(words(calls[usual])) (as their call number \(sequence))")
  }

  private func words(_ call: [UInt8]) -> String {
    String(decoding: call.drop { $0 != UInt8(ascii: " ") }.dropFirst(), as: UTF8.self)
  }
}

/// A vector whose sums are compared across ranks before they are made.
private final class CheckedVector: SummedVector {
  private let base: any SummedVector
  private let check: ([Range<Int>]) throws -> Void

  init(_ base: any SummedVector, check: @escaping ([Range<Int>]) throws -> Void) {
    self.base = base
    self.check = check
  }

  var elements: UnsafeMutableBufferPointer<Float> { base.elements }

  func sum(_ spans: [Range<Int>]) throws {
    try check(spans)
    try base.sum(spans)
  }
}
