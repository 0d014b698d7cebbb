import CMPI

/// A failed MPI call, or a call that was rejected because its arguments can't be right.
public struct MPIError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The problem.
  public enum Kind: Sendable, Equatable {
    /// MPI returned this class of error.
    case reported(ErrorClass)
    /// A buffer or a list of counts doesn't have the required length.
    case lengthMismatch(expected: Int, actual: Int)
    /// A rank, tag or count is outside the range that MPI can express.
    case outOfRange(Int)
    /// The MPI library doesn't provide the requested thread level.
    case threadLevel(required: ThreadLevel, provided: ThreadLevel)
    /// MPI was already initialized. It can be initialized only once per process.
    case alreadyInitialized
    /// All slots for user-defined reductions are in use.
    case reductionsExhausted(limit: Int)
  }

  /// The MPI error classes (MPI 3.1, section 8.4) that programs distinguish.
  public struct ErrorClass: RawRepresentable, Sendable, Equatable {
    public let rawValue: Int32
    /// Creates the class with the MPI number `rawValue`.
    public init(rawValue: Int32) { self.rawValue = rawValue }
    /// A message was longer than the receive buffer.
    public static let truncated = ErrorClass(rawValue: MPI_ERR_TRUNCATE)
    /// The rank does not exist.
    public static let rank = ErrorClass(rawValue: MPI_ERR_RANK)
    /// The root does not exist.
    public static let root = ErrorClass(rawValue: MPI_ERR_ROOT)
    /// The tag is negative or too large.
    public static let tag = ErrorClass(rawValue: MPI_ERR_TAG)
    /// The communicator is not valid.
    public static let communicator = ErrorClass(rawValue: MPI_ERR_COMM)
    /// An argument is not valid.
    public static let argument = ErrorClass(rawValue: MPI_ERR_ARG)
  }

  /// The problem.
  public let kind: Kind
  /// The MPI function, such as `MPI_Allreduce`.
  public let call: String
  /// The rank in the communicator of the call, if there was one.
  public let rank: Int?
  /// A description. For errors that MPI reported, this is the text of the MPI library.
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
  let text = mpiText(capacity: MPI_MAX_ERROR_STRING) { MPI_Error_string(code, $0, $1) }
  throw MPIError(
    kind: .reported(MPIError.ErrorClass(rawValue: errorClass)), call: call, rank: rank,
    message: text.isEmpty ? "error code \(code)" : text)
}

/// Returns the text that `call` writes to a buffer of `capacity` bytes, empty if it fails.
func mpiText(
  capacity: Int32, _ call: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int32>?) -> Int32
) -> String {
  var length: Int32 = 0
  let text = [CChar](unsafeUninitializedCapacity: Int(capacity)) { buffer, count in
    buffer.initialize(repeating: 0)
    count = call(buffer.baseAddress, &length) == MPI_SUCCESS ? Int(max(0, length)) : 0
  }
  return String(decoding: text.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
