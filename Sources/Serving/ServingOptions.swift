import Communication

/// How a service listens, and its limits.
public struct ServingOptions: Sendable {
  /// An IPv4 or IPv6 address; the default can be reached from this machine alone.
  public var address = "127.0.0.1"
  /// 0: any free port.
  public var port = 8080
  /// Most bytes in the body of a request.
  public var body = 64 << 10
  /// Most lines in a request for predictions.
  public var lines = 64
  /// Most tokens of a text that is written.
  public var length = 1000
  /// Most requests that are answered or wait at the same time; further ones are refused.
  public var concurrency = 256
  /// Seconds after which a request is given up, waiting included.
  public var time = 60
  /// Most lines or texts that are computed together.
  public var batch = 64
  /// Seconds that open requests have to finish when the service stops.
  public var grace = 10

  public init() {}
}

/// A service can't be started.
public enum ServingFailure: Error, Sendable, Equatable, CustomStringConvertible, ExitCoded {
  case address(String, reason: String)
  /// Two runs have the same name.
  case sameName(String, String)
  /// A model can't be used through HTTP.
  case unsuitable(run: String, reason: String)

  public var exitCode: Int32 {
    switch self {
    case .address: 73
    case .sameName: 64
    case .unsuitable: 65
    }
  }

  public var description: String {
    switch self {
    case .address(let address, let reason):
      "can't listen on \(address): \(reason); choose another --address or --port"
    case .sameName(let first, let second):
      "\(first) and \(second) have the same name, by which requests choose a model; rename one of the directories"
    case .unsuitable(let run, let reason): "\(run): \(reason)"
    }
  }
}
