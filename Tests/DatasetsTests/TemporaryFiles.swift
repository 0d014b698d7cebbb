import CZlib
import CZstd
import Foundation
import TestSupport

@testable import Datasets

extension DataSource {
  static func text(_ text: String, name: String = "text") -> DataSource {
    .file(.memory(Array(text.utf8), name: name))
  }

  static func bytes(_ bytes: [UInt8]) -> DataSource { .file(.memory(bytes, name: "text")) }

  static func parallel(_ source: String, _ target: String, second: String? = nil) -> DataSource {
    .parallel(
      source: .memory(Array(source.utf8), name: "source"),
      target: .memory(Array(target.utf8), name: "target"),
      secondSource: second.map { .memory(Array($0.utf8), name: "second") })
  }
}

extension ExampleOptions {
  init(
    _ kind: DataKind, _ format: DataFormat, source: TokenUnit = .word,
    target: TokenUnit = .word, _ change: (inout ExampleOptions) -> Void = { _ in }
  ) {
    var data = DataOptions()
    (data.format, data.sourceTokens, data.targetTokens, data.validFraction) = (format, source, target, 0)
    self.init(kind: kind, data)
    change(&self)
  }

  /// The corpus of one training file.
  func load(_ train: DataSource) throws -> ExampleCorpus {
    try .load(DataSources(train: train), options: self)
  }
}

extension ExampleSet {
  /// The source of each example as tokens.
  func words(_ side: Side, _ vocabulary: Vocabulary?) -> [[String]] {
    guard let tokens = field(side)?.tokenSequences, let vocabulary else { return [] }
    return (0..<tokens.count).map { tokens[$0].map { vocabulary[$0] } }
  }

  /// The target of each example as names of labels.
  func tags(_ labels: LabelVocabulary?) -> [[String]] {
    guard let tokens = target?.tokenSequences, let labels else { return [] }
    return (0..<tokens.count).map { tokens[$0].map { labels[$0] } }
  }

  /// The vectors of each example, one after the other.
  func numbers(_ side: Side) -> [[Float]] {
    guard let vectors = field(side)?.vectorSequences else { return [] }
    return (0..<vectors.count).map { Array(vectors[$0]) }
  }
}

/// A NumPy file of version 1.0.
func numpyFile(
  _ values: [Double], shape: String, type: String = "<f4", order: String = "False", version: UInt8 = 1
) -> [UInt8] {
  let bytes = values.flatMap { value in
    type == "<f8"
      ? withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
      : withUnsafeBytes(of: Float(value).bitPattern.littleEndian) { Array($0) }
  }
  return numpyHeader("{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }", version) + bytes
}

func numpyHeader(_ text: String, _ version: UInt8 = 1) -> [UInt8] {
  let header = Array((text + "\n").utf8)
  let length = withUnsafeBytes(of: UInt32(header.count).littleEndian) { Array($0) }
  return [0x93] + Array("NUMPY".utf8) + [version, 0] + length.prefix(version == 1 ? 2 : 4) + header
}

/// A file with some content that is removed with the last reference to it.
final class TemporaryFile {
  let path: String

  init(_ content: [UInt8] = []) throws {
    path = NSTemporaryDirectory() + "/datasets-test-" + UUID().uuidString
    try Data(content).write(to: URL(fileURLWithPath: path))
  }

  convenience init(_ text: String) throws {
    try self.init(Array(text.utf8))
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension TextSource {
  static func text(_ text: String) -> TextSource { .memory(Array(text.utf8), name: "text") }
}

extension TokenStream {
  /// The tokens of `ids`, each of which must be in `0 ..< vocabularySize`.
  init(_ ids: some Sequence<Int32>, vocabularySize: Int, name: String = "the text") {
    self.init(name: name, vocabularySize: vocabularySize)
    for id in ids { append(id) }
  }

  var ids: [Int32] { (0..<count).map { self[$0] } }
}

extension Ragged<UInt8> {
  /// A line as text; bytes that are not UTF-8 become U+FFFD.
  func string(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }
}

extension Vocabulary {
  /// The ids of a line. Throws `DataError.line`, with `name` and `lineNumber`, for bytes that are not text.
  func encode(
    _ line: some Sequence<UInt8>, name: String = "text", lineNumber: Int = 1
  ) throws -> [Int32] {
    var ids: [Int32] = []
    do {
      try encode(Array(line), into: &ids)
    } catch {
      throw DataError.line(name: name, line: lineNumber, problem: error)
    }
    return ids
  }
}

/// The bytes as one member of a gzip file.
func gzipped(_ bytes: [UInt8]) -> [UInt8] {
  var stream = z_stream()
  // The largest window, and 16 more for the header of gzip.
  deflateInit2_(
    &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
    Int32(MemoryLayout<z_stream>.size))
  defer { deflateEnd(&stream) }
  var input = bytes
  var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
  let capacity = output.count
  input.withUnsafeMutableBufferPointer { input in
    output.withUnsafeMutableBufferPointer { output in
      (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
      (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(capacity))
      _ = deflate(&stream, Z_FINISH)
    }
  }
  return Array(output[..<Int(stream.total_out)])
}

/// The bytes as one frame of Zstandard with a checksum, as the program zstd writes it.
func zstandard(_ bytes: [UInt8]) -> [UInt8] {
  let context = ZSTD_createCCtx()
  defer { ZSTD_freeCCtx(context) }
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
  var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
  let count = ZSTD_compress2(context, &output, output.count, bytes, bytes.count)
  return Array(output[..<count])
}
