import Foundation
import FuzzedReaders

/// libFuzzer without its own `main` (https://llvm.org/docs/LibFuzzer.html#using-libfuzzer-as-a-library).
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ test: @convention(c) (_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32
) -> Int32

/// What `.ci/fuzz` calls:
///
///     fuzz-readers                    lists the readers
///     fuzz-readers --corpus FOLDER    prints the inputs in a folder as a corpus
///     RNN_DIST_READER=NAME fuzz-readers [options of libFuzzer] FOLDER
///                                     runs libFuzzer on a reader
///
/// The name of the reader is in the environment because libFuzzer starts this program again with arguments of its own.
@main struct FuzzReaders {
  /// libFuzzer calls a C function, which can't capture the reader.
  private nonisolated(unsafe) static var reader: OpenedReader?

  /// The size of a corpus in bytes. Those of all readers are to stay below 300 KB.
  private static let corpusSize = 8 << 10

  static func main() throws {
    let arguments = CommandLine.arguments
    if let name = ProcessInfo.processInfo.environment["RNN_DIST_READER"] {
      guard let reader = FuzzedReader.all.first(where: { $0.name == name }) else {
        throw UnknownReader(name: name)
      }
      exit(try fuzz(reader, arguments))
    }
    if arguments.count == 3, arguments[1] == "--corpus" {
      for line in try Corpus.lines(ofFilesIn: arguments[2], room: corpusSize) { print(line) }
    } else {
      for reader in FuzzedReader.all { print(reader.name) }
    }
  }

  /// Runs libFuzzer with these arguments and returns its exit status. The files of the reader stay in the temporary folder, because
  /// libFuzzer usually ends the process itself; `.ci/fuzz` removes them.
  private static func fuzz(_ reader: FuzzedReader, _ arguments: [String]) throws -> Int32 {
    let folder = FileManager.default.temporaryDirectory.path + "/fuzz-" + UUID().uuidString
    for part in ["reader", "seeds"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
    }
    let opened = try reader.open(in: "\(folder)/reader")
    if let refusal = try opened.refusal(of: opened.seed) { throw refusal }
    Self.reader = opened
    for (number, input) in ([opened.seed] + (try Corpus.inputs(of: reader))).enumerated() {
      try Data(input).write(to: URL(fileURLWithPath: "\(folder)/seeds/\(number)"))
    }

    // libFuzzer keeps pointers to its arguments. The first folder gets new inputs, the last one only gives them.
    let words = arguments + ["\(folder)/seeds"]
    var count = Int32(words.count)
    var pointers = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: words.count + 1)
    pointers.initialize(repeating: nil, count: words.count + 1)
    for (index, word) in words.enumerated() { pointers[index] = strdup(word) }
    return runFuzzer(&count, &pointers) { bytes, count in
      do {
        _ = try FuzzReaders.reader?.refusal(of: Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
      } catch {
        try? FileHandle.standardError.write(contentsOf: Data("\(error)\n".utf8))
        // libFuzzer keeps the input of a process that aborts.
        abort()
      }
    }
  }

  private struct UnknownReader: Error, CustomStringConvertible {
    let name: String
    var description: String { "no reader is called \(name); run fuzz-readers without arguments to list them" }
  }
}
