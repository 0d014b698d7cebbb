import Foundation

/// What was being done to a file or directory when it failed.
public enum FileOperation: String, Sendable, CaseIterable {
  case createDirectory = "create directory"
  case create = "create file"
  case link = "create link"
  case open = "open"
  case list = "list directory"
  case read = "read"
  case write = "write"
  case flush = "flush"
  case close = "close"
  case rename = "rename"
  case remove = "remove"
}

/// A system call on a file failed.
public struct FileFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file or directory.
  public let path: String
  /// What was being done to it.
  public let operation: FileOperation
  /// The system's error number.
  public let errno: Int32

  public init(path: String, operation: FileOperation, errno: Int32) {
    self.path = path
    self.operation = operation
    self.errno = errno
  }

  /// 66 where the file to open isn't there, 73 where something couldn't be created, 74 for any other failure.
  public var exitCode: Int32 {
    switch operation {
    case .createDirectory, .create, .link: 73
    case .open where errno == ENOENT: 66
    default: 74
    }
  }

  public var description: String {
    "can't \(operation.rawValue) \(path): \(String(cString: strerror(errno))) (errno \(errno)); \(advice)"
  }

  private var advice: String {
    switch errno {
    case ENOSPC, EDQUOT, EFBIG: "free some space or write elsewhere"
    case EACCES, EPERM, EROFS: "check the permissions of the file and its directory"
    case ENOENT: "check the path"
    case EIO: "check the disk"
    default: "check the path and the file system"
    }
  }
}

/// An error number as a system call reports it, before it is known which file it concerns.
public struct SystemCallError: Error, Sendable, Equatable {
  public let number: Int32

  public init(number: Int32) { self.number = number }
}
