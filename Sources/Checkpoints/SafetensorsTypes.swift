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

  /// The bytes of one element.
  public var byteCount: Int {
    switch self {
    case .float64, .int64, .uint64: 8
    case .float32, .int32, .uint32: 4
    case .float16, .bfloat16, .int16, .uint16: 2
    case .int8, .uint8, .bool: 1
    }
  }
}

/// What a safetensors header says about one tensor.
public struct TensorInfo: Sendable, Equatable {
  public let name: String
  public let dtype: TensorType
  /// Rows first; empty for a single number.
  public let shape: [Int]
  /// Where the tensor's bytes are, counted from the beginning of the data (not of the file).
  public let dataOffsets: Range<Int>

  /// The number of elements, the product of the shape.
  public var count: Int { dataOffsets.count / dtype.byteCount }
}

/// A tensor to be written: its description and a view of its bytes, which must stay valid during the write.
public struct TensorToWrite {
  public let name: String
  public let dtype: TensorType
  public let shape: [Int]
  public let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: the elements in row-major order, little-endian; as many bytes as dtype and shape say.
  public init(name: String, dtype: TensorType, shape: [Int], bytes: UnsafeRawBufferPointer) {
    precondition(name != "__metadata__", "a tensor can't be called __metadata__")
    precondition(shape.allSatisfy { $0 >= 0 }, "\(name): shape \(shape) has a negative size")
    let expected = shape.reduce(dtype.byteCount, *)
    precondition(
      bytes.count == expected,
      "\(name): \(bytes.count) bytes given, \(dtype.rawValue) \(shape) has \(expected)")
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// A view of 32-bit floats.
  public init(name: String, shape: [Int], floats: UnsafeBufferPointer<Float>) {
    self.init(name: name, dtype: .float32, shape: shape, bytes: UnsafeRawBufferPointer(floats))
  }
}
