import Checkpoints
import Foundation
import Testing

@testable import RunLog

@Suite("CRC-32C")
struct CRC32CTests {
  @Test(
    "the checksums of RFC 3720, appendix B.4, and the usual check value",
    arguments: [
      (Array("123456789".utf8), 0xe306_9283), ([], 0), ([UInt8](repeating: 0, count: 32), 0x8a91_36aa),
      ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43), (Array(0..<32), 0x46dd_794e),
      ((0..<32).reversed(), 0x113f_db5c),
    ] as [([UInt8], UInt32)])
  func vectors(bytes: [UInt8], checksum: UInt32) {
    #expect(CRC32C.checksum(bytes) == checksum)
    #expect(CRC32C.masked(bytes) == (checksum >> 15 | checksum << 17) &+ 0xa282_ead8)
  }
}

/// The expected messages are `SerializeToString()` of an `Event` with the same fields in TensorBoard's own library.
@Suite("TensorBoardWriter")
struct TensorBoardWriterTests {
  static let version = "09000000000000f83f1a0d627261696e2e4576656e743a32"
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func writer(resumedStep: Int? = nil, disk: SmallDisk = SmallDisk(room: .max)) throws
    -> TensorBoardWriter
  {
    try TensorBoardWriter(
      directory: directory.path, resumedStep: resumedStep, time: 1.5, host: "h", process: 3, write: disk.write
    )
  }

  /// Returns the messages of an event file as hexadecimal digits, and checks the records around them.
  private func messages(_ path: String) throws -> [String] {
    var rest = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))[...]
    func take(_ count: Int) throws -> [UInt8] {
      try #require(rest.count >= count)
      defer { rest = rest.dropFirst(count) }
      return Array(rest.prefix(count))
    }
    func number(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    var messages: [String] = []
    while !rest.isEmpty {
      let length = try take(8)
      #expect(try number(take(4)) == UInt64(CRC32C.masked(length)))
      let data = try take(Int(number(length)))
      #expect(try number(take(4)) == UInt64(CRC32C.masked(data)))
      messages.append(data.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())
    }
    return messages
  }

  @Test("the file has the name that TensorBoard expects and begins with the version")
  func version() throws {
    let writer = try writer()
    #expect(writer.path == directory.file("events.out.tfevents.1.h.3"))
    #expect(try messages(writer.path) == [Self.version])
  }

  @Test("scalars are encoded like in TensorBoard")
  func scalars() throws {
    let writer = try writer()
    try writer.write(scalars: [("train/loss", 0.5), ("lr", -2)], step: 300, time: 2.5)
    #expect(
      try messages(writer.path).last
        == "09000000000000044010ac022a1e0a110a0a747261696e2f6c6f7373150000003f0a090a026c7215000000c0")
  }

  @Test("a resumed run tells TensorBoard which earlier steps to hide")
  func resuming() throws {
    let writer = try writer(resumedStep: 5)
    #expect(try messages(writer.path) == [Self.version, "09000000000000f83f10063a020801"])
  }

  @Test("a full disk is reported, leaves no part of an event, and writing can continue")
  func fullDisk() throws {
    let disk = SmallDisk(room: 50)
    let writer = try writer(disk: disk)
    let failure = #expect(throws: FileFailure.self) { try writer.write(scalars: [("a", 1)], step: 1) }
    #expect(failure?.errno == ENOSPC)
    #expect(try messages(writer.path) == [Self.version])
    disk.room = 1000
    try writer.write(scalars: [("a", 1)], step: 2)
    #expect(try messages(writer.path).count == 2)
  }
}
