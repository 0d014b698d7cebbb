/// Lines of text as they stand in a file, one after the other in one array.
public struct TextLines: Sendable, Equatable {
  private var bytes: [UInt8] = []
  private var offsets = [0]

  public init() {}

  /// Number of lines.
  public var count: Int { offsets.count - 1 }

  public subscript(index: Int) -> ArraySlice<UInt8> { bytes[offsets[index]..<offsets[index + 1]] }

  /// A line as text; bytes that aren't UTF-8 become U+FFFD.
  public func string(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

  /// Adds a line at the end.
  public mutating func append(_ line: some Sequence<UInt8>) {
    bytes.append(contentsOf: line)
    offsets.append(bytes.count)
  }

  /// Calls `body` with all bytes, and with the offset of each line and of the end of the last one.
  func withUnsafeStorage<Result>(
    _ body: (UnsafeRawBufferPointer, UnsafePointer<Int>?) -> Result
  ) -> Result {
    bytes.withUnsafeBytes { bytes in offsets.withUnsafeBufferPointer { body(bytes, $0.baseAddress) } }
  }
}
