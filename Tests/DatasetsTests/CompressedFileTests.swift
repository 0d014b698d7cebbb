import Foundation
import TestSupport
import Testing

@testable import Datasets

/// The content of compressed files is read; errors name other packings.
@Suite struct CompressedFileTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  private func lines(_ bytes: [UInt8]) throws -> [[UInt8]] {
    let reader = try LineReader(.file(folder.write(bytes, to: "text")))
    var lines: [[UInt8]] = []
    while try reader.next() { lines.append(reader.bytes) }
    return lines
  }

  private func failure(_ bytes: [UInt8]) throws -> String {
    let error = #expect(throws: DataError.self) { try lines(bytes) }
    #expect(error?.exitCode == 65)
    return error?.description ?? ""
  }

  @Test(arguments: [Packing.gzip, .zstd])
  func contentIsRead(packing: Packing) throws {
    let compress = packing == .gzip ? gzipped : zstandard
    let short = Array("\u{FEFF}a\r\nb".utf8)
    #expect(try lines(compress(short)) == [Array("a".utf8), Array("b".utf8)])
    #expect(try lines(compress([])) == [])
    // Files that are larger than the buffers and compress well or badly, with several members or frames.
    let even = [UInt8](repeating: 0x61, count: 3_000_000)
    var state: UInt64 = 1
    let odd = (0..<700_000).map { _ -> UInt8 in
      state = state &* 6_364_136_223_846_793_005 &+ 1
      return UInt8(state >> 57) | 0x40
    }
    #expect(try lines(compress(even + [0x0A]) + compress(odd + [0x0A]) + compress(odd)) == [even, odd, odd])
  }

  @Test func paddedAndEmptyMembers() throws {
    let padded =
      gzipped(Array("a\n".utf8)) + gzipped([]) + gzipped(Array("b".utf8)) + [UInt8](repeating: 0, count: 99)
    #expect(try lines(padded) == [Array("a".utf8), Array("b".utf8)])
  }

  @Test(arguments: [Packing.gzip, .zstd])
  func damageIsNamed(packing: Packing) throws {
    let compress = packing == .gzip ? gzipped : zstandard
    let good = compress(Array("one line\nand another\n".utf8))
    #expect(try failure(good.dropLast(3) + []).contains("end too early"))
    var flipped = good
    flipped[flipped.count / 2] ^= 0xFF
    #expect(try failure(flipped).contains("damaged"))
    #expect(try failure(good + Array("more".utf8)).contains("damaged"))
  }

  @Test func otherPackingsAreNamed() throws {
    for packing in Packing.allCases where packing.refusal != nil {
      let rest: [UInt8] = packing == .bzip2 ? [0x39, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59] : [0x61, 0x00]
      #expect(try failure(packing.signature + rest).contains(packing.refusal ?? "-"), "\(packing)")
    }
    // UTF-16 and UTF-32 without a mark, and a mark of one that is the beginning of the other's.
    let text = Array("one line\n".utf8)
    for (name, width, place) in [
      ("UTF-16LE", 2, 0), ("UTF-16BE", 2, 1), ("UTF-32LE", 4, 0), ("UTF-32BE", 4, 3),
    ] {
      var wide = [UInt8](repeating: 0, count: text.count * width)
      for (index, byte) in text.enumerated() { wide[index * width + place] = byte }
      #expect(try failure(wide).contains("iconv -f \(name) "))
      let mark: [UInt8] = width == 2 ? [0xFE, 0xFF] : [0, 0, 0xFE, 0xFF]
      #expect(try failure((place > 0 ? mark : mark.reversed()) + wide).contains("iconv -f \(name) "))
    }
    // Texts that begin like signatures.
    for text in ["BZh is a word", "PK", "(", "7z", "BZh9\n"] {
      #expect(try lines(Array(text.utf8)) == [Array(text.filter { $0 != "\n" }.utf8)])
    }
    // Bytes need not be text.
    let reader = try LineReader(
      .file(folder.write([0xFF, 0xFE, 0x61], to: "raw")), cut: .characters, isRaw: true)
    #expect(try reader.next() && reader.bytes == [0xFF, 0xFE, 0x61])
  }

  @Test func textOfALanguageModel() throws {
    let text = Array("to be or not to be\n".utf8)
    let plain = try TextCorpus.load(train: .file(folder.write(text, to: "a")), options: TextOptions(.byte))
    let packed = try TextCorpus.load(
      train: .file(folder.write(gzipped(text), to: "b")), options: TextOptions(.byte))
    #expect(plain.train == packed.train)
    let array = numpyFile([1, 2], shape: "(2,)")
    let list = try folder.write(zstandard(Array("x\tarray.npy.gz".utf8)), to: "list.tsv")
    try folder.write(gzipped(array), to: "array.npy.gz")
    #expect(try ExampleOptions(.labeled, .npy).load(.file(.file(list))).train.numbers(.source) == [[1, 2]])
  }
}
