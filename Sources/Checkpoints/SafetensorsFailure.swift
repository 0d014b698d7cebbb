/// A safetensors file breaks a rule of the format, or doesn't hold what was asked of it.
public struct SafetensorsFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// Every rule that a file can break.
  public enum Violation: Sendable, Equatable {
    case notAFile
    case fileTooSmall(bytes: Int)
    case headerTooLarge(length: UInt64)
    case headerBeyondFile(length: UInt64, fileBytes: Int)
    case headerNotUTF8(offset: Int)
    case headerNotJSON(offset: Int, problem: String)
    case duplicateKey(String)
    case metadataNotText(offset: Int)
    case tensorNotObject(tensor: String)
    case unknownField(tensor: String, field: String)
    case missingField(tensor: String, field: String)
    case unknownType(tensor: String, type: String)
    case badShape(tensor: String, problem: String)
    case badOffsets(tensor: String, problem: String)
    case reversedOffsets(tensor: String, begin: Int, end: Int)
    case hole(tensor: String, expected: Int, begin: Int)
    case overlap(tensor: String, expected: Int, begin: Int)
    case sizeOverflow(tensor: String, shape: [Int])
    case sizeMismatch(tensor: String, shapeBytes: Int, rangeBytes: Int)
    case dataTooShort(expected: Int, found: Int)
    case dataTooLong(expected: Int, found: Int)
    case cutWhileRead(tensor: String)
    case digestMismatch(recorded: String, computed: String)
    case noSuchTensor(tensor: String)
    case notFloatingPoint(tensor: String, type: TensorType)
  }

  /// The file.
  public let path: String
  /// The rule it breaks.
  public let violation: Violation

  public init(path: String, violation: Violation) {
    self.path = path
    self.violation = violation
  }

  /// 65: bad data.
  public var exitCode: Int32 { 65 }

  public var description: String {
    "\(path): \(violation.explanation); use another copy of this file"
  }
}

extension SafetensorsFailure.Violation {
  fileprivate var explanation: String {
    switch self {
    case .notAFile: "not a regular file"
    case .fileTooSmall(let bytes): "\(bytes) bytes can't be a safetensors file, which has at least 8"
    case .headerTooLarge(let length):
      "begins with a header of \(length) bytes, at most \(SafetensorsHeader.maximumLength) are allowed: perhaps no "
        + "safetensors file at all"
    case .headerBeyondFile(let length, let bytes):
      "header of \(length) bytes doesn't fit into a file of \(bytes) bytes: cut, or no safetensors file at all"
    case .headerNotUTF8(let offset): "header isn't UTF-8 at byte \(offset)"
    case .headerNotJSON(let offset, let problem):
      "header isn't the JSON expected at byte \(offset): \(problem)"
    case .duplicateKey(let key): "key \"\(key)\" occurs twice in the header"
    case .metadataNotText(let offset):
      "__metadata__ at byte \(offset) of the header isn't an object of strings"
    case .digestMismatch(let recorded, let computed):
      "damaged: its digest is \(computed), but \(recorded) was recorded"
    case .dataTooShort(let expected, let found):
      "cut: the header describes \(expected) bytes of data, the file has \(found)"
    case .dataTooLong(let expected, let found):
      "extended: the header describes \(expected) bytes of data, the file has \(found)"
    case .tensorNotObject(let tensor): "tensor \"\(tensor)\" isn't described by an object"
    case .unknownField(let tensor, let field): "tensor \"\(tensor)\" has an unknown field \"\(field)\""
    case .missingField(let tensor, let field): "tensor \"\(tensor)\" has no field \"\(field)\""
    case .unknownType(let tensor, let type): "tensor \"\(tensor)\" has the unsupported dtype \"\(type)\""
    case .badShape(let tensor, let problem): "tensor \"\(tensor)\" has a bad shape: \(problem)"
    case .badOffsets(let tensor, let problem): "tensor \"\(tensor)\" has bad data_offsets: \(problem)"
    case .reversedOffsets(let tensor, let begin, let end):
      "tensor \"\(tensor)\" begins at \(begin), behind its end \(end)"
    case .hole(let tensor, let expected, let begin):
      "tensor \"\(tensor)\" begins at \(begin), a hole behind the end \(expected) of the one before"
    case .overlap(let tensor, let expected, let begin):
      "tensor \"\(tensor)\" begins at \(begin), before the end \(expected) of the one before"
    case .sizeOverflow(let tensor, let shape): "tensor \"\(tensor)\" of shape \(shape) is too large"
    case .sizeMismatch(let tensor, let shapeBytes, let rangeBytes):
      "tensor \"\(tensor)\" has \(rangeBytes) bytes, its shape and dtype need \(shapeBytes)"
    case .cutWhileRead(let tensor): "the file ended while tensor \"\(tensor)\" was read"
    case .noSuchTensor(let tensor): "there is no tensor \"\(tensor)\" in the file"
    case .notFloatingPoint(let tensor, let type):
      "tensor \"\(tensor)\" has dtype \(type.rawValue), a floating point type is needed"
    }
  }
}
