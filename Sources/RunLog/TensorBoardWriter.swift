import Foundation

/// Writes an event file that TensorBoard shows: TFRecords of `tensorflow.Event` messages, encoded by hand.
///
/// The field numbers are those of TensorFlow's event.proto, summary.proto, tensor.proto and tensor_shape.proto.
/// To be used by one thread, that of the rank that reports.
public final class TensorBoardWriter {
  /// The event file.
  public var path: String { file.path }
  private let file: RecordFile

  /// Begins a new event file, `events.out.tfevents.SECONDS.HOST.PROCESS`; TensorBoard reads all those of a run.
  ///
  /// - Parameters:
  ///   - directory: the run directory.
  ///   - resumedStep: the step of the checkpoint that training goes on from; TensorBoard then hides the later
  ///     steps of the earlier files.
  ///   - time: now, in seconds since 1970.
  ///   - write: the system's `write`; a test puts a failing one in its place.
  /// - Throws: `RunFileFailure`.
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

  /// Writes the values of several curves at one step, in one event.
  ///
  /// - Parameters:
  ///   - scalars: tags such as `train/loss` and their values; TensorBoard shows NaN as such.
  ///   - time: now, in seconds since 1970.
  /// - Throws: `RunFileFailure`. The event is then not in the file, which can go on being written.
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

  /// Writes a text (Markdown), such as a sample of the model's output.
  ///
  /// - Throws: `RunFileFailure`. The event is then not in the file, which can go on being written.
  public func write(
    text: String, tag: String, step: Int, time: Double = Date().timeIntervalSince1970
  ) throws {
    try append(time: time, step: step) { event in
      event.add(Field.Event.summary) { summary in
        summary.add(Field.Summary.value) { value in
          value.add(Field.Value.tag, text: tag)
          value.add(Field.Value.tensor) { tensor in
            tensor.add(Field.Tensor.type, varint: Field.Tensor.typeString)
            // A vector of one text: an empty shape would be a single number's.
            tensor.add(Field.Tensor.shape) { shape in
              shape.add(Field.Shape.dimension) { $0.add(Field.Dimension.size, varint: 1) }
            }
            tensor.add(Field.Tensor.stringValue, text: text)
          }
          value.add(Field.Value.metadata) { metadata in
            metadata.add(Field.Metadata.pluginData) { $0.add(Field.PluginData.name, text: "text") }
            metadata.add(Field.Metadata.dataClass, varint: Field.Metadata.dataClassTensor)
          }
        }
      }
    }
  }

  /// Waits until everything written is on the disk; throws `RunFileFailure`.
  public func flush() throws { try file.flush() }

  private func append(time: Double, step: Int, build: (inout ProtobufMessage) -> Void) throws {
    var event = ProtobufMessage()
    event.add(Field.Event.wallTime, double: time)
    // A zero is the default, which is never written.
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

/// The numbers of the fields that are written, by message.
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
    static let (tag, simpleValue, tensor, metadata) = (1, 2, 8, 9)
  }
  enum Metadata {
    static let (pluginData, dataClass) = (1, 4)
    static let dataClassTensor: UInt64 = 2
  }
  enum PluginData {
    static let name = 1
  }
  enum Tensor {
    static let (type, shape, stringValue) = (1, 2, 8)
    static let typeString: UInt64 = 7
  }
  enum Shape {
    static let dimension = 2
  }
  enum Dimension {
    static let size = 1
  }
}
