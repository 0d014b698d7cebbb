import Foundation
import TestSupport
import Testing

@testable import Checkpoints

@Suite("SafetensorsFile")
struct SafetensorsFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test("tensors and metadata are read as written, in order")
  func roundTrip() throws {
    let path = directory.file("m.safetensors")
    let tensors = Tensors(seed: 0.1)
    try tensors.withTensors {
      try SafetensorsFile.write(to: path, tensors: $0, metadata: ["a\"\\\n\u{1}é😀": "😀\u{1f}/"])
    }
    let file = try SafetensorsFile(path: path)
    #expect(file.names == tensors.list.map(\.name))
    #expect(file.metadata["a\"\\\n\u{1}é😀"] == "😀\u{1f}/")
    for tensor in tensors.list {
      #expect(file.tensors[tensor.name]?.shape == tensor.shape)
      #expect(file.tensors[tensor.name]?.dtype == .float32)
      #expect(file.tensors[tensor.name]?.count == tensor.values.count)
      #expect(try file.readFloats(tensor.name) == tensor.values)
      var raw = [Float](repeating: 0, count: tensor.values.count)
      try raw.withUnsafeMutableBytes { try file.read(tensor.name, into: $0) }
      #expect(raw == tensor.values)
    }
    #expect(try file.verifyDigest())
  }

  @Test("the file has exactly the bytes of the format, with the header padded to a multiple of 8")
  func layout() throws {
    let path = directory.file("m.safetensors")
    let values: [Float] = [1, -2]
    let digest = try values.withUnsafeBytes {
      try SafetensorsFile.write(
        to: path, tensors: [TensorToWrite(name: "w", dtype: .float32, shape: [2], bytes: $0)],
        metadata: ["format": "pt"])
    }
    #expect(digest.hasPrefix("xxh3-128:") && digest.count == 9 + 32)
    var header = "{\"__metadata__\":{\"digest\":\"\(digest)\",\"format\":\"pt\"},"
    header += "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
    while header.utf8.count % 8 != 0 { header += " " }
    let expected = safetensorsBytes(header: header) + [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]
    #expect(try contents(path) == expected)
  }

  @Test("scalars, tensors without elements and files without tensors are possible")
  func small() throws {
    let path = directory.file("m.safetensors")
    let one: [Float] = [7]
    _ = try one.withUnsafeBufferPointer {
      try SafetensorsFile.write(
        to: path,
        tensors: [
          TensorToWrite(name: "empty", shape: [0, 5], floats: .init(rebasing: $0[..<0])),
          TensorToWrite(name: "number", shape: [], floats: $0),
          TensorToWrite(name: "end", shape: [3, 0], floats: .init(rebasing: $0[..<0])),
        ])
    }
    let file = try SafetensorsFile(path: path)
    #expect(file.names == ["empty", "number", "end"])
    #expect(try file.readFloats("number") == [7])
    #expect(try file.readFloats("empty") == [])
    #expect(try file.readFloats("end") == [])

    try SafetensorsFile.write(to: path, tensors: [])
    #expect(try SafetensorsFile(path: path).names == [])
    let bare = try SafetensorsFile(path: directory.write(safetensorsBytes(header: "{}"), to: "bare"))
    #expect(bare.names == [])
    #expect(try !bare.verifyDigest())
  }

  @Test("every floating-point type is read as Double")
  func conversions() throws {
    // 1.5, -0.0625, the smallest 16-bit number of each kind, infinity.
    let half: [UInt16] = [0x3e00, 0xac00, 0x0001, 0x7c00]
    let brain: [UInt16] = [0x3fc0, 0xbd80, 0x0001, 0x7f80]
    let double: [Double] = [1.5, -0.0625, 0.1, .infinity]
    let path = directory.file("m.safetensors")
    _ = try half.withUnsafeBytes { half in
      try brain.withUnsafeBytes { brain in
        try double.withUnsafeBytes { double in
          try SafetensorsFile.write(
            to: path,
            tensors: [
              TensorToWrite(name: "half", dtype: .float16, shape: [4], bytes: half),
              TensorToWrite(name: "brain", dtype: .bfloat16, shape: [2, 2], bytes: brain),
              TensorToWrite(name: "double", dtype: .float64, shape: [4], bytes: double),
              TensorToWrite(name: "integer", dtype: .int16, shape: [4], bytes: half),
            ])
        }
      }
    }
    let file = try SafetensorsFile(path: path)
    let tiny = 0x1p-24
    #expect(try file.readDoubles("half") == [1.5, -0.0625, tiny, .infinity])
    #expect(try file.readDoubles("brain") == [1.5, -0.0625, 0x1p-133, .infinity])
    #expect(try file.readDoubles("double") == double)
    #expect(
      throws: SafetensorsFailure(
        path: path, problem: "tensor \"integer\" has dtype I16, a floating-point type is required")
    ) { try file.readFloats("integer") }
  }

  @Test("a tensor larger than the pieces in which it is read is complete")
  func large() throws {
    let values = (0..<300_001).map { Float($0) * 0.5 }
    let path = directory.file("m.safetensors")
    _ = try values.withUnsafeBufferPointer {
      try SafetensorsFile.write(to: path, tensors: [TensorToWrite(name: "w", shape: [300_001], floats: $0)])
    }
    let file = try SafetensorsFile(path: path)
    #expect(try file.readFloats("w") == values)
    #expect(try file.readDoubles("w").last == 150_000)
    #expect(try file.verifyDigest())
  }

  @Test("missing tensors and missing files are named")
  func missing() throws {
    let path = try directory.write(safetensorsBytes(header: "{}"), to: "m")
    let file = try SafetensorsFile(path: path)
    #expect(throws: SafetensorsFailure(path: path, problem: "there is no tensor \"w\" in the file")) {
      try file.readFloats("w")
    }
    let failure = try #require(throws: FileFailure.self) { try SafetensorsFile(path: directory.file("none")) }
    #expect(failure.exitCode == 66)
  }

  @Test("the digest depends on data, names, shapes, types, order and metadata")
  func digest() throws {
    let values: [Float] = [1, 2, 3, 4]
    var digests: Set<String> = []
    try values.withUnsafeBytes { bytes in
      func add(_ tensors: [TensorToWrite], _ metadata: [String: String] = [:]) throws {
        let digest = try SafetensorsFile.write(to: directory.file("m"), tensors: tensors, metadata: metadata)
        digests.insert(digest)
      }
      func tensor(_ name: String, _ dtype: TensorType, _ shape: [Int], _ range: Range<Int>) -> TensorToWrite {
        TensorToWrite(name: name, dtype: dtype, shape: shape, bytes: .init(rebasing: bytes[range]))
      }
      try add([tensor("a", .float32, [4], 0..<16)])
      try add([tensor("b", .float32, [4], 0..<16)])
      try add([tensor("a", .float32, [2, 2], 0..<16)])
      try add([tensor("a", .int32, [4], 0..<16)])
      try add([tensor("a", .float32, [2], 0..<8)])
      try add([tensor("a", .float32, [2], 8..<16)])
      try add([tensor("a", .float32, [2], 0..<8), tensor("b", .float32, [2], 8..<16)])
      try add([tensor("b", .float32, [2], 8..<16), tensor("a", .float32, [2], 0..<8)])
      try add([tensor("a", .float32, [4], 0..<16)], ["k": "v"])
      try add([tensor("a", .float32, [4], 0..<16)], ["k": "w"])
      try add([tensor("a", .float32, [4], 0..<16)])
    }
    #expect(digests.count == 10)
  }

  @Test("a file that was truncated after it was opened is reported, not read as zeros")
  func cut() throws {
    let path = directory.file("m.safetensors")
    try Tensors(seed: 1).withTensors { try SafetensorsFile.write(to: path, tensors: $0) }
    let file = try SafetensorsFile(path: path)
    #expect(truncate(path, off_t(try contents(path).count - 1)) == 0)
    let problem = "the file ended in tensor \"rnn.bias_ih_l0\""
    #expect(throws: SafetensorsFailure(path: path, problem: problem)) {
      try file.readFloats("rnn.bias_ih_l0")
    }
  }
}
