import Communication

/// The address of a service, and its limits.
public struct ServingOptions: Sendable {
  /// An IPv4 or IPv6 address. The default is reachable only from this machine.
  public var address = "127.0.0.1"
  /// The port; 0: any free port.
  public var port = 8080
  /// The maximum number of bytes in the body of a request.
  public var body = 64 << 10
  /// The maximum number of lines in a request for predictions.
  public var lines = 64
  /// The maximum number of tokens of a text.
  public var length = 1000
  /// The maximum number of requests that are answered or wait at the same time. Additional requests are rejected.
  public var concurrency = 256
  /// The time limit of a request in seconds, including waiting.
  public var time = 60
  /// The maximum number of lines or texts that are computed together.
  public var batch = 64
  /// The seconds within which open requests must finish when the service stops.
  public var grace = 10

  public init() {}
}

/// The reasons why a service can't start.
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
      "\(first) and \(second) have the same name, and requests select a model by name; rename one of the directories"
    case .unsuitable(let run, let reason): "\(run): \(reason)"
    }
  }
}
