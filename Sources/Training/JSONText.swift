import Foundation

/// JSON of small values, for what ranks tell each other.
enum JSONText {
  private static let nonFinite = ("inf", "-inf", "nan")

  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: nonFinite.0, negativeInfinity: nonFinite.1, nan: nonFinite.2)
    return Array(try encoder.encode(value))
  }

  static func decode<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8]) throws -> Value {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: nonFinite.0, negativeInfinity: nonFinite.1, nan: nonFinite.2)
    return try decoder.decode(type, from: Data(bytes))
  }
}
