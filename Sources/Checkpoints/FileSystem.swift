import Foundation

/// An operation on a file or directory.
public enum FileOperation: String, Sendable, CaseIterable {
  case createDirectory = "create directory"
  case create = "create file"
  case link = "create link"
  case open = "open"
  case list = "list directory"
  case lock = "lock"
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
  /// The operation that failed.
  public let operation: FileOperation
  /// The error number of the system.
  public let errno: Int32

  public init(path: String, operation: FileOperation, errno: Int32) {
    self.path = path
    self.operation = operation
    self.errno = errno
  }

  /// 66 if the file to open doesn't exist, 73 if a file couldn't be created, 74 for any other failure.
  public var exitCode: Int32 {
    switch operation {
    case .createDirectory, .create, .link: 73
    case .open where errno == ENOENT: 66
    default: 74
    }
  }

  public var description: String {
    // An empty path, often an unset variable of a script, must be visible.
    let name = path.isEmpty ? "\"\"" : path
    return
      "can't \(operation.rawValue) \(name): \(String(cString: strerror(errno))) (errno \(errno)); \(advice)"
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

/// The error number of a system call, before the file that it concerns is known.
public struct SystemCallError: Error, Sendable, Equatable {
  public let number: Int32

  public init(number: Int32) { self.number = number }
}

/// The system calls that change files. A test can make each of them fail.
///
/// A hook runs before every call. If it throws `SystemCallError`, the call fails with that error number. Any other error
/// ends the operation at that point, as the death of the process would.
public struct FileSystemOperations: Sendable {
  public typealias Hook = @Sendable (_ operation: FileOperation, _ path: String) throws -> Void

  /// The operations without a hook.
  public static let standard = FileSystemOperations()

  private let longestWrite: Int
  private let hook: Hook

  /// - Parameters:
  ///   - longestWrite: the largest number of bytes per `write` call; Linux itself stops just below 2 GiB.
  ///   - hook: runs before every call.
  public init(longestWrite: Int = 1 << 30, before hook: @escaping Hook = { _, _ in }) {
    precondition(longestWrite > 0, "longestWrite is \(longestWrite), it must be positive")
    self.longestWrite = longestWrite
    self.hook = hook
  }

  // MARK: - Files

  func create(_ path: String) throws -> Int32 {
    try attempt(.create, path) { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666) }
  }

  func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(longestWrite))
      let count = try attempt(.write, path) { Foundation.write(descriptor, piece.baseAddress, piece.count) }
      rest = rest.dropFirst(count)
    }
  }

  func flush(_ descriptor: Int32, path: String) throws {
    _ = try attempt(.flush, path) { fsync(descriptor) }
  }

  func close(_ descriptor: Int32, path: String) throws {
    // Linux releases the descriptor even if it reports an interruption, so an interruption is not a failure.
    _ = try attempt(.close, path) {
      let result = Foundation.close(descriptor)
      return result < 0 && errno == EINTR ? 0 : result
    }
  }

  /// Replaces the file or directory at `newPath` atomically.
  func rename(_ path: String, to newPath: String) throws {
    _ = try attempt(.rename, newPath) { Foundation.rename(path, newPath) }
  }

  func link(_ path: String, target: String) throws {
    _ = try attempt(.link, path) { symlink(target, path) }
  }

  // MARK: - Directories

  /// Creates a directory and its parents unless they exist, so that they survive a loss of power. Throws `FileFailure`.
  public func createDirectories(_ path: String) throws {
    do {
      try createDirectory(path, isDurable: true)
    } catch let failure as FileFailure where failure.errno == ENOENT {
      let parent = Self.parent(of: path)
      if parent == path { throw failure }
      try createDirectories(parent)
      try createDirectory(path, isDurable: true)
    }
  }

  private static func parent(of path: String) -> String {
    URL(fileURLWithPath: path).deletingLastPathComponent().path
  }

  /// Creates a directory unless it exists.
  ///
  /// - Parameter isDurable: whether a new directory must survive a loss of power.
  func createDirectory(_ path: String, isDurable: Bool = false) throws {
    var isNew = false
    _ = try attempt(.createDirectory, path) { () -> Int32 in
      let result = mkdir(path, 0o777)
      let number = errno
      isNew = result == 0
      var status = stat()
      if result < 0, number == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
        return 0
      }
      errno = number
      return result
    }
    if isDurable && isNew { try flushDirectory(Self.parent(of: path)) }
  }

  /// Makes the regular files in a directory, and the names in it, survive a loss of power. Throws `FileFailure`.
  public func flushFiles(in directory: String) throws {
    for name in try names(in: directory) {
      let path = "\(directory)/\(name)"
      var status = stat()
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      let descriptor = try attempt(.open, path) { open(path, O_RDONLY | O_CLOEXEC) }
      defer { _ = Foundation.close(descriptor) }
      try flush(descriptor, path: path)
    }
    try flushDirectory(directory)
  }

  /// Makes changes of names in a directory survive a loss of power.
  func flushDirectory(_ path: String) throws {
    let descriptor = try attempt(.open, path) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    defer { _ = Foundation.close(descriptor) }
    _ = try attempt(.flush, path) {
      let result = fsync(descriptor)
      // Some network file systems report that they can't flush a directory. They keep the order of renames themselves.
      return result < 0 && errno == EINVAL ? 0 : result
    }
  }

  /// Removes a file, a link (not its target) or a directory with its content. Does nothing if it doesn't exist.
  ///
  /// - Throws: `FileFailure`.
  public func remove(_ path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return }
      throw FileFailure(path: path, operation: .remove, errno: errno)
    }
    let isDirectory = status.st_mode & S_IFMT == S_IFDIR
    if isDirectory {
      for name in try names(in: path) { try remove(path + "/" + name) }
    }
    _ = try attempt(.remove, path) {
      let result = isDirectory ? rmdir(path) : unlink(path)
      return result < 0 && errno == ENOENT ? 0 : result
    }
  }

  /// Returns the names in a directory, including hidden ones, in sorted order. The result is empty if the directory
  /// doesn't exist.
  ///
  /// - Throws: `FileFailure`.
  public func names(in path: String) throws -> [String] {
    guard let directory = opendir(path) else {
      if errno == ENOENT { return [] }
      throw FileFailure(path: path, operation: .list, errno: errno)
    }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  // MARK: - One call

  private func attempt<Result: SignedInteger>(
    _ operation: FileOperation, _ path: String, _ call: () -> Result
  ) throws -> Result {
    while true {
      do {
        try hook(operation, path)
        let result = call()
        if result >= 0 { return result }
        throw SystemCallError(number: errno)
      } catch let error as SystemCallError {
        if error.number == EINTR { continue }
        throw FileFailure(path: path, operation: operation, errno: error.number)
      }
    }
  }
}
