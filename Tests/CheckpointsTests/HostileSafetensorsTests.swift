import Checkpoints
import Foundation
import Testing

/// A header that breaks one rule.
struct HostileHeader: Sendable, CustomTestStringConvertible {
  let header: String
  let data: Int
  let violation: SafetensorsFailure.Violation

  init(_ header: String, data: Int = 0, _ violation: SafetensorsFailure.Violation) {
    self.header = header
    self.data = data
    self.violation = violation
  }

  var testDescription: String { header.prefix(80) + ", \(data) bytes" }

  static func one(_ fields: String, data: Int = 0, _ violation: SafetensorsFailure.Violation) -> Self {
    Self("{\"w\":\(fields)}", data: data, violation)
  }

  static let all: [HostileHeader] = json + fields + offsets

  static let json: [HostileHeader] = [
    .init("", .headerNotJSON(offset: 0, problem: "expected '{' at once")),
    .init("[]", .headerNotJSON(offset: 0, problem: "expected '{' at once")),
    .init(" {}", .headerNotJSON(offset: 0, problem: "expected '{' at once")),
    .init("{", .headerNotJSON(offset: 1, problem: "expected a text")),
    .init("{}x", .headerNotJSON(offset: 2, problem: "expected the end")),
    .init("{}\u{0}", .headerNotJSON(offset: 2, problem: "expected the end")),
    .init("{\"w\"}", .headerNotJSON(offset: 4, problem: "expected ':'")),
    .init("{\"w", .headerNotJSON(offset: 3, problem: "expected the end of the text")),
    .init("{\"w\n\":1}", .headerNotJSON(offset: 3, problem: "expected the end of the text")),
    .init("{\"\\x\":1}", .headerNotJSON(offset: 3, problem: "expected an escaped character")),
    .init("{\"\\u12g4\":1}", .headerNotJSON(offset: 6, problem: "expected four hexadecimal digits")),
    .init("{\"\\ud800\":1}", .headerNotJSON(offset: 3, problem: "expected a pair of surrogates")),
    .init("{\"\\udc00\\ud800\":1}", .headerNotJSON(offset: 3, problem: "expected a pair of surrogates")),
    .init("{\"__metadata__\":{},}", .headerNotJSON(offset: 19, problem: "expected a text")),
    .init("{\"__metadata__\":{} \"w\":1}", .headerNotJSON(offset: 19, problem: "expected ',' or '}'")),
    .init("{\"__metadata__\":{\"a\":1}}", .metadataNotText(offset: 21)),
    .init("{\"__metadata__\":null}", .metadataNotText(offset: 16)),
    .init("{\"__metadata__\":[]}", .metadataNotText(offset: 16)),
    .init("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", .duplicateKey("a")),
    .init("{\"__metadata__\":{},\"__metadata__\":{}}", .duplicateKey("__metadata__")),
  ]

  static let fields: [HostileHeader] = [
    .one("1", .tensorNotObject(tensor: "w")),
    .one(String(repeating: "[", count: 100_000), .tensorNotObject(tensor: "w")),
    .one(
      "{\"shape\":" + String(repeating: "[", count: 100_000),
      .badShape(tensor: "w", problem: "expected a non-negative whole number")),
    .one("{\"dtype\":\"F32\",\"shape\":[0]}", .missingField(tensor: "w", field: "data_offsets")),
    .one("{\"dtype\":\"F32\",\"data_offsets\":[0,0]}", .missingField(tensor: "w", field: "shape")),
    .one("{\"shape\":[0],\"data_offsets\":[0,0]}", .missingField(tensor: "w", field: "dtype")),
    .one("{\"dtype\":\"F32\",\"dtype\":\"F32\"}", .duplicateKey("dtype")),
    .one("{\"dtype\":\"F31\"}", .unknownType(tensor: "w", type: "F31")),
    .one("{\"type\":\"F32\"}", .unknownField(tensor: "w", field: "type")),
    .one("{\"shape\":3}", .badShape(tensor: "w", problem: "expected an array")),
    .one("{\"shape\":[-1]}", .badShape(tensor: "w", problem: "expected a non-negative whole number")),
    .one("{\"shape\":[1.0]}", .badShape(tensor: "w", problem: "expected a non-negative whole number")),
    .one("{\"shape\":[1e3]}", .badShape(tensor: "w", problem: "expected a non-negative whole number")),
    .one("{\"shape\":[\"1\"]}", .badShape(tensor: "w", problem: "expected a non-negative whole number")),
    .one(
      "{\"shape\":[01]}",
      .badShape(tensor: "w", problem: "expected a whole number below 2^63 without leading zeros")),
    .one(
      "{\"shape\":[9223372036854775808]}",
      .badShape(tensor: "w", problem: "expected a whole number below 2^63 without leading zeros")),
    .one(
      "{\"data_offsets\":[0,-4]}",
      .badOffsets(tensor: "w", problem: "expected a non-negative whole number")),
  ]

  private static func tensor(_ name: String, _ shape: String, _ offsets: String) -> String {
    "\"\(name)\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }

  static let offsets: [HostileHeader] = [
    .init(
      "{\(tensor("w", "[1]", "[0,4,8]"))}", .badOffsets(tensor: "w", problem: "3 numbers instead of two")),
    .init("{\(tensor("w", "[1]", "[4]"))}", .badOffsets(tensor: "w", problem: "1 numbers instead of two")),
    .init("{\(tensor("w", "[1]", "[4,0]"))}", data: 4, .reversedOffsets(tensor: "w", begin: 4, end: 0)),
    .init("{\(tensor("w", "[1]", "[4,8]"))}", data: 8, .hole(tensor: "w", expected: 0, begin: 4)),
    .init(
      "{\(tensor("b", "[1]", "[8,12]")),\(tensor("a", "[1]", "[0,4]"))}", data: 12,
      .hole(tensor: "b", expected: 4, begin: 8)),
    .init(
      "{\(tensor("a", "[2]", "[0,8]")),\(tensor("b", "[1]", "[4,8]"))}", data: 8,
      .overlap(tensor: "b", expected: 8, begin: 4)),
    .init(
      "{\(tensor("a", "[1]", "[0,4]")),\(tensor("b", "[1]", "[0,4]"))}", data: 4,
      .overlap(tensor: "b", expected: 4, begin: 0)),
    .init("{\(tensor("a", "[1]", "[0,4]")),\(tensor("a", "[1]", "[0,4]"))}", data: 4, .duplicateKey("a")),
    .init(
      "{\(tensor("w", "[4611686018427387904,4]", "[0,4]"))}", data: 4,
      .sizeOverflow(tensor: "w", shape: [4_611_686_018_427_387_904, 4])),
    .init(
      "{\(tensor("w", "[4294967296,4294967296]", "[0,0]"))}",
      .sizeOverflow(tensor: "w", shape: [4_294_967_296, 4_294_967_296])),
    .init(
      "{\(tensor("w", "[2]", "[0,4]"))}", data: 4, .sizeMismatch(tensor: "w", shapeBytes: 8, rangeBytes: 4)),
    .init(
      "{\(tensor("w", "[1,0]", "[0,4]"))}", data: 4,
      .sizeMismatch(tensor: "w", shapeBytes: 0, rangeBytes: 4)),
    .init("{\(tensor("w", "[2]", "[0,8]"))}", data: 7, .dataTooShort(expected: 8, found: 7)),
    .init("{\(tensor("w", "[2]", "[0,8]"))}", data: 9, .dataTooLong(expected: 8, found: 9)),
    .init(
      "{\(tensor("w", "[2305843009213693951]", "[0,9223372036854775804]"))}", data: 8,
      .dataTooShort(expected: 9_223_372_036_854_775_804, found: 8)),
    .init("{}", data: 1, .dataTooLong(expected: 0, found: 1)),
  ]
}

@Suite("Hostile safetensors files")
struct HostileSafetensorsTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func expect(
    _ violation: SafetensorsFailure.Violation, from bytes: [UInt8],
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let path = try directory.write(bytes, to: "m")
    let failure = #expect(throws: SafetensorsFailure.self, sourceLocation: location) {
      try SafetensorsFile(path: path)
    }
    #expect(failure?.violation == violation, sourceLocation: location)
    #expect(failure?.exitCode == 65)
    #expect(failure?.description.contains(path) == true)
  }

  @Test("a broken rule of the header is reported as that rule", arguments: HostileHeader.all)
  func headers(_ hostile: HostileHeader) throws {
    try expect(hostile.violation, from: safetensorsBytes(header: hostile.header, data: hostile.data))
  }

  @Test(
    "bytes that aren't UTF-8 are refused",
    arguments: [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80]] as [[UInt8]])
  func utf8(bytes: [UInt8]) throws {
    let header = Array("{\"w".utf8) + bytes + Array("\":1}".utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
    try expect(.headerNotUTF8(offset: 2), from: length + header)
  }

  @Test("files too small for a length are refused", arguments: 0..<8)
  func tooSmall(count: Int) throws {
    try expect(.fileTooSmall(bytes: count), from: Array(repeating: 0, count: count))
  }

  @Test("lengths beyond the file or the limit are refused")
  func lengths() throws {
    try expect(
      .headerBeyondFile(length: 3, fileBytes: 10), from: safetensorsBytes(header: "{}", length: 3))
    for length in [100_000_001, UInt64(Int.max), .max] {
      try expect(.headerTooLarge(length: length), from: safetensorsBytes(header: "{}", length: length))
    }
    try expect(
      .headerBeyondFile(length: 100_000_000, fileBytes: 10),
      from: safetensorsBytes(header: "{}", length: 100_000_000))
  }

  @Test("a directory and a pipe are no files, and a pipe is not waited for")
  func notAFile() throws {
    let pipe = directory.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, directory.path] {
      #expect(throws: SafetensorsFailure(path: path, violation: .notAFile)) {
        try SafetensorsFile(path: path)
      }
    }
  }

  @Test("a huge file takes no more memory than its header")
  func huge() throws {
    let path = try directory.write(
      safetensorsBytes(
        header: #"{"w":{"dtype":"I8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}"#),
      to: "m")
    #expect(truncate(path, off_t(try contents(path).count) + 1 << 40) == 0)
    let file = try SafetensorsFile(path: path)
    #expect(file.tensors["w"]?.count == 1 << 40)
  }

  @Test("what is legal but unusual is accepted")
  func unusual() throws {
    let header = """
      {\t"\\u0061\\ud83d\\ude00\\/" :\r{"data_offsets":[ 4 , 8 ],"shape":[],"dtype":"U32"},
      "b":{"dtype":"BOOL","shape":[2,2],"data_offsets":[0,4]},"__metadata__":{}}
      """
    let file = try SafetensorsFile(path: directory.write(safetensorsBytes(header: header, data: 8), to: "m"))
    #expect(file.names == ["b", "a😀/"])
    #expect(file.tensors["a😀/"]?.dtype == .uint32)
  }

  @Test("garbage of any kind is refused or read consistently", arguments: 0..<8)
  func fuzz(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    try Tensors(seed: 1).withTensors { try SafetensorsFile.write(to: directory.file("o"), tensors: $0) }
    let original = try contents(directory.file("o"))
    let alphabet = Array("{}[]\",:\\0123456789-.eE \u{0}au".utf8)
    var refused = 0
    for _ in 0..<250 {
      var bytes = original
      for _ in 0...Int(random.next() % 3) {
        let position = Int(random.next() % UInt64(bytes.count))
        switch random.next() % 4 {
        case 0: bytes[position] ^= 1 << UInt8(random.next() % 8)
        case 1: bytes[position] = alphabet[Int(random.next() % UInt64(alphabet.count))]
        case 2: bytes.remove(at: position)
        default: bytes.insert(alphabet[Int(random.next() % UInt64(alphabet.count))], at: position)
        }
      }
      do {
        let file = try SafetensorsFile(path: directory.write(bytes, to: "m"))
        for name in file.names where file.tensors[name]?.dtype == .float32 {
          #expect(try file.readFloats(name).count == file.tensors[name]?.count)
        }
      } catch is SafetensorsFailure {
        refused += 1
      }
    }
    // Changes of the data alone are no violation of the format; all others are.
    #expect(refused > 100 && refused < 250)
  }
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
