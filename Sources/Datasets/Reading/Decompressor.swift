import CZlib
import CZstd

/// The form of a file's content, detected from its first bytes.
enum Packing: CaseIterable {
  // Decompressed transparently.
  case gzip, zstd
  // Rejected with an error that names the form, because the bytes would otherwise look like damaged text.
  case xz, bzip2, zip, sevenZip, lz4
  // Those of UTF-32 before those of UTF-16, because one is the beginning of the other.
  case utf32LittleEndian, utf32BigEndian, utf16LittleEndian, utf16BigEndian

  /// The first bytes of a file of this form.
  var signature: [UInt8] {
    switch self {
    case .gzip: [0x1F, 0x8B]
    case .zstd: [0x28, 0xB5, 0x2F, 0xFD]
    case .xz: [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]
    case .bzip2: Array("BZh".utf8)
    case .zip: Array("PK".utf8) + [0x03, 0x04]
    case .sevenZip: Array("7z".utf8) + [0xBC, 0xAF, 0x27, 0x1C]
    case .lz4: [0x04, 0x22, 0x4D, 0x18]
    case .utf32LittleEndian: [0xFF, 0xFE, 0x00, 0x00]
    case .utf32BigEndian: [0x00, 0x00, 0xFE, 0xFF]
    case .utf16LittleEndian: [0xFF, 0xFE]
    case .utf16BigEndian: [0xFE, 0xFF]
    }
  }

  /// The reason why text can't be read from such a file, and the remedy; nil for forms that are supported.
  var refusal: String? {
    let repack = ", or compress the text with gzip or zstd, which are read as they are"
    return switch self {
    case .gzip, .zstd: nil
    case .xz: "xz data, which is not read: decompress it with xz -d" + repack
    case .bzip2: "bzip2 data, which is not read: decompress it with bzip2 -d" + repack
    case .zip: "a zip archive: extract the file that you need" + repack
    case .sevenZip: "a 7z archive: extract the file that you need" + repack
    case .lz4: "lz4 data, which is not read: decompress it with lz4 -d" + repack
    // The names of iconv say the order of the bytes, because a text without a mark does not.
    case .utf32LittleEndian: "UTF-32 text: convert it to UTF-8 with iconv -f UTF-32LE -t UTF-8"
    case .utf32BigEndian: "UTF-32 text: convert it to UTF-8 with iconv -f UTF-32BE -t UTF-8"
    case .utf16LittleEndian: "UTF-16 text: convert it to UTF-8 with iconv -f UTF-16LE -t UTF-8"
    case .utf16BigEndian: "UTF-16 text: convert it to UTF-8 with iconv -f UTF-16BE -t UTF-8"
    }
  }

  /// The packing of a source that begins with these bytes; nil for plain content.
  static func found(in start: some Collection<UInt8>) -> Packing? {
    guard let packing = allCases.first(where: { start.starts(with: $0.signature) }) else {
      return unmarked(Array(start.prefix(64)))
    }
    // A text may start with "BZh"; a bzip2 file continues with the block size and the digits of π.
    let block: [UInt8] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]
    return packing == .bzip2 && !start.dropFirst(4).starts(with: block) ? nil : packing
  }

  /// The encoding of a text of ASCII characters in two or four bytes each that begins without a mark.
  private static func unmarked(_ start: [UInt8]) -> Packing? {
    func isASCII(width: Int, at position: Int) -> Bool {
      start.count >= 2 * width
        && start.indices.dropLast(start.count % width).allSatisfy {
          ($0 % width == position) == (1..<0x80 ~= start[$0])
        }
        && start.allSatisfy { $0 < 0x80 }
    }
    if isASCII(width: 4, at: 0) { return .utf32LittleEndian }
    if isASCII(width: 4, at: 3) { return .utf32BigEndian }
    if isASCII(width: 2, at: 0) { return .utf16LittleEndian }
    return isASCII(width: 2, at: 1) ? .utf16BigEndian : nil
  }

  /// Whether more bytes are needed to tell the packing: `start` is a proper prefix of a signature.
  static func isUndecided(_ start: some Collection<UInt8>) -> Bool {
    allCases.contains { start.count < $0.signature.count && $0.signature.starts(with: start) }
      || start.starts(with: Packing.bzip2.signature) && start.count < 10
  }
}

/// Unpacks gzip (RFC 1952, any number of members) or Zstandard (RFC 8878, any number of frames), part by part.
final class Decompressor {
  private enum Stream {
    case gzip(UnsafeMutablePointer<z_stream>)
    case zstd(OpaquePointer)
  }

  private let stream: Stream
  /// Whether the data may end here: after a whole member or frame.
  private(set) var isComplete = false

  /// Throws if there is no memory for the state. Requires a supported packing.
  init(_ packing: Packing) throws(DecompressionError) {
    switch packing {
    case .gzip:
      let state = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
      state.initialize(to: z_stream())
      // The largest window, and 16 more for the header of gzip.
      let code = inflateInit2_(state, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
      guard code == Z_OK else {
        state.deallocate()
        throw DecompressionError(description: "no memory to decompress")
      }
      stream = .gzip(state)
    case .zstd:
      guard let state = ZSTD_createDStream() else {
        throw DecompressionError(description: "no memory to decompress")
      }
      stream = .zstd(state)
    default: preconditionFailure("\(packing) is not read")
    }
  }

  deinit {
    switch stream {
    case .gzip(let state):
      inflateEnd(state)
      state.deallocate()
    case .zstd(let state): ZSTD_freeDStream(state)
    }
  }

  /// Decompresses `input` until it ends or `output` is full.
  ///
  /// - Returns: the bytes of `input` that were used and the bytes of `output` that were filled. If the output is full, there may
  ///   be more for the same input.
  func unpack(
    _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>
  ) throws(DecompressionError) -> (used: Int, filled: Int) {
    switch stream {
    case .gzip(let state): return try inflate(state, input, output)
    case .zstd(let state):
      var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
      var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
      let hint = ZSTD_decompressStream(state, &target, &source)
      guard ZSTD_isError(hint) == 0 else {
        throw DecompressionError(
          description: "damaged zstd data (\(String(cString: ZSTD_getErrorName(hint))))")
      }
      // Between two frames, without any data, zstd asks for the header of the next one.
      if source.pos > 0 || target.pos > 0 { isComplete = hint == 0 }
      return (source.pos, target.pos)
    }
  }

  private func inflate(
    _ state: UnsafeMutablePointer<z_stream>, _ input: UnsafeBufferPointer<UInt8>,
    _ output: UnsafeMutableBufferPointer<UInt8>
  ) throws(DecompressionError) -> (used: Int, filled: Int) {
    if isComplete {
      // Zeros after the last member pad a file to whole blocks.
      let zeros = input.prefix { $0 == 0 }.count
      guard zeros < input.count else { return (zeros, 0) }
      guard zeros == 0 else {
        throw DecompressionError(description: "damaged gzip data (bytes after its end)")
      }
      inflateReset(state)
    }
    state.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
    state.pointee.avail_in = UInt32(input.count)
    state.pointee.next_out = output.baseAddress
    state.pointee.avail_out = UInt32(output.count)
    let code = CZlib.inflate(state, Z_NO_FLUSH)
    guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(code) else {
      let reason = state.pointee.msg.map { String(cString: $0) } ?? "code \(code)"
      throw DecompressionError(description: "damaged gzip data (\(reason))")
    }
    isComplete = code == Z_STREAM_END
    return (input.count - Int(state.pointee.avail_in), output.count - Int(state.pointee.avail_out))
  }
}

/// Compressed data can't be unpacked, with the library's message if there is one.
struct DecompressionError: Error, CustomStringConvertible {
  let description: String
}
