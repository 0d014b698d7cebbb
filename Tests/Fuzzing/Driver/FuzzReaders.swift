import Foundation
import FuzzedReaders

/// libFuzzer without its own `main` (https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library).
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ test: @convention(c) (_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32
) -> Int32

/// `fuzz-readers NAME [options of libFuzzer] [folders]` runs libFuzzer on one reader; without a name, lists the readers.
@main struct FuzzReaders {
  /// libFuzzer calls a C function, which can't capture the reader.
  private nonisolated(unsafe) static var reader: OpenedReader?

  static func main() throws {
    guard CommandLine.arguments.count > 1 else {
      for reader in FuzzedReader.all { print(reader.name) }
      return
    }
    guard let reader = FuzzedReader.all.first(where: { $0.name == CommandLine.arguments[1] }) else {
      throw UnknownReader(name: CommandLine.arguments[1])
    }
    let folder = FileManager.default.temporaryDirectory.path + "/fuzz-" + UUID().uuidString
    for part in ["reader", "seed"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
    }
    let opened = try reader.open(in: "\(folder)/reader")
    if let refusal = try opened.refusal(of: opened.seed) { throw refusal }
    try Data(opened.seed).write(to: URL(fileURLWithPath: "\(folder)/seed/seed"))
    Self.reader = opened

    // libFuzzer sees the arguments without the name of the reader, and one more folder of inputs. It keeps pointers to them.
    let words = [CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2) + ["\(folder)/seed"]
    var count = Int32(words.count)
    var arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count + 1)
    arguments.initialize(repeating: nil, count: words.count + 1)
    for (index, word) in words.enumerated() { arguments[index] = strdup(word) }
    let status = runFuzzer(&count, &arguments) { bytes, count in
      do {
        _ = try FuzzReaders.reader?.refusal(of: Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
      } catch {
        // libFuzzer keeps the input of a process that aborts.
        fatalError("\(error)")
      }
    }
    try FileManager.default.removeItem(atPath: folder)
    exit(status)
  }

  private struct UnknownReader: Error, CustomStringConvertible {
    let name: String
    var description: String { "no reader is called \(name); run fuzz-readers without arguments to list them" }
  }
}
