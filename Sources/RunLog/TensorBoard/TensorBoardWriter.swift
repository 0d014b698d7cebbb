import Checkpoints
import Foundation
import SwiftProtobuf

/// Writes an event file for TensorBoard: TFRecords of `tensorflow.Event` messages (event.proto, hparams.proto).
///
/// Only the reporting rank has a writer, and it uses the writer from one thread.
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
    try append(.fileVersion("brain.Event:2"), step: 0, time: time)
    if let resumedStep {
      var log = Tensorflow_SessionLog()
      log.status = .start
      try append(.sessionLog(log), step: resumedStep + 1, time: time)
    }
  }

  /// A value of a setting, as the table of hyper-parameters shows it.
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
    try write(scalars, step: step, time: time) { $0.simpleValue = Float($1) }
  }

  /// Writes distributions, such as that of the weights of each parameter; otherwise as ``write(scalars:step:time:)``.
  public func write(
    histograms: [(tag: String, value: ValueHistogram)], step: Int,
    time: Double = Date().timeIntervalSince1970
  ) throws {
    try write(histograms, step: step, time: time) { value, histogram in
      value.histo.min = histogram.least
      value.histo.max = histogram.most
      value.histo.num = Double(histogram.count)
      value.histo.sum = histogram.sum
      value.histo.sumSquares = histogram.sumOfSquares
      value.histo.bucketLimit = histogram.bounds
      value.histo.bucket = histogram.counts.map(Double.init)
    }
  }

  /// Writes texts, which TensorBoard reads as Markdown; otherwise as ``write(scalars:step:time:)``.
  public func write(
    texts: [(tag: String, value: String)], step: Int, time: Double = Date().timeIntervalSince1970
  ) throws {
    try write(texts, step: step, time: time) { value, text in
      var extent = Tensorflow_TensorShapeProto.Dim()
      extent.size = 1
      value.tensor.dtype = .dtString
      value.tensor.tensorShape.dim = [extent]
      value.tensor.stringVal = [Data(text.utf8)]
      value.metadata.pluginData.pluginName = "text"
    }
  }

  /// Writes images; otherwise as ``write(scalars:step:time:)``.
  public func write(
    images: [(tag: String, value: HeatmapImage)], step: Int, time: Double = Date().timeIntervalSince1970
  ) throws {
    try write(images, step: step, time: time) { value, image in
      value.image.height = Int32(image.height)
      value.image.width = Int32(image.width)
      value.image.colorspace = 3
      value.image.encodedImageString = Data(image.png)
    }
  }

  /// Writes the settings of the run, by which the table of hyper-parameters compares runs.
  public func write(
    hyperparameters: [(name: String, value: Hyperparameter)], time: Double = Date().timeIntervalSince1970
  ) throws {
    var content = Tensorboard_Hparams_HParamsPluginData()
    content.sessionStartInfo.startTimeSecs = time
    for setting in hyperparameters {
      content.sessionStartInfo.hparams[setting.name] =
        switch setting.value {
        case .number(let number): Google_Protobuf_Value(numberValue: number)
        case .text(let text): Google_Protobuf_Value(stringValue: text)
        case .flag(let flag): Google_Protobuf_Value(boolValue: flag)
        }
    }
    let settings = try Self.bytes(of: content)
    try write([("_hparams_/session_start_info", settings)], step: 0, time: time) { value, settings in
      // The plugin reads only the metadata, but a value without data would be dropped.
      value.tensor.dtype = .dtFloat
      value.tensor.tensorShape = Tensorflow_TensorShapeProto()
      value.metadata.pluginData.pluginName = "hparams"
      value.metadata.pluginData.content = settings
    }
  }

  /// Writes one event with a value for each tag.
  private func write<Content>(
    _ values: [(tag: String, value: Content)], step: Int, time: Double,
    _ fill: (inout Tensorflow_Summary.Value, Content) -> Void
  ) throws {
    guard !values.isEmpty else { return }
    var summary = Tensorflow_Summary()
    summary.value = values.map { tag, content in
      var value = Tensorflow_Summary.Value()
      value.tag = tag
      fill(&value, content)
      return value
    }
    try append(.summary(summary), step: step, time: time)
  }

  /// Waits until all events are on the disk; throws `FileFailure`.
  public func flush() throws { try file.flush() }

  private func append(_ what: Tensorflow_Event.OneOf_What, step: Int, time: Double) throws {
    var event = Tensorflow_Event()
    (event.wallTime, event.step, event.what) = (time, Int64(step), what)
    try file.append(Self.record(Array(Self.bytes(of: event))))
  }

  /// The bytes of a message, equal for equal messages.
  private static func bytes(of message: some SwiftProtobuf.Message) throws -> Data {
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    return try message.serializedData(options: options)
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

/// The CRC-32C (Castagnoli) checksum: polynomial 0x1EDC6F41, reflected, as in RFC 3720, appendix B.4.
///
/// zlib computes only CRC-32, whose polynomial is another one, and no other library that the program links has this checksum.
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
