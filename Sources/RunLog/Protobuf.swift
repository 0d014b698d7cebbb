/// A protocol buffer message in the making: just the field kinds that TensorBoard's events need.
struct ProtobufMessage {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ field: Int, varint value: UInt64) {
    tag(field, wireType: 0)
    append(varint: value)
  }

  mutating func add(_ field: Int, double value: Double) {
    tag(field, wireType: 1)
    append(littleEndian: value.bitPattern)
  }

  mutating func add(_ field: Int, float value: Float) {
    tag(field, wireType: 5)
    append(littleEndian: value.bitPattern)
  }

  mutating func add(_ field: Int, text: String) { add(field, bytes: Array(text.utf8)) }

  mutating func add(_ field: Int, message build: (inout ProtobufMessage) -> Void) {
    var message = ProtobufMessage()
    build(&message)
    add(field, bytes: message.bytes)
  }

  private mutating func add(_ field: Int, bytes: [UInt8]) {
    tag(field, wireType: 2)
    append(varint: UInt64(bytes.count))
    self.bytes += bytes
  }

  private mutating func tag(_ field: Int, wireType: UInt64) { append(varint: UInt64(field) << 3 | wireType) }

  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func append(littleEndian value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }
}
