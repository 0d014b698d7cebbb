import COpenMPI

/// Which threads may call MPI, from none but one to all at once (MPI 3.1, section 12.4).
public enum ThreadLevel: Int32, Sendable, Comparable {
  /// The process has one thread.
  case single = 0
  /// Only the thread that initialized MPI calls it.
  case funneled = 1
  /// Any thread calls it, one at a time.
  case serialized = 2
  /// Any thread calls it at any time.
  case multiple = 3

  public static func < (left: ThreadLevel, right: ThreadLevel) -> Bool { left.rawValue < right.rawValue }
}

/// MPI between its initialization and its end, of which a process has one.
///
/// Finalize it explicitly: nothing happens when it goes out of scope, because MPI's end is collective and a
/// rank that is leaving on an error must not wait in it. Communicators and requests must not be used after.
public struct Runtime: ~Copyable {
  /// The thread level MPI provides, at least the one required.
  public let threadLevel: ThreadLevel

  /// Initializes MPI for this process (collective over all ranks of the job).
  ///
  /// Throws `MPIError` if it was initialized before, or if MPI can't provide the thread level `required`.
  public init(requiring required: ThreadLevel = .funneled) throws(MPIError) {
    guard !Runtime.isInitialized else {
      throw MPIError(
        kind: .alreadyInitialized, call: "MPI_Init_thread", rank: nil,
        message: "MPI was initialized before, and can be only once in a process")
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
        message: "this MPI library provides thread level \(level), and \(required) is required")
    }
    self.init(threadLevel: level)
  }

  private init(threadLevel: ThreadLevel) { self.threadLevel = threadLevel }

  /// Whether MPI was ever initialized in this process.
  public static var isInitialized: Bool {
    var flag: Int32 = 0
    return MPI_Initialized(&flag) == MPI_SUCCESS && flag != 0
  }

  /// Whether MPI was finalized in this process.
  public static var isFinalized: Bool {
    var flag: Int32 = 0
    return MPI_Finalized(&flag) == MPI_SUCCESS && flag != 0
  }

  /// The version of the MPI library, in its own words.
  public static var libraryVersion: String {
    processText(capacity: MPI_MAX_LIBRARY_VERSION_STRING, MPI_Get_library_version)
  }

  /// The name of the host this process runs on, as MPI knows it.
  public var processorName: String {
    processText(capacity: MPI_MAX_PROCESSOR_NAME, MPI_Get_processor_name)
  }

  /// Returns the communicator of all ranks of the job.
  ///
  /// `maximumCount` bounds the elements of one call of MPI, see `Communicator.maximumCount`.
  public func world(maximumCount: Int = Communicator.defaultMaximumCount) throws(MPIError) -> Communicator {
    try Communicator(shim_comm_world(), owned: false, maximumCount: maximumCount)
  }

  /// Returns the communicator of this rank alone.
  public func alone(maximumCount: Int = Communicator.defaultMaximumCount) throws(MPIError) -> Communicator {
    try Communicator(shim_comm_self(), owned: false, maximumCount: maximumCount)
  }

  /// Ends MPI in this process (collective over all ranks of the job).
  public consuming func finalize() throws(MPIError) {
    try requireSuccess("MPI_Finalize", MPI_Finalize(), rank: nil)
  }
}

/// Returns the text that `call` writes.
private func processText(
  capacity: Int32, _ call: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> Int32
) -> String {
  var length: Int32 = 0
  let text = [CChar](unsafeUninitializedCapacity: Int(capacity)) { buffer, count in
    buffer.initialize(repeating: 0)
    count = call(buffer.baseAddress, &length) == MPI_SUCCESS ? Int(max(0, length)) : 0
  }
  return String(decoding: text.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
