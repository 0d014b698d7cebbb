/// Where a text is read from. It may be read several times and must give the same bytes each time.
public enum TextSource: Sendable, Equatable {
  /// A regular file.
  case file(String)
  /// Text in memory, with a name for messages.
  case memory([UInt8], name: String)

  /// The name in messages: the path of a file.
  public var name: String {
    switch self {
    case .file(let path): path
    case .memory(_, let name): name
    }
  }

  /// Largest part of a file that is in memory at a time, in bytes.
  static let chunkSize = 1 << 18

  /// Calls `body` with the bytes from the beginning to the end, in parts of at most `chunkSize`.
  ///
  /// Throws `DataError`, or what `body` throws.
  func forEachChunk(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    let reader = try ByteReader(self)
    while case let part = try reader.next(), !part.isEmpty { try body(part) }
  }
}
