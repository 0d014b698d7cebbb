import CZlib
import Foundation

/// Attention weights as a PNG image without labels, for TensorBoard, which does not show SVG. Each cell is a square of
/// pixels in the shades of ``AttentionPicture``.
public struct HeatmapImage: Sendable, Equatable {
  private static let cell = 8
  /// The largest number of cells in each direction.
  private static let mostCells = 200

  let width: Int
  let height: Int
  let png: [UInt8]

  /// Draws the weights of all sources side by side, [output token][source token]. Nil if there are no weights.
  public init?(_ sources: [[[Float]]]) {
    guard let rows = sources.first?.count, rows > 0, sources.allSatisfy({ $0.count == rows }) else {
      return nil
    }
    let lines = (0..<min(rows, Self.mostCells)).map { row in
      // A column of white cells, which have weight 0, separates two sources.
      Array(sources.map { $0[row] }.joined(separator: [0]).prefix(Self.mostCells))
    }
    guard let columns = lines.map(\.count).max(), columns > 0 else { return nil }
    (width, height) = (columns * Self.cell, lines.count * Self.cell)
    var pixels: [UInt8] = []
    for line in lines {
      let shades = line.map { $0.isNaN ? 0 : UInt8((min(max($0, 0), 1) * 255).rounded()) }
      let padded = shades + [UInt8](repeating: 0, count: columns - shades.count)
      // A line starts with the number of its filter; 0 means no filter.
      var row: [UInt8] = [0]
      for shade in padded { row += [UInt8](repeating: shade, count: Self.cell) }
      for _ in 0..<Self.cell { pixels += row }
    }
    guard let data = Self.compressed(pixels) else { return nil }
    let header =
      Self.bigEndian(UInt32(width)) + Self.bigEndian(UInt32(height)) + [8, 3, 0, 0, 0]
    png =
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + Self.chunk("IHDR", header)
      + Self.chunk("PLTE", Self.palette) + Self.chunk("IDAT", data) + Self.chunk("IEND", [])
  }

  /// The colors of 256 weights.
  private static let palette: [UInt8] = (0..<256).flatMap { level in
    Shade.channels(of: Double(level) / 255).map { UInt8($0) }
  }

  private static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
    var count = compressBound(UInt(bytes.count))
    var result = [UInt8](repeating: 0, count: Int(count))
    guard compress2(&result, &count, bytes, UInt(bytes.count), 6) == Z_OK else { return nil }
    return Array(result[..<Int(count)])
  }

  /// A part of a PNG file (RFC 2083, section 3.2): length, name, data, checksum of name and data.
  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let content = Array(name.utf8) + data
    let checksum = crc32(0, content, UInt32(content.count))
    return bigEndian(UInt32(data.count)) + content + bigEndian(UInt32(checksum))
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian, Array.init)
  }
}
