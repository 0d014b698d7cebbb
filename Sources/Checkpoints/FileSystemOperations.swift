import Foundation

/// The system calls that write a checkpoint, each of which a test can make fail.
///
/// A hook runs before every call. A hook that throws `SystemCallError` is a call that failed with that error
/// number; any other error ends the save on the spot, as the death of the process would.
public struct FileSystemOperations: Sendable {
  public typealias Hook = @Sendable (_ operation: FileOperation, _ path: String) throws -> Void

  /// The system as it is.
  public static let standard = FileSystemOperations()

  private let longestWrite: Int
  private let hook: Hook

  /// - Parameters:
  ///   - longestWrite: bytes handed to one `write` call at most; Linux itself stops just below 2 GiB.
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
    // Linux has released the descriptor even where it reports an interruption, so that is no failure.
    _ = try attempt(.close, path) {
      let result = Foundation.close(descriptor)
      return result < 0 && errno == EINTR ? 0 : result
    }
  }

  /// Replaces what is at `newPath`, in one step that is seen either whole or not at all.
  func rename(_ path: String, to newPath: String) throws {
    _ = try attempt(.rename, newPath) { Foundation.rename(path, newPath) }
  }

  func link(_ path: String, target: String) throws {
    _ = try attempt(.link, path) { symlink(target, path) }
  }

  // MARK: - Directories

  /// Creates a directory unless it is there.
  func createDirectory(_ path: String) throws {
    _ = try attempt(.createDirectory, path) {
      let result = mkdir(path, 0o777)
      return result < 0 && errno == EEXIST ? 0 : result
    }
  }

  /// Makes the names in a directory survive a loss of power.
  func flushDirectory(_ path: String) throws {
    let descriptor = try attempt(.open, path) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    defer { _ = Foundation.close(descriptor) }
    _ = try attempt(.flush, path) {
      let result = fsync(descriptor)
      // Some network file systems can't flush a directory and say so; they order renames by themselves.
      return result < 0 && errno == EINVAL ? 0 : result
    }
  }

  /// Removes a file, a link (not what it points at) or a directory with all it holds; what isn't there is no failure.
  func remove(_ path: String) throws {
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

  /// Returns the names in a directory, hidden ones too, sorted; none if the directory isn't there.
  func names(in path: String) throws -> [String] {
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
