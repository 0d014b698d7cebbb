// A Swift interface to MPI that can be used as a separate product.
//
// This module wraps MPI for any Swift program, not only for this project. It covers the runtime, communicators,
// point-to-point messages, the collectives on equal and on varying blocks, reductions written in Swift, and shared
// memory. Every collective exists in a blocking form, in a nonblocking form, in place if MPI supports that, and on
// arrays. That is why the module has operations that rnn-dist doesn't call; Examples/ has a program that uses it.

import CMPI

/// The threads that may call MPI (MPI 3.1, section 12.4), in ascending order of permitted concurrency.
public enum ThreadLevel: Int32, Sendable, Comparable {
  /// The process has one thread.
  case single = 0
  /// Only the thread that initialized MPI may call it.
  case funneled = 1
  /// Any thread may call it, one at a time.
  case serialized = 2
  /// Any thread may call it at any time.
  case multiple = 3

  public static func < (left: ThreadLevel, right: ThreadLevel) -> Bool { left.rawValue < right.rawValue }
}

/// The MPI runtime from its initialization to its end. A process has at most one.
///
/// Call `finalize()` explicitly. Nothing happens when the value goes out of scope, because `MPI_Finalize` is
/// collective, and a rank that leaves on an error must not wait in it. Communicators and requests must not be used
/// after `finalize()`.
public struct Runtime: ~Copyable {
  /// The thread level that MPI provides, at least the required one.
  public let threadLevel: ThreadLevel

  /// Initializes MPI for this process (collective over all ranks of the job).
  ///
  /// Throws `MPIError` if MPI was already initialized, or if it can't provide the thread level `required`.
  public init(requiring required: ThreadLevel = .funneled) throws(MPIError) {
    guard !Runtime.isInitialized else {
      throw MPIError(
        kind: .alreadyInitialized, call: "MPI_Init_thread", rank: nil,
        message: "MPI was already initialized; it can be initialized only once per process")
    }
    var provided: Int32 = 0
    try requireSuccess("MPI_Init_thread", MPI_Init_thread(nil, nil, required.rawValue, &provided), rank: nil)
    for communicator in [shim_comm_world(), shim_comm_self()] {
      try requireSuccess(
        "MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(communicator, shim_errors_return()), rank: nil)
    }
    let level = ThreadLevel(rawValue: provided) ?? .single
    guard level >= required else {
      MPI_Finalize()
      throw MPIError(
        kind: .threadLevel(required: required, provided: level), call: "MPI_Init_thread", rank: nil,
        message: "this MPI library provides thread level \(level), but \(required) is required")
    }
    threadLevel = level
  }

  /// Whether MPI has been initialized in this process, even if it has been finalized since.
  public static var isInitialized: Bool {
    var flag: Int32 = 0
    return MPI_Initialized(&flag) == MPI_SUCCESS && flag != 0
  }

  /// Whether MPI has been finalized in this process.
  public static var isFinalized: Bool {
    var flag: Int32 = 0
    return MPI_Finalized(&flag) == MPI_SUCCESS && flag != 0
  }

  /// The version text of the MPI library.
  public static var libraryVersion: String {
    mpiText(capacity: MPI_MAX_LIBRARY_VERSION_STRING, MPI_Get_library_version)
  }

  /// The host name of this process, as MPI reports it.
  public var processorName: String {
    mpiText(capacity: MPI_MAX_PROCESSOR_NAME, MPI_Get_processor_name)
  }

  /// Returns the communicator of all ranks of the job.
  ///
  /// `maximumCount` limits the elements of one MPI call, see `Communicator.maximumCount`.
  public func world(maximumCount: Int = Communicator.defaultMaximumCount) throws(MPIError) -> Communicator {
    try Communicator(shim_comm_world(), owned: false, maximumCount: maximumCount)
  }

  /// Returns the communicator that holds only this rank.
  public func alone(maximumCount: Int = Communicator.defaultMaximumCount) throws(MPIError) -> Communicator {
    try Communicator(shim_comm_self(), owned: false, maximumCount: maximumCount)
  }

  /// Ends MPI in this process (collective over all ranks of the job).
  public consuming func finalize() throws(MPIError) {
    try requireSuccess("MPI_Finalize", MPI_Finalize(), rank: nil)
  }
}
