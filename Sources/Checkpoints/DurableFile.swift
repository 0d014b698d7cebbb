import Foundation

/// Replaces a file so that, whatever happens, a reader finds the whole old file or the whole new one.
///
/// The bytes go to a temporary name in the same directory, are flushed to the disk, and take the file's name by
/// a rename; then the directory is flushed. A failure removes the temporary file and leaves the old one alone.
public enum DurableFile {
  /// Where the body of `write` puts the bytes of the new file.
  public struct Sink {
    fileprivate let descriptor: Int32
    fileprivate let path: String
    fileprivate let operations: FileSystemOperations

    /// Appends bytes; throws `FileFailure`.
    public func append(_ bytes: UnsafeRawBufferPointer) throws {
      try operations.write(bytes, to: descriptor, path: path)
    }
  }

  /// Returns everything in a file of at most `limit` bytes, nil where it is larger or no regular file; throws `FileFailure`.
  public static func read(_ path: String, limit: Int) throws -> Data? {
    try InputFile.contents(of: path, limit: limit)
  }

  /// Writes a file piece by piece and puts it in the place of what was at `path`; throws `FileFailure`.
  public static func write(
    to path: String, operations: FileSystemOperations = .standard, body: (Sink) throws -> Void
  ) throws {
    let location = URL(fileURLWithPath: path)
    let directory = location.deletingLastPathComponent().path
    let temporary = "\(directory)/.\(location.lastPathComponent).tmp-\(getpid())"
    do {
      let descriptor = try operations.create(temporary)
      do {
        try body(Sink(descriptor: descriptor, path: temporary, operations: operations))
        try operations.flush(descriptor, path: temporary)
      } catch {
        try? operations.close(descriptor, path: temporary)
        throw error
      }
      try operations.close(descriptor, path: temporary)
      try operations.rename(temporary, to: path)
    } catch {
      try? operations.remove(temporary)
      throw error
    }
    try operations.flushDirectory(directory)
  }

  /// Writes a whole file and puts it in the place of what was at `path`; throws `FileFailure`.
  public static func write(
    _ contents: Data, to path: String, operations: FileSystemOperations = .standard
  ) throws {
    try write(to: path, operations: operations) { sink in
      try contents.withUnsafeBytes { try sink.append($0) }
    }
  }
}
