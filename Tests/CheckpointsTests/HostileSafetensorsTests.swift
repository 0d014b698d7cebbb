import Foundation
import TestSupport
import Testing

@testable import Checkpoints

/// A header that breaks one rule.
struct HostileHeader: Sendable, CustomTestStringConvertible {
  let header: String
  let data: Int
  let problem: String

  init(_ header: String, data: Int = 0, _ problem: String) {
    self.header = header
    self.data = data
    self.problem = problem
  }

  var testDescription: String { header.prefix(80) + ", \(data) bytes" }

  /// A header with one tensor `w`.
  static func one(_ fields: String, _ problem: String) -> Self {
    Self("{\"w\":\(fields)}", "tensor \"w\" \(problem)")
  }

  static let all: [HostileHeader] = json + fields + offsets

  static let json: [HostileHeader] = [
    .init("", "byte 0 of the header: expected '{' as the first character"),
    .init("[]", "byte 0 of the header: expected '{' as the first character"),
    .init(" {}", "byte 0 of the header: expected '{' as the first character"),
    .init("{", "byte 1 of the header: expected a string"),
    .init("{}x", "byte 2 of the header: expected the end of the JSON"),
    .init("{}\u{0}", "byte 2 of the header: expected the end of the JSON"),
    .init("{\"w\"}", "byte 4 of the header: expected ':'"),
    .init("{\"w", "byte 3 of the header: expected the end of the string"),
    .init("{\"w\n\":1}", "byte 3 of the header: expected the end of the string"),
    .init("{\"\\x\":1}", "byte 2 of the header: expected a string with valid escapes"),
    .init("{\"\\u12g4\":1}", "byte 2 of the header: expected a string with valid escapes"),
    .init("{\"\\ud800\":1}", "byte 2 of the header: expected a string with valid escapes"),
    .init("{\"\\udc00\\ud800\":1}", "byte 2 of the header: expected a string with valid escapes"),
    .init("{\"__metadata__\":{},}", "byte 19 of the header: expected a string"),
    .init("{\"__metadata__\":{} \"w\":1}", "byte 19 of the header: expected ',' or '}'"),
    .init("{\"__metadata__\":{\"a\":1}}", "byte 21 of the header: __metadata__ must be an object of strings"),
    .init("{\"__metadata__\":null}", "byte 16 of the header: __metadata__ must be an object of strings"),
    .init("{\"__metadata__\":[]}", "byte 16 of the header: __metadata__ must be an object of strings"),
    .init("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}", "byte 24 of the header: key \"a\" occurs twice"),
    .init(
      "{\"__metadata__\":{},\"__metadata__\":{}}", "byte 19 of the header: key \"__metadata__\" occurs twice"),
  ]

  static let fields: [HostileHeader] = [
    .one("1", "isn't described by an object"),
    .one(String(repeating: "[", count: 100_000), "isn't described by an object"),
    .one(
      "{\"shape\":" + String(repeating: "[", count: 100_000),
      "has an invalid field \"shape\": expected a non-negative integer"),
    .one("{\"dtype\":\"F32\",\"shape\":[0]}", "has no field \"data_offsets\""),
    .one("{\"dtype\":\"F32\",\"data_offsets\":[0,0]}", "has no field \"shape\""),
    .one("{\"shape\":[0],\"data_offsets\":[0,0]}", "has no field \"dtype\""),
    .init(
      "{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "byte 20 of the header: key \"dtype\" occurs twice"),
    .one("{\"dtype\":\"F31\"}", "has the unsupported dtype \"F31\""),
    .one("{\"type\":\"F32\"}", "has an unknown field \"type\""),
    .one("{\"shape\":3}", "has an invalid field \"shape\": expected an array"),
    .one("{\"shape\":[-1]}", "has an invalid field \"shape\": expected a non-negative integer"),
    .one("{\"shape\":[1.0]}", "has an invalid field \"shape\": expected a non-negative integer"),
    .one("{\"shape\":[1e3]}", "has an invalid field \"shape\": expected a non-negative integer"),
    .one("{\"shape\":[\"1\"]}", "has an invalid field \"shape\": expected a non-negative integer"),
    .one(
      "{\"shape\":[01]}",
      "has an invalid field \"shape\": expected an integer below 2^63 without leading zeros"),
    .one(
      "{\"shape\":[9223372036854775808]}",
      "has an invalid field \"shape\": expected an integer below 2^63 without leading zeros"),
    .one(
      "{\"data_offsets\":[0,-4]}",
      "has an invalid field \"data_offsets\": expected a non-negative integer"),
  ]

  private static func tensor(_ name: String, _ shape: String, _ offsets: String) -> String {
    "\"\(name)\":{\"dtype\":\"F32\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
  }

  static let offsets: [HostileHeader] = [
    .init(
      "{\(tensor("w", "[1]", "[0,4,8]"))}",
      "tensor \"w\" has an invalid field \"data_offsets\": expected 2 numbers, found 3"),
    .init(
      "{\(tensor("w", "[1]", "[4]"))}",
      "tensor \"w\" has an invalid field \"data_offsets\": expected 2 numbers, found 1"),
    .init(
      "{\(tensor("w", "[1]", "[4,0]"))}", data: 4,
      "tensor \"w\" has an invalid field \"data_offsets\": it begins at 4 and ends at 0"),
    .init(
      "{\(tensor("w", "[1]", "[4,8]"))}", data: 8,
      "tensor \"w\" begins at 4 instead of 0"),
    .init(
      "{\(tensor("b", "[1]", "[8,12]")),\(tensor("a", "[1]", "[0,4]"))}", data: 12,
      "tensor \"b\" begins at 8 instead of 4"),
    .init(
      "{\(tensor("a", "[2]", "[0,8]")),\(tensor("b", "[1]", "[4,8]"))}", data: 8,
      "tensor \"b\" begins at 4 instead of 8"),
    .init(
      "{\(tensor("a", "[1]", "[0,4]")),\(tensor("b", "[1]", "[0,4]"))}", data: 4,
      "tensor \"b\" begins at 0 instead of 4"),
    .init(
      "{\(tensor("a", "[1]", "[0,4]")),\(tensor("a", "[1]", "[0,4]"))}", data: 4,
      "byte 54 of the header: key \"a\" occurs twice"),
    .init(
      "{\(tensor("w", "[4611686018427387904,4]", "[0,4]"))}", data: 4,
      "tensor \"w\" of shape [4611686018427387904, 4] is too large"),
    .init(
      "{\(tensor("w", "[4294967296,4294967296]", "[0,0]"))}",
      "tensor \"w\" of shape [4294967296, 4294967296] is too large"),
    .init(
      "{\(tensor("w", "[2]", "[0,4]"))}", data: 4,
      "tensor \"w\" has 4 bytes, but its shape and dtype require 8"),
    .init(
      "{\(tensor("w", "[1,0]", "[0,4]"))}", data: 4,
      "tensor \"w\" has 4 bytes, but its shape and dtype require 0"),
    .init(
      "{\(tensor("w", "[2]", "[0,8]"))}", data: 7,
      "truncated: the header describes 8 bytes of data, the file has 7"),
    .init(
      "{\(tensor("w", "[2]", "[0,8]"))}", data: 9,
      "too long: the header describes 8 bytes of data, the file has 9"),
    .init(
      "{\(tensor("w", "[2305843009213693951]", "[0,9223372036854775804]"))}", data: 8,
      "truncated: the header describes 9223372036854775804 bytes of data, the file has 8"),
    .init("{}", data: 1, "too long: the header describes 0 bytes of data, the file has 1"),
  ]
}

@Suite("Hostile safetensors files")
struct HostileSafetensorsTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func expect(
    _ problem: String, from bytes: [UInt8],
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let path = try directory.write(bytes, to: "m")
    let failure = #expect(throws: SafetensorsFailure.self, sourceLocation: location) {
      try SafetensorsFile(path: path)
    }
    #expect(failure?.problem == problem, sourceLocation: location)
    #expect(failure?.exitCode == 65)
    #expect(failure?.description.contains(path) == true)
  }

  @Test("a broken rule of the header is reported as that rule", arguments: HostileHeader.all)
  func headers(_ hostile: HostileHeader) throws {
    try expect(hostile.problem, from: safetensorsBytes(header: hostile.header, data: hostile.data))
  }

  @Test(
    "bytes that aren't UTF-8 are refused",
    arguments: [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80]] as [[UInt8]])
  func utf8(bytes: [UInt8]) throws {
    let header = Array("{\"w".utf8) + bytes + Array("\":1}".utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
    try expect("byte 2 of the header: not UTF-8", from: length + header)
  }

  @Test("files too small for a length are refused", arguments: 0..<8)
  func tooSmall(count: Int) throws {
    try expect(
      "\(count) bytes long, but a safetensors file has at least 8", from: Array(repeating: 0, count: count))
  }

  @Test("lengths beyond the file or the limit are refused")
  func lengths() throws {
    for length in [3, 100_000_000] as [UInt64] {
      try expect(
        "the header of \(length) bytes doesn't fit into the 10 bytes of the file; "
          + "it is truncated or not a safetensors file",
        from: safetensorsBytes(header: "{}", length: length))
    }
    for length in [100_000_001, UInt64(Int.max), .max] {
      try expect(
        "the header would have \(length) bytes, at most 100000000 are allowed; "
          + "this is probably not a safetensors file",
        from: safetensorsBytes(header: "{}", length: length))
    }
  }

  @Test("directories and pipes are refused without waiting for a pipe")
  func notAFile() throws {
    let pipe = directory.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, directory.path] {
      #expect(throws: SafetensorsFailure(path: path, problem: "not a regular file")) {
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

  @Test("unusual but valid headers are accepted")
  func unusual() throws {
    let header = """
      {\t"\\u0061\\ud83d\\ude00\\/" :\r{"data_offsets":[ 4 , 8 ],"shape":[],"dtype":"U32"},
      "b":{"dtype":"BOOL","shape":[2,2],"data_offsets":[0,4]},"__metadata__":{}}
      """
    let file = try SafetensorsFile(path: directory.write(safetensorsBytes(header: header, data: 8), to: "m"))
    #expect(file.names == ["b", "a😀/"])
    #expect(file.tensors["a😀/"]?.dtype == .uint32)
  }

  @Test("randomly damaged files are refused or read consistently", arguments: 0..<8)
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
    // The file stays valid only if the damage is in the data.
    #expect(refused > 100 && refused < 250)
  }
}

/// The random number generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
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
