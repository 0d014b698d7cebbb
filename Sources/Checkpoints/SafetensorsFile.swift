import Foundation

/// A safetensors file that is open for reading. The header is checked when it is opened, tensors are read on request.
///
/// The data are little-endian, like every machine that this program is built for.
public final class SafetensorsFile: Sendable {
  /// The metadata key of the digest of the content.
  public static let digestKey = "digest"

  public let path: String
  /// The names of the tensors in the order of their data.
  public let names: [String]
  /// The tensors by name.
  public let tensors: [String: TensorInfo]
  /// The metadata of the file.
  public let metadata: [String: String]
  private let input: InputFile
  private let dataStart: Int

  /// Opens a file and checks its header. Memory for the header is allocated only if its size is plausible.
  ///
  /// - Throws: `FileFailure` if it can't be read, `SafetensorsFailure` if it breaks a rule of the format.
  public init(path: String) throws {
    self.path = path
    let input = try InputFile(path: path)
    func failure(_ problem: String) -> SafetensorsFailure { SafetensorsFailure(path: path, problem: problem) }
    guard let byteCount = input.byteCount else { throw failure("not a regular file") }
    var length: UInt64 = 0
    guard try withUnsafeMutableBytes(of: &length, { try input.read(into: $0, at: 0) }) else {
      throw failure("\(byteCount) bytes long, but a safetensors file has at least 8")
    }
    length = UInt64(littleEndian: length)
    guard length <= SafetensorsHeader.maximumLength else {
      throw failure(
        "the header would have \(length) bytes, at most \(SafetensorsHeader.maximumLength) are allowed; "
          + "this is probably not a safetensors file")
    }
    let dataStart = 8 + Int(length)
    let tooShort = failure(
      "the header of \(length) bytes doesn't fit into the \(byteCount) bytes of the file; "
        + "it is truncated or not a safetensors file")
    guard dataStart <= byteCount else { throw tooShort }
    let json = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(length), alignment: 8)
    defer { json.deallocate() }
    guard try input.read(into: json, at: 8) else { throw tooShort }
    let header = try SafetensorsHeader(
      parsing: UnsafeRawBufferPointer(json), dataBytes: byteCount - dataStart, path: path)
    names = header.tensors.map(\.name)
    tensors = Dictionary(uniqueKeysWithValues: header.tensors.map { ($0.name, $0) })
    metadata = header.metadata
    self.input = input
    self.dataStart = dataStart
  }

  /// Overwrites `destination`, which must be exactly as large as the tensor, with the bytes of the tensor.
  ///
  /// - Throws: `SafetensorsFailure` if there is no such tensor or the file has been truncated in the meantime;
  ///   `FileFailure`.
  public func read(_ name: String, into destination: UnsafeMutableRawBufferPointer) throws {
    let tensor = try info(name)
    precondition(
      destination.count == tensor.dataOffsets.count,
      "\(path): tensor \(name) has \(tensor.dataOffsets.count) bytes, the destination has \(destination.count)"
    )
    try read(tensor, from: 0, into: destination)
  }

  /// Returns a tensor of any floating-point type as 64-bit numbers, row-major.
  ///
  /// - Throws: `SafetensorsFailure` if there is no such tensor or it holds integers; `FileFailure`.
  public func readDoubles(_ name: String) throws -> [Double] {
    let tensor = try info(name)
    return switch tensor.dtype {
    case .float32: try convert(tensor) { (value: Float) in Double(value) }
    case .float64: try convert(tensor) { (value: Double) in value }
    case .float16: try convert(tensor) { (value: Float16) in Double(value) }
    // A bfloat16 is the upper half of a 32-bit float.
    case .bfloat16: try convert(tensor) { (bits: UInt16) in Double(Float(bitPattern: UInt32(bits) << 16)) }
    default:
      throw SafetensorsFailure(
        path: path,
        problem: "tensor \"\(name)\" has dtype \(tensor.dtype.rawValue), a floating-point type is required")
    }
  }

  /// Compares the content with the digest in the metadata.
  ///
  /// - Returns: false if there is no digest, as in the files of other programs.
  /// - Throws: `SafetensorsFailure` if the digests differ or the file can't be read.
  @discardableResult public func verifyDigest() throws -> Bool {
    guard let recorded = metadata[Self.digestKey] else { return false }
    let computed = try computeDigest()
    guard recorded == computed else {
      throw SafetensorsFailure(
        path: path, problem: "damaged: the digest is \(computed), but \(recorded) was recorded")
    }
    return true
  }

  /// Writes tensors in the given order, without a copy of them, and replaces the file at `path`.
  ///
  /// The digest of the content is added to the metadata. The same arguments give the same bytes.
  ///
  /// - Returns: the digest.
  /// - Throws: `FileFailure`; the old file then still exists.
  @discardableResult public static func write(
    to path: String, tensors: [TensorToWrite], metadata: [String: String] = [:],
    operations: FileSystemOperations = .standard
  ) throws -> String {
    precondition(Set(tensors.map(\.name)).count == tensors.count, "\(path): two tensors have the same name")
    var digest = ContentDigest(metadata: metadata)
    for tensor in tensors {
      digest.begin(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
      digest.update(tensor.bytes)
    }
    let text = digest.text
    let header = SafetensorsHeader.encode(
      tensors, metadata: metadata.merging([digestKey: text]) { _, new in new })
    try DurableFile.write(to: path, operations: operations) { append in
      try header.withUnsafeBytes(append)
      for tensor in tensors { try append(tensor.bytes) }
    }
    return text
  }

  // MARK: - Pieces of a tensor

  /// The number of bytes that are read at a time to convert or digest a tensor.
  private static let pieceBytes = 1 << 18

  private func info(_ name: String) throws -> TensorInfo {
    guard let tensor = tensors[name] else {
      throw SafetensorsFailure(path: path, problem: "there is no tensor \"\(name)\" in the file")
    }
    return tensor
  }

  private func read(
    _ tensor: TensorInfo, from offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws {
    let start = dataStart + tensor.dataOffsets.lowerBound + offset
    guard try input.read(into: destination, at: start) else {
      throw SafetensorsFailure(path: path, problem: "the file ended in tensor \"\(tensor.name)\"")
    }
  }

  /// Calls `body` with the bytes of a tensor, piece by piece.
  private func forEachPiece(of tensor: TensorInfo, body: (UnsafeRawBufferPointer) -> Void) throws {
    let byteCount = tensor.dataOffsets.count
    let piece = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(byteCount, Self.pieceBytes), alignment: 64)
    defer { piece.deallocate() }
    for offset in stride(from: 0, to: byteCount, by: Self.pieceBytes) {
      let bytes = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, byteCount - offset)])
      try read(tensor, from: offset, into: bytes)
      body(UnsafeRawBufferPointer(bytes))
    }
  }

  private func convert<Stored: BitwiseCopyable>(
    _ tensor: TensorInfo, _ transform: (Stored) -> Double
  ) throws -> [Double] {
    var numbers: [Double] = []
    numbers.reserveCapacity(tensor.count)
    try forEachPiece(of: tensor) { piece in
      numbers.append(contentsOf: piece.bindMemory(to: Stored.self).lazy.map(transform))
    }
    return numbers
  }

  private func computeDigest() throws -> String {
    var digest = ContentDigest(metadata: metadata)
    for name in names {
      let tensor = try info(name)
      digest.begin(name: name, dtype: tensor.dtype, shape: tensor.shape)
      try forEachPiece(of: tensor) { digest.update($0) }
    }
    return digest.text
  }
}

/// The digest of a safetensors file.
///
/// It covers the metadata except the digest itself, and the name, type, shape and bytes of each tensor in the order of
/// the data: everything that a reader of the file receives.
private struct ContentDigest: ~Copyable {
  private var digest = Digest()

  init(metadata: [String: String]) {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != SafetensorsFile.digestKey {
      digest.update("\(quotedJSON(key)):\(quotedJSON(value))\n")
    }
  }

  mutating func begin(name: String, dtype: TensorType, shape: [Int]) {
    digest.update("\(quotedJSON(name)) \(dtype.rawValue) \(shape)\n")
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) { digest.update(bytes) }

  /// The algorithm and the digest, as written in the metadata.
  var text: String { "xxh3-128:" + digest.hexadecimal() }
}

/// The type of a tensor's elements, named as in a safetensors header.
public enum TensorType: String, Sendable, CaseIterable, Codable {
  case float64 = "F64"
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int64 = "I64"
  case int32 = "I32"
  case int16 = "I16"
  case int8 = "I8"
  case uint64 = "U64"
  case uint32 = "U32"
  case uint16 = "U16"
  case uint8 = "U8"
  case bool = "BOOL"

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .float64, .int64, .uint64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .int8, .uint8, .bool: 1
    }
  }
}

/// The description of one tensor in a safetensors header.
public struct TensorInfo: Sendable, Equatable {
  public let name: String
  public let dtype: TensorType
  /// The dimensions, with the number of rows first; empty for a scalar.
  public let shape: [Int]
  /// The position of the tensor's bytes, relative to the start of the data (not of the file).
  public let dataOffsets: Range<Int>

  /// The number of elements, the product of the shape.
  public var count: Int { dataOffsets.count / dtype.byteCount }
}

/// A tensor to write: its description and a view of its bytes, which must remain valid during the write.
public struct TensorToWrite {
  public let name: String
  public let dtype: TensorType
  public let shape: [Int]
  public let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: the elements in row-major order, little-endian; the size must match dtype and shape.
  public init(name: String, dtype: TensorType, shape: [Int], bytes: UnsafeRawBufferPointer) {
    precondition(name != "__metadata__", "a tensor can't have the name __metadata__")
    precondition(shape.allSatisfy { $0 >= 0 }, "\(name): shape \(shape) has a negative size")
    let expected = shape.reduce(dtype.byteCount, *)
    precondition(
      bytes.count == expected,
      "\(name): \(bytes.count) bytes for \(dtype.rawValue) \(shape), which has \(expected)")
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// Creates the description of 32-bit floats.
  public init(name: String, shape: [Int], floats: UnsafeBufferPointer<Float>) {
    self.init(name: name, dtype: .float32, shape: shape, bytes: UnsafeRawBufferPointer(floats))
  }
}
