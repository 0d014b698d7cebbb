import COpenMPI

/// A call of MPI that failed, or that was refused because its arguments can't be right.
public struct MPIError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What went wrong.
  public enum Kind: Sendable, Equatable {
    /// MPI returned this class of error.
    case reported(ErrorClass)
    /// A buffer, or a list of counts, is not as long as the operation requires.
    case lengthMismatch(expected: Int, actual: Int)
    /// A rank, tag or count is outside the range MPI can express.
    case outOfRange(Int)
    /// The library can't give the thread level that was asked for.
    case threadLevel(required: ThreadLevel, provided: ThreadLevel)
    /// MPI was initialized before; it can be only once in a process.
    case alreadyInitialized
    /// All places for user-defined reductions are taken.
    case reductionsExhausted(limit: Int)
  }

  /// MPI's classes of errors (MPI 3.1, section 8.4), as far as programs tell them apart.
  public struct ErrorClass: RawRepresentable, Sendable, Equatable {
    public let rawValue: Int32
    /// Creates the class with MPI's number `rawValue`.
    public init(rawValue: Int32) { self.rawValue = rawValue }
    /// A message was longer than the buffer that receives it.
    public static let truncated = ErrorClass(rawValue: MPI_ERR_TRUNCATE)
    /// There is no such rank.
    public static let rank = ErrorClass(rawValue: MPI_ERR_RANK)
    /// There is no such root.
    public static let root = ErrorClass(rawValue: MPI_ERR_ROOT)
    /// The tag is negative or too large.
    public static let tag = ErrorClass(rawValue: MPI_ERR_TAG)
    /// The communicator is not valid.
    public static let communicator = ErrorClass(rawValue: MPI_ERR_COMM)
    /// An argument is not valid.
    public static let argument = ErrorClass(rawValue: MPI_ERR_ARG)
  }

  /// What went wrong.
  public let kind: Kind
  /// The call of MPI, such as `MPI_Allreduce`.
  public let call: String
  /// The rank within the communicator of the call, if there was one.
  public let rank: Int?
  /// What happened, in MPI's own words where MPI reported it.
  public let message: String

  public var description: String {
    let place = rank.map { " on rank \($0)" } ?? ""
    return "\(call)\(place): \(message)"
  }
}

/// Throws unless `code`, returned by `call` on `rank`, means success.
func requireSuccess(_ call: String, _ code: Int32, rank: Int?) throws(MPIError) {
  guard code != MPI_SUCCESS else { return }
  var errorClass = code
  MPI_Error_class(code, &errorClass)
  throw MPIError(
    kind: .reported(MPIError.ErrorClass(rawValue: errorClass)), call: call, rank: rank,
    message: errorText(code))
}

/// Returns MPI's own text for `code`.
private func errorText(_ code: Int32) -> String {
  var length: Int32 = 0
  let text = [CChar](unsafeUninitializedCapacity: Int(MPI_MAX_ERROR_STRING)) { buffer, count in
    buffer.initialize(repeating: 0)
    if MPI_Error_string(code, buffer.baseAddress, &length) != MPI_SUCCESS { length = 0 }
    count = Int(max(0, length))
  }
  guard !text.isEmpty else { return "error code \(code)" }
  return String(decoding: text.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
