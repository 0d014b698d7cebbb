import Foundation
import MPI

/// The position of this process in its job, read from the launcher's environment without calling MPI.
public typealias LauncherEnvironment = MPI.LauncherEnvironment

/// Chooses the communicator by the way in which this process was started.
public enum CommunicatorFactory {
  /// Returns the communicator of all ranks under an MPI launcher, otherwise one for this process alone.
  ///
  /// MPI is initialized only under a launcher. If there are several ranks, a watchdog is started (see ``WatchLimits``).
  /// Throws `CommunicationError` of kind `wrongLauncher` if the launcher announces a different number of ranks than MPI
  /// finds, as with the `mpiexec` of another MPI. Also throws the error of the initialization, or `WatchLimitsError`.
  public static func make() throws -> any Communicator {
    // Read for one process too: a mistyped value should not wait for the first job of several ranks.
    let limits = try WatchLimits(getenv(WatchLimits.variable).map { String(cString: $0) })
    guard let environment = LauncherEnvironment.current else { return SoloCommunicator() }
    guard let limits else { return try makeMPI(environment) }
    // The watchdog starts before MPI, because MPI would wait forever for missing ranks.
    let watchdog = Watchdog(limits, launcher: environment)
    watchdog.host.own.begin(.start)
    watchdog.start()
    do {
      let communicator = try makeMPI(environment)
      watchdog.host.own.end()
      if communicator.worldSize > 1 { return try WatchedCommunicator(communicator, watchdog) }
      watchdog.stop()
      return communicator
    } catch {
      watchdog.stop()
      throw error
    }
  }

  private static func makeMPI(_ environment: LauncherEnvironment) throws -> MPICommunicator {
    let communicator = try MPICommunicator()
    let found = communicator.worldSize
    // A launcher that announces no number of ranks still announces as many as its own rank needs.
    let announced = environment.worldSize ?? max(found, environment.rank + 1)
    if announced != found {
      let ranks =
        environment.worldSize.map { "\($0) ranks, but MPI finds \(found)" }
        ?? "rank \(environment.rank), but MPI finds \(found == 1 ? "this process alone" : "\(found) ranks")"
      let error = communicator.failure(
        .wrongLauncher(announced: announced, found: found), in: "start",
        "the launcher (\(environment.launcher)) announces \(ranks); "
          + "start with the mpirun of the MPI this program was built with (\(MPICommunicator.libraryVersion)), or unset "
          + "the launcher's variables if they are left over")
      try communicator.finalize()
      throw error
    }
    return communicator
  }
}

/// The ranks started by an MPI launcher.
public final class MPICommunicator: Communicator {
  public let rank: Int
  public let worldSize: Int
  public let hostName: String
  private let placement: Placement
  /// Set until `finalize()`. Optional because noncopyable values can only be taken out of an optional.
  private var runtime: Runtime?
  private var world: MPI.Communicator?
  /// Memory shared with the other ranks of this host, and the ranks of other hosts with the same slice, released by
  /// `finalize()`.
  private var windows: [WindowHolder] = []
  private var slices: [MPICommunicator] = []

  /// The MPI library's name and version.
  public static var libraryVersion: String {
    Runtime.libraryVersion.prefix { $0 != "," && $0 != "\n" }.description
  }

  /// Initializes MPI, which is possible once per process (collective). Throws `CommunicationError`.
  ///
  /// - Parameter ranksPerHost: for tests and measurements on one host: this number of consecutive ranks counts as one host
  ///   of their own; nil: the hosts are those that MPI finds.
  public init(ranksPerHost: Int? = nil) throws {
    do throws(MPIError) {
      let runtime = try Runtime(requiring: .funneled)
      let world = try runtime.world()
      rank = world.rank
      worldSize = world.size
      let placement = try Placement(of: world, ranksPerHost: ranksPerHost)
      HostMemory.ranks = placement.own.count
      self.placement = placement
      hostName = runtime.processorName
      self.world = consume world
      self.runtime = consume runtime
    } catch {
      throw CommunicationError(
        kind: .transport, rank: error.rank ?? LauncherEnvironment.current?.rank ?? 0,
        host: localHostName(), collective: "start", detail: "\(error)")
    }
  }

  /// Creates a communicator of some of the ranks, without a runtime of its own.
  private init(part: consuming MPI.Communicator, hostName: String) throws(MPIError) {
    rank = part.rank
    worldSize = part.size
    placement = try Placement(of: part, ranksPerHost: nil)
    self.hostName = hostName
    world = consume part
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
    try call("allgather") { world throws(MPIError) in try world.allgather(varying: bytes) }
  }

  public func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with peer: Int
  ) throws {
    try requireRank(peer, in: "exchange")
    let name = "exchange with \(peer)"
    let status = try call(name) { world throws(MPIError) in
      try world.sendReceive(
        send.assumingMemoryBound(to: UInt8.self), to: peer,
        into: receive.assumingMemoryBound(to: UInt8.self), from: peer)
    }
    guard status.count == receive.count else {
      throw failure(
        .mismatch(ranks: [min(rank, peer), max(rank, peer)]), in: name,
        "received \(status.count) bytes, expected \(receive.count)")
    }
  }

  /// Makes a vector in the shared memory of each host, if any host has several ranks and all have enough of it, else a private one.
  public func makeSummedVector(count: Int, wire: WireFormat) throws -> any SummedVector {
    // On one host the messages go through memory, so that nothing is gained by rounding.
    let messages = MessageSum(over: self, placement.hosts.count > 1 ? wire : .fp32)
    guard placement.hasNeighbors, count > 0, try haveSharedRoom(count: count, copies: placement.own.count)
    else { return PrivateVector(count: count, communicator: self, messages) }
    let name = "makeSummedVector"
    let holder = try makeWindow(count: count + WindowHolder.slack, in: name)
    let network = placement.hosts.count > 1 ? try makeNetwork(wire) : nil
    return SharedVector(
      segments: try call(name) { _ throws(MPIError) in
        try holder.segments(ranks: placement.own.count, count: count)
      }, index: placement.index, slices: placement.slices, messages: messages, network: network
    ) { [unowned self] in
      try call("sum of a shared vector") { _ throws(MPIError) in try holder.fence() }
    }
  }

  public func makeHostVector(count: Int) throws -> HostVector? {
    guard placement.hasNeighbors, count > 0, try haveSharedRoom(count: count, copies: 1) else { return nil }
    let name = "makeHostVector"
    // The first rank of the host has all elements.
    let holder = try makeWindow(count: placement.index == 0 ? count + WindowHolder.slack : 0, in: name)
    let segments = try call(name) { _ throws(MPIError) in try holder.segments(ranks: 1, count: count) }
    guard let elements = segments.first else { throw failure(.transport, in: name, "no rank allocated it") }
    return HostVector(elements, hosts: placement.hosts, rank: rank) { [unowned self] in
      try call("fence of shared memory") { _ throws(MPIError) in try holder.fence() }
    }
  }

  /// Allocates `count` elements of this rank in memory that the ranks on its host share (collective).
  private func makeWindow(count: Int, in name: String) throws -> WindowHolder {
    let holder = try call(name) {
      (world: borrowing MPI.Communicator) throws(MPIError) -> WindowHolder? in
      guard let host = try world.split(color: placement.own[0]) else { return nil }
      let holder = WindowHolder(try SharedWindow<Float>(count: count, on: host))
      try host.free()
      return holder
    }
    guard let holder else { throw failure(.transport, in: name, "this rank is on no host") }
    windows.append(holder)
    return holder
  }

  /// Connects the ranks of all hosts that have the same slice (collective).
  private func makeNetwork(_ wire: WireFormat) throws -> SharedVector.Network {
    let slice = try call("makeSummedVector") {
      (world: borrowing MPI.Communicator) throws(MPIError) -> MPICommunicator? in
      let color = placement.index < placement.slices ? placement.index : nil
      guard let part = try world.split(color: color) else { return nil }
      return try MPICommunicator(part: part, hostName: hostName)
    }
    if let slice { slices.append(slice) }
    return SharedVector.Network(
      world: self, slice: slice, hosts: placement.hosts, wire: wire, isTree: placement.isTree)
  }

  /// Returns on every rank whether the first rank of each host finds enough shared memory for `copies` vectors (collective).
  private func haveSharedRoom(count: Int, copies: Int) throws -> Bool {
    let (bytes, overflows) = copies.multipliedReportingOverflow(
      by: (count + WindowHolder.slack) * MemoryLayout<Float>.stride)
    let hasRoom = placement.index > 0 || !overflows && SharedMemoryRoom.has(bytes)
    return try allgather([hasRoom ? 1 : 0]).allSatisfy { $0 == [1] }
  }

  public func first(_ count: Int) throws -> (any Communicator)? {
    try call("first") { (world: borrowing MPI.Communicator) throws(MPIError) -> MPICommunicator? in
      guard let part = try world.split(color: rank < count ? 0 : nil) else { return nil }
      return try MPICommunicator(part: part, hostName: hostName)
    }
  }

  public func abort(exitCode: Int32) -> Never {
    // After `finalize()`, only this process remains of the job.
    _ = world?.abort(exitCode)
    SoloCommunicator().abort(exitCode: exitCode)
  }

  public func finalize() throws {
    try barrier()
    for slice in slices { try slice.finalize() }
    for window in windows { try call("finalize") { _ throws(MPIError) in try window.free() } }
    (slices, windows) = ([], [])
    do {
      try world.take()?.free()
      try runtime.take()?.finalize()
    } catch {
      throw failure(.transport, in: "finalize", "\(error)")
    }
  }

  /// Runs `body` on the world communicator, and adds this rank, host and collective to an MPI error.
  private func call<Value>(
    _ collective: String, _ body: (borrowing MPI.Communicator) throws(MPIError) -> Value
  ) throws -> Value {
    do throws(MPIError) {
      if let value = try withWorld(body) { return value }
    } catch {
      // If the two sides of an exchange differ in length, MPI reports a truncated message.
      let isTruncated = error.kind == .reported(.truncated)
      throw failure(isTruncated ? .mismatch(ranks: [rank]) : .transport, in: collective, "\(error)")
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
}

/// Which ranks are on which host.
private struct Placement {
  /// The ranks of this host, ascending, and the index of this rank among them.
  let own: [Int]
  let index: Int
  /// The ranks on each host, ascending.
  let hosts: [[Int]]
  /// The number of slices in which a vector is summed between hosts: the smallest number of ranks of any host.
  let slices: Int
  /// Whether any host has several ranks.
  let hasNeighbors: Bool
  /// Whether the ranks on each host are one branch of the binary tree over all ranks.
  let isTree: Bool

  /// Collective.
  init(of world: borrowing MPI.Communicator, ranksPerHost: Int?) throws(MPIError) {
    var first = Int64(world.rank)
    if let ranksPerHost {
      first -= first % Int64(ranksPerHost)
    } else {
      let host = try world.splitByHost()
      var leader = [first]
      try host.broadcast(&leader, from: 0)
      first = leader[0]
      try host.free()
    }
    // For each rank the first rank of its host.
    let leaders = try world.allgather([first])
    let groups = Dictionary(grouping: 0..<world.size) { leaders[$0] }
    let ranks = groups[first] ?? []
    let hosts = groups.values.sorted { $0[0] < $1[0] }
    self.hosts = hosts
    own = ranks
    index = ranks.firstIndex(of: world.rank) ?? 0
    slices = hosts.map(\.count).min() ?? 1
    hasNeighbors = hosts.contains { $0.count > 1 }
    let size = ranks.count
    isTree =
      size & (size - 1) == 0
      && hosts.allSatisfy { $0.count == size && $0[0] % size == 0 && $0[size - 1] == $0[0] + size - 1 }
  }
}

/// Holds a shared window, because an array can't hold a noncopyable value.
private final class WindowHolder {
  private var window: SharedWindow<Float>?

  /// Additional elements, so that the vector can start at a cache line.
  static let slack = line - 1
  private static let line = 64 / MemoryLayout<Float>.stride

  init(_ window: consuming SharedWindow<Float>) { self.window = consume window }

  /// Returns the segment of every rank, starting at its first cache line.
  ///
  /// The address of a segment differs between processes only by whole pages, so all ranks find the same start.
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

/// The file system that holds shared memory. It is small in many containers.
enum SharedMemoryRoom {
  /// The directory where Open MPI keeps shared windows.
  static let directory = "/dev/shm"
  /// The largest file that this process may write (`ulimit -f`).
  private static var largestFile: UInt64 {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0 else { return .max }
    return UInt64(limit.rlim_cur)
  }

  /// The space left free for other users, including Open MPI's own segments.
  private static let reserve = 32 << 20

  /// Returns whether there is space for a file of `bytes` more, and whether this process may create it.
  ///
  /// This must be checked in advance, because Open MPI's ranks wait for each other forever if the rank that creates the
  /// segment fails.
  static func has(
    _ bytes: Int, in directory: String = directory, largestFile: UInt64 = largestFile
  ) -> Bool {
    var status = statvfs()
    guard statvfs(directory, &status) == 0, UInt64(max(0, bytes)) <= largestFile else { return false }
    let free = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return free.overflow || free.partialValue >= UInt64(max(0, bytes)) + UInt64(reserve)
  }
}
