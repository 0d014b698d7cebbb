/// A text as token ids, in the narrowest of 8, 16 and 32 bits that holds its vocabulary.
public struct TokenStream: Sendable, Equatable {
  /// The name of the text in messages.
  public let name: String
  /// Memory of one token, in bytes.
  public let bytesPerToken: Int
  /// The ids in the byte order of the machine. Parts of a text share it.
  private var storage: [UInt8] = []
  /// A file of ids in place of `storage`; those of a prepared text are little-endian, as every machine that the program runs on.
  private var file: MappedFile?
  /// The tokens of the memory or file that belong to this stream.
  private var range = 0..<0
  /// The digest, if it is known.
  private var knownDigest: UInt64?

  /// Creates an empty stream.
  init(name: String, vocabularySize: Int, capacity: Int = 0) {
    self.name = name
    bytesPerToken = Self.bytesPerToken(vocabularySize: vocabularySize)
    storage.reserveCapacity(capacity * bytesPerToken)
  }

  /// Tokens of a file that is mapped into memory.
  init(name: String, file: MappedFile, bytesPerToken: Int, range: Range<Int>, digest: UInt64? = nil) {
    (self.name, self.bytesPerToken) = (name, bytesPerToken)
    (self.file, self.range, knownDigest) = (file, range, digest)
  }

  static func bytesPerToken(vocabularySize: Int) -> Int {
    vocabularySize <= 1 << 8 ? 1 : vocabularySize <= 1 << 16 ? 2 : 4
  }

  /// Adds a token at the end. Requires that the stream is not a part of another one.
  mutating func append(_ id: Int32) {
    switch bytesPerToken {
    case 1: storage.append(UInt8(truncatingIfNeeded: id))
    case 2: withUnsafeBytes(of: UInt16(truncatingIfNeeded: id)) { storage.append(contentsOf: $0) }
    default: withUnsafeBytes(of: id) { storage.append(contentsOf: $0) }
    }
    range = 0..<range.upperBound + 1
  }

  /// A stream of some of the tokens, which shares their memory.
  func part(_ tokens: Range<Int>) -> TokenStream {
    var part = self
    part.knownDigest = nil
    part.range = range.lowerBound + tokens.lowerBound..<range.lowerBound + tokens.upperBound
    precondition(range.lowerBound <= part.range.lowerBound && part.range.upperBound <= range.upperBound)
    return part
  }

  /// Number of tokens.
  public var count: Int { range.count }

  /// The id at a position in `0 ..< count`.
  public subscript(position: Int) -> Int32 {
    precondition(position >= 0 && position < count, "token \(position) of \(count)")
    return withStoredBytes { load(range.lowerBound + position, from: $0) }
  }

  /// The ids of some positions.
  func ids(_ positions: Range<Int>) -> [Int32] {
    var ids = [Int32](repeating: 0, count: positions.count)
    ids.withUnsafeMutableBufferPointer { copy(positions, into: $0) }
    return ids
  }

  /// All ids, in parts that need little memory.
  var chunks: some Sequence<[Int32]> {
    stride(from: 0, to: count, by: 1 << 16).lazy.map { ids($0..<min($0 + 1 << 16, count)) }
  }

  /// The number of tokens with an id.
  public func occurrences(of id: Int32) -> Int {
    chunks.reduce(0) { total, ids in total + ids.count { $0 == id } }
  }

  /// Whether all ids are below a size.
  func areBelow(_ size: Int) -> Bool {
    chunks.allSatisfy { ids in ids.allSatisfy { $0 >= 0 && $0 < size } }
  }

  /// Calls `body` with the whole memory or file, of which this stream may be a part.
  func withStoredBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    if let file { try body(file.bytes) } else { try storage.withUnsafeBytes(body) }
  }

  @inline(__always)
  private func load(_ place: Int, from bytes: UnsafeRawBufferPointer) -> Int32 {
    switch bytesPerToken {
    case 1: Int32(bytes[place])
    case 2: Int32(bytes.loadUnaligned(fromByteOffset: 2 * place, as: UInt16.self))
    default: bytes.loadUnaligned(fromByteOffset: 4 * place, as: Int32.self)
    }
  }

  /// Overwrites every `stride`-th element of `destination` from `offset` on with the ids of `positions`.
  public func copy(
    _ positions: Range<Int>, into destination: UnsafeMutableBufferPointer<Int32>, offset: Int = 0,
    stride: Int = 1
  ) {
    guard !positions.isEmpty else { return }
    precondition(
      positions.lowerBound >= 0 && positions.upperBound <= count, "tokens \(positions) of \(count)")
    precondition(
      destination.count > offset + (positions.count - 1) * stride,
      "room for \(destination.count) tokens, \(positions.count) to copy")
    let first = range.lowerBound + positions.lowerBound
    withStoredBytes { bytes in
      for index in 0..<positions.count {
        destination[offset + index * stride] = load(first + index, from: bytes)
      }
    }
    file?.note(positions.count * bytesPerToken)
  }

  /// True for the same tokens, regardless of the names.
  public static func == (first: TokenStream, second: TokenStream) -> Bool {
    first.count == second.count && (0..<first.count).allSatisfy { first[$0] == second[$0] }
  }

  /// A hash of the ids that is the same on every rank and in every process, whatever the width in memory.
  public var digest: UInt64 {
    if let knownDigest { return knownDigest }
    var hash = StableHash()
    hash.combine(UInt64(count))
    for position in 0..<count { hash.combine(UInt64(UInt32(bitPattern: self[position]))) }
    return hash.value
  }
}
