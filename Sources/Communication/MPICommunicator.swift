import MPI

/// What the launcher of this process says about the job, read without calling MPI.
public typealias LauncherEnvironment = MPI.LauncherEnvironment

/// Chooses the communicator that fits how this process was started.
public enum CommunicatorFactory {
  /// Returns the communicator of all ranks under an MPI launcher, else one for this process alone.
  ///
  /// MPI is initialized only under a launcher. With `debugChecks` every collective is compared across ranks
  /// first. Throws `CommunicationError` of kind `wrongLauncher` if the launcher announces another number of
  /// ranks than MPI finds, as the `mpiexec` of another MPI does, or the error MPI starts with.
  public static func make(debugChecks: Bool = false) throws -> any Communicator {
    guard let environment = LauncherEnvironment.current else {
      let solo = SoloCommunicator()
      return debugChecks ? CheckedCommunicator(solo) : solo
    }
    let communicator = try MPICommunicator()
    if let announced = environment.worldSize, announced != communicator.worldSize {
      let found = communicator.worldSize
      let error = communicator.failure(
        .wrongLauncher(announced: announced, found: found), in: "start",
        "the launcher (\(environment.launcher)) announces \(announced) ranks, but MPI finds \(found); "
          + "start with the mpirun of the MPI this program was built with: \(MPICommunicator.libraryVersion)")
      try communicator.finalize()
      throw error
    }
    return debugChecks ? CheckedCommunicator(communicator) : communicator
  }
}

/// All ranks that an MPI launcher started.
public final class MPICommunicator: Communicator {
  public let rank: Int
  public let worldSize: Int
  public let localRank: Int
  public let localSize: Int
  public let hostName: String
  /// Both until `finalize()`; optional because neither can be copied out of an object.
  private var runtime: Runtime?
  private var world: MPI.Communicator?
  /// Memory shared with the other ranks of this host, given back by `finalize()`.
  private var windows: [WindowHolder] = []

  /// The MPI library's name and version.
  public static var libraryVersion: String {
    Runtime.libraryVersion.prefix { $0 != "," && $0 != "\n" }.description
  }

  /// Initializes MPI, which can be done once in a process (collective over all ranks).
  ///
  /// Collectives over more than `maximumCount` elements are made of several calls. Throws
  /// `CommunicationError`.
  public init(maximumCount: Int = MPI.Communicator.defaultMaximumCount) throws {
    do throws(MPIError) {
      let runtime = try Runtime(requiring: .funneled)
      let world = try runtime.world(maximumCount: maximumCount)
      let host = try world.splitByHost()
      rank = world.rank
      worldSize = world.size
      localRank = host.rank
      localSize = host.size
      hostName = runtime.processorName
      try host.free()
      self.world = consume world
      self.runtime = consume runtime
    } catch {
      throw CommunicationError(
        kind: .transport, rank: error.rank ?? LauncherEnvironment.current?.rank ?? 0,
        host: localHostName(), collective: "start", detail: "\(error)")
    }
  }

  public func barrier() throws {
    try call("barrier") { world throws(MPIError) in try world.barrier() }
  }

  public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    try requireRank(root, in: "broadcast")
    try call("broadcast") { world throws(MPIError) in
      try world.broadcast(bytes.assumingMemoryBound(to: UInt8.self), from: root)
    }
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try call("allreduceSum") { world throws(MPIError) in try world.allreduce(inPlace: values, .sum) }
  }

  public func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws {
    try call("allreduceSum") { world throws(MPIError) in try world.allreduce(inPlace: values, .sum) }
  }

  public func allgather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    try call("allgather") { world throws(MPIError) in
      var counts = [Int64](repeating: 0, count: world.size)
      try [Int64(bytes.count)].withUnsafeBufferPointer { own throws(MPIError) in
        try counts.withUnsafeMutableBufferPointer { all throws(MPIError) in
          try world.allgather(own, into: all)
        }
      }
      let lengths = counts.map(Int.init)
      var joined = [UInt8](repeating: 0, count: lengths.reduce(0, +))
      try bytes.withUnsafeBufferPointer { own throws(MPIError) in
        try joined.withUnsafeMutableBufferPointer { all throws(MPIError) in
          try world.allgather(own, into: all, counts: lengths)
        }
      }
      var rest = joined[...]
      return lengths.map { length in
        defer { rest = rest.dropFirst(length) }
        return Array(rest.prefix(length))
      }
    }
  }

  public func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with partner: Int
  ) throws {
    try requireRank(partner, in: "exchange")
    let name = "exchange with \(partner)"
    let status = try call(name) { world throws(MPIError) in
      try world.sendReceive(
        send.assumingMemoryBound(to: UInt8.self), to: partner,
        into: receive.assumingMemoryBound(to: UInt8.self), from: partner)
    }
    guard status.count == receive.count else {
      throw failure(
        .mismatch(ranks: [min(rank, partner), max(rank, partner)]), in: name,
        "received \(status.count) bytes where \(receive.count) were expected")
    }
  }

  public func startAllreduceSum(
    _ values: UnsafeMutableBufferPointer<Float>
  ) throws -> any PendingReduction {
    let reduction = MPIReduction(self)
    try call("startAllreduceSum") { world throws(MPIError) in
      reduction.request = try world.startAllreduce(inPlace: Buffer(unowned: values), .sum)
    }
    return reduction
  }

  /// Where all ranks are on one host, and there is room, a vector in memory they share.
  public func makeSummedVector(count: Int) throws -> any SummedVector {
    guard worldSize > 1, localSize == worldSize, count > 0, try hasSharedRoom(count: count) else {
      return PrivateVector(count: count, communicator: self)
    }
    let holder = try call("makeSummedVector") { world throws(MPIError) in
      WindowHolder(try SharedWindow<Float>(count: count + WindowHolder.slack, on: world))
    }
    windows.append(holder)
    return SharedVector(
      segments: try call("makeSummedVector") { world throws(MPIError) in
        try holder.segments(ranks: world.size, count: count)
      }, rank: rank
    ) { [unowned self] in
      try call("sum of a shared vector") { _ throws(MPIError) in try holder.fence() }
    }
  }

  /// What rank 0 finds, on every rank (collective).
  private func hasSharedRoom(count: Int) throws -> Bool {
    let (bytes, overflows) = worldSize.multipliedReportingOverflow(
      by: (count + WindowHolder.slack) * MemoryLayout<Float>.stride)
    var answer: UInt8 = !overflows && SharedMemoryRoom.has(bytes) ? 1 : 0
    try withUnsafeMutableBytes(of: &answer) { try broadcast($0, from: 0) }
    return answer == 1
  }

  public func abort(exitCode: Int32) -> Never {
    // After `finalize()` there is no job left to end but this process.
    _ = world?.abort(exitCode)
    SoloCommunicator().abort(exitCode: exitCode)
  }

  public func finalize() throws {
    try barrier()
    for window in windows { try call("finalize") { _ throws(MPIError) in try window.free() } }
    windows = []
    world = nil
    guard let runtime = runtime.take() else { return }
    do {
      try runtime.finalize()
    } catch {
      throw failure(.transport, in: "finalize", "\(error)")
    }
  }

  /// Runs `body` on the world, and gives an error of MPI this rank, host and collective.
  private func call<Value>(
    _ collective: String, _ body: (borrowing MPI.Communicator) throws(MPIError) -> Value
  ) throws -> Value {
    do throws(MPIError) {
      if let value = try withWorld(body) { return value }
    } catch {
      throw wrapped(error, in: collective)
    }
    throw failure(.finalized, in: collective, "called after finalize()")
  }

  private func withWorld<Value>(
    _ body: (borrowing MPI.Communicator) throws(MPIError) -> Value
  ) throws(MPIError) -> Value? {
    switch world {
    case .some(let world): try body(world)
    case .none: nil
    }
  }

  fileprivate func wrapped(_ error: MPIError, in collective: String) -> CommunicationError {
    // The two sides of an exchange differ in length: the transport knows it as a truncated message.
    let kind: CommunicationError.Kind =
      if error.kind == .reported(.truncated) { .mismatch(ranks: [rank]) } else { .transport }
    return failure(kind, in: collective, "\(error)")
  }
}

/// A reduction under way; the request is there until it was waited for.
private final class MPIReduction: PendingReduction {
  fileprivate var request: Request<Float>?
  private let communicator: MPICommunicator

  init(_ communicator: MPICommunicator) { self.communicator = communicator }

  func progress() throws -> Bool {
    do throws(MPIError) {
      guard try request?.test() ?? true else { return false }
      try complete()
      return true
    } catch {
      throw communicator.wrapped(error, in: "startAllreduceSum")
    }
  }

  func wait() throws {
    do throws(MPIError) {
      try complete()
    } catch {
      throw communicator.wrapped(error, in: "startAllreduceSum")
    }
  }

  private func complete() throws(MPIError) {
    if let request = request.take() { _ = try request.wait() }
  }
}

/// A window on memory that ranks share, which can't be copied out of an array either.
private final class WindowHolder {
  private var window: SharedWindow<Float>?

  /// Elements beyond those asked for: room to begin at a cache line.
  static let slack = line - 1
  private static let line = 64 / MemoryLayout<Float>.stride

  init(_ window: consuming SharedWindow<Float>) { self.window = consume window }

  /// Every rank's segment, from its first cache line on. Segments begin at equal addresses, up to whole pages, in every
  /// process, so all find the same beginnings.
  func segments(ranks: Int, count: Int) throws(MPIError) -> [UnsafeMutableBufferPointer<Float>] {
    var result: [UnsafeMutableBufferPointer<Float>] = []
    for rank in 0..<ranks {
      guard let whole = try window?.segment(of: rank), let start = whole.baseAddress else { continue }
      let aligned = UnsafeMutableRawPointer(start).alignedUp(toMultipleOf: 64)
      let skipped = start.distance(to: aligned.assumingMemoryBound(to: Float.self))
      result.append(.init(rebasing: whole[skipped..<skipped + count]))
    }
    return result
  }

  func fence() throws(MPIError) { try window?.fence() }

  func free() throws(MPIError) { try window.take()?.free() }
}
