import Foundation

extension SafetensorsFile {
  /// Writes tensors, in the order given, in the place of what was at `path`; no second copy of them is made.
  ///
  /// The metadata get one more entry, the digest of the content. The same arguments give the same bytes.
  ///
  /// - Returns: the digest.
  /// - Throws: `FileFailure`; the old file is then still there.
  @discardableResult public static func write(
    to path: String, tensors: [TensorToWrite], metadata: [String: String] = [:],
    operations: FileSystemOperations = .standard
  ) throws -> String {
    precondition(
      Set(tensors.map(\.name)).count == tensors.count, "\(path): two tensors of the same name")
    var digest = ContentDigest(metadata: metadata)
    for tensor in tensors {
      digest.begin(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
      digest.update(tensor.bytes)
    }
    let text = digest.text
    let header = SafetensorsHeader.encode(
      tensors, metadata: metadata.merging([digestKey: text]) { _, new in new })
    try DurableFile.write(to: path, operations: operations) { sink in
      try header.withUnsafeBytes { try sink.append($0) }
      for tensor in tensors { try sink.append(tensor.bytes) }
    }
    return text
  }
}

/// The digest of a safetensors file: over its metadata but for the digest itself, and over the name, type, shape
/// and bytes of each tensor in the order of the data. It covers all that a reader of the file can see.
struct ContentDigest: ~Copyable {
  private var digest = Digest()

  init(metadata: [String: String]) {
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where key != SafetensorsFile.digestKey {
      digest.update("\(quotedJSON(key)):\(quotedJSON(value))\n")
    }
  }

  mutating func begin(name: String, dtype: TensorType, shape: [Int]) {
    digest.update("\(quotedJSON(name)) \(dtype.rawValue) \(shape)\n")
  }

  mutating func update(_ bytes: UnsafeRawBufferPointer) { digest.update(bytes) }

  /// What is written down: the algorithm and the digest.
  var text: String { "xxh3-128:" + digest.hexadecimal() }
}
