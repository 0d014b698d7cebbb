import CZlib
import Checkpoints
import Foundation
import RecurrentNN

/// An `.npz` file like those of `numpy.savez`: an uncompressed ZIP archive with one `.npy` file per array.
///
/// Formats: numpy.lib.format, version 1.0; PKWARE's APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
struct NumPyArchive {
  private var archive: [UInt8] = []
  private var directory: [UInt8] = []
  private var count: UInt16 = 0

  /// Adds an array of 32-bit floats.
  mutating func add(_ name: String, _ tensor: ExportedTensor) {
    let numbers = tensor.values.flatMap { Self.bytes($0.bitPattern) }
    add(name, descriptor: "<f4", shape: tensor.shape, numbers)
  }

  /// Adds a text as an array without dimensions.
  mutating func add(_ name: String, text: String) {
    let scalars = Array(text.unicodeScalars)
    add(name, descriptor: "<U\(scalars.count)", shape: [], scalars.flatMap { Self.bytes($0.value) })
  }

  private mutating func add(_ name: String, descriptor: String, shape: [Int], _ elements: [UInt8]) {
    let extents = shape.count == 1 ? "\(shape[0])," : shape.map { "\($0)" }.joined(separator: ", ")
    var header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': (\(extents)), }"
    // The total size of magic, length and header is a multiple of 64 bytes.
    header += String(repeating: " ", count: (64 - (10 + header.utf8.count + 1) % 64) % 64) + "\n"
    let file =
      [0x93] + Array("NUMPY".utf8) + [1, 0] + Self.bytes(UInt16(header.utf8.count)) + Array(header.utf8)
      + elements
    append(name: name + ".npy", file)
  }

  private mutating func append(name: String, _ file: [UInt8]) {
    let (offset, name) = (UInt32(archive.count), Array(name.utf8))
    // Version 2.0, no flags, stored, the earliest time of the format, checksum and sizes.
    let common =
      Self.bytes(UInt16(20)) + Self.bytes(UInt16(0)) + Self.bytes(UInt16(0)) + Self.bytes(UInt16(0))
      + Self.bytes(UInt16(0x21)) + Self.bytes(UInt32(crc32(0, file, UInt32(file.count))))
      + Self.bytes(UInt32(file.count))
      + Self.bytes(UInt32(file.count)) + Self.bytes(UInt16(name.count)) + Self.bytes(UInt16(0))
    archive += Self.bytes(0x0403_4b50 as UInt32) + common + name + file
    directory += Self.bytes(0x0201_4b50 as UInt32) + Self.bytes(UInt16(20)) + common
    directory += [UInt8](repeating: 0, count: 10) + Self.bytes(offset) + name
    count += 1
  }

  /// The whole file.
  var contents: [UInt8] {
    let end =
      Self.bytes(0x0605_4b50 as UInt32) + Self.bytes(UInt32(0)) + Self.bytes(count) + Self.bytes(count)
      + Self.bytes(UInt32(directory.count)) + Self.bytes(UInt32(archive.count)) + Self.bytes(UInt16(0))
    return archive + directory + end
  }

  private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
  }
}

extension ExportedModel {
  /// The largest archive without the 64-bit extension of the format.
  private static let largestArchive = Int(UInt32.max) - (1 << 24)

  /// Writes all weights to an `.npz` file, under PyTorch's names or in Keras's order, with the metadata as JSON in the
  /// array `metadata`.
  ///
  /// Throws ``ExportFailure`` for cells that Keras does not have and for models of 4 GB and more; `FileFailure`.
  package func writeNumPy(to path: String, kerasOrder: Bool) throws {
    let weights = kerasOrder ? try kerasWeights() : self.weights
    guard weights.byteCount < Self.largestArchive else {
      throw ExportFailure(
        "the weights have \(weights.byteCount) bytes; an .npz file holds 4 GB: use --format pytorch")
    }
    var archive = NumPyArchive()
    for name in weights.names { archive.add(name, weights.required(name)) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    archive.add("metadata", text: String(decoding: try encoder.encode(metadata), as: UTF8.self))
    try DurableFile.write(Data(archive.contents), to: path)
  }
}
