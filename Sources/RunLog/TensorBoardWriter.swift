import Checkpoints
import Foundation

/// Writes an event file for TensorBoard: TFRecords of `tensorflow.Event` messages.
///
/// The field numbers are those of event.proto and summary.proto of TensorFlow. Only the reporting rank has a writer, and
/// it uses the writer from one thread.
public final class TensorBoardWriter {
  /// The event file.
  public var path: String { file.path }
  private let file: RecordFile

  /// Creates a new event file, `events.out.tfevents.SECONDS.HOST.PROCESS`. TensorBoard reads all event files of a run.
  ///
  /// - Parameters:
  ///   - directory: the run directory.
  ///   - resumedStep: the step of the checkpoint from which training continues. TensorBoard then hides later steps in
  ///     the earlier files.
  ///   - time: the current time in seconds since 1970.
  ///   - write: the `write` function of the system; a test may pass one that fails.
  /// - Throws: `FileFailure`.
  public init(
    directory: String, resumedStep: Int? = nil, time: Double = Date().timeIntervalSince1970,
    host: String = ProcessInfo.processInfo.hostName, process: Int32 = getpid(),
    write: @escaping WriteCall = Foundation.write
  ) throws {
    let name = "\(RunPaths.eventFilePrefix)\(Int(time)).\(host).\(process)"
    file = try RecordFile(path: "\(directory)/\(name)", write: write)
    try append(time: time, step: 0) { $0.add(Field.Event.fileVersion, text: "brain.Event:2") }
    if let resumedStep {
      try append(time: time, step: resumedStep + 1) { event in
        event.add(Field.Event.sessionLog) { $0.add(Field.SessionLog.status, varint: Field.SessionLog.start) }
      }
    }
  }

  /// Writes the values of several curves at one step as one event.
  ///
  /// - Parameters:
  ///   - scalars: tags, such as `train/loss`, with their values. TensorBoard shows NaN as NaN.
  ///   - time: the current time in seconds since 1970.
  /// - Throws: `FileFailure`. The event is then not in the file, and later events can still be written.
  public func write(
    scalars: [(tag: String, value: Double)], step: Int, time: Double = Date().timeIntervalSince1970
  ) throws {
    try append(time: time, step: step) { event in
      event.add(Field.Event.summary) { summary in
        for (tag, value) in scalars {
          summary.add(Field.Summary.value) {
            $0.add(Field.Value.tag, text: tag)
            $0.add(Field.Value.simpleValue, float: Float(value))
          }
        }
      }
    }
  }

  /// Waits until all events are on the disk; throws `FileFailure`.
  public func flush() throws { try file.flush() }

  private func append(time: Double, step: Int, build: (inout ProtobufMessage) -> Void) throws {
    var event = ProtobufMessage()
    event.add(Field.Event.wallTime, double: time)
    // Zero is the default of the field, and defaults are not written.
    if step != 0 { event.add(Field.Event.step, varint: UInt64(bitPattern: Int64(step))) }
    build(&event)
    try file.append(Self.record(event.bytes))
  }

  /// A TFRecord: length, checksum of the length, data, checksum of the data.
  private static func record(_ data: [UInt8]) -> [UInt8] {
    let length = littleEndian(UInt64(data.count))
    return length + littleEndian(CRC32C.masked(length)) + data + littleEndian(CRC32C.masked(data))
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
  }
}

/// The field numbers, by message.
private enum Field {
  enum Event {
    static let (wallTime, step, fileVersion, summary, sessionLog) = (1, 2, 3, 5, 7)
  }
  enum SessionLog {
    static let status = 1
    static let start: UInt64 = 1
  }
  enum Summary {
    static let value = 1
  }
  enum Value {
    static let (tag, simpleValue) = (1, 2)
  }
}

/// An encoder of protocol buffer messages, with the field types of TensorBoard's events.
private struct ProtobufMessage {
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

/// The CRC-32C (Castagnoli) checksum: polynomial 0x1EDC6F41, reflected, as in RFC 3720, appendix B.4.
enum CRC32C {
  /// Returns the checksum of bytes.
  static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
  }

  /// Returns the checksum in the form of TFRecord files. It is rotated, and a constant is added, because the checksum of
  /// data that contain their own checksum would be degenerate.
  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = checksum(bytes)
    return (crc >> 15 | crc << 17) &+ 0xa282_ead8
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
  }
}
