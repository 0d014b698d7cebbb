import Foundation

/// A safetensors file opened for reading: its header is checked at once, its tensors are read when asked for.
///
/// The data are little-endian, as is every machine that this is built for.
public final class SafetensorsFile: Sendable {
  /// The metadata key under which a file carries the digest of its content.
  public static let digestKey = "digest"

  public let path: String
  /// The names of the tensors in the order of their data.
  public let names: [String]
  /// The tensors by name.
  public let tensors: [String: TensorInfo]
  /// What the file says about itself besides its tensors.
  public let metadata: [String: String]
  private let input: InputFile
  private let dataStart: Int

  /// Opens a file and checks its header before anything as large as it claims to be is allocated.
  ///
  /// - Throws: `FileFailure` where it can't be read, `SafetensorsFailure` where it breaks a rule.
  public init(path: String) throws {
    self.path = path
    let input = try InputFile(path: path)
    func failure(_ violation: SafetensorsFailure.Violation) -> SafetensorsFailure {
      SafetensorsFailure(path: path, violation: violation)
    }
    guard let byteCount = input.byteCount else { throw failure(.notAFile) }
    guard byteCount >= 8 else { throw failure(.fileTooSmall(bytes: byteCount)) }
    let length = UInt64(littleEndian: try input.value(at: 0, else: failure(.fileTooSmall(bytes: 0))))
    guard length <= SafetensorsHeader.maximumLength else { throw failure(.headerTooLarge(length: length)) }
    let dataStart = 8 + Int(length)
    guard dataStart <= byteCount else {
      throw failure(.headerBeyondFile(length: length, fileBytes: byteCount))
    }
    let json = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(length), alignment: 8)
    defer { json.deallocate() }
    guard try input.read(into: json, at: 8) else {
      throw failure(.headerBeyondFile(length: length, fileBytes: byteCount))
    }
    let header = try SafetensorsHeader(
      parsing: UnsafeRawBufferPointer(json), dataBytes: byteCount - dataStart, path: path)
    names = header.tensors.map(\.name)
    tensors = Dictionary(uniqueKeysWithValues: header.tensors.map { ($0.name, $0) })
    metadata = header.metadata
    self.input = input
    self.dataStart = dataStart
  }

  /// Overwrites `destination` with a tensor's bytes; it must be exactly as large as the tensor.
  ///
  /// - Throws: `SafetensorsFailure` where there is no such tensor or the file was cut since; `FileFailure`.
  public func read(_ name: String, into destination: UnsafeMutableRawBufferPointer) throws {
    let tensor = try info(name)
    precondition(
      destination.count == tensor.dataOffsets.count,
      "\(path): tensor \(name) has \(tensor.dataOffsets.count) bytes, the destination \(destination.count)")
    try read(tensor, from: 0, into: destination)
  }

  /// Returns a tensor of any floating point type as 32-bit floats, row-major.
  ///
  /// - Throws: `SafetensorsFailure` where there is no such tensor, it holds integers or was cut; `FileFailure`.
  public func readFloats(_ name: String) throws -> [Float] { try readNumbers(name) }

  /// Returns a tensor of any floating point type as 64-bit floats, row-major.
  ///
  /// - Throws: `SafetensorsFailure` where there is no such tensor, it holds integers or was cut; `FileFailure`.
  public func readDoubles(_ name: String) throws -> [Double] { try readNumbers(name) }

  /// Compares the content with the digest that the file carries.
  ///
  /// - Returns: false where the file carries none, as those of other programs.
  /// - Throws: `SafetensorsFailure.Violation.digestMismatch`, or where the file can't be read.
  @discardableResult public func verifyDigest() throws -> Bool {
    guard let recorded = metadata[Self.digestKey] else { return false }
    let computed = try computeDigest()
    guard recorded == computed else {
      throw SafetensorsFailure(
        path: path, violation: .digestMismatch(recorded: recorded, computed: computed))
    }
    return true
  }

  // MARK: - Pieces of a tensor

  /// Bytes that are read at a time where a tensor isn't wanted as it is.
  private static let pieceBytes = 1 << 18

  private func info(_ name: String) throws -> TensorInfo {
    guard let tensor = tensors[name] else {
      throw SafetensorsFailure(path: path, violation: .noSuchTensor(tensor: name))
    }
    return tensor
  }

  private func read(
    _ tensor: TensorInfo, from offset: Int, into destination: UnsafeMutableRawBufferPointer
  ) throws {
    let start = dataStart + tensor.dataOffsets.lowerBound + offset
    guard try input.read(into: destination, at: start) else {
      throw SafetensorsFailure(path: path, violation: .cutWhileRead(tensor: tensor.name))
    }
  }

  /// Gives the bytes of a tensor to `body`, piece by piece.
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

  private func readNumbers<Number: BinaryFloatingPoint>(_ name: String) throws -> [Number] {
    let tensor = try info(name)
    return switch tensor.dtype {
    case .float32: try convert(tensor) { (value: Float) in Number(value) }
    case .float64: try convert(tensor) { (value: Double) in Number(value) }
    case .float16: try convert(tensor) { (value: Float16) in Number(value) }
    // A bfloat16 is the upper half of a 32-bit float.
    case .bfloat16: try convert(tensor) { (bits: UInt16) in Number(Float(bitPattern: UInt32(bits) << 16)) }
    default:
      throw SafetensorsFailure(path: path, violation: .notFloatingPoint(tensor: name, type: tensor.dtype))
    }
  }

  private func convert<Stored: BitwiseCopyable, Number>(
    _ tensor: TensorInfo, _ transform: (Stored) -> Number
  ) throws -> [Number] {
    var numbers: [Number] = []
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
