import Checkpoints
import Foundation
import TestSupport
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

  @Test("scalars are encoded as in TensorBoard")
  func scalars() throws {
    let writer = try writer()
    try writer.write(scalars: [("train/loss", 0.5), ("lr", -2)], step: 300, time: 2.5)
    #expect(
      try messages(writer.path).last
        == "09000000000000044010ac022a1e0a110a0a747261696e2f6c6f7373150000003f0a090a026c7215000000c0")
  }

  @Test("histograms, texts and settings are encoded as in TensorBoard")
  func otherValues() throws {
    let writer = try writer()
    let numbers: [Float] = [2, 2, .nan, 2]
    let histogram = try #require(numbers.withUnsafeBufferPointer { ValueHistogram($0) })
    try writer.write(histograms: [("h", histogram)], step: 7, time: 1.5)
    try writer.write(texts: [("t", "é")], step: 7, time: 1.5)
    try writer.write(hyperparameters: [("a", .number(2))], time: 1.5)
    #expect(
      try messages(writer.path).dropFirst() == [
        "09000000000000f83f10072a480a460a01682a41090000000000000040110000000000000040190000000000000840210000000000001840290000000000002840320800000000000000403a080000000000000840",
        "09000000000000f83f10072a1d0a1b0a0174420c08071204120208014202c3a94a080a060a0474657874",
        "09000000000000f83f2a500a4e0a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f4204080112004a280a260a"
          + "0768706172616d73121b1a190a0e0a0161120911000000000000004029000000000000f83f",
      ])
    try writer.write(hyperparameters: [("b", .flag(true)), ("c", .text("x"))], time: 1.5)
    let settings = try #require(try messages(writer.path).last)
    #expect(settings.contains("0a070a016212022001") && settings.contains("0a080a016312031a0178"))
  }

  @Test("a histogram counts every finite number once, in intervals of equal width")
  func histogram() throws {
    let numbers = (0...300).map { Float($0) / 10 } + [.infinity, .nan]
    let histogram = try #require(numbers.withUnsafeBufferPointer { ValueHistogram($0) })
    #expect(histogram.least == 0 && histogram.most == 30 && histogram.count == 301)
    #expect(histogram.counts.count == 30 && histogram.counts.reduce(0, +) == 301)
    // The last interval includes its upper bound.
    #expect(histogram.counts.allSatisfy { (9...11).contains($0) } && histogram.bounds.last == 30)
    #expect(abs(histogram.sum - 4515) < 1e-3)
    let nothing: [Float] = [.nan]
    #expect(nothing.withUnsafeBufferPointer { ValueHistogram($0) } == nil)
  }

  @Test("a heatmap is a PNG image with a square for each weight")
  func heatmap() throws {
    let image = try #require(HeatmapImage([[[0, 1, .nan], [0.5, 0.25, 2]]]))
    #expect(image.width == 24 && image.height == 16)
    #expect(image.png.starts(with: [0x89, 0x50, 0x4E, 0x47]))
    // Two sources have a column between them.
    #expect(HeatmapImage([[[1]], [[1, 0]]])?.width == 32)
    #expect(HeatmapImage([]) == nil && HeatmapImage([[], []]) == nil && HeatmapImage([[[1]], []]) == nil)
    try writer().write(images: [("i", image)], step: 7, time: 1.5)
    let message = try #require(try messages(directory.file("events.out.tfevents.1.h.3")).last)
    // Height, width and the number of channels are before the image.
    #expect(message.contains("0810" + "1018" + "1803" + "22"))
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
