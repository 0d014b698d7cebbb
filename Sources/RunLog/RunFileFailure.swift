import Foundation

/// A file of the run directory couldn't be made, read or written.
public struct RunFileFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was being done.
  public enum Operation: String, Sendable {
    case create, read, write, flush, rename, remove, list, lock
  }

  public let path: String
  public let operation: Operation
  /// The system's error number.
  public let errno: Int32

  public init(path: String, operation: Operation, errno: Int32) {
    self.path = path
    self.operation = operation
    self.errno = errno
  }

  /// 66 where the file to read isn't there, 73 where something couldn't be created, 74 for any other failure.
  public var exitCode: Int32 {
    switch operation {
    case .create: 73
    case .read where errno == ENOENT: 66
    default: 74
    }
  }

  public var description: String {
    "can't \(operation.rawValue) \(path): \(String(cString: strerror(errno))) (errno \(errno)); "
      + "check the path, its permissions and the space on its disk"
  }
}
