/// The processes of one job and the operations that training needs from them, independent of MPI.
///
/// Members marked *collective* must be called by all ranks, in the same order and with the same sizes. Every error
/// names the rank, the host and the collective. Each rank uses its communicator from one thread.
public protocol Communicator: AnyObject {
  /// The rank of this process in the job, `0 ..< worldSize`.
  var rank: Int { get }
  /// The number of processes in the job.
  var worldSize: Int { get }
  /// The name of this host, for messages.
  var hostName: String { get }

  /// Returns once every rank has called it (collective).
  func barrier() throws

  /// Overwrites `bytes` on every rank with those of `root` (collective, equal sizes).
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws

  /// Overwrites `values` with their elementwise sum over all ranks, the same bits on every rank (collective).
  func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws

  /// Overwrites `values` with their elementwise sum over all ranks, the same bits on every rank (collective).
  func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws

  /// Returns the bytes of every rank in rank order; lengths may differ (collective).
  func allgather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// Sends `send` to rank `peer` and overwrites `receive` with the bytes that `peer` sends.
  ///
  /// Both ranks call it, and the length that one sends must be the length that the other receives. A rank may exchange
  /// with itself. Throws if the lengths differ.
  func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with peer: Int
  ) throws

  /// Makes a vector of `count` elements for recurring sums (collective, equal counts).
  ///
  /// - Parameter wire: how the elements are sent, if they are sent as messages.
  func makeSummedVector(count: Int, wire: WireFormat) throws -> any SummedVector

  /// Makes a vector of `count` elements in memory that the ranks on each host share (collective, equal counts).
  ///
  /// - Returns: nil on all ranks if no host has several ranks, or if a host has too little shared memory.
  func makeHostVector(count: Int) throws -> HostVector?

  /// Returns a communicator of the first `count` ranks on these ranks, and nil on the others (collective).
  ///
  /// `count` must be from 1 to ``worldSize``. It must be finalized before this one.
  func first(_ count: Int) throws -> (any Communicator)?

  /// Ends the whole job immediately, on every rank, with `exitCode`.
  func abort(exitCode: Int32) -> Never

  /// The number of collectives and exchanges that this rank has started, if they are counted; otherwise 0. After a
  /// collective it is the same on all ranks.
  var collectives: Int { get }

  /// The last collectives of this rank, the newest last; empty if they are not recorded.
  var records: [FlightRecord] { get }

  /// Tells the watchdog, for its limits and messages, what this rank does from now on.
  func enter(_ phase: JobPhase, step: Int)

  /// Registers a function that is called, on another thread, before the watchdog ends the job. It returns the name of
  /// the file to which it has written the records.
  func reportEnd(to report: @escaping @Sendable (JobEnd) -> String?)

  /// Leaves the job (collective). Afterwards only the properties may be used.
  func finalize() throws
}

/// The defaults for a communicator that isn't watched and has no shared memory.
extension Communicator {
  public func makeHostVector(count: Int) throws -> HostVector? { nil }
  public var collectives: Int { 0 }
  public var records: [FlightRecord] { [] }
  public func enter(_ phase: JobPhase, step: Int) {}
  public func reportEnd(to report: @escaping @Sendable (JobEnd) -> String?) {}
}
