import Checkpoints
import Foundation

/// The source of a text. All except standard input may be read several times and must return the same bytes each time.
public enum TextSource: Sendable, Equatable {
  /// A regular file.
  case file(String)
  /// Text in memory, with a name for messages.
  case memory([UInt8], name: String)
  /// The standard input of this process, which can be read only once.
  case standardInput

  /// The name in messages: the path of a file.
  public var name: String {
    switch self {
    case .file(let path): path
    case .memory(_, let name): name
    case .standardInput: "standard input"
    }
  }

  /// The folder of a file with a slash at the end; empty for the current one.
  var folder: String {
    guard case .file(let path) = self, let slash = path.lastIndex(of: "/") else { return "" }
    return String(path[...slash])
  }

  /// Reads all bytes. Throws `DataError`, or the error `tooLarge` if there are more than `limit` bytes.
  func content(limit: Int, tooLarge: @autoclosure () -> any Error) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let reader = try ByteReader(self, isText: false)
    while case let part = try reader.next(), !part.isEmpty {
      guard bytes.count + part.count <= limit else { throw tooLarge() }
      bytes.append(contentsOf: part)
    }
    return bytes
  }

  /// Copies standard input, decompressed, to a file, for readers that need several passes. Throws `DataError`, `FileFailure`.
  public static func copyStandardInput(to path: String) throws {
    let reader = try ByteReader(.standardInput)
    try DurableFile.write(to: path) { write in
      while case let part = try reader.next(), !part.isEmpty { try write(UnsafeRawBufferPointer(part)) }
    }
  }
}

/// Reads a source part by part on demand, so that several files can be read in parallel. Files and standard input that
/// are compressed with gzip or zstd are decompressed.
///
/// Files are read, not mapped: if another program shortens a mapped file, this program dies with a bus error, while a
/// short read is detected and reported.
final class ByteReader {
  private enum Origin {
    case descriptor(Int32)
    case memory([UInt8], position: Int)
  }

  /// The size of the largest part in memory, in bytes.
  private static let partSize = 1 << 18

  /// The name of the source in errors.
  let name: String
  private var origin: Origin
  private let isText: Bool
  private let buffer: UnsafeMutableBufferPointer<UInt8>
  /// Whether the beginning has been checked for the signature of a compressed file.
  private var isExamined = false
  private var decompressor: Decompressor?
  /// The compressed bytes that have been read, and those of them that have not been decompressed.
  private let packed: UnsafeMutableBufferPointer<UInt8>
  private var rest: Range<Int> = 0..<0
  /// Whether the last part filled the whole buffer, so the same compressed bytes may yield more.
  private var isFull = false

  /// Opens the source. Throws `DataError`.
  ///
  /// - Parameter isText: whether to reject archives, other compressed data and UTF-16 with an error that names the form.
  init(_ source: TextSource, isText: Bool = true) throws {
    name = source.name
    self.isText = isText
    switch source {
    case .file(let path): origin = .descriptor(try Self.open(path))
    case .memory(let bytes, _):
      origin = .memory(bytes, position: 0)
      isExamined = true
    case .standardInput: origin = .descriptor(STDIN_FILENO)
    }
    buffer = .allocate(capacity: Self.partSize)
    packed = .allocate(capacity: isExamined ? 0 : Self.partSize)
  }

  deinit {
    buffer.deallocate()
    packed.deallocate()
    if case .descriptor(let descriptor) = origin, descriptor != STDIN_FILENO { _ = close(descriptor) }
  }

  private static func open(_ path: String) throws -> Int32 {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let descriptor = Foundation.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOENT || code == ENOTDIR
        ? DataError.missing(path: path) : .unreadable(path: path, reason: systemText(code))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      _ = close(descriptor)
      throw DataError.notAFile(path: path)
    }
    return descriptor
  }

  /// The next part, empty at the end; it is overwritten by the next call. Throws `DataError`.
  func next() throws -> UnsafeBufferPointer<UInt8> {
    if !isExamined {
      isExamined = true
      let start = try examine()
      if decompressor == nil { return start }
    }
    guard let decompressor else { return UnsafeBufferPointer(rebasing: buffer[..<(try read(into: buffer))]) }
    while true {
      if rest.isEmpty, !isFull {
        rest = 0..<(try read(into: packed))
        guard !rest.isEmpty else {
          guard decompressor.isComplete else {
            throw DataError.input(
              name: name, reason: "its compressed data end too early; copy the file again")
          }
          return UnsafeBufferPointer(rebasing: buffer[..<0])
        }
      }
      do {
        let step = try decompressor.unpack(UnsafeBufferPointer(rebasing: packed[rest]), into: buffer)
        rest = rest.lowerBound + step.used..<rest.upperBound
        isFull = step.filled == buffer.count
        if step.filled > 0 { return UnsafeBufferPointer(rebasing: buffer[..<step.filled]) }
      } catch {
        throw DataError.input(name: name, reason: "\(error); copy the file again")
      }
    }
  }

  /// Reads the beginning, and prepares to decompress if it is that of compressed data. Returns the bytes read.
  private func examine() throws -> UnsafeBufferPointer<UInt8> {
    var count = 0
    repeat {
      let more = try read(into: UnsafeMutableBufferPointer(rebasing: buffer[count...]))
      guard more > 0 else { break }
      count += more
      // A line end settles that it is text: with a pipe, the other end may be waiting for the answer and send no more.
    } while Packing.isUndecided(buffer[..<count])
    if let packing = Packing.found(in: buffer[..<count]) {
      if let refusal = packing.refusal {
        if isText { throw DataError.input(name: name, reason: refusal) }
      } else {
        do {
          decompressor = try Decompressor(packing)
        } catch {
          throw DataError.unreadable(path: name, reason: error.description)
        }
        for index in 0..<count { packed[index] = buffer[index] }
        rest = 0..<count
      }
    }
    return UnsafeBufferPointer(rebasing: buffer[..<count])
  }

  /// Fills the beginning of `buffer`; returns the number of bytes, 0 at the end.
  private func read(into buffer: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
    switch origin {
    case .memory(let bytes, let position):
      let count = min(buffer.count, bytes.count - position)
      bytes.withUnsafeBufferPointer { all in
        for index in 0..<count { buffer[index] = all[position + index] }
      }
      origin = .memory(bytes, position: position + count)
      return count
    case .descriptor(let descriptor):
      while true {
        let count = Foundation.read(descriptor, buffer.baseAddress, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw DataError.unreadable(path: name, reason: systemText(errno)) }
        return count
      }
    }
  }

  /// Whether `next` would return without waiting for another program.
  var isReady: Bool {
    guard rest.isEmpty, !isFull, case .descriptor(let descriptor) = origin else { return true }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&request, 1, 0) > 0
  }
}

/// The system's message for an error number.
func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
