/// The processes of one job and what training asks of them, over raw memory and without a word of MPI.
///
/// Every member that says *collective* must be called by all ranks, in the same order and with the same
/// sizes; `CheckedCommunicator` verifies this. Every error names the rank, the host and the collective.
/// One thread of a rank uses its communicator.
public protocol Communicator: AnyObject {
  /// This process among all of the job, `0 ..< worldSize`.
  var rank: Int { get }
  /// How many processes the job has.
  var worldSize: Int { get }
  /// This process among those on the same host, `0 ..< localSize`.
  var localRank: Int { get }
  /// How many processes of the job share this host.
  var localSize: Int { get }
  /// The name of this host, for messages.
  var hostName: String { get }

  /// Returns once every rank has called it (collective).
  func barrier() throws

  /// Overwrites `bytes` on every rank with those of `root` (collective, equal sizes).
  func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) throws

  /// Overwrites `values` with their elementwise sum over all ranks, the same bits everywhere (collective).
  func allreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws

  /// Overwrites `values` with their elementwise sum over all ranks, the same bits everywhere (collective).
  func allreduceSum(_ values: UnsafeMutableBufferPointer<Double>) throws

  /// Returns the bytes of every rank in rank order; lengths may differ (collective).
  func allgather(_ bytes: [UInt8]) throws -> [[UInt8]]

  /// Sends `send` to `partner` and overwrites `receive` with what the partner sends.
  ///
  /// Both sides call it, and what one sends is as long as what the other receives. A rank may be its own
  /// partner. Throws if the lengths differ.
  func exchange(
    _ send: UnsafeRawBufferPointer, _ receive: UnsafeMutableRawBufferPointer, with partner: Int
  ) throws

  /// Starts an `allreduceSum` that goes on while the caller computes (collective, among the other starts).
  ///
  /// The memory of `values` must stay alive and untouched until `wait` of the result has returned.
  func startAllreduceSum(_ values: UnsafeMutableBufferPointer<Float>) throws -> any PendingReduction

  /// Makes a vector of `count` elements for sums that recur (collective, equal counts).
  func makeSummedVector(count: Int) throws -> any SummedVector

  /// Ends the whole job now, on every rank, with `exitCode`.
  func abort(exitCode: Int32) -> Never

  /// Leaves the job in good order; nothing but the properties may be used afterwards (collective).
  func finalize() throws
}

/// A reduction under way, from `Communicator.startAllreduceSum(_:)`.
public protocol PendingReduction: AnyObject {
  /// Lets the reduction advance without waiting, and returns whether it is complete.
  @discardableResult
  func progress() throws -> Bool

  /// Returns when the sum is in place; later calls return at once.
  func wait() throws
}
