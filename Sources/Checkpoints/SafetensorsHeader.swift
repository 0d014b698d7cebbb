/// The description of a safetensors file's tensors: the JSON between the length at the file's beginning and the data.
///
/// The rules are those of the format's reference reader, and one more: no key occurs twice.
public struct SafetensorsHeader: Sendable, Equatable {
  /// The largest header that readers accept, in bytes.
  public static let maximumLength = 100_000_000

  /// The tensors in the order of their data.
  public let tensors: [TensorInfo]
  /// What the file says about itself besides its tensors.
  public let metadata: [String: String]

  /// Reads and checks a header.
  ///
  /// - Parameters:
  ///   - json: the header's bytes, padding included, without the length before them.
  ///   - dataBytes: what the file holds behind the header.
  ///   - path: names the file in an error.
  /// - Throws: `SafetensorsFailure`.
  public init(parsing json: UnsafeRawBufferPointer, dataBytes: Int, path: String) throws {
    do {
      (tensors, metadata) = try Self.parse(json)
      try Self.check(tensors, dataBytes: dataBytes)
    } catch let violation as SafetensorsFailure.Violation {
      throw SafetensorsFailure(path: path, violation: violation)
    } catch let problem as JSONProblem {
      throw SafetensorsFailure(path: path, violation: .init(problem))
    }
  }

  // MARK: - Reading

  private static func parse(
    _ bytes: UnsafeRawBufferPointer
  ) throws -> (tensors: [TensorInfo], metadata: [String: String]) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw SafetensorsFailure.Violation.headerNotJSON(offset: 0, problem: "expected '{' at once")
    }
    var json = StrictJSON(bytes)
    var tensors: [TensorInfo] = []
    var metadata: [String: String] = [:]
    try json.object { json, key in
      if key == "__metadata__" {
        metadata = try parseMetadata(&json)
      } else {
        tensors.append(try parseTensor(&json, name: key))
      }
    }
    try json.end()
    // A tensor without elements lies at the beginning of its neighbour, so it comes before it.
    tensors.sort {
      ($0.dataOffsets.lowerBound, $0.dataOffsets.upperBound)
        < ($1.dataOffsets.lowerBound, $1.dataOffsets.upperBound)
    }
    return (tensors, metadata)
  }

  private static func parseMetadata(_ json: inout StrictJSON) throws -> [String: String] {
    var metadata: [String: String] = [:]
    guard json.isNext("{") else { throw SafetensorsFailure.Violation.metadataNotText(offset: json.offset) }
    try json.object { json, key in
      guard json.isNext("\"") else {
        throw SafetensorsFailure.Violation.metadataNotText(offset: json.offset)
      }
      metadata[key] = try json.string()
    }
    return metadata
  }

  private static func parseTensor(_ json: inout StrictJSON, name: String) throws -> TensorInfo {
    var dtype: TensorType?
    var shape: [Int]?
    var offsets: [Int]?
    guard json.isNext("{") else { throw SafetensorsFailure.Violation.tensorNotObject(tensor: name) }
    try json.object { json, field in
      switch field {
      case "dtype":
        let type = try json.string()
        dtype = TensorType(rawValue: type)
        if dtype == nil { throw SafetensorsFailure.Violation.unknownType(tensor: name, type: type) }
      case "shape":
        shape = try counts(&json) { .badShape(tensor: name, problem: $0) }
      case "data_offsets":
        offsets = try counts(&json) { .badOffsets(tensor: name, problem: $0) }
      default: throw SafetensorsFailure.Violation.unknownField(tensor: name, field: field)
      }
    }
    guard let dtype else { throw SafetensorsFailure.Violation.missingField(tensor: name, field: "dtype") }
    guard let shape else { throw SafetensorsFailure.Violation.missingField(tensor: name, field: "shape") }
    guard let offsets else {
      throw SafetensorsFailure.Violation.missingField(tensor: name, field: "data_offsets")
    }
    guard offsets.count == 2 else {
      throw SafetensorsFailure.Violation.badOffsets(
        tensor: name, problem: "\(offsets.count) numbers instead of two")
    }
    guard offsets[0] <= offsets[1] else {
      throw SafetensorsFailure.Violation.reversedOffsets(tensor: name, begin: offsets[0], end: offsets[1])
    }
    return TensorInfo(name: name, dtype: dtype, shape: shape, dataOffsets: offsets[0]..<offsets[1])
  }

  private static func counts(
    _ json: inout StrictJSON, violation: (String) -> SafetensorsFailure.Violation
  ) throws -> [Int] {
    var counts: [Int] = []
    do {
      try json.array { counts.append(try $0.count()) }
    } catch let problem as JSONProblem {
      throw violation(problem.explanation)
    }
    return counts
  }

  /// Checks that the tensors fill the data without holes and overlaps, each with the bytes its shape needs.
  private static func check(_ tensors: [TensorInfo], dataBytes: Int) throws {
    var end = 0
    for tensor in tensors {
      let range = tensor.dataOffsets
      if range.lowerBound > end {
        throw SafetensorsFailure.Violation.hole(tensor: tensor.name, expected: end, begin: range.lowerBound)
      }
      if range.lowerBound < end {
        throw SafetensorsFailure.Violation.overlap(
          tensor: tensor.name, expected: end, begin: range.lowerBound)
      }
      var shapeBytes = tensor.dtype.byteCount
      for size in tensor.shape {
        let (product, overflow) = shapeBytes.multipliedReportingOverflow(by: size)
        if overflow {
          throw SafetensorsFailure.Violation.sizeOverflow(tensor: tensor.name, shape: tensor.shape)
        }
        shapeBytes = product
      }
      if shapeBytes != range.count {
        throw SafetensorsFailure.Violation.sizeMismatch(
          tensor: tensor.name, shapeBytes: shapeBytes, rangeBytes: range.count)
      }
      end = range.upperBound
    }
    if dataBytes < end { throw SafetensorsFailure.Violation.dataTooShort(expected: end, found: dataBytes) }
    if dataBytes > end { throw SafetensorsFailure.Violation.dataTooLong(expected: end, found: dataBytes) }
  }

  // MARK: - Writing

  /// Returns the beginning of a file: the header's length and the header, padded with spaces to whole 8 bytes.
  static func encode(_ tensors: [TensorToWrite], metadata: [String: String]) -> [UInt8] {
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quotedJSON($0.key)):\(quotedJSON($0.value))" }
    var json = "{\"__metadata__\":{\(pairs.joined(separator: ","))}"
    var offset = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      let end = offset + tensor.bytes.count
      json += ",\(quotedJSON(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
      json += "\"data_offsets\":[\(offset),\(end)]}"
      offset = end
    }
    json += "}"
    json += String(repeating: " ", count: (8 - json.utf8.count % 8) % 8)
    let length = UInt64(json.utf8.count)
    precondition(length <= maximumLength, "a header of \(length) bytes, \(maximumLength) are allowed")
    return withUnsafeBytes(of: length.littleEndian, Array.init) + json.utf8
  }
}

extension SafetensorsFailure.Violation: Error {
  init(_ problem: JSONProblem) {
    switch problem.kind {
    case .expected: self = .headerNotJSON(offset: problem.offset, problem: problem.explanation)
    case .notUTF8: self = .headerNotUTF8(offset: problem.offset)
    case .duplicateKey(let key): self = .duplicateKey(key)
    }
  }
}

extension JSONProblem {
  /// What is wrong, for a message that says where.
  var explanation: String {
    switch kind {
    case .expected(let what): "expected \(what)"
    case .notUTF8: "not UTF-8"
    case .duplicateKey(let key): "key \"\(key)\" occurs twice"
    }
  }
}
