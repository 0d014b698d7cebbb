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

  /// The value of a setting in the table of hyper-parameters.
  public enum Hyperparameter: Sendable, Equatable {
    case number(Double)
    case flag(Bool)
    case text(String)
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
    try write(scalars, step: step, time: time) { $0.add(Field.Value.simpleValue, float: Float($1)) }
  }

  /// Writes histograms, such as those of the weights of each parameter. Otherwise the same as
  /// ``write(scalars:step:time:)``.
  public func write(
    histograms: [(tag: String, value: ValueHistogram)], step: Int,
    time: Double = Date().timeIntervalSince1970
  ) throws {
    try write(histograms, step: step, time: time) { value, histogram in
      value.add(Field.Value.histogram) {
        $0.add(Field.Histogram.least, double: histogram.least)
        $0.add(Field.Histogram.most, double: histogram.most)
        $0.add(Field.Histogram.count, double: Double(histogram.count))
        $0.add(Field.Histogram.sum, double: histogram.sum)
        $0.add(Field.Histogram.sumOfSquares, double: histogram.sumOfSquares)
        $0.add(Field.Histogram.bounds, doubles: histogram.bounds)
        $0.add(Field.Histogram.counts, doubles: histogram.counts.map(Double.init))
      }
    }
  }

  /// Writes texts, which TensorBoard reads as Markdown. Otherwise the same as ``write(scalars:step:time:)``.
  public func write(
    texts: [(tag: String, value: String)], step: Int, time: Double = Date().timeIntervalSince1970
  ) throws {
    try write(texts, step: step, time: time) { value, text in
      value.add(Field.Value.tensor) {
        $0.add(Field.Tensor.type, varint: Field.Tensor.string)
        $0.add(Field.Tensor.shape) {
          $0.add(Field.Shape.dimension) { $0.add(Field.Dimension.size, varint: 1) }
        }
        $0.add(Field.Tensor.strings, text: text)
      }
      value.add(Field.Value.metadata) {
        $0.add(Field.Metadata.plugin) { $0.add(Field.Plugin.name, text: "text") }
      }
    }
  }

  /// Writes images. Otherwise the same as ``write(scalars:step:time:)``.
  public func write(
    images: [(tag: String, value: HeatmapImage)], step: Int, time: Double = Date().timeIntervalSince1970
  ) throws {
    try write(images, step: step, time: time) { value, image in
      value.add(Field.Value.image) {
        $0.add(Field.Image.height, varint: UInt64(image.height))
        $0.add(Field.Image.width, varint: UInt64(image.width))
        $0.add(Field.Image.colors, varint: Field.Image.rgb)
        $0.add(Field.Image.png, bytes: image.png)
      }
    }
  }

  /// Writes the settings of the run, so that the table of hyper-parameters can compare runs.
  public func write(
    hyperparameters: [(name: String, value: Hyperparameter)], time: Double = Date().timeIntervalSince1970
  ) throws {
    try write([("_hparams_/session_start_info", hyperparameters)], step: 0, time: time) { value, settings in
      // The plugin reads only the metadata, but a value without data would be dropped.
      value.add(Field.Value.tensor) {
        $0.add(Field.Tensor.type, varint: Field.Tensor.float)
        $0.add(Field.Tensor.shape) { _ in }
      }
      value.add(Field.Value.metadata) {
        $0.add(Field.Metadata.plugin) {
          $0.add(Field.Plugin.name, text: "hparams")
          $0.add(Field.Plugin.content) {
            $0.add(Field.Hyperparameters.start) { start in
              for setting in settings {
                start.add(Field.Start.settings) {
                  $0.add(Field.Entry.key, text: setting.name)
                  $0.add(Field.Entry.value) { $0.add(setting.value) }
                }
              }
              start.add(Field.Start.time, double: time)
            }
          }
        }
      }
    }
  }

  /// Writes one event with a value for each tag.
  private func write<Value>(
    _ values: [(tag: String, value: Value)], step: Int, time: Double,
    _ build: (inout ProtobufMessage, Value) -> Void
  ) throws {
    guard !values.isEmpty else { return }
    try append(time: time, step: step) { event in
      event.add(Field.Event.summary) { summary in
        for (tag, content) in values {
          summary.add(Field.Summary.value) {
            $0.add(Field.Value.tag, text: tag)
            build(&$0, content)
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
    static let (tag, simpleValue, image, histogram, tensor, metadata) = (1, 2, 4, 5, 8, 9)
  }
  enum Image {
    static let (height, width, colors, png) = (1, 2, 3, 4)
    static let rgb: UInt64 = 3
  }
  enum Histogram {
    static let (least, most, count, sum, sumOfSquares, bounds, counts) = (1, 2, 3, 4, 5, 6, 7)
  }
  enum Tensor {
    static let (type, shape, strings) = (1, 2, 8)
    static let (float, string): (UInt64, UInt64) = (1, 7)
  }
  enum Shape { static let dimension = 2 }
  enum Dimension { static let size = 1 }
  enum Metadata { static let plugin = 1 }
  enum Plugin { static let (name, content) = (1, 2) }
  enum Hyperparameters { static let start = 3 }
  enum Start { static let (settings, time) = (1, 5) }
  enum Entry { static let (key, value) = (1, 2) }
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

  /// Adds a packed list.
  mutating func add(_ field: Int, doubles: [Double]) {
    add(field, bytes: doubles.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) })
  }

  /// Adds a `google.protobuf.Value`, whose fields are 2 for a number, 3 for a string and 4 for a boolean.
  mutating func add(_ value: TensorBoardWriter.Hyperparameter) {
    switch value {
    case .number(let number): add(2, double: number)
    case .text(let text): add(3, text: text)
    case .flag(let flag): add(4, varint: flag ? 1 : 0)
    }
  }

  mutating func add(_ field: Int, message build: (inout ProtobufMessage) -> Void) {
    var message = ProtobufMessage()
    build(&message)
    add(field, bytes: message.bytes)
  }

  mutating func add(_ field: Int, bytes: [UInt8]) {
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

  /// Returns the checksum in the form of TFRecord files. The checksum is rotated and a constant is added, because the
  /// CRC of data that contain their own CRC is degenerate.
  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = checksum(bytes)
    return (crc >> 15 | crc << 17) &+ 0xa282_ead8
  }

  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
  }
}
